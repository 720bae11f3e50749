//! `legwork health`: asks the running service whether it is ready, for whatever restarts it and has no HTTP client.
//!
//! Guarantees: it answers within [`PATIENCE`] for each step, reads a bounded answer, and touches neither the database nor the
//! data folder.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The longest for connecting, and for each read: the service itself gives its database 2 seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most of an answer that is read, in bytes; a list of queues takes a few hundred.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What the service that listens on `bind` says of itself (`ok` or `degraded`), or why it is not ready.
pub(crate) fn ask(bind: SocketAddr) -> Result<String, String> {
    if bind.port() == 0 {
        return Err("http.bind leaves the port to the system, so that it must be named: --at 127.0.0.1:PORT".into());
    }
    let address = reachable(bind);
    let answer = fetch(address).map_err(|error| format!("the service at {address} does not answer: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let code = head.split(' ').nth(1).unwrap_or_default();
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let said = |name: &str| body.get(name).and_then(serde_json::Value::as_str);
    match (code, said("status")) {
        ("200", Some(status)) => Ok(status.to_owned()),
        ("200", None) => Err(format!("what listens at {address} is no Legwork")),
        _ => Err(format!(
            "the service at {address} is not ready: {}",
            said("detail").unwrap_or("it does not say why")
        )),
    }
}

/// Where a service that listens on `bind` is reached from its own machine.
fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, bind.port())
}

fn fetch(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // Version 1.0, to which nobody answers in chunks; in one piece, so that an answer cannot overtake half of it.
    let request = format!("GET /health/ready HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

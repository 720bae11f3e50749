//! What watches the service from outside: systemd over its socket, a container's health check.

use std::os::unix::net::UnixDatagram;

use crate::support::service::{Home, PATIENCE};

#[tokio::test]
async fn the_service_manager_hears_when_the_service_is_ready_and_when_it_stops() {
    let home = Home::new();
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let home = home.with("NOTIFY_SOCKET", path.display().to_string());
    let service = home.serve();
    assert_eq!(heard(), "READY=1");
    assert_eq!(service.get("", "/health/ready").await.0, 200);
    service.signal("TERM");
    assert_eq!(heard(), "STOPPING=1");
    assert_eq!(service.wait().0, Some(0));

    let home = home.with("NOTIFY_SOCKET", "@legwork-nobody-listens");
    let service = home.serve();
    service.log_line(|line| line["event"] == "notify_failed");
    assert_eq!(service.get("", "/health/ready").await.0, 200, "it serves all the same");
}

#[test]
fn health_is_an_exit_code_and_a_word() {
    let home = Home::new();
    let service = home.serve();
    let address = service.base.trim_start_matches("http://").to_owned();
    let asked = || home.run(&["health", "--at", &address], "");
    let well = asked();
    assert_eq!(
        (well.status.code(), well.stdout.as_str()),
        (Some(0), "ok\n"),
        "{}",
        well.stderr
    );
    let same = Home::new().with("LEGWORK_HTTP__BIND", address.replace("127.0.0.1", "0.0.0.0"));
    assert_eq!(
        same.run(&["health"], "").stdout,
        "ok\n",
        "an address that stands for all is asked at the loopback one"
    );
    service.kill_9();
    let gone = asked();
    assert_eq!((gone.status.code(), gone.stdout.as_str()), (Some(1), ""));
    assert!(gone.stderr.contains("does not answer"), "{}", gone.stderr);
    let unknown = home.run(&["health"], "");
    assert!(unknown.stderr.contains("--at"), "{}", unknown.stderr);
}

#[test]
fn health_refuses_what_is_no_legwork_and_says_why_one_is_not_ready() {
    for (answer, wanted) in [
        ("HTTP/1.1 200 OK\r\n\r\nhello", "is no Legwork"),
        (
            "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"detail\": \"the service is shutting down\"}",
            "shutting down",
        ),
        ("", "not ready"),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let other = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            assert!(std::io::Read::read(&mut stream, &mut head).unwrap() > 0);
            std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
        });
        let said = Home::new().run(&["health", "--at", &address], "");
        other.join().unwrap();
        assert_eq!(said.status.code(), Some(1), "{answer}");
        assert!(said.stderr.contains(wanted), "{}", said.stderr);
    }
}

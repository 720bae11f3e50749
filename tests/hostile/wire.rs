//! Requests as bytes, for those that no client would send.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::service::{PATIENCE, Service};

/// The most bytes of an answer that are read; ours are far smaller.
const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// What came back on a connection, up to its end.
#[derive(Debug)]
pub(super) struct Said(Vec<u8>);

impl Said {
    /// The status of each answer on the connection.
    pub(super) fn statuses(&self) -> Vec<u16> {
        let text = String::from_utf8_lossy(&self.0);
        let heads = text.match_indices("HTTP/1.1 ").filter_map(|(at, mark)| {
            let rest = &text[at + mark.len()..];
            rest.get(..3).and_then(|digits| digits.parse().ok())
        });
        heads.collect()
    }

    /// The only status; zero where the connection ended without an answer.
    pub(super) fn status(&self) -> u16 {
        let statuses = self.statuses();
        assert!(statuses.len() <= 1, "{} answers: {}", statuses.len(), self.text());
        statuses.first().copied().unwrap_or_default()
    }

    /// Everything, as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The head of the first answer, in lower case.
    pub(super) fn head(&self) -> String {
        let text = self.text();
        let end = text.find("\r\n\r\n").unwrap_or(text.len());
        text[..end].to_lowercase()
    }

    /// The body of the only answer, as JSON.
    pub(super) fn json(&self) -> Value {
        let text = self.text();
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or(Value::Null)
    }
}

/// A connection to the service.
pub(super) async fn connect(service: &Service) -> TcpStream {
    let address = service.base.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// Sends `bytes` and answers what comes back until the service ends the connection, which `bytes` must bring about: by
/// `Connection: close`, or by being refused.
pub(super) async fn exchange(service: &Service, bytes: &[u8]) -> Said {
    let mut stream = connect(service).await;
    let (mut reading, mut writing) = stream.split();
    let send = async {
        // Whoever is refused before all is sent finds the connection closed.
        let _refused = writing.write_all(bytes).await;
        Ok(())
    };
    let (_, said) = tokio::try_join!(send, read_to_end(&mut reading)).unwrap();
    said
}

/// What comes until the connection ends.
pub(super) async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> Result<Said, &'static str> {
    let mut bytes = Vec::new();
    let mut part = vec![0; 16 * 1024];
    let all = async {
        // A connection that is closed while bytes of ours are on their way ends with an error, behind the answer.
        while let Ok(count @ 1..) = stream.read(&mut part).await {
            bytes.extend_from_slice(&part[..count]);
            assert!(bytes.len() < ANSWER_MAX, "an answer without an end");
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, all).await.is_ok();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(in_time, "the connection stays open: {text}");
    Ok(Said(bytes))
}

/// A request with a body of JSON, which closes its connection; `headers` are whole lines.
pub(super) fn posting(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nHost: legwork\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A request without a body, which closes its connection; `headers` are whole lines.
pub(super) fn getting(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: legwork\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

/// That the service answers a good client, and within `limit`.
pub(super) async fn is_well(service: &Service, limit: Duration) {
    let asked = tokio::time::timeout(limit, service.http.get(service.url("/health/ready")).send());
    let answer = asked.await.expect("a good client is answered in time").unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}

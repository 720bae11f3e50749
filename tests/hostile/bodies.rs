//! Bodies that are too large, lie about their length, or are made to cost whoever reads them.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::people::{account, log_in, unlimited};
use super::wire::{connect, exchange, is_well, posting, read_to_end};
use crate::support::service::{Home, Service};

/// The largest body, as the settings have it.
const BODY_MAX: usize = 1024 * 1024;

/// What reading any body may take: it is bounded by the size, whatever is in it, and this is far beyond that.
const READING_MAX: Duration = Duration::from_secs(10);

fn head(length: &str) -> Vec<u8> {
    let head =
        "POST /v1/accounts/verify HTTP/1.1\r\nHost: legwork\r\nConnection: close\r\nContent-Type: application/json\r\n";
    format!("{head}{length}\r\n\r\n").into_bytes()
}

/// A body of so many bytes that is one good JSON text.
fn sized(bytes: usize) -> Vec<u8> {
    let mut body = br#"{"token":""#.to_vec();
    body.resize(bytes - 2, b'a');
    body.extend_from_slice(br#""}"#);
    body
}

async fn status(service: &Service, parts: &[&[u8]]) -> u16 {
    exchange(service, &parts.concat()).await.status()
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_however_its_length_is_told() {
    let home = Home::new();
    let service = home.serve();
    let (whole, beyond) = (sized(BODY_MAX), sized(BODY_MAX + 1));
    let length = |bytes: usize| head(&format!("Content-Length: {bytes}"));
    assert_eq!(
        status(&service, &[&length(whole.len()), &whole]).await,
        422,
        "read, and no token"
    );
    assert_eq!(status(&service, &[&length(beyond.len()), &beyond]).await, 413);
    // Refused by its length, before any of it is read.
    assert_eq!(status(&service, &[&length(1_000_000_000_000), b"{"]).await, 413);
    let chunked = head("Transfer-Encoding: chunked");
    let in_chunks = |body: &[u8]| {
        let chunks = body.chunks(8_192).map(|chunk| {
            let mut bytes = format!("{:x}\r\n", chunk.len()).into_bytes();
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
            bytes
        });
        chunks.flatten().collect::<Vec<u8>>()
    };
    let end = b"0\r\n\r\n";
    assert_eq!(status(&service, &[&chunked, &in_chunks(&whole), end]).await, 422);
    assert_eq!(status(&service, &[&chunked, &in_chunks(&beyond), end]).await, 413);
    // One that never ends is ended at the limit.
    assert_eq!(
        status(&service, &[&chunked, &in_chunks(&sized(3 * BODY_MAX))]).await,
        413
    );
    is_well(&service, READING_MAX).await;
}

#[tokio::test]
async fn a_body_that_ends_before_its_length_has_no_effect() {
    let home = Home::new();
    let operator = home.operator();
    let service = home.serve();
    let person = br#"{"email":"ada@example.com","password":"a good long password","name":"Ada"}"#;
    // All of the object, and less than was promised.
    let length = |bytes: usize| format!("Content-Length: {bytes}");
    let request = String::from_utf8(posting("/v1/accounts", "", person)).unwrap();
    let request = request.replace(&length(person.len()), &length(person.len() + 1));
    let mut stream = connect(&service).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let said = read_to_end(&mut stream).await.unwrap();
    assert!(matches!(said.status(), 0 | 400), "{}", said.text());
    let (status, _) = service
        .post_openly("/v1/accounts/verify", &serde_json::json!({ "token": "none" }))
        .await;
    assert_eq!(status, 422, "the service goes on");
    // Whoever is registered has a mail on its way: a job, of which there is none.
    let (_, queues) = service.get(&operator, "/v1/queues").await;
    let mail = queues["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "mail");
    let mail = mail.unwrap();
    assert_eq!((&mail["waiting"], &mail["running"]), (&0.into(), &0.into()), "{mail}");
    assert!(!home.path().join("data/outbox").exists() || home.outbox().is_empty());
}

/// Bodies that are no JSON object of ours, each with what it is.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let filled = |open: &str, one: &dyn Fn(usize) -> String, close: &str| {
        let mut text = open.to_owned();
        let mut number = 0;
        while text.len() < BODY_MAX - 64 {
            text.push_str(&one(number));
            number += 1;
        }
        (text + close).into_bytes()
    };
    vec![
        ("arrays 100,000 deep", "[".repeat(100_000).into_bytes()),
        (
            "arrays 100,000 deep, closed",
            ["[".repeat(100_000), "]".repeat(100_000)].concat().into_bytes(),
        ),
        ("objects 100,000 deep", "{\"a\":".repeat(100_000).into_bytes()),
        (
            "a field 100,000 deep",
            [
                r#"{"token":"#.to_owned(),
                "[".repeat(100_000),
                "]".repeat(100_000),
                "}".to_owned(),
            ]
            .concat()
            .into_bytes(),
        ),
        (
            "as many keys as fit",
            filled("{", &|number| format!("\"{number}\":0,"), "\"z\":0}"),
        ),
        (
            "as many keys as fit, all the same",
            filled("{", &|_| "\"token\":\"a\",".into(), "\"token\":\"a\"}"),
        ),
        (
            "as many keys as fit, all empty",
            filled("{", &|_| "\"\":0,".into(), "\"\":0}"),
        ),
        ("one key twice", br#"{"token":"a","token":"b"}"#.to_vec()),
        (
            "a number with a million digits",
            filled("{\"token\":", &|_| "9".into(), "}"),
        ),
        ("a number beyond all", br#"{"token":1e999999999}"#.to_vec()),
        ("a number below all", br#"{"token":-1e-999999999}"#.to_vec()),
        ("no number", br#"{"token":NaN}"#.to_vec()),
        ("half of a pair", br#"{"token":"\ud800"}"#.to_vec()),
        ("the other half", br#"{"token":"\udc00\ud800"}"#.to_vec()),
        ("half of a pair in a key", br#"{"\ud800":"a"}"#.to_vec()),
        ("bytes that are no UTF-8", b"{\"token\":\"\xff\xfe\"}".to_vec()),
        ("an overlong slash", b"{\"token\":\"\xc0\xaf\"}".to_vec()),
        ("UTF-16", b"\xff\xfe{\0\"\0t\0\"\0:\0\"\0a\0\"\0}\0".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{\"token\":\"a\"}".to_vec()),
        ("a NUL between", b"{\"token\":\0\"a\"}".to_vec()),
        ("a NUL behind", b"{\"token\":\"a\"}\0".to_vec()),
        ("two texts", br#"{"token":"a"}{"token":"b"}"#.to_vec()),
        ("a comment", br#"{"token":"a"/* */}"#.to_vec()),
        ("a comma too many", br#"{"token":"a",}"#.to_vec()),
        ("single quotes", b"{'token':'a'}".to_vec()),
        ("nothing", Vec::new()),
        ("blanks up to the limit", vec![b' '; BODY_MAX]),
        ("zeros up to the limit", vec![0; BODY_MAX]),
        (
            "a key that other languages know",
            br#"{"__proto__":{"token":"a"},"constructor":1}"#.to_vec(),
        ),
    ]
}

#[tokio::test]
async fn no_json_costs_more_than_its_length_or_gets_further_than_a_refusal() {
    let home = unlimited();
    account(&home, "ada@example.com");
    let service = home.serve();
    let login = format!(
        "Authorization: Bearer {}\r\n",
        log_in(&service, "ada@example.com").await
    );
    for (name, body) in bombs() {
        for (path, headers) in [
            ("/v1/accounts/verify", ""),
            ("/v1/sessions", ""),
            ("/v1/probes", login.as_str()),
            ("/v1/batches", login.as_str()),
        ] {
            let began = Instant::now();
            let said = exchange(&service, &posting(path, headers, &body)).await;
            assert!(matches!(said.status(), 400 | 422), "{name} to {path}: {}", said.text());
            assert!(
                said.head().contains("application/problem+json"),
                "{name} to {path}: {}",
                said.text()
            );
            // Of what is sent nothing comes back but names of fields, and not many of those.
            assert!(
                said.text().len() < 64 * 1024,
                "{name} to {path}: {} bytes",
                said.text().len()
            );
            let took = began.elapsed();
            assert!(took < READING_MAX, "{name} to {path} took {took:?}");
        }
    }
    is_well(&service, READING_MAX).await;
    // `token` is documented as text: what is no text is blamed, and what is given twice is not chosen from.
    let twice = exchange(
        &service,
        &posting("/v1/accounts/verify", "", br#"{"token":"a","token":"b"}"#),
    )
    .await;
    assert!(twice.text().contains("token"), "{}", twice.text());
}

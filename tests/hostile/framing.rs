//! Requests whose end is said in two ways or in none, and paths that mean something else to another program: what a proxy in
//! front reads otherwise than the service behind it.

use super::people::{account, log_in, unlimited};
use super::wire::{exchange, getting};

/// What is hidden behind a request.
const HIDDEN: &str = "GET /openapi.json HTTP/1.1\r\nHost: legwork\r\n\r\n";
const BODY: &str = r#"{"token":"x"}"#;
const CHUNKS: &str = "d\r\n{\"token\":\"x\"}\r\n0\r\n\r\n";

#[tokio::test]
async fn a_request_whose_length_could_be_read_in_two_ways_is_refused_and_ends_its_connection() {
    let home = unlimited();
    let service = home.serve();
    for (name, version, headers, body) in [
        (
            "both lengths",
            "1.1",
            "Content-Length: 13\r\nTransfer-Encoding: chunked",
            CHUNKS,
        ),
        (
            "both, the other way",
            "1.1",
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            CHUNKS,
        ),
        (
            "one length twice",
            "1.1",
            "Content-Length: 13\r\nContent-Length: 13",
            BODY,
        ),
        ("two lengths", "1.1", "Content-Length: 13\r\nContent-Length: 2", BODY),
        ("a list of lengths", "1.1", "Content-Length: 13, 13", BODY),
        ("a sign", "1.1", "Content-Length: +13", BODY),
        ("below zero", "1.1", "Content-Length: -1", BODY),
        ("another base", "1.1", "Content-Length: 0xd", BODY),
        (
            "beyond any machine",
            "1.1",
            "Content-Length: 99999999999999999999999",
            BODY,
        ),
        ("no digits", "1.1", "Content-Length: ", BODY),
        ("a coding nobody knows", "1.1", "Transfer-Encoding: xchunked", CHUNKS),
        ("no coding", "1.1", "Transfer-Encoding: identity", CHUNKS),
        (
            "a coding that is hidden",
            "1.1",
            "Transfer-Encoding: identity, chunked",
            CHUNKS,
        ),
        ("a coding on top", "1.1", "Transfer-Encoding: gzip, chunked", CHUNKS),
        ("one coding twice", "1.1", "Transfer-Encoding: chunked, chunked", CHUNKS),
        (
            "two codings",
            "1.1",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            CHUNKS,
        ),
        ("a blank before the colon", "1.1", "Transfer-Encoding : chunked", CHUNKS),
        ("another blank", "1.1", "Transfer-Encoding: \u{b}chunked", CHUNKS),
        ("an older version", "1.0", "Transfer-Encoding: chunked", CHUNKS),
        ("a folded line", "1.1", "X-A: 1\r\n Content-Length: 13", BODY),
        ("a folded length", "1.1", "Content-Length:\r\n 13", BODY),
        ("a lone CR", "1.1", "X-A: a\rContent-Length: 13", BODY),
        ("a NUL", "1.1", "X-A: a\0b\r\nContent-Length: 13", BODY),
        (
            "a chunk beyond any machine",
            "1.1",
            "Transfer-Encoding: chunked",
            "ffffffffffffffffff\r\n{",
        ),
        ("a chunk below zero", "1.1", "Transfer-Encoding: chunked", "-1\r\n{"),
        (
            "chunks without CR",
            "1.1",
            "Transfer-Encoding: chunked",
            "d\n{\"token\":\"x\"}\n0\n\n",
        ),
        ("two hosts", "1.1", "Host: elsewhere\r\nContent-Length: 13", BODY),
    ] {
        let head =
            format!("POST /v1/accounts/verify HTTP/{version}\r\nHost: legwork\r\nContent-Type: application/json\r\n");
        let said = exchange(&service, format!("{head}{headers}\r\n\r\n{body}{HIDDEN}").as_bytes()).await;
        assert_eq!(said.status(), 400, "{name}: {}", said.text());
    }
}

#[tokio::test]
async fn what_follows_a_request_that_is_whole_is_a_request_and_its_body_is_not() {
    let home = unlimited();
    let service = home.serve();
    // A body where none is expected is no request.
    let length = HIDDEN.len();
    let one = format!(
        "GET /health/live HTTP/1.1\r\nHost: legwork\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"
    );
    assert_eq!(exchange(&service, one.as_bytes()).await.status(), 200);
    // A request that does not exist is refused, and so is what is no HTTP at all.
    for text in [
        "GET /\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}hello\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        let said = exchange(&service, text.as_bytes()).await;
        assert!(matches!(said.status(), 0 | 400), "{text:?}: {}", said.text());
    }
    let endless = format!(
        "GET / HTTP/1.1\r\nHost: legwork\r\nX-A: {}\r\n\r\n",
        "a".repeat(200_000)
    );
    assert_eq!(exchange(&service, endless.as_bytes()).await.status(), 431);
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_to_another_place() {
    let home = unlimited();
    account(&home, "ada@example.com");
    let service = home.serve();
    let login = log_in(&service, "ada@example.com").await;
    let probe = service.probe(&login, &serde_json::json!({ "steps": 0 })).await;
    let login = format!("Authorization: Bearer {login}\r\n");
    let there = exchange(&service, &getting(&format!("/v1/jobs/{probe}"), &login)).await;
    assert_eq!(there.status(), 200, "{}", there.text());
    for path in [
        format!("/v1/jobs/{probe}%00"),
        format!("/v1/jobs/{probe}%20"),
        format!("/v1/jobs/{probe}/"),
        format!("/v1/jobs/{probe}."),
        format!("/v1/jobs/{probe};a=b"),
        format!("/v1/jobs/%20{probe}"),
        format!("/v1/jobs/{}", probe.to_uppercase()),
        format!("/v1/jobs/{probe}%2fevents"),
        format!("/v1//jobs/{probe}"),
        format!("//v1/jobs/{probe}"),
        format!("/v1/./jobs/{probe}"),
        format!("/v1/accounts/../jobs/{probe}"),
        format!("/v1/accounts/%2e%2e/jobs/{probe}"),
        format!("/v1%2fjobs%2f{probe}"),
        format!("/V1/jobs/{probe}"),
        "/v1/jobs/..%2f..%2fhealth%2flive".into(),
        "/v1/jobs/%2e%2e".into(),
        "/v1/jobs/%ff".into(),
        "/v1/jobs/%zz".into(),
        "/v1/../health/live".into(),
        "/docs/..%2f..%2f..%2fetc%2fpasswd".into(),
        "/docs/../../../etc/passwd".into(),
        "/docs/%2e%2e/%2e%2e/etc/passwd".into(),
        "/docs/..%5c..%5cetc%5cpasswd".into(),
        "/v1/limits/probes/..%2f..".into(),
        "/v1/limits/probes/a%00b".into(),
        "/v1/limits/probes/a%0d%0ab".into(),
        "*".into(),
    ] {
        let said = exchange(&service, &getting(&path, &login)).await;
        assert_eq!(said.status(), 404, "{path}: {}", said.text());
        assert!(!said.text().contains("root:"), "{path}");
    }
    for query in [
        "state=%00",
        "state=%ff",
        "cursor=%ff",
        "cursor=%00",
        "limit=1%00",
        "limit=99999999999999999999",
        "kind=a%0d%0ab",
        "state=queued&state=queued",
        "%00=a",
    ] {
        let said = exchange(&service, &getting(&format!("/v1/jobs?{query}"), &login)).await;
        assert!(matches!(said.status(), 200 | 400 | 422), "{query}: {}", said.text());
        assert!(!said.head().contains("\r\nb"), "{query}: {}", said.text());
    }
}

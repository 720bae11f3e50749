//! What is meant to get into a head, a mail or the log as a line of its own, or to steer the terminal of whoever reads it.

use serde_json::{Value, json};

use super::people::{PASSWORD, account, log_in, mailed, register, unlimited};
use super::wire::{exchange, getting, posting};
use crate::support::leaks::leaks;

/// What ends a line, ends a text, or turns it around.
const BREAKS: [&str; 8] = [
    "\r\nX-Planted: yes",
    "\nX-Planted: yes",
    "\rX-Planted: yes",
    "\0",
    "\u{85}X-Planted: yes",
    "\u{2028}X-Planted: yes",
    "\u{202e}",
    "\u{1b}[2J\u{1b}]0;planted\u{7}",
];

#[tokio::test]
async fn nothing_that_is_sent_becomes_a_header_of_an_answer() {
    let home = unlimited();
    account(&home, "ada@example.com");
    let service = home.serve();
    let login = format!(
        "Authorization: Bearer {}\r\n",
        log_in(&service, "ada@example.com").await
    );
    let probe = br#"{"steps":0}"#;
    for value in [
        "a\rX-Planted: yes",
        "a\0b",
        "a\u{1b}[2Jb",
        "a\u{85}b",
        "a\tb",
        "a, X-Planted: yes",
        "\"a\\r\\nX-Planted: yes\"",
    ] {
        for name in [
            "X-Request-Id",
            "Idempotency-Key",
            "Prefer",
            "Origin",
            "User-Agent",
            "If-None-Match",
            "Range",
            "Cookie",
        ] {
            let headers = format!("{login}{name}: {value}\r\n");
            let said = exchange(&service, &posting("/v1/probes", &headers, probe)).await;
            assert!(said.status() < 500, "{name}: {value:?}: {}", said.text());
            let head = said.head();
            let planted = head.lines().any(|line| line.starts_with("x-planted"));
            assert!(
                !planted && !head.contains(['\0', '\u{1b}']),
                "{name}: {value:?}: {head}"
            );
        }
    }
    // What would end the line that it comes in ends it here too: what is behind it is a header of the request alone.
    let split = format!("{login}X-Request-Id: a\r\nX-Planted: yes\r\n");
    let said = exchange(&service, &posting("/v1/probes", &split, probe)).await;
    assert!(!said.head().contains("x-planted"), "{}", said.text());
    // An id of a request comes back as it is or not at all.
    for (given, kept) in [
        ("a-b_c.9", true),
        ("a b", false),
        ("a;b", false),
        ("<script>", false),
        (&"a".repeat(65), false),
    ] {
        let said = exchange(
            &service,
            &getting("/health/live", &format!("X-Request-Id: {given}\r\n")),
        )
        .await;
        assert_eq!(
            said.head().contains(&format!("x-request-id: {given}\r\n")),
            kept,
            "{given}"
        );
    }
}

#[tokio::test]
async fn nothing_that_is_sent_becomes_a_header_of_a_mail_or_chooses_where_its_link_leads() {
    let home = unlimited();
    account(&home, "ada@example.com");
    let service = home.serve();
    let login = log_in(&service, "ada@example.com").await;
    for bad in BREAKS {
        let text = format!("a{bad}b");
        let mail = |to: &str, subject: &str| json!({ "to": to, "subject": subject, "text": "x" });
        let address = format!("bob{bad}@example.com");
        let behind = format!("bob@example.com{bad}");
        for body in [mail(&address, "x"), mail(&behind, "x"), mail("bob@example.com", &text)] {
            let (status, told) = service.post(&login, "/v1/emails", &body).await;
            assert_eq!(status, 422, "{body}: {told}");
        }
        let person = |email: &str, name: &str| json!({ "email": email, "password": PASSWORD, "name": name });
        for body in [
            person(&address, "x"),
            person(&behind, "x"),
            person("eve@example.com", &text),
        ] {
            let (status, told) = service.post_openly("/v1/accounts", &body).await;
            assert_eq!(status, 422, "{body}: {told}");
        }
    }
    // In the text of a mail a line is a line, and stays behind the head.
    let mail = json!({ "to": "bob@example.com", "subject": "x", "text": "\r\n.\r\nX-Planted: yes\r\n\r\nBcc: eve@example.com" });
    let (status, job) = service.post(&login, "/v1/emails", &mail).await;
    assert_eq!(status, 202, "{job}");
    service
        .job_when(&login, job["id"].as_str().unwrap(), |job| job["state"] == "completed")
        .await;
    // Who asks under another name does not have that name written into a link that somebody else opens.
    let person = json!({ "email": "carl@example.com", "password": PASSWORD, "name": "Carl" }).to_string();
    for forwarded in [
        "X-Forwarded-Host: evil.example",
        "Forwarded: host=evil.example;proto=http",
        "X-Original-Host: evil.example",
    ] {
        let request = posting("/v1/accounts", &format!("{forwarded}\r\n"), person.as_bytes());
        let request = String::from_utf8(request)
            .unwrap()
            .replace("Host: legwork", "Host: evil.example");
        assert_eq!(exchange(&service, request.as_bytes()).await.status(), 202);
    }
    mailed(&home, "carl@example.com", "/verify?token=").await;
    for mail in home.outbox() {
        let head = mail.split_once("\r\n\r\n").unwrap().0.to_lowercase();
        assert!(!head.contains("x-planted") && !head.contains("bcc:"), "{mail}");
        assert!(!mail.contains("evil.example"), "{mail}");
    }
}

#[tokio::test]
async fn nothing_that_is_sent_ends_a_line_of_the_log_or_shows_a_secret_in_it() {
    let home = unlimited();
    account(&home, "ada@example.com");
    let service = home.serve();
    let login = log_in(&service, "ada@example.com").await;
    let verify = register(&home, &service, "eve@example.com").await;
    let planted = r#"{"level":"ERROR","event":"planted"}"#;
    let ends = [
        "\\r\\n",
        "\\n",
        "\\u0000",
        "\\u001b[2J",
        "\\u2028",
        "\\u0085",
        "\\u202e",
    ];
    for end in ends {
        // As JSON, where everything can be written.
        let text = format!("a{end}{}", planted.replace('"', "\\\""));
        for (path, body) in [
            (
                "/v1/accounts",
                format!(r#"{{"email":"{text}@example.com","password":"{PASSWORD}","name":"{text}"}}"#),
            ),
            (
                "/v1/sessions",
                format!(r#"{{"email":"{text}@example.com","password":"{PASSWORD}"}}"#),
            ),
            (
                "/v1/sessions",
                format!(r#"{{"email":"nobody@example.com","password":"{text}{PASSWORD}"}}"#),
            ),
            ("/v1/accounts/verify", format!(r#"{{"token":"{text}"}}"#)),
            ("/v1/accounts/verify", format!(r#"{{"token":"{verify}{text}"}}"#)),
            (
                "/v1/probes",
                format!(r#"{{"steps":0,"key":"{text}","unique":{{"key":"{text}"}}}}"#),
            ),
            (
                "/v1/emails",
                format!(r#"{{"to":"bob@example.com","subject":"x","text":"{text}"}}"#),
            ),
            (
                "/v1/emails",
                format!(r#"{{"to":"bob@example.com","subject":"{text}","text":"x"}}"#),
            ),
            (
                "/v1/emails",
                format!(r#"{{"to":"bob@example.com","template":"{text}","data":{{"{text}":1}}}}"#),
            ),
            (
                "/v1/api-keys",
                format!(r#"{{"name":"{text}","scopes":["*","{text}"]}}"#),
            ),
            (
                "/v1/schedules",
                format!(
                    r#"{{"name":"{text}","cron":"{text}","time_zone":"{text}","job":{{"kind":"{text}","args":{{}}}}}}"#
                ),
            ),
            ("/v1/reports", format!(r#"{{"table":"{text}","format":"{text}"}}"#)),
        ] {
            let headers = format!(
                "Authorization: Bearer {login}\r\nUser-Agent: a\u{9b}2J {planted} {login}\r\nReferer: {PASSWORD}\r\n"
            );
            let said = exchange(&service, &posting(path, &headers, body.as_bytes())).await;
            assert!((200..500).contains(&said.status()), "{path} {body}: {}", said.text());
        }
    }
    for path in [
        format!("/verify?token={verify}%0d%0a{}", planted.replace('"', "%22")),
        format!("/v1/jobs/{verify}%0a%1b%5b2J"),
        format!("/{login}/%0d%0a"),
        format!("/v1/jobs?state={login}&ada@example.com=a"),
    ] {
        let path = path.replace(['{', '}'], "");
        let bearer = format!("Authorization: Bearer {login}\r\n");
        let said = exchange(&service, &getting(&path, &bearer)).await;
        assert!((200..500).contains(&said.status()), "{path}: {}", said.text());
    }
    service.signal("TERM");
    service.log_line(|line| line["event"] == "shutdown" && line["phase"] == "end");
    let lines = service.log();
    assert!(lines.len() > 80, "{} lines", lines.len());
    for line in &lines {
        let read: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not one object: {line}"));
        assert!(read["event"] != "planted" && read["level"] != "ERROR", "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{2028}', '\u{202e}', '\u{85}']), "{line:?}");
        for secret in [login.as_str(), verify.as_str(), PASSWORD] {
            assert!(!line.contains(secret), "{line}");
        }
        assert_eq!(leaks(line), Vec::<String>::new(), "{line}");
    }
}

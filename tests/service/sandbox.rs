//! `legwork sandbox` as users have it: mail in over SMTP, out over HTTP, faults by rule and by address.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

/// A sandbox as a process; it ends when dropped.
pub(super) struct Sandbox {
    process: Child,
    smtp: String,
    pub(super) base: String,
    http: reqwest::Client,
}

impl Sandbox {
    pub(super) fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_legwork"))
            .args(["sandbox", "--smtp", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        // "the sandbox takes mail at smtp://… and shows it at http://…"
        let urls: Vec<&str> = line.split_whitespace().filter(|word| word.contains("://")).collect();
        Self {
            process,
            smtp: urls[0].split_once("://").unwrap().1.to_owned(),
            base: urls[1].to_owned(),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(60))
                .build()
                .unwrap(),
        }
    }

    fn dialogue(&self) -> Dialogue {
        let stream = TcpStream::connect(&self.smtp).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut dialogue = Dialogue {
            reader: BufReader::new(stream),
        };
        assert_eq!(dialogue.code(), 220);
        dialogue
    }

    /// Sends a mail; the codes of the answers to RCPT and to the dot.
    pub(super) fn send(&self, to: &str, message: &str) -> (u16, Option<u16>) {
        let mut dialogue = self.dialogue();
        assert_eq!(dialogue.ask("EHLO test"), 250);
        assert_eq!(dialogue.ask("MAIL FROM:<me@example.com>"), 250);
        let taken = dialogue.ask(&format!("RCPT TO:<{to}>"));
        if taken != 250 {
            return (taken, None);
        }
        match dialogue.ask("DATA") {
            354 => (taken, Some(dialogue.ask(&format!("{message}\r\n.")))),
            refused => (taken, Some(refused)),
        }
    }

    pub(super) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn rule(&self, rule: &str) -> StatusCode {
        let request = self.http.post(format!("{}/api/rules", self.base));
        request.json(&json!({ "rule": rule })).send().await.unwrap().status()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

struct Dialogue {
    reader: BufReader<TcpStream>,
}

impl Dialogue {
    fn say(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    fn ask(&mut self, line: &str) -> u16 {
        self.say(format!("{line}\r\n").as_bytes());
        self.code()
    }

    /// The code of the next answer; 0 where the connection has ended.
    fn code(&mut self) -> u16 {
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).unwrap_or(0) == 0 {
                return 0;
            }
            if line.as_bytes()[3] == b' ' {
                return line[..3].parse().unwrap();
            }
        }
    }
}

const MAIL: &str = "From: me@example.com\r\nTo: ann@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
    Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script><p>Hello</p>\r\n\
    --b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"../x.html\"\r\n\r\n\
    <script>alert(2)</script>\r\n--b--";

#[tokio::test]
async fn a_mail_is_waited_for_found_read_and_cleared_over_http() {
    let sandbox = Sandbox::start(&[]);
    let waiting = tokio::spawn({
        let (http, url) = (
            sandbox.http.clone(),
            format!(
                "{}/api/wait?to=ANN@example.com&subject=gr%C3%BC%C3%9Fe&timeout_s=60",
                sandbox.base
            ),
        );
        async move { http.get(url).send().await.unwrap().json::<Value>().await.unwrap() }
    });
    assert_eq!(
        sandbox.send("bob@example.com", "Subject: other\r\n\r\nx"),
        (250, Some(250))
    );
    assert_eq!(sandbox.send("ann@example.com", MAIL), (250, Some(250)));
    let came = waiting.await.unwrap();
    assert_eq!(came["data"].as_array().unwrap().len(), 1, "{came}");
    let (id, subject) = (&came["data"][0]["id"], &came["data"][0]["subject"]);
    assert_eq!(subject, "Grüße");
    assert_eq!(
        sandbox.get("/api/messages").await.1["data"].as_array().unwrap().len(),
        2
    );

    let (_, mail) = sandbox.get(&format!("/api/messages/{id}")).await;
    assert_eq!(
        (&mail["from"], &mail["to"]),
        (&json!("me@example.com"), &json!(["ann@example.com"]))
    );
    assert_eq!(mail["message_id"], "1@example.com");
    let said: Vec<&str> = mail["transcript"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["line"].as_str().unwrap())
        .collect();
    for part in [
        "EHLO test",
        "MAIL FROM:<me@example.com>",
        "RCPT TO:<ann@example.com>",
        "250 2.0.0 Ok: queued",
    ] {
        assert!(said.contains(&part), "{part} in {said:?}");
    }
    let raw = sandbox
        .http
        .get(format!("{}/api/messages/{id}/raw", sandbox.base))
        .send()
        .await
        .unwrap();
    assert_eq!(raw.text().await.unwrap(), format!("{MAIL}\r\n"));

    let cleared = sandbox
        .http
        .delete(format!("{}/api/messages", sandbox.base))
        .send()
        .await
        .unwrap();
    assert_eq!(cleared.status(), 204);
    assert_eq!(sandbox.get(&format!("/api/messages/{id}")).await.0, 404);
    let (status, problem) = sandbox.get("/api/wait?timeout_s=0").await;
    assert_eq!(status, 404, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("0 of 1"), "{problem}");
    assert_eq!(sandbox.get("/api/wait?tmeout_s=0").await.0, 400);
}

#[tokio::test]
async fn what_a_captured_mail_brings_runs_nowhere() {
    let sandbox = Sandbox::start(&[]);
    sandbox.send("ann@example.com", MAIL);
    let ask = async |path: &str| {
        sandbox
            .http
            .get(format!("{}{path}", sandbox.base))
            .send()
            .await
            .unwrap()
    };
    let html = ask("/messages/1/html").await;
    let policy = html.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("sandbox; default-src 'none'"), "{policy}");
    assert!(html.text().await.unwrap().contains("<p>Hello</p>"));
    let attached = ask("/api/messages/1/attachments/0").await;
    assert_eq!(attached.headers()["content-type"], "application/octet-stream");
    let disposition = attached.headers()["content-disposition"].to_str().unwrap();
    assert!(
        disposition.starts_with("attachment") && !disposition.contains(".."),
        "{disposition}"
    );
    let raw = ask("/api/messages/1/raw").await;
    assert_eq!(raw.headers()["content-type"], "text/plain; charset=utf-8");
    for path in [
        "/",
        "/page.js",
        "/api/messages",
        "/messages/1/html",
        "/api/messages/1/raw",
        "/nowhere",
    ] {
        let answer = ask(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.headers()[name], value, "{path}");
        }
        assert!(answer.headers().contains_key("content-security-policy"), "{path}");
    }
}

#[tokio::test]
async fn other_sites_neither_read_nor_change_anything() {
    let sandbox = Sandbox::start(&["--name", "mail"]);
    sandbox.send("ann@example.com", MAIL);
    let url = format!("{}/api/messages", sandbox.base);
    for (host, status) in [
        ("evil.example", 421),
        ("localhost.evil.example:80", 421),
        ("localhost:80", 200),
        ("mail:80", 200),
    ] {
        let answer = sandbox.http.get(&url).header("Host", host).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{host}");
    }
    for (name, value) in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let answer = sandbox.http.delete(&url).header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{name}: {value}");
    }
    let rules = format!("{}/api/rules", sandbox.base);
    let form = sandbox.http.post(&rules).header("Content-Type", "text/plain");
    assert_eq!(
        form.body(r#"{"rule":"rcpt close"}"#).send().await.unwrap().status(),
        400
    );
    let own = sandbox.http.delete(&rules).header("Origin", &sandbox.base);
    assert_eq!(own.send().await.unwrap().status(), 204);
    assert_eq!(
        sandbox.get("/api/messages").await.1["data"].as_array().unwrap().len(),
        1
    );
    // A page that was made to speak to the port for mail is no mail.
    let mut dialogue = sandbox.dialogue();
    assert_eq!(dialogue.ask("POST / HTTP/1.1"), 221);
    assert_eq!(dialogue.code(), 0);
}

#[tokio::test]
async fn rules_and_addresses_make_it_fail_as_they_say() {
    let sandbox = Sandbox::start(&["--rule", "rcpt to=ann@example.com times=1 reply 452 4.2.2 full"]);
    assert_eq!(sandbox.send("ann@example.com", MAIL).0, 452);
    assert_eq!(sandbox.send("ann@example.com", MAIL), (250, Some(250)));
    assert_eq!(sandbox.rule("dot reply 554 5.7.1 no").await, 201);
    assert_eq!(sandbox.rule("nothing at all").await, 422);
    assert_eq!(sandbox.send("ann@example.com", MAIL), (250, Some(554)));
    let (_, rules) = sandbox.get("/api/rules").await;
    assert_eq!(
        rules["data"],
        json!([
            { "id": 1, "rule": "rcpt to=ann@example.com times=0 reply 452 4.2.2 full", "left": 0, "hits": 1 },
            { "id": 2, "rule": "dot reply 554 5.7.1 no", "left": null, "hits": 1 },
        ])
    );
    for (path, status) in [("/api/rules/2", 204), ("/api/rules/2", 404)] {
        let answer = sandbox
            .http
            .delete(format!("{}{path}", sandbox.base))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status);
    }
    for (to, expected) in [
        ("ann+450@example.com", (450, None)),
        ("ann+550@example.com", (550, None)),
        ("bob+451-once@example.com", (451, None)),
        ("bob+451-once@example.com", (250, Some(250))),
        ("ann+data-451@example.com", (250, Some(451))),
        ("ann+dot-close@example.com", (250, Some(0))),
        ("ann+taken-reset@example.com", (250, Some(0))),
        ("ann+slow-1@example.com", (250, Some(250))),
        ("ann+bounce@example.com", (250, Some(250))),
        ("ann+news@example.com", (250, Some(250))),
    ] {
        assert_eq!(sandbox.send(to, MAIL), expected, "{to}");
    }
    let came = async |to: &str| {
        sandbox.get(&format!("/api/messages?to={to}")).await.1["data"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(came("ann%2Bdot-close@example.com").await, 0);
    assert_eq!(came("ann%2Btaken-reset@example.com").await, 1);
    let (_, bounces) = sandbox.get("/api/messages?to=me@example.com").await;
    assert_eq!(bounces["data"][0]["from"], "", "{bounces}");
    let (_, bounce) = sandbox
        .get(&format!("/api/messages/{}", bounces["data"][0]["id"]))
        .await;
    let kind = bounce["headers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|header| header["name"] == "Content-Type")
        .unwrap();
    assert!(
        kind["value"].as_str().unwrap().contains("report-type=delivery-status"),
        "{bounce}"
    );
}

#[tokio::test]
async fn commands_and_chunks_that_come_together_are_answered_in_order() {
    let sandbox = Sandbox::start(&["--keep", "2", "--size", "1000"]);
    let mut dialogue = sandbox.dialogue();
    assert_eq!(dialogue.ask("EHLO test"), 250);
    dialogue.say(
        b"MAIL FROM:<a@example.com> BODY=8BITMIME\r\nRCPT TO:<x+550@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n",
    );
    let answers: Vec<u16> = (0..4).map(|_| dialogue.code()).collect();
    assert_eq!(answers, [250, 550, 250, 354]);
    // Only a dot between two CR LF ends a message.
    dialogue.say(b"Subject: 1\r\n\r\n..dot\n.\r\n.x\r\n.\r\nNOOP\r\n");
    assert_eq!((dialogue.code(), dialogue.code()), (250, 250));
    dialogue.say(
        b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nBDAT 14\r\nSubject: 2\r\n\r\nBDAT 5 LAST\r\n.\r\n.\r",
    );
    let answers: Vec<u16> = (0..4).map(|_| dialogue.code()).collect();
    assert_eq!(answers, [250, 250, 250, 250]);
    dialogue.say(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<x+550@example.com>\r\nBDAT 3 LAST\r\nabcNOOP\r\n");
    let answers: Vec<u16> = (0..4).map(|_| dialogue.code()).collect();
    assert_eq!(answers, [250, 550, 554, 250]);
    assert_eq!(dialogue.ask("MAIL FROM:<a@example.com> SIZE=1001"), 552);
    assert_eq!(dialogue.ask("MAIL FROM:<a@example.com>"), 250);
    assert_eq!(dialogue.ask("RCPT TO:<j\u{fc}rgen@example.com>"), 553);
    assert_eq!(dialogue.ask("MAIL FROM:<a@example.com> SMTPUTF8"), 250);
    assert_eq!(dialogue.ask("RCPT TO:<j\u{fc}rgen@example.com>"), 250);
    assert_eq!(dialogue.ask("DATA"), 354);
    assert_eq!(dialogue.ask(&format!("{}\r\n.", "x".repeat(1_001))), 552);

    let (_, held) = sandbox.get("/api/messages").await;
    assert_eq!(
        (&held["data"][0]["subject"], &held["data"][1]["subject"]),
        (&json!("2"), &json!("1"))
    );
    let raw = async |id: u64| {
        let url = format!("{}/api/messages/{id}/raw", sandbox.base);
        sandbox
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .to_vec()
    };
    assert_eq!(raw(1).await, b"Subject: 1\r\n\r\n.dot\n.\r\nx\r\n");
    assert_eq!(raw(2).await, b"Subject: 2\r\n\r\n.\r\n.\r", "a chunk is as it is");
    sandbox.send("ann@example.com", "Subject: 3\r\n\r\n");
    let (_, held) = sandbox.get("/api/messages").await;
    assert_eq!(held["data"].as_array().unwrap().len(), 2, "--keep 2: {held}");
}

#[test]
fn it_ends_in_order_and_says_why_it_cannot_start() {
    let sandbox = Sandbox::start(&[]);
    let taken = Command::new(env!("CARGO_BIN_EXE_legwork"))
        .args(["sandbox", "--http", "127.0.0.1:0", "--smtp", &sandbox.smtp])
        .output()
        .unwrap();
    assert_eq!(taken.status.code(), Some(1));
    let said = String::from_utf8(taken.stderr).unwrap();
    assert!(said.contains("--smtp"), "{said}");
    let wrong = Command::new(env!("CARGO_BIN_EXE_legwork"))
        .args(["sandbox", "--rule", "rcpt explode"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("a rule ends with what is done"), "{said}");
    // A hang is held for as long as the client is there, and no longer.
    let mut dialogue = sandbox.dialogue();
    dialogue.ask("EHLO test");
    dialogue.ask("MAIL FROM:<a@example.com>");
    dialogue.say(b"RCPT TO:<a+hang@example.com>\r\n");
    let stream = dialogue.reader.get_mut();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(stream.read(&mut [0; 1]).is_err(), "an answer came");
}

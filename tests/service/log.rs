//! The log alone tells what happened, and keeps to itself what it must.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use super::first_steps::member;
use crate::support::leaks::leaks;
use crate::support::relay::{Relay, Step};
use crate::support::service::{Home, PATIENCE};

#[tokio::test]
async fn a_job_can_be_followed_from_its_request_to_its_outcome() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let request = service
        .http
        .post(service.url("/v1/probes"))
        .bearer_auth(&key)
        .header("X-Request-Id", "follow-me");
    let answer = request.json(&json!({ "steps": 1, "step_ms": 1 })).send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "follow-me");
    let job: Value = answer.json().await.unwrap();
    let id = job["id"].as_str().unwrap();

    let with = |event: &str| {
        let event = event.to_owned();
        service.log_line(move |line| line["event"] == event.as_str() && line["request_id"] == "follow-me")
    };
    assert_eq!(with("request")["status"], 202);
    assert_eq!(with("job_enqueued")["job"], id);
    assert_eq!(with("job_claimed")["job"], id);
    let finished = with("job_finished");
    assert_eq!(
        (&finished["job"], &finished["outcome"], &finished["state"]),
        (&json!(id), &json!("completed"), &json!("completed"))
    );
}

#[tokio::test]
async fn no_address_no_password_and_no_token_is_in_the_log_and_bad_input_is_no_error() {
    let home = Home::new();
    let service = home.serve();
    let ada = member(&home, &service, "ada@example.com").await;
    let mail = json!({ "to": "bob@example.com", "subject": "Hello", "text": "..." });
    let (_, job) = service.post(&ada, "/v1/emails", &mail).await;
    service
        .job_when(&ada, job["id"].as_str().unwrap(), |job| job["state"] == "completed")
        .await;
    let (status, _) = service
        .post(&ada, "/v1/emails", &json!({ "to": "bob", "subject": 1 }))
        .await;
    assert_eq!(status, 422);
    assert_eq!(
        service
            .post_openly("/v1/accounts/verify", &json!({ "token": "garbled-token" }))
            .await
            .0,
        422
    );
    assert_eq!(service.get("lws_garbled", "/v1/jobs").await.0, 401);

    let log = service.log();
    assert!(log.iter().any(|line| line.contains("mail_sent")));
    for line in &log {
        for secret in [
            "ada@example.com",
            "bob@example.com",
            "a good long password",
            &ada,
            "garbled",
        ] {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
        assert!(!line.contains("\"level\":\"ERROR\""), "{line}");
    }
}

#[tokio::test]
async fn a_head_that_is_not_http_is_refused_and_is_no_error_of_ours() {
    use std::io::{Read as _, Write as _};
    let home = Home::new();
    let service = home.serve();
    let address = service.base.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET /health/live HTTP/1.1\r\nno header\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    // Its end comes after whatever is logged of it.
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let log = service.log();
    assert!(!log.iter().any(|line| line.contains("\"level\":\"ERROR\"")), "{log:?}");
}

#[tokio::test]
async fn at_trace_the_whole_way_of_a_user_through_a_relay_leaves_no_address_and_no_secret() {
    let relay = Relay::start();
    relay
        .at(Step::Rcpt)
        .recipient("gone@example.com")
        .reply("550 5.1.1 <gone@example.com>: no such user");
    let home = Home::new().with("LEGWORK_MAIL__URL", relay.url()).with(
        "LEGWORK_LOG__FILTER",
        "trace,lettre=trace,actix_http=trace,actix_web=trace",
    );
    let operator = home.operator();
    let service = home.serve();
    let person = json!({ "email": "ada@example.com", "password": "a good long password", "name": "Ada" });
    assert_eq!(service.post_openly("/v1/accounts", &person).await.0, 202);
    let mail = relay.wait_for(1).await[0].text();
    let (_, rest) = mail.split_once("/verify?token=3D").unwrap();
    let in_token = |char: &char| char.is_ascii_alphanumeric() || "-_".contains(*char);
    let token: String = rest.replace("=\r\n", "").chars().take_while(in_token).collect();
    let page = service.http.get(service.url(&format!("/verify?token={token}")));
    assert_eq!(page.send().await.unwrap().status(), 200);
    let verified = service
        .post_openly("/v1/accounts/verify", &json!({ "token": token }))
        .await;
    assert_eq!(verified.0, 200, "{}", verified.1);
    let login = service.post_openly("/v1/sessions", &person).await;
    assert_eq!(login.0, 422, "a login has no name: {}", login.1);
    let login = json!({ "email": "ada@example.com", "password": "a good long password" });
    let (status, session) = service.post_openly("/v1/sessions", &login).await;
    assert_eq!(status, 201, "{session}");
    let session = session["token"].as_str().unwrap();
    let by_cookie = service.http.get(service.url("/v1/sessions/current"));
    let by_cookie = by_cookie.header("Cookie", format!("legwork_session={session}; legwork={session}"));
    by_cookie.send().await.unwrap();
    let basic = service.http.get(service.url("/v1/accounts/me"));
    let basic = basic.basic_auth("ada@example.com", Some("a good long password"));
    assert_eq!(basic.send().await.unwrap().status(), 401);
    let (_, key) = service
        .post(session, "/v1/api-keys", &json!({ "name": "ci", "scopes": ["*"] }))
        .await;
    let key = key["key"].as_str().unwrap();
    for to in ["bob@example.com", "gone@example.com"] {
        let mail = json!({ "to": to, "subject": "Hush", "text": "Hush" });
        let (_, job) = service.post(key, "/v1/emails", &mail).await;
        let id = job["id"].as_str().unwrap();
        service.job_when(key, id, |job| job["finished_at"].is_string()).await;
    }
    service.probe(&operator, &json!({ "steps": 0, "panic": "actor" })).await;
    service.log_line(|line| line["event"] == "panicked");

    let log = service.log();
    assert!(
        log.iter()
            .any(|line| line.contains("\"level\":\"INFO\"") && line.contains("mail_sent")),
        "the relay was used"
    );
    for line in &log {
        assert_eq!(leaks(line), Vec::<String>::new(), "{line}");
        for secret in [&token, session, key, &operator, "Hush", "gone@", "bob@"] {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
    }
}

#[test]
fn a_leak_or_an_event_outside_the_table_in_any_service_fails_its_test() {
    let good =
        r#"{"timestamp":"t","level":"INFO","target":"legwork","message":"m","event":"cleared","what":"jobs","rows":1}"#;
    for (line, is_good) in [
        (good.to_owned(), true),
        (good.replace("\"m\"", "\"mail to ada@example.com\""), false),
        (good.replace("\"m\"", "\"key lwk_AbC\""), false),
        (good.replace("cleared", "cleaned"), false),
        (good.replace("\"what\"", "\"kind\""), false),
    ] {
        let checked = catch_unwind(AssertUnwindSafe(|| Home::new().serve().plant(&line)));
        assert_eq!(checked.is_ok(), is_good, "{line}");
    }
}

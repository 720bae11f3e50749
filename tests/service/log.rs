//! The log alone tells what happened, and keeps to itself what it must.

use serde_json::{Value, json};

use super::first_steps::member;
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

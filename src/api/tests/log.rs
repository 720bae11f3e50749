//! What is in the log of the requests: enough to follow a job, and nobody's address.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{PASSWORD, World, request};

#[actix_web::test]
async fn a_job_is_found_by_its_request_and_no_address_or_secret_is_logged() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let post = |uri: &str, body: Value| {
        request(Method::POST, uri, &token)
            .insert_header(("x-request-id", "follow-me"))
            .set_json(body)
    };
    let mail = json!({ "to": "bob@example.org", "subject": "Hush", "text": "Hush" });
    let job = world.send(post("/v1/emails", mail)).await.body["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let new = json!({ "email": "new@example.org", "password": PASSWORD, "name": "Newton" });
    world.send(post("/v1/accounts", new)).await.is(202, &[]);
    world
        .send(post(
            "/v1/accounts",
            json!({ "email": "eve@", "password": "x", "name": "" }),
        ))
        .await;
    world
        .send(post(&format!("/v1/jobs/{job}/cancel"), json!({})))
        .await
        .is(200, &[]);
    world
        .send(post(&format!("/v1/jobs/{job}/retry"), json!({})))
        .await
        .is(202, &[]);
    let lines = world.log.lines();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let accepted = of("job_enqueued");
    assert_eq!(accepted.len(), 3, "{lines:?}");
    let mail = accepted[0];
    assert_eq!(
        (&mail["job"], &mail["kind"], &mail["queue"]),
        (&job.as_str().into(), &"email.send".into(), &"mail".into())
    );
    assert!(mail["workspace"].as_str().unwrap().starts_with("wsp_"));
    assert!(accepted.iter().all(|line| line["request_id"] == "follow-me"));
    assert_eq!(of("job_cancel_requested")[0]["job"], job);
    let routes: Vec<_> = of("request")
        .iter()
        .map(|line| line["route"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "/v1/sessions",
        "/v1/emails",
        "/v1/accounts",
        "/v1/accounts",
        "/v1/jobs/{id}/cancel",
        "/v1/jobs/{id}/retry",
    ];
    assert_eq!(routes, expected);
    assert!(
        lines
            .iter()
            .all(|line| line["level"] != "ERROR" && line["level"] != "WARN"),
        "{lines:?}"
    );
    let text = lines.iter().map(Value::to_string).collect::<String>();
    for secret in ["bob@", "new@", "eve@", "ada@", "Hush", "Newton", PASSWORD, &token] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

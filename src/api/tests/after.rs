//! `after`: work that waits until other jobs have ended.

use std::time::Duration;

use serde_json::json;

use super::World;
use crate::domain::job::{AttemptEnd, Retry};

#[actix_web::test]
async fn a_job_is_accepted_and_says_whom_it_waits_for_until_they_have_ended() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let (first, second) = (world.probe(&token).await, world.probe(&token).await);
    let body = json!({ "steps": 1, "after": [first, second, first] });
    let answer = world.post("/v1/probes", &token, &body).await;
    answer.is(202, &[]);
    assert_eq!(
        (&answer.body["state"], &answer.body["waiting_for"]),
        (&"scheduled".into(), &"2 jobs that it comes after".into())
    );
    assert_eq!(answer.body["run_at"], answer.body["created_at"]);
    let uri = format!("/v1/jobs/{}", answer.body["id"].as_str().unwrap());
    assert_eq!(world.get(&uri, &token).await.body, answer.body, "as it was accepted");
    let held = world.claim().await;
    world.finish(&held, AttemptEnd::Completed).await;
    let shown = world.get(&uri, &token).await.body;
    assert_eq!(shown["waiting_for"], "one job that it comes after");
    world.advance(Duration::from_secs(5));
    let held = world.claim().await;
    world.finish(&held, AttemptEnd::Completed).await;
    let shown = world.get(&uri, &token).await.body;
    assert_eq!((&shown["state"], shown.get("waiting_for")), (&"available".into(), None));
    assert_eq!(
        shown["run_at"], "2023-11-14T22:13:25.000000Z",
        "when the last one had ended"
    );
}

#[actix_web::test]
async fn a_failure_cancels_it_unless_it_is_to_run_all_the_same() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let first = world.probe(&token).await;
    let mail = json!({ "to": "bob@example.org", "subject": "Hi", "text": "there", "after": [first] });
    let cancelled = world.post("/v1/emails", &token, &mail).await;
    let report = json!({ "table": "jobs", "format": "csv", "after": [first], "after_failure": "run" });
    let runs = world.post("/v1/reports", &token, &report).await;
    let held = world.claim().await;
    world.finish(&held, AttemptEnd::Failed(Retry::Never)).await;
    for (answer, state, cause) in [
        (cancelled, "cancelled", json!("dependency_failed")),
        (runs, "available", json!(null)),
    ] {
        answer.is(202, &[]);
        let uri = format!("/v1/jobs/{}", answer.body["id"].as_str().unwrap());
        let shown = world.get(&uri, &token).await.body;
        assert_eq!((&shown["state"], &shown["cause"]), (&state.into(), &cause), "{shown}");
    }
}

#[actix_web::test]
async fn a_job_of_another_workspace_is_refused_in_the_same_words_as_one_that_is_not_there() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let stranger = world.member("eve@example.org").await;
    let own = world.probe(&token).await;
    let theirs = world.probe(&stranger).await;
    let mut texts = Vec::new();
    for missing in [theirs.to_string(), "job_00000000000000000000000000000000".to_owned()] {
        let body = json!({ "steps": 1, "after": [own, missing] });
        let answer = world.post("/v1/probes", &token, &body).await;
        answer.is(422, &["/after/1"]);
        texts.push(answer.body["errors"].clone());
    }
    assert_eq!(texts[0], texts[1]);
    for (body, pointer) in [
        (json!({ "steps": 1, "after": [] }), "/after"),
        (json!({ "steps": 1, "after": vec![own; 101] }), "/after"),
        (
            json!({ "steps": 1, "after": ["acc_00000000000000000000000000000000"] }),
            "/after/0",
        ),
        (json!({ "steps": 1, "after_failure": "run" }), "/after_failure"),
    ] {
        world.post("/v1/probes", &token, &body).await.is(422, &[pointer]);
    }
    let list = world.get("/v1/jobs", &token).await;
    assert_eq!(list.body["data"].as_array().unwrap().len(), 1, "nothing was made");
}

#[actix_web::test]
async fn a_repeated_request_waits_for_the_same_jobs_once() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let first = world.probe(&token).await;
    let body = json!({ "steps": 1, "after": [first] });
    let mut ids = Vec::new();
    for _ in 0..2 {
        let post = super::request(actix_web::http::Method::POST, "/v1/probes", &token);
        let answer = world
            .send(post.insert_header(("idempotency-key", "k")).set_json(&body))
            .await;
        answer.is(202, &[]);
        ids.push(answer.body["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
}

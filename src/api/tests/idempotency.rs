//! Requests that are repeated with their `Idempotency-Key`.

use std::time::Duration;

use actix_web::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::openapi::work_routes;
use super::{Answer, World, request};
use crate::api::idempotency::KEEPING;

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn post(world: &World, uri: &str, token: &str, key: &str, body: &Value) -> Answer {
    let post = request(Method::POST, uri, token).insert_header(("idempotency-key", key));
    world.send(post.set_json(body)).await
}

fn probe(steps: u64) -> Value {
    json!({ "steps": steps })
}

async fn jobs(world: &World, token: &str) -> usize {
    world.get("/v1/jobs", token).await.body["data"]
        .as_array()
        .unwrap()
        .len()
}

#[test]
fn the_routes_that_keep_keys_are_those_that_answer_with_a_job() {
    assert_eq!(work_routes(), KEEPING);
}

#[actix_web::test]
async fn the_same_request_with_its_key_has_one_effect_and_is_answered_as_the_first_time() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let mail = json!({ "to": "bob@example.org", "subject": "Hi", "text": "there" });
    let report = json!({ "table": "jobs", "format": "csv" });
    for (number, (uri, body)) in [("/v1/probes", probe(1)), ("/v1/emails", mail), ("/v1/reports", report)]
        .iter()
        .enumerate()
    {
        let key = format!("key {number}");
        let first = post(&world, uri, &token, &key, body).await;
        first.is(202, &[]);
        assert_eq!(first.header("idempotent-replayed"), "");
        world.advance(Duration::from_secs(60));
        let id = first.body["id"].as_str().unwrap();
        let cancel = world.post(&format!("/v1/jobs/{id}/cancel"), &token, &json!({})).await;
        cancel.is(200, &[]);
        let again = post(&world, uri, &token, &format!("\"{key}\""), body).await;
        again.is(202, &[]);
        assert_eq!(
            (&again.text, again.header("location")),
            (&first.text, first.header("location"))
        );
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(jobs(&world, &token).await, number + 1);
    }
    assert_eq!(
        world.get("/v1/reports", &token).await.body["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[actix_web::test]
async fn a_key_stands_for_one_method_path_and_body_in_its_own_workspace_until_its_window_ends() {
    let world = World::new();
    let (ada, eve) = (
        world.member("ada@example.org").await,
        world.member("eve@example.org").await,
    );
    let first = post(&world, "/v1/probes", &ada, "k", &probe(1)).await;
    let other = post(&world, "/v1/probes", &ada, "k", &probe(2)).await;
    other.is(422, &[]);
    assert_eq!(other.body["type"], "/problems/idempotency-key-reused");
    let mail = json!({ "to": "bob@example.org", "subject": "Hi", "text": "there" });
    post(&world, "/v1/emails", &ada, "k", &mail).await.is(422, &[]);
    // Another workspace's key says nothing here, and what it stands for is not shown.
    let theirs = post(&world, "/v1/probes", &eve, "k", &probe(1)).await;
    theirs.is(202, &[]);
    assert_ne!(theirs.body["id"], first.body["id"]);
    assert_eq!(theirs.header("idempotent-replayed"), "");
    world.advance(DAY - Duration::from_secs(1));
    assert_eq!(post(&world, "/v1/probes", &ada, "k", &probe(1)).await.text, first.text);
    world.advance(Duration::from_secs(1));
    let anew = post(&world, "/v1/probes", &ada, "k", &probe(2)).await;
    anew.is(202, &[]);
    assert_eq!(
        anew.header("idempotent-replayed"),
        "",
        "an expired key can be used before it is cleared away"
    );
    assert_eq!(post(&world, "/v1/probes", &ada, "k", &probe(2)).await.text, anew.text);
}

#[actix_web::test]
async fn a_request_that_is_refused_leaves_its_key_free() {
    let world = World::with(&[("LEGWORK_REPORTS__MAX_KEPT", "1")]);
    let token = world.member("ada@example.org").await;
    post(&world, "/v1/probes", "", "k", &probe(1)).await.is(401, &[]);
    post(&world, "/v1/probes", &token, "k", &json!({ "steps": -1 }))
        .await
        .is(422, &["/steps"]);
    post(&world, "/v1/probes", &token, "k", &json!({ "steps": 1, "fail": true }))
        .await
        .is(403, &[]);
    post(&world, "/v1/probes", &token, "k", &probe(1)).await.is(202, &[]);
    let report = json!({ "table": "jobs", "format": "csv" });
    post(&world, "/v1/reports", &token, "r1", &report).await.is(202, &[]);
    post(&world, "/v1/reports", &token, "r2", &report).await.is(409, &[]);
    post(&world, "/v1/probes", &token, "r2", &probe(3)).await.is(202, &[]);
    post(&world, "/v1/reports", &token, "r1", &report).await.is(202, &[]);
}

#[actix_web::test]
async fn what_is_no_key_is_refused_and_who_may_not_come_in_learns_that_first() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let long = "k".repeat(256);
    for key in ["", "\"\"", "\"k", &long] {
        post(&world, "/v1/probes", &token, key, &probe(1)).await.is(400, &[]);
        post(&world, "/v1/probes", "", key, &probe(1)).await.is(401, &[]);
    }
    let twice = request(Method::POST, "/v1/probes", &token)
        .append_header(("idempotency-key", "a"))
        .append_header(("idempotency-key", "b"));
    world.send(twice.set_json(probe(1))).await.is(400, &[]);
    assert_eq!(jobs(&world, &token).await, 0);
}

#[actix_web::test]
async fn what_nobody_answers_is_refused_as_that_with_a_key_too() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for (method, uri, status) in [
        (Method::TRACE, "/v1/emails", 405),
        (Method::PUT, "/v1/probes", 405),
        (Method::POST, "/v1/queues", 405),
        (Method::POST, "/v1/emails/", 404),
        (Method::GET, "/v1/nothing", 404),
    ] {
        let asked = request(method, uri, &token).insert_header(("idempotency-key", "k"));
        world.send(asked.set_json(probe(1))).await.is(status, &[]);
    }
}

#[actix_web::test]
async fn fifty_identical_requests_at_once_make_one_job_and_take_one_from_the_limits() {
    let world = World::with(&[("LEGWORK_LIMITS__JOBS_PER_MINUTE", "1")]);
    let token = world.member("ada@example.org").await;
    let body = probe(7);
    let answers = join_all((0..50).map(|_| post(&world, "/v1/probes", &token, "race", &body))).await;
    let replayed = answers
        .iter()
        .filter(|answer| answer.header("idempotent-replayed") == "true")
        .count();
    assert_eq!(replayed, 49);
    for answer in &answers {
        answer.is(202, &[]);
        assert_eq!(answer.text, answers[0].text);
    }
    assert_eq!(jobs(&world, &token).await, 1);
    world.post("/v1/probes", &token, &body).await.is(429, &[]);
}

#[actix_web::test]
async fn ten_thousand_keys_are_kept_apart() {
    let world = World::new();
    let token = world.operator().await;
    let body = probe(1);
    for hundred in 0..100 {
        let keys: Vec<String> = (0..100).map(|number| format!("{hundred}/{number}")).collect();
        let answers = join_all(keys.iter().map(|key| post(&world, "/v1/probes", &token, key, &body))).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.status == 202 && answer.header("idempotent-replayed").is_empty())
        );
    }
    let again = post(&world, "/v1/probes", &token, "50/50", &body).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
}

//! Queues: who may look and pause, what a pause holds back, and that it lasts.

use serde_json::json;

use super::{Answer, World};

fn mail(answer: &Answer) -> &serde_json::Value {
    answer.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|queue| queue["name"] == "mail")
        .unwrap()
}

#[actix_web::test]
async fn only_operators_see_pause_and_resume_queues() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    world.get("/v1/queues", "").await.is(401, &[]);
    world.get("/v1/queues", &token).await.is(403, &[]);
    for act in ["pause", "resume"] {
        let uri = format!("/v1/queues/mail/{act}");
        world.post(&uri, "", &json!({})).await.is(401, &[]);
        world.post(&uri, &token, &json!({})).await.is(403, &[]);
    }
    let operator = world.operator().await;
    assert_eq!(
        mail(&world.get("/v1/queues", &operator).await)["paused_at"],
        json!(null)
    );
}

#[actix_web::test]
async fn a_queue_that_is_not_there_is_not_found() {
    let world = World::new();
    let operator = world.operator().await;
    for name in ["nobody", "MAIL", "mail%20", "texts", "%00"] {
        for act in ["pause", "resume"] {
            world
                .post(&format!("/v1/queues/{name}/{act}"), &operator, &json!({}))
                .await
                .is(404, &[]);
        }
    }
}

#[actix_web::test]
async fn a_pause_holds_what_waits_back_and_a_resume_lets_it_go_on() {
    let world = World::new();
    let operator = world.operator().await;
    let waiting = world.probe(&operator).await;
    let paused = world.post("/v1/queues/probes/pause", &operator, &json!({})).await;
    paused.is(200, &[]);
    let me = world.get("/v1/accounts/me", &operator).await.body["id"].clone();
    assert_eq!(
        paused.body,
        json!({ "name": "probes", "worker": "prober", "paused_at": "2023-11-14T22:13:20.000000Z", "paused_by": me,
                "paused": true, "waiting": 1, "oldest_waiting_s": 0.0, "rate_per_s": 0.0,
                "depth": { "available": 1, "capped": false }, "running": 0, "slots": 16 })
    );
    let accepted = world.post("/v1/probes", &operator, &json!({ "steps": 1 })).await;
    accepted.is(202, &[]);
    assert_eq!(accepted.body["waiting_for"], "the paused queue probes to be resumed");
    assert!(
        world.claim_up_to(10).await.is_empty(),
        "a paused queue was claimed from"
    );
    let job = world.get(&format!("/v1/jobs/{waiting}"), &operator).await;
    assert_eq!(
        (&job.body["state"], &job.body["waiting_for"]),
        (&"available".into(), &"the paused queue probes to be resumed".into())
    );
    let ready = world.get("/health/ready", "").await;
    assert_eq!(
        (&ready.body["queues"][0]["paused"], &ready.body["queues"][1]["paused"]),
        (&json!(false), &json!(true))
    );
    let resumed = world.post("/v1/queues/probes/resume", &operator, &json!({})).await;
    resumed.is(200, &[]);
    assert_eq!(
        (
            &resumed.body["paused_at"],
            &resumed.body["paused_by"],
            &resumed.body["depth"]["available"]
        ),
        (&json!(null), &json!(null), &json!(2))
    );
    assert_eq!(world.claim_up_to(10).await.len(), 2);
    let running = world.get("/v1/queues", &operator).await;
    assert_eq!(running.body["data"][1]["running"], 2);
    let job = world.get(&format!("/v1/jobs/{waiting}"), &operator).await;
    assert_eq!(job.body["waiting_for"], json!(null));
}

#[actix_web::test]
async fn a_second_pause_keeps_the_first_ones_time_and_a_second_resume_changes_nothing() {
    let world = World::new();
    let operator = world.operator().await;
    let first = world.post("/v1/queues/mail/pause", &operator, &json!({})).await;
    world.advance(std::time::Duration::from_secs(60));
    let second = world.post("/v1/queues/mail/pause", &operator, &json!({})).await;
    assert_eq!(first.body, second.body);
    for _ in 0..2 {
        let resumed = world.post("/v1/queues/mail/resume", &operator, &json!({})).await;
        resumed.is(200, &[]);
        assert_eq!(resumed.body["paused_at"], json!(null));
    }
}

#[actix_web::test]
async fn counts_stop_at_ten_thousand_and_say_so() {
    let world = World::new();
    let operator = world.operator().await;
    world.fill(10_000).await;
    let depth = |answer: Answer| answer.body["data"][1]["depth"].clone();
    assert_eq!(
        depth(world.get("/v1/queues", &operator).await),
        json!({ "available": 10_000, "capped": false })
    );
    world.fill(1).await;
    assert_eq!(
        depth(world.get("/v1/queues", &operator).await),
        json!({ "available": 10_000, "capped": true })
    );
    let ready = world.get("/health/ready", "").await;
    assert_eq!(
        (&ready.body["queues"][1]["waiting"], &ready.body["queues"][1]["capped"]),
        (&json!(10_000), &json!(true))
    );
}

//! What clients say about the life of a job: deadlines, unique keys, and running again with other arguments.

use std::time::Duration;

use serde_json::{Value, json};

use super::World;
use crate::domain::job::{AttemptEnd, Retry};

/// One that is shown with a time that the world's clock has not come to.
const TO_COME: &str = "2023-11-14T23:00:00.000000Z";

#[actix_web::test]
async fn a_deadline_is_shown_and_one_that_cannot_be_kept_is_refused() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let with = |more: Value| {
        let mut body = json!({ "steps": 1 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let made = world
        .post("/v1/probes", &token, &with(json!({ "deadline_at": TO_COME })))
        .await;
    made.is(202, &[]);
    assert_eq!(made.body["deadline_at"], TO_COME);
    for wrong in [
        json!({ "deadline_at": "2023-11-14T22:13:20Z" }),
        json!({ "deadline_at": TO_COME, "run_at": TO_COME }),
        json!({ "deadline_at": TO_COME, "run_at": "2024-01-01T00:00:00Z" }),
        json!({ "deadline_at": "soon" }),
    ] {
        let refused = world.post("/v1/probes", &token, &with(wrong)).await;
        refused.is(422, &["/deadline_at"]);
    }
}

#[actix_web::test]
async fn a_second_order_with_a_key_is_answered_with_the_job_that_has_it() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = json!({ "steps": 1, "unique": { "key": "nightly", "while": "unfinished" } });
    let first = world.post("/v1/probes", &token, &body).await;
    first.is(202, &[]);
    let second = world.post("/v1/probes", &token, &body).await;
    second.is(200, &[]);
    assert_eq!(second.header("legwork-existing-job"), "true");
    assert_eq!(second.body["id"], first.body["id"]);
    assert_eq!(second.header("location"), first.header("location"));
    let other = world.member("bob@example.org").await;
    world.post("/v1/probes", &other, &body).await.is(202, &[]);
}

#[actix_web::test]
async fn a_unique_key_that_is_not_one_is_refused_by_its_pointer() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for (unique, pointer) in [
        (json!({ "key": "", "while": "waiting" }), "/unique/key"),
        (json!({ "key": "a\u{0}b", "while": "waiting" }), "/unique/key"),
        (json!({ "key": "ü".repeat(101), "while": "waiting" }), "/unique/key"),
        (json!({ "key": "a" }), "/unique"),
        (json!({ "key": "a", "while": "waiting", "for_s": 5 }), "/unique"),
        (json!({ "key": "a", "for_s": 0 }), "/unique/for_s"),
        (json!({ "key": "a", "for_s": 2_592_001 }), "/unique/for_s"),
        (json!({ "key": "a", "while": "forever" }), "/unique/while"),
        (json!("a"), "/unique"),
    ] {
        let refused = world
            .post("/v1/probes", &token, &json!({ "steps": 1, "unique": unique }))
            .await;
        refused.is(422, &[pointer]);
    }
}

/// A probe that failed for good.
async fn failed(world: &World, token: &str) -> String {
    let id = world.probe(token).await;
    let held = world.claim().await;
    world.finish(&held, AttemptEnd::Failed(Retry::Never)).await;
    format!("/v1/jobs/{id}/retry")
}

#[actix_web::test]
async fn a_person_runs_a_job_again_with_other_arguments() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let uri = failed(&world, &token).await;
    let again = world.post(&uri, &token, &json!({ "args": { "steps": 7 } })).await;
    again.is(202, &[]);
    assert_eq!(
        again.body["result"],
        json!(null),
        "what it did before is no part of this work"
    );
    let held = world.claim().await;
    let args: Value = serde_json::from_str(&held.args).unwrap();
    assert_eq!((&args["steps"], &args["step_ms"]), (&json!(7), &json!(0)));
    world.finish(&held, AttemptEnd::Completed).await;
    world.post(&uri, &token, &json!({})).await.is(202, &[]);
    let held = world.claim().await;
    assert!(held.args.contains("7"), "they stay: {}", held.args);
}

#[actix_web::test]
async fn other_arguments_are_held_to_what_their_route_takes_and_permits() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let uri = failed(&world, &token).await;
    for (args, pointer) in [
        (json!({}), "/args/steps"),
        (json!({ "steps": -1 }), "/args/steps"),
        (json!({ "steps": 1, "colour": "red" }), "/args/colour"),
        (json!({ "steps": 1, "max_attempts": 100 }), "/args/max_attempts"),
        (
            json!({ "steps": 1, "unique": { "key": "a", "while": "waiting" } }),
            "/args/unique",
        ),
        (json!(5), "/args"),
    ] {
        world
            .post(&uri, &token, &json!({ "args": args }))
            .await
            .is(422, &[pointer]);
    }
    for args in [
        json!({ "steps": 1, "panic": "actor" }),
        json!({ "steps": 1, "fail": true }),
    ] {
        world.post(&uri, &token, &json!({ "args": args })).await.is(403, &[]);
    }
    let operator = world.operator().await;
    let panics = json!({ "args": { "steps": 1, "panic": true } });
    world.post(&uri, &operator, &panics).await.is(202, &[]);
}

#[actix_web::test]
async fn work_that_the_service_entered_itself_has_no_arguments_to_change() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = json!({ "table": "jobs", "format": "csv" });
    let made = world.post("/v1/reports", &token, &body).await;
    made.is(202, &[]);
    let id = made.body["id"].as_str().unwrap().to_owned();
    world
        .post(&format!("/v1/jobs/{id}/cancel"), &token, &json!({}))
        .await
        .is(200, &[]);
    let args = json!({ "args": { "report": "rep_0193a000000070008000000000000000" } });
    let uri = format!("/v1/jobs/{id}/retry");
    world.post(&uri, &token, &args).await.is(422, &["/args"]);
}

#[actix_web::test]
async fn progress_tells_its_rate_and_what_is_left() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let id = world.probe(&token).await;
    let held = world.claim().await;
    world.advance(Duration::from_secs(4));
    let progress = crate::store::AttemptProgress {
        job: held.id,
        fence: held.fence,
        progress: crate::domain::job::Progress::new(8, Some(20), None),
        at: held.started_at.plus(Duration::from_secs(4)),
    };
    world.state.store.progress(progress).await.unwrap();
    let shown = world.get(&format!("/v1/jobs/{id}"), &token).await;
    let wanted = json!({ "done": 8, "total": 20, "note": null, "rate_per_s": 2.0, "remaining_s": 6 });
    assert_eq!(shown.body["progress"], wanted);
}

//! `Prefer: wait`, on work and on jobs.

use std::time::Duration;

use actix_web::http::Method;
use futures_util::future::{join, poll_immediate};
use serde_json::json;

use super::{Answer, World, request};
use crate::domain::job::AttemptEnd;

async fn probe(world: &World, token: &str, prefer: &str, key: Option<&str>) -> Answer {
    let mut post = request(Method::POST, "/v1/probes", token).insert_header(("prefer", prefer));
    if let Some(key) = key {
        post = post.insert_header(("idempotency-key", key));
    }
    world.send(post.set_json(json!({ "steps": 1 }))).await
}

/// Performs the next probe once it is there.
async fn perform(world: &World, end: AttemptEnd) {
    loop {
        if let Some(job) = world.claim_up_to(1).await.pop() {
            return world.finish(&job, end).await;
        }
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn whoever_waits_gets_the_job_as_it_ended_whatever_it_came_to() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for (end, state) in [
        (AttemptEnd::Completed, "completed"),
        (AttemptEnd::Cancelled, "cancelled"),
    ] {
        let (answer, ()) = join(probe(&world, &token, "wait=30", None), perform(&world, end)).await;
        answer.is(200, &[]);
        assert_eq!(
            (answer.body["state"].as_str(), answer.header("preference-applied")),
            (Some(state), "wait=30")
        );
        let id = answer.body["id"].as_str().unwrap();
        assert_eq!(answer.header("location"), format!("/v1/jobs/{id}"));
    }
    let id = world.probe(&token).await;
    let get = request(Method::GET, &format!("/v1/jobs/{id}"), &token).insert_header(("prefer", "wait=100"));
    let (answer, ()) = join(world.send(get), perform(&world, AttemptEnd::Completed)).await;
    answer.is(200, &[]);
    assert_eq!(
        (answer.body["state"].as_str(), answer.header("preference-applied")),
        (Some("completed"), "wait=60")
    );
}

#[actix_web::test]
async fn when_the_time_has_passed_the_job_is_shown_as_it_is() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let answer = probe(&world, &token, "wait=1", None).await;
    answer.is(202, &[]);
    assert_eq!(
        (answer.body["state"].as_str(), answer.header("preference-applied")),
        (Some("available"), "wait=1")
    );
    let id = answer.body["id"].as_str().unwrap();
    let get = request(Method::GET, &format!("/v1/jobs/{id}"), &token).insert_header(("prefer", "wait=1"));
    let answer = world.send(get).await;
    answer.is(200, &[]);
    assert_eq!(answer.body["state"], "available");
}

#[actix_web::test]
async fn a_preference_that_is_not_understood_is_ignored() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for prefer in ["wait", "wait=0", "wait=soon", "respond-async", "cancel-when-gone"] {
        let answer = probe(&world, &token, prefer, None).await;
        answer.is(202, &[]);
        assert_eq!(answer.header("preference-applied"), "", "{prefer}");
    }
}

#[actix_web::test]
async fn a_replay_waits_again_and_shows_the_job_of_today() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let first = probe(&world, &token, "", Some("k")).await;
    let (again, ()) = join(
        probe(&world, &token, "wait=30", Some("k")),
        perform(&world, AttemptEnd::Completed),
    )
    .await;
    again.is(200, &[]);
    assert_eq!(again.body["id"], first.body["id"]);
    assert_eq!(
        (again.body["state"].as_str(), again.header("idempotent-replayed")),
        (Some("completed"), "true")
    );
    assert_eq!(
        probe(&world, &token, "", Some("k")).await.text,
        first.text,
        "without a wait, as it was accepted"
    );
}

#[actix_web::test]
async fn those_who_wait_are_answered_at_a_shutdown_and_nobody_waits_after_it() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let shutdown = async {
        while world.state.store.hub().waiting() == 0 {
            tokio::task::yield_now().await;
        }
        world.state.shutdown.raise();
    };
    let (answer, ()) = join(probe(&world, &token, "wait=60", None), shutdown).await;
    answer.is(202, &[]);
    let late = probe(&world, &token, "wait=60", None).await;
    late.is(202, &[]);
    assert_eq!(late.header("preference-applied"), "");
}

#[actix_web::test]
async fn a_job_whose_client_went_away_is_cancelled_only_if_that_was_asked_for() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for (prefer, state) in [("wait=60", "available"), ("wait=60, cancel-when-gone", "cancelled")] {
        let mut waiting = Box::pin(probe(&world, &token, prefer, None));
        while world.state.store.hub().waiting() == 0
            || world.get("/v1/jobs", &token).await.body["data"][0]["state"] != "available"
        {
            assert!(poll_immediate(&mut waiting).await.is_none());
            tokio::task::yield_now().await;
        }
        // Until it waits for the end, and not for its commit.
        for _ in 0..50 {
            assert!(poll_immediate(&mut waiting).await.is_none());
            tokio::task::yield_now().await;
        }
        drop(waiting);
        let soon = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                let jobs = world.get("/v1/jobs", &token).await;
                if jobs.body["data"][0]["state"] == state {
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
        soon.await.expect("it is not as it should be");
        assert_eq!(world.state.store.hub().waiting(), 0);
        let id = world.get("/v1/jobs", &token).await.body["data"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let cancel = world.post(&format!("/v1/jobs/{id}/cancel"), &token, &json!({})).await;
        cancel.is(200, &[]);
    }
}

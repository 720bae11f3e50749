//! The room for jobs that wait: it is taken and given back once, whatever is asked for how often.

use std::time::Duration;

use actix_web::http::Method;
use futures_util::future::poll_immediate;
use serde_json::json;

use super::{World, request};
use crate::domain::job::{AttemptEnd, Queue};

#[actix_web::test]
async fn a_cancel_makes_room_once_however_often_it_is_asked_for() {
    let world = World::with(&[("LEGWORK_LIMITS__JOBS_WAITING", "2")]);
    let ada = world.member("ada@example.org").await;
    let probe = json!({ "steps": 0 });
    let first = world.probe(&ada).await;
    world.probe(&ada).await;
    world.post("/v1/probes", &ada, &probe).await.is(429, &[]);
    for _ in 0..3 {
        let cancel = world.post(&format!("/v1/jobs/{first}/cancel"), &ada, &json!({})).await;
        cancel.is(200, &[]);
        world.advance(Duration::from_millis(1));
    }
    world.probe(&ada).await;
    world.post("/v1/probes", &ada, &probe).await.is(429, &[]);
}

#[actix_web::test]
async fn a_job_that_is_cancelled_since_its_client_went_away_makes_room() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let prefer = request(Method::POST, "/v1/probes", &ada).insert_header(("prefer", "wait=60, cancel-when-gone"));
    let mut waiting = Box::pin(world.send(prefer.set_json(json!({ "steps": 0 }))));
    while world.get("/v1/jobs", &ada).await.body["data"][0]["state"] != "available" {
        assert!(poll_immediate(&mut waiting).await.is_none());
        tokio::task::yield_now().await;
    }
    // Until it waits for the end, and not for its commit.
    for _ in 0..50 {
        assert!(poll_immediate(&mut waiting).await.is_none());
        tokio::task::yield_now().await;
    }
    assert_eq!(world.state.depths.waiting(Queue::Probes), 1);
    drop(waiting);
    let soon = tokio::time::timeout(Duration::from_secs(10), async {
        while world.state.depths.waiting(Queue::Probes) > 0 {
            tokio::task::yield_now().await;
        }
    });
    soon.await.expect("its room is not given back");
}

#[actix_web::test]
async fn a_retry_that_is_refused_takes_no_room() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let unique = json!({ "steps": 0, "unique": { "key": "nightly", "while": "unfinished" } });
    let first = world.post("/v1/probes", &ada, &unique).await;
    first.is(202, &[]);
    let id = first.body["id"].as_str().unwrap();
    let claimed = world.claim().await;
    world.finish(&claimed, AttemptEnd::Completed).await;
    world.post("/v1/probes", &ada, &unique).await.is(202, &[]);
    let waiting = world.state.depths.waiting(Queue::Probes);
    for _ in 0..3 {
        let retry = world.post(&format!("/v1/jobs/{id}/retry"), &ada, &json!({})).await;
        retry.is(409, &[]);
    }
    assert_eq!(world.state.depths.waiting(Queue::Probes), waiting);
}

//! Queues: who may look and pause, what a pause holds back, and that it lasts.

use std::time::Duration;

use serde_json::json;

use super::{Answer, World};
use crate::domain::id::{NodeId, WorkspaceId};
use crate::domain::roles::Roles;
use crate::jobs::kinds::{Probe, ProbeArgs};
use crate::jobs::{Order, new_job};
use crate::store::{Abort, KnownKind, NewJob, nodes};

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
                "depth": { "available": 1, "capped": false }, "running": 0, "slots": 16, "unknown_kinds": [] })
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
    world.advance(Duration::from_secs(60));
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

#[actix_web::test]
async fn kinds_that_wait_and_are_not_known_here_are_shown_with_the_versions_that_know_them() {
    let world = World::new();
    let operator = world.operator().await;
    let known = world.probe(&operator).await;
    let args = ProbeArgs {
        steps: 0,
        step_ms: 0,
        fail: None,
        panic: None,
    };
    let newer = new_job::<Probe>(&args, WorkspaceId::SERVICE, world.clock.now(), Order::default()).unwrap();
    let newer = NewJob {
        args_version: 9,
        ..newer
    };
    let unknown = newer.id;
    world.state.store.enqueue(vec![newer]).await.unwrap();
    let probes = |answer: &Answer| answer.body["data"][1]["unknown_kinds"].clone();
    let shown = world.get("/v1/queues", &operator).await;
    assert_eq!(
        probes(&shown),
        json!([{ "kind": "probe.run", "version": 9, "known_by": [] }])
    );
    assert_eq!(mail(&shown)["unknown_kinds"], json!([]));

    let now = world.clock.now();
    let entered = world.state.store.write(move |tx| {
        for (bits, version, newest) in [(7, "0.9.0", 9), (8, "0.9.1", 10), (9, "0.8.0", 8)] {
            let node = NodeId::from_bits(bits);
            nodes::enter(
                tx.connection(),
                node,
                (version, Roles::Work),
                now,
                Duration::from_secs(15),
            )?;
            let kind = KnownKind {
                name: "probe.run",
                version: newest,
            };
            nodes::publish(tx.connection(), node, &[kind])?;
        }
        Ok::<_, Abort<()>>(())
    });
    entered.await.unwrap();
    let shown = probes(&world.get("/v1/queues", &operator).await);
    assert_eq!(shown[0]["known_by"], json!(["0.9.0", "0.9.1"]));
    // A job says the same once the keeper has looked.
    let performed = world
        .state
        .store
        .read(move |connection| nodes::performed(connection, now));
    drop(
        world
            .state
            .elsewhere
            .seen(performed.await.unwrap(), Vec::new(), &world.state.registry),
    );
    let waits_for = |job: Answer| job.body["waiting_for"].clone();
    assert_eq!(
        waits_for(world.get(&format!("/v1/jobs/{unknown}"), &operator).await),
        "a node of version 0.9.0 or 0.9.1, which knows version 9 of the kind probe.run"
    );
    assert_eq!(
        waits_for(world.get(&format!("/v1/jobs/{known}"), &operator).await),
        json!(null)
    );
    // With its lease a node's knowledge ends.
    world.advance(Duration::from_secs(16));
    let shown = probes(&world.get("/v1/queues", &operator).await);
    assert_eq!(shown[0]["known_by"], json!([]));
}

//! Nodes and what they do: who sees them, what a node without the API answers, and what is said of a backlog.

use std::time::Duration;

use serde_json::json;

use super::World;
use super::asking::app_of;
use crate::domain::id::NodeId;
use crate::domain::job::Queue;
use crate::domain::roles::Roles;
use crate::store::{Abort, nodes};

#[actix_web::test]
async fn operators_see_each_node_with_its_roles_its_lease_and_what_runs_there() {
    let world = World::new();
    let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
    world.get("/v1/nodes", "").await.is(401, &[]);
    world.get("/v1/nodes", &ada).await.is(403, &[]);
    assert_eq!(world.get("/v1/nodes", &operator).await.body["data"], json!([]));
    world.probe(&operator).await;
    let node = NodeId::from_bits(7);
    let now = world.clock.now();
    let entered = world.state.store.write(move |tx| {
        Ok::<_, Abort<()>>(nodes::enter(
            tx.connection(),
            node,
            ("1.2.3", Roles::Work),
            now,
            Duration::from_secs(15),
        )?)
    });
    entered.await.unwrap();
    let asked = crate::store::ClaimRequest {
        queue: Queue::Probes,
        kinds: world.state.registry.of_queue(Queue::Probes),
        limit: 1,
        turn: Default::default(),
        node,
        now,
    };
    assert_eq!(world.state.store.claim(asked).await.unwrap().jobs.len(), 1);
    let listed = world.get("/v1/nodes", &operator).await;
    listed.is(200, &[]);
    assert_eq!(
        listed.body["data"],
        json!([{ "id": node.to_string(), "version": "1.2.3", "roles": ["work"], "started_at": now,
                 "lease_until": now.plus(Duration::from_secs(15)), "running": 1 }])
    );
}

#[actix_web::test]
async fn a_node_without_the_api_says_whether_it_is_there_and_sends_everybody_else_on() {
    let world = World::new();
    let operator = world.operator().await;
    let app = app_of(world.state.clone(), Roles::Work).await;
    for uri in ["/health/live", "/health/ready", "/openapi.json"] {
        let answer = super::ask(&app, super::request(super::Method::GET, uri, "").to_request()).await;
        assert_eq!(answer.status, 200, "{uri}: {}", answer.text);
    }
    for uri in ["/", "/v1/queues", "/v1/jobs", "/v1/nodes", "/docs", "/nothing"] {
        let answer = super::ask(&app, super::request(super::Method::GET, uri, &operator).to_request()).await;
        assert_eq!(answer.status, 404, "{uri}: {}", answer.text);
        assert!(
            answer.text.contains("ask one that has the role api"),
            "{uri}: {}",
            answer.text
        );
    }
}

#[actix_web::test]
async fn a_batch_of_probes_is_for_operators_and_is_all_there_when_it_is_answered() {
    let world = World::with(&[("LEGWORK_QUEUES__PROBES__MAX_WAITING", "5")]);
    let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
    let body = json!({ "count": 2_500, "steps": 0, "priority": 3 });
    world.post("/v1/probes/batch", "", &body).await.is(401, &[]);
    world.post("/v1/probes/batch", &ada, &body).await.is(403, &[]);
    for (wrong, pointer) in [
        (json!({ "count": 0, "steps": 0 }), "/count"),
        (json!({ "count": 100_001, "steps": 0 }), "/count"),
        (json!({ "count": 1, "steps": -1 }), "/steps"),
        (json!({ "count": 1, "steps": 0, "priority": 11 }), "/priority"),
    ] {
        world
            .post("/v1/probes/batch", &operator, &wrong)
            .await
            .is(422, &[pointer]);
    }
    let accepted = world.post("/v1/probes/batch", &operator, &body).await;
    accepted.is(202, &[]);
    assert_eq!(accepted.body, json!({ "accepted": 2_500 }));
    let queues = world.get("/v1/queues", &operator).await;
    assert_eq!(queues.body["data"][1]["waiting"], 2_500);
    // The limit is for others.
    let refused = world.post("/v1/probes", &ada, &json!({ "steps": 0 })).await;
    refused.is(429, &[]);
    assert_eq!(refused.header("ratelimit-policy"), "\"queue_waiting\";q=5");
    assert_eq!(
        refused.header("retry-after"),
        "60",
        "nothing has ended, so nobody knows"
    );
}

#[actix_web::test]
async fn a_queue_at_its_limit_says_when_to_come_back_by_how_fast_it_drains() {
    let world = World::with(&[("LEGWORK_QUEUES__PROBES__MAX_WAITING", "3")]);
    let ada = world.member("ada@example.org").await;
    let probe = json!({ "steps": 0 });
    for _ in 0..3 {
        world.post("/v1/probes", &ada, &probe).await.is(202, &[]);
    }
    world.post("/v1/probes", &ada, &probe).await.is(429, &[]);
    world
        .post("/v1/emails", &ada, &super::limits::mail(&["a@example.com"]))
        .await
        .is(202, &[]);
    // One is claimed, and its place is free at once.
    let claimed = world.claim().await;
    world.state.depths.left(Queue::Probes, [claimed.workspace]);
    world.post("/v1/probes", &ada, &probe).await.is(202, &[]);
    world.post("/v1/probes", &ada, &probe).await.is(429, &[]);
}

#[actix_web::test]
async fn what_waits_for_its_time_counts_as_waiting_and_the_next_one_tells_how_long_it_waited() {
    let world = World::new();
    let operator = world.operator().await;
    world.probe(&operator).await;
    let later = json!({ "steps": 0, "run_at": "2030-01-31T08:30:00Z" });
    let scheduled = world.post("/v1/probes", &operator, &later).await;
    assert_eq!(scheduled.body["waiting_for"], "its time, 2030-01-31T08:30:00.000000Z");
    world.advance(Duration::from_millis(2_500));
    let queues = world.get("/v1/queues", &operator).await;
    let (mail, probes) = (&queues.body["data"][0], &queues.body["data"][1]);
    assert_eq!(
        (
            &probes["waiting"],
            &probes["oldest_waiting_s"],
            &probes["depth"]["available"]
        ),
        (&json!(2), &json!(2.5), &json!(1))
    );
    assert_eq!((&mail["waiting"], &mail["oldest_waiting_s"]), (&json!(0), &json!(null)));
}

#[actix_web::test]
async fn a_job_says_how_many_go_before_it_and_that_nobody_is_there_to_perform_it() {
    let world = World::new();
    let operator = world.operator().await;
    let reason = async |id: &str| world.get(&format!("/v1/jobs/{id}"), &operator).await.body["waiting_for"].clone();
    let first = world.probe(&operator).await.to_string();
    let second = world.probe(&operator).await.to_string();
    let urgent = json!({ "steps": 0, "priority": 5 });
    world.post("/v1/probes", &operator, &urgent).await.is(202, &[]);
    assert_eq!(reason(&first).await, "its turn; one job goes before it");
    assert_eq!(reason(&second).await, "its turn; 2 jobs go before it");
    // A count finds that no node is alive that performs jobs.
    count(&world).await;
    assert_eq!(reason(&second).await, "a node that performs jobs; none is alive");
    world.claim_up_to(10).await;
    assert_eq!(reason(&second).await, json!(null));
}

/// Counts what waits, as the keeper does.
async fn count(world: &World) {
    let (began, now) = (tokio::time::Instant::now(), world.clock.now());
    world.state.depths.begin(began);
    let read = world.state.store.read(move |connection| {
        let alive = nodes::alive(connection, now)?;
        Ok((crate::store::jobs::depths(connection, 100)?, alive))
    });
    let (found, alive) = read.await.unwrap();
    world.state.depths.counted(&found, alive, (began, began));
}

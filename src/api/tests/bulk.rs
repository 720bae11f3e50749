//! Many jobs at once: what is meant, what is done, and who may.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{World, request};
use crate::api::bulk::BulkBody;
use crate::domain::id::{JobId, NodeId, WorkspaceId};
use crate::domain::job::{AttemptEnd, Queue, Retry};
use crate::jobs::kinds::{Hurry, JobsBulk};
use crate::jobs::{Attempt, AttemptParts, Attempts, ErasedKind, Kind as _};
use crate::store::testing::end;
use crate::store::{ClaimRequest, KnownKind};

impl World {
    /// So many probes of whoever has `token`, given up with this error.
    async fn given_up(&self, token: &str, count: usize, error: &str) -> Vec<JobId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.probe(token).await);
            let held = self.claim().await;
            let mut end = end(held.id, held.fence, AttemptEnd::Failed(Retry::Never), self.clock.now());
            end.error = Some(error.to_owned());
            self.state.store.finish(end).await.unwrap();
        }
        ids
    }

    /// Carries the next order out, as the operator's worker would.
    async fn carry_out(&self) {
        let claim = self.state.store.claim(ClaimRequest {
            queue: Queue::Operations,
            kinds: vec![KnownKind {
                name: JobsBulk::NAME,
                version: JobsBulk::VERSION,
            }],
            limit: 1,
            node: NodeId::generate(),
            now: self.clock.now(),
            turn: Default::default(),
        });
        let job = claim.await.unwrap().jobs.remove(0);
        let state = &self.state;
        let kind: Arc<dyn ErasedKind> = Arc::new(JobsBulk::new(
            state.store.clone(),
            state.depths.clone(),
            Hurry::default(),
        ));
        let attempt = Attempt::new(AttemptParts {
            handle: Attempts::new().begin(job.id, job.fence),
            job,
            kind,
            ledger: Arc::new(state.store.clone()),
            clock: self.clock.clone(),
            keep: Box::new(()),
        });
        let received = attempt.receive();
        attempt.run(received).await.unwrap();
    }

    async fn acts(&self, token: &str, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/v1/audit{query}"), token).await;
        answer.is(200, &[]);
        answer.body["data"].as_array().unwrap().clone()
    }

    async fn state_of(&self, token: &str, id: JobId) -> Value {
        self.get(&format!("/v1/jobs/{id}"), token).await.body["state"].clone()
    }
}

#[actix_web::test]
async fn a_preview_changes_nothing_and_says_what_the_order_then_does() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let operator = world.operator().await;
    let ids = world.given_up(&ada, 3, "no route to host 7").await;
    let other = world.given_up(&ada, 1, "something else").await;
    let waiting = world.probe(&ada).await;
    let body = json!({ "action": "retry", "filter": { "kind": "probe.run", "error": "no route to host #" }, "rate_per_s": 1000 });
    let preview = world.post("/v1/jobs/bulk/preview", &operator, &body).await;
    preview.is(200, &[]);
    assert_eq!(preview.body, json!({ "count": 3, "is_capped": false, "samples": ids }));
    let jobs = world.get("/v1/jobs", &operator).await;
    assert_eq!(jobs.body["data"].as_array().unwrap().len(), 5, "no job was written");

    let mut ordered = body.clone();
    ordered["expect"] = json!(4);
    let refused = world.post("/v1/jobs/bulk", &operator, &ordered).await;
    refused.is(409, &[]);
    assert!(
        refused.text.contains("3 jobs are meant now, and not 4"),
        "{}",
        refused.text
    );
    ordered["expect"] = json!(3);
    let accepted = world.post("/v1/jobs/bulk", &operator, &ordered).await;
    accepted.is(202, &[]);
    assert_eq!(
        (&accepted.body["kind"], &accepted.body["queue"]),
        (&"jobs.bulk".into(), &"operations".into())
    );
    let at = accepted.header("location").to_owned();
    world.carry_out().await;
    let done = world.get(&at, &operator).await.body;
    assert_eq!(done["state"], "completed", "{done}");
    assert_eq!(
        done["result"],
        json!({ "matched": 3, "changed": 3, "refused": {}, "behind": ids[2], "next_at": done["result"]["next_at"] })
    );
    assert_eq!(
        (&done["progress"]["done"], &done["progress"]["total"]),
        (&3.into(), &3.into())
    );
    for id in ids {
        assert_eq!(world.state_of(&ada, id).await, "available");
    }
    assert_eq!(world.state_of(&ada, other[0]).await, "discarded");
    assert_eq!(world.state_of(&ada, waiting).await, "available");
}

#[actix_web::test]
async fn what_came_to_be_meant_since_it_was_counted_is_none_of_the_order() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    world.given_up(&ada, 1, "x").await;
    let body: BulkBody = serde_json::from_value(json!({
        "action": "retry", "filter": { "queue": "probes" }, "expect": 1
    }))
    .unwrap();
    let order = body.checked(&world.state).await.unwrap();
    let found = order.expected(&world.state).await.unwrap();
    let counted_at = world.state.clock.now();
    // Counting takes its time.
    world.advance(Duration::from_secs(3));
    let job = order.job(WorkspaceId::SERVICE, found, None).unwrap();
    assert_eq!(job.created_at, counted_at);
}

#[actix_web::test]
async fn an_order_is_written_down_with_its_filter_and_once_for_a_request_that_is_repeated() {
    let world = World::new();
    let operator = world.operator().await;
    world.probe(&operator).await;
    let body = json!({ "action": "cancel", "filter": { "queue": "probes" } });
    let mut ids = Vec::new();
    for _ in 0..2 {
        let post = request(Method::POST, "/v1/jobs/bulk", &operator)
            .insert_header(("idempotency-key", "k"))
            .set_json(&body);
        let answer = world.send(post).await;
        answer.is(202, &[]);
        ids.push(answer.body["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    let acts = world.acts(&operator, "").await;
    assert_eq!(acts.len(), 1, "{acts:?}");
    assert_eq!(
        (&acts[0]["action"], &acts[0]["subject"], &acts[0]["via"]),
        (&"jobs.cancel".into(), &ids[0], &"api".into())
    );
    assert_eq!(acts[0]["detail"]["filter"], json!({ "queue": "probes" }));
    assert!(acts[0]["account_id"].is_string() && acts[0]["request_id"].is_string());
}

#[actix_web::test]
async fn jobs_run_again_with_other_arguments_where_those_are_given_for_one_kind() {
    let world = World::new();
    let operator = world.operator().await;
    let ids = world.given_up(&operator, 2, "x").await;
    let body = json!({ "action": "retry", "filter": { "kind": "probe.run" }, "args": { "steps": 9 } });
    world.post("/v1/jobs/bulk", &operator, &body).await.is(202, &[]);
    world.carry_out().await;
    for _ in ids {
        let held = world.claim().await;
        assert!(held.args.contains("\"steps\":9"), "{}", held.args);
    }
    for (body, pointers) in [
        (
            json!({ "action": "retry", "filter": { "queue": "probes" }, "args": { "steps": 9 } }),
            &["/filter/kind"][..],
        ),
        (
            json!({ "action": "cancel", "filter": { "kind": "probe.run" }, "args": { "steps": 9 } }),
            &["/args"],
        ),
        (
            json!({ "action": "retry", "filter": { "kind": "probe.run" }, "args": { "steps": -1 } }),
            &["/args/steps"],
        ),
        (
            json!({ "action": "retry", "filter": { "kind": "report.build" }, "args": { "steps": 1 } }),
            &["/args"],
        ),
        (
            json!({ "action": "retry", "filter": { "kind": "email.send" }, "args": super::emails::mail(&json!({})) }),
            &["/args"],
        ),
    ] {
        world.post("/v1/jobs/bulk", &operator, &body).await.is(422, pointers);
    }
}

#[actix_web::test]
async fn a_filter_that_says_nothing_or_nonsense_is_refused_by_name() {
    let world = World::new();
    let operator = world.operator().await;
    let many: Vec<String> = (0..501).map(|_| JobId::generate().to_string()).collect();
    for (action, filter, pointer) in [
        ("cancel", json!({}), "/filter"),
        ("retry", json!({ "queue": null, "kind": null }), "/filter"),
        ("cancel", json!({ "state": "discarded" }), "/filter/state"),
        ("retry", json!({ "state": "running" }), "/filter/state"),
        ("retry", json!({ "state": "gone" }), "/filter/state"),
        ("retry", json!({ "kind": "" }), "/filter/kind"),
        ("retry", json!({ "kind": "a\u{0}b" }), "/filter/kind"),
        ("retry", json!({ "kind": "ada@example.org" }), "/filter/kind"),
        ("retry", json!({ "error": "no user ada@example.org" }), "/filter/error"),
        ("retry", json!({ "error": "a\u{0}b" }), "/filter/error"),
        ("retry", json!({ "error": "x".repeat(201) }), "/filter/error"),
        ("retry", json!({ "ids": many }), "/filter/ids"),
        ("retry", json!({ "ids": ["job_1"] }), "/filter/ids/0"),
        ("retry", json!({ "colour": "red" }), "/filter/colour"),
        (
            "retry",
            json!({ "created_after": "2026-01-02T00:00:00Z", "created_before": "2026-01-01T00:00:00Z" }),
            "/filter/created_before",
        ),
    ] {
        let body = json!({ "action": action, "filter": filter });
        for uri in ["/v1/jobs/bulk", "/v1/jobs/bulk/preview"] {
            world.post(uri, &operator, &body).await.is(422, &[pointer]);
        }
    }
    assert_eq!(world.acts(&operator, "").await, Vec::<Value>::new());
}

#[actix_web::test]
async fn nobody_but_an_operator_touches_many_jobs_and_causes_are_those_of_ones_own_workspace() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let bob = world.member("bob@example.org").await;
    let operator = world.operator().await;
    let of_ada = world.given_up(&ada, 2, "refused by <carol@example.com>, line 3").await;
    world.given_up(&bob, 1, "refused by <dave@example.com>, line 4").await;
    let workspace_of = async |token: &str| world.get("/v1/accounts/me", token).await.body["workspace_id"].clone();
    let (theirs, own) = (workspace_of(&ada).await, workspace_of(&bob).await);
    for filter in [
        json!({ "workspace": theirs }),
        json!({ "workspace": own }),
        json!({ "ids": of_ada }),
    ] {
        let body = json!({ "action": "retry", "filter": filter });
        for uri in ["/v1/jobs/bulk", "/v1/jobs/bulk/preview"] {
            world.post(uri, &bob, &body).await.is(403, &[]);
        }
    }
    let causes = async |token: &str, query: &str| {
        let answer = world.get(&format!("/v1/jobs/causes{query}"), token).await;
        answer.is(200, &[]);
        assert!(!answer.text.contains('@'), "an address: {}", answer.text);
        answer.body
    };
    let all = causes(&operator, "").await;
    let group = &all["data"][0];
    assert_eq!(
        (&group["count"], &group["error"]),
        (&3.into(), &"refused by <<address>>, line #".into()),
        "{all}"
    );
    assert_eq!(
        (&group["cause"], all["data"].as_array().unwrap().len()),
        (&"permanent".into(), 1)
    );
    assert_eq!((&all["looked_at"], &all["is_capped"]), (&3.into(), &false.into()));
    let mine = causes(&ada, "").await;
    assert_eq!(
        (&mine["data"][0]["count"], &mine["data"][0]["samples"][1]),
        (&2.into(), &json!(of_ada[0]))
    );
    for (token, workspace, count) in [(&operator, &theirs, 2), (&operator, &own, 1), (&bob, &own, 1)] {
        let found = causes(token, &format!("?workspace={}", workspace.as_str().unwrap())).await;
        assert_eq!(found["data"][0]["count"], count);
    }
    let hostile = format!("/v1/jobs/causes?workspace={}", theirs.as_str().unwrap());
    world.get(&hostile, &bob).await.is(404, &[]);
    for query in [
        "?state=uncertain",
        "?kind=email.send",
        "?queue=mail",
        "?since=2030-01-01T00:00:00Z",
        "?kind=%00",
    ] {
        assert_eq!(causes(&operator, query).await["data"], json!([]), "{query}");
    }
    world
        .get("/v1/jobs/causes?state=completed", &ada)
        .await
        .is(422, &["/query/state"]);
}

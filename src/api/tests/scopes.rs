//! What API keys with few scopes may do: a walk over all routes, and the ways round them.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::World;
use super::openapi::Asking;
use crate::domain::scope::Scope;

impl World {
    /// An API key with these scopes, of whoever logged in with `token`.
    pub(super) async fn scoped_key(&self, token: &str, scopes: &[&str]) -> String {
        let body = json!({ "name": "ci", "scopes": scopes });
        let answer = self.post("/v1/api-keys", token, &body).await;
        answer.is(201, &[]);
        answer.body["key"].as_str().unwrap().into()
    }
}

/// Whether an answer says that the key lacks this scope.
fn lacks(answer: &super::Answer, scope: &str) -> bool {
    answer.status == 403
        && answer.body["type"] == "/problems/scope-missing"
        && answer.body["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains(scope))
}

#[actix_web::test]
async fn every_route_that_is_not_for_logins_alone_takes_the_one_scope_that_it_names() {
    let asking = Asking::new().await;
    let mut named = Vec::new();
    for operation in asking.secured() {
        let here = format!("{} {}", operation.method, operation.path);
        let Some(scope) = operation.scope() else {
            // No key will do, whatever its scopes.
            let answer = asking.by_key(&operation, &["*"]).await;
            assert_eq!(answer.status, 403, "{here}: {}", answer.text);
            continue;
        };
        let others = Scope::ALL.iter().map(|scope| scope.as_str());
        let others: Vec<&str> = others.filter(|other| *other != scope && *other != "*").collect();
        let without = asking.by_key(&operation, &others).await;
        assert!(lacks(&without, scope), "{here} without {scope}: {}", without.text);
        for enough in [scope, "*"] {
            let with = asking.by_key(&operation, &[enough]).await;
            // What is within the body may take another one.
            let is_within = with.body["type"] == "/problems/scope-missing" && !lacks(&with, scope);
            assert!(
                is_within || !matches!(with.status, 401 | 403),
                "{here} with {enough}: {}",
                with.text
            );
        }
        named.push(scope);
    }
    named.sort_unstable();
    named.dedup();
    let all: Vec<&str> = Scope::ALL
        .iter()
        .map(|scope| scope.as_str())
        .filter(|scope| *scope != "*")
        .collect();
    assert_eq!(named, all, "each scope is of use for some route");
}

#[actix_web::test]
async fn a_key_cannot_order_by_a_batch_a_schedule_or_a_retry_what_it_may_not_order_alone() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let key = world
        .scoped_key(
            &token,
            &[
                "batches:write",
                "schedules:write",
                "jobs:write",
                "probes:write",
                "jobs:read",
            ],
        )
        .await;
    let mail = json!({ "kind": "email.send", "args": { "to": "bob@example.com", "subject": "x", "text": "x" } });
    let report = json!({ "kind": "report.build", "args": { "table": "jobs", "format": "csv" } });
    let probe = json!({ "kind": "probe.run", "args": { "steps": 1 } });
    let schedule = |job: &Value| json!({ "name": "nightly", "cron": "@daily", "time_zone": "UTC", "job": job });
    for (job, scope) in [(&mail, "emails:write"), (&report, "reports:write")] {
        for body in [
            json!({ "jobs": [probe, job] }),
            json!({ "jobs": [probe], "finally": job }),
        ] {
            let refused = world.post("/v1/batches", &key, &body).await;
            assert!(lacks(&refused, scope), "{}", refused.text);
        }
        let refused = world.post("/v1/schedules", &key, &schedule(job)).await;
        assert!(lacks(&refused, scope), "{}", refused.text);
    }
    let batch = world
        .post("/v1/batches", &key, &json!({ "jobs": [probe], "open": true }))
        .await;
    batch.is(202, &[]);
    let more = format!("/v1/batches/{}/jobs", batch.body["id"].as_str().unwrap());
    assert!(lacks(
        &world.post(&more, &key, &json!({ "jobs": [mail] })).await,
        "emails:write"
    ));
    world.post(&more, &key, &json!({ "jobs": [probe] })).await.is(202, &[]);
    let made = world.post("/v1/schedules", &key, &schedule(&probe)).await;
    made.is(201, &[]);
    let uri = format!("/v1/schedules/{}", made.body["id"].as_str().unwrap());
    let patch = |body: Value| super::request(Method::PATCH, &uri, &key).set_json(body);
    assert!(lacks(&world.send(patch(json!({ "job": mail }))).await, "emails:write"));
    world.send(patch(json!({ "job": probe }))).await.is(200, &[]);
    // A mail that somebody may send is run again by who may have jobs run again, as it is and not with other words.
    let sent = world.post("/v1/emails", &token, &mail["args"]).await;
    sent.is(202, &[]);
    let job = format!("/v1/jobs/{}", sent.body["id"].as_str().unwrap());
    world
        .post(&format!("{job}/cancel"), &key, &json!({}))
        .await
        .is(200, &[]);
    let changed = json!({ "args": { "to": "eve@example.com", "subject": "x", "text": "x" } });
    let refused = world.post(&format!("{job}/retry"), &key, &changed).await;
    assert!(lacks(&refused, "emails:write"), "{}", refused.text);
    world.post(&format!("{job}/retry"), &key, &json!({})).await.is(202, &[]);
}

#[actix_web::test]
async fn a_key_that_only_looks_on_cancels_nothing() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let job = world.probe(&token).await;
    let key = world.scoped_key(&token, &["jobs:read"]).await;
    let uri = format!("/v1/jobs/{job}/events?cancel_when_gone=true");
    assert!(lacks(&world.get(&uri, &key).await, "jobs:write"));
    let waiting = super::request(Method::GET, &format!("/v1/jobs/{job}"), &key)
        .insert_header(("prefer", "wait=1, cancel-when-gone"));
    let answer = world.send(waiting).await;
    answer.is(200, &[]);
    assert_eq!(answer.header("preference-applied"), "wait=1");
}

#[actix_web::test]
async fn an_operators_key_reaches_other_workspaces_only_with_the_scope_of_operators() {
    let world = World::new();
    let operator = world.operator().await;
    let member = world.member("ada@example.org").await;
    let job = world.probe(&member).await;
    let (shown, cancelled) = (format!("/v1/jobs/{job}"), format!("/v1/jobs/{job}/cancel"));
    let narrow = world
        .scoped_key(&operator, &["jobs:read", "jobs:write", "account:read"])
        .await;
    world.get(&shown, &narrow).await.is(404, &[]);
    world.post(&cancelled, &narrow, &json!({})).await.is(404, &[]);
    assert_eq!(world.get("/v1/accounts/me", &narrow).await.body["is_operator"], false);
    assert!(lacks(&world.get("/v1/queues", &narrow).await, "operators:read"));
    let reading = world
        .scoped_key(&operator, &["jobs:read", "jobs:write", "operators:read"])
        .await;
    world.get(&shown, &reading).await.is(200, &[]);
    world.get("/v1/queues", &reading).await.is(200, &[]);
    world.post(&cancelled, &reading, &json!({})).await.is(404, &[]);
    assert!(lacks(
        &world.post("/v1/queues/mail/pause", &reading, &json!({})).await,
        "operators:write"
    ));
    let writing = world.scoped_key(&operator, &["jobs:write", "operators:write"]).await;
    world.post(&cancelled, &writing, &json!({})).await.is(200, &[]);
    // To others they are of no use.
    let theirs = world.scoped_key(&member, &["operators:read", "operators:write"]).await;
    let refused = world.get("/v1/queues", &theirs).await;
    assert_eq!(
        (refused.status, &refused.body["type"]),
        (403, &json!("/problems/forbidden"))
    );
}

//! Deleting one's account.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{PASSWORD, World, request};
use crate::domain::job::{AttemptEnd, AttemptOutcome};
use crate::domain::security::SecurityEvent;
use crate::jobs::kinds::DeletionAskedArgs;
use crate::store::testing::{rows_of, tables};

const ME: &str = "/v1/accounts/me";
const RESTORE: &str = "/v1/accounts/me/restore";
const DAY: Duration = Duration::from_secs(24 * 3600);

impl World {
    async fn count_jobs(&self, kind: &str) -> usize {
        self.own_jobs().await.iter().filter(|job| job.kind == kind).count()
    }
}

#[actix_web::test]
async fn a_deletion_is_told_with_its_time_and_can_be_taken_back_until_then() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let asked = world.delete(ME, &token).await;
    asked.is(202, &[]);
    assert_eq!(
        asked.body["deletion_at"], "2023-11-28T22:13:20.000000Z",
        "after 14 days"
    );
    let told = world.perform_notice::<DeletionAskedArgs>().await;
    assert_eq!(told.mailed, ["ada@example.org"]);
    // Asked for again, it is the same wish.
    world.advance(Duration::from_secs(60));
    assert_eq!(world.delete(ME, &token).await.body, asked.body);
    assert_eq!(world.count_jobs("account.delete").await, 1);
    assert_eq!(world.get(ME, &token).await.body, asked.body);
    world.probe(&token).await;
    let restored = world.send(request(Method::POST, RESTORE, &token)).await;
    restored.is(200, &[]);
    assert_eq!(restored.body["deletion_at"], Value::Null);
    world.send(request(Method::POST, RESTORE, &token)).await.is(200, &[]);
    for event in [SecurityEvent::DeletionAsked, SecurityEvent::DeletionTakenBack] {
        assert_eq!(world.happened(event).await.len(), 1);
    }
    world.advance(14 * DAY);
    let performed = world.perform_deletion().await;
    assert!(performed.result().contains("skipped"));
    world.login("ada@example.org").await;
}

#[actix_web::test]
async fn an_account_is_deleted_only_for_who_showed_the_password_lately() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let key = world.api_key(&token).await;
    world.delete(ME, &key).await.is(403, &[]);
    world.advance(Duration::from_secs(600));
    let answer = world.delete(ME, &token).await;
    answer.is(403, &[]);
    assert!(answer.text.contains("confirmation-required"));
    assert_eq!(world.get(ME, &token).await.body["deletion_at"], Value::Null);
}

#[actix_web::test]
async fn the_last_operator_stays() {
    let world = World::new();
    let one = world.operator().await;
    world.delete(ME, &one).await.is(409, &[]);
    world.account("second@example.org", true).await;
    let two = world.login("second@example.org").await;
    world.delete(ME, &one).await.is(202, &[]);
    world.delete(ME, &two).await.is(409, &[]);
    world.send(request(Method::POST, RESTORE, &one)).await.is(200, &[]);
    world.delete(ME, &two).await.is(202, &[]);
}

#[actix_web::test]
async fn all_that_is_an_accounts_goes_with_it_and_nothing_of_others() {
    let world = World::new();
    let (token, other) = (
        world.member("ada@example.org").await,
        world.member("bob@example.org").await,
    );
    let key = world.api_key(&token).await;
    let workspace = world.get(ME, &token).await.body["workspace_id"].clone();
    let workspace = workspace.as_str().unwrap().parse().unwrap();
    let running = world.probe(&token).await;
    let claimed = world.claim().await;
    assert_eq!(claimed.id, running);
    world.probe(&token).await;
    world.probe(&other).await;
    let report = world.report(&token).await;
    let file = world.build(report).await;
    let schedule = json!({
        "name": "daily", "cron": "@daily", "time_zone": "UTC", "job": { "kind": "probe.run", "args": { "steps": 1 } }
    });
    world.post("/v1/schedules", &token, &schedule).await.is(201, &[]);
    let batch = json!({ "jobs": [{ "kind": "probe.run", "args": { "steps": 1 } }], "open": true });
    world.post("/v1/batches", &token, &batch).await.is(202, &[]);
    let keyed = request(Method::POST, "/v1/probes", &token).insert_header(("idempotency-key", "k1"));
    world.send(keyed.set_json(json!({ "steps": 1 }))).await.is(202, &[]);
    world.reset_token("ada@example.org").await;
    world.address_token(&token, "new@example.org").await;
    world.delete(ME, &token).await.is(202, &[]);
    world.advance(13 * DAY);
    // The first login has ended by itself.
    let token = world.login("ada@example.org").await;
    world.get(ME, &token).await.is(200, &[]);
    world.advance(DAY);
    // First nobody comes in any more, and what runs is asked to end.
    let first = world.perform_deletion().await;
    assert_eq!(first.report.outcome, AttemptOutcome::Snoozed);
    for credential in [&token, &key] {
        world.get(ME, credential).await.is(401, &[]);
    }
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    world.post("/v1/sessions", "", &login).await.is(401, &[]);
    world.register("ada@example.org").await;
    assert_eq!(world.own_jobs().await[0].kind, "account.verify", "the address is free");
    world.advance(Duration::from_secs(60));
    let second = world.perform_deletion().await;
    assert_eq!(second.report.outcome, AttemptOutcome::Snoozed, "a job still runs");
    assert!(world.state.reports.read(file).is_ok());
    world.finish(&claimed, AttemptEnd::Cancelled).await;
    world.advance(Duration::from_secs(60));
    let last = world.perform_deletion().await;
    assert_eq!(last.report.outcome, AttemptOutcome::Completed, "{:?}", last.report);
    let left = rows_of(&world.state.store, Some(workspace));
    for table in tables().iter().filter(|table| table.has("workspace_id")) {
        let stays = ["acts", "security_events"].contains(&table.name.as_str());
        assert!(stays || left[&table.name] == 0, "{}: {}", table.name, left[&table.name]);
    }
    assert!(world.state.reports.read(file).is_err());
    assert_eq!(world.happened(SecurityEvent::AccountDeleted).await.len(), 1);
    let body = json!({ "email": "bob@example.org", "password": PASSWORD });
    let bob = world.post("/v1/sessions", "", &body).await;
    let bob = bob.body["token"].as_str().unwrap();
    let jobs = world.get("/v1/jobs", bob).await;
    assert_eq!(jobs.body["data"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn an_account_may_go_at_once_where_the_settings_say_so() {
    let world = World::with(&[("LEGWORK_ACCOUNTS__DELETION_GRACE_DAYS", "0")]);
    let token = world.member("ada@example.org").await;
    world.delete(ME, &token).await.is(202, &[]);
    world.send(request(Method::POST, RESTORE, &token)).await.is(409, &[]);
    world.perform_deletion().await;
    world.get(ME, &token).await.is(401, &[]);
}

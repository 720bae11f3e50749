//! What a workspace may use: refused with the numbers, set by operators, shown to members.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{Answer, World, request};
use crate::domain::job::Queue;
use crate::store::schedules::Schedule;

fn mail(to: &[&str]) -> Value {
    json!({ "to": to, "subject": "Hello", "text": "Hello." })
}

/// Three addresses.
const THREE: &[&str] = &["a@example.com", "b@example.com", "c@example.com"];

impl World {
    async fn change(&self, uri: &str, token: &str, body: &Value) -> Answer {
        self.send(request(Method::PATCH, uri, token).set_json(body)).await
    }

    /// The address of the workspace of whoever has this token.
    async fn own_workspace(&self, token: &str) -> String {
        let me = self.get("/v1/accounts/me", token).await;
        format!("/v1/workspaces/{}", me.body["workspace_id"].as_str().unwrap())
    }

    /// What of its quotas a workspace is shown: how much is used, and of what.
    async fn used(&self, token: &str, quota: &str) -> (Value, Value) {
        let own = self.get("/v1/workspaces/current", token).await;
        own.is(200, &[]);
        let quota = &own.body["quotas"][quota];
        (quota["used"].clone(), quota["max"].clone())
    }
}

#[actix_web::test]
async fn a_days_mails_are_counted_by_recipient_whatever_sends_them_and_come_back_by_the_hour() {
    let world = World::with(&[
        ("LEGWORK_LIMITS__MAILS_PER_DAY", "10"),
        ("LEGWORK_LIMITS__MAILS_PER_HOUR", "0"),
    ]);
    let ada = world.member("ada@example.org").await;
    // 22:13:20 of some day: one mail, then nine in another hour, by each way.
    world
        .post("/v1/emails", &ada, &mail(&["a@example.com"]))
        .await
        .is(202, &[]);
    world.advance(Duration::from_secs(3600));
    let first = world.post("/v1/emails", &ada, &mail(THREE)).await;
    first.is(202, &[]);
    let work = json!({ "kind": "email.send", "args": mail(THREE) });
    let batch = json!({ "jobs": [work, { "kind": "email.send", "args": mail(&["a@example.com"]) }] });
    world.post("/v1/batches", &ada, &batch).await.is(202, &[]);
    let monthly = json!({
        "name": "a", "cron": "@monthly", "time_zone": "UTC",
        "job": { "kind": "email.send", "args": mail(&["a@example.com"]) }
    });
    let schedule = world.post("/v1/schedules", &ada, &monthly).await;
    let run = format!("/v1/schedules/{}/run", schedule.body["id"].as_str().unwrap());
    world.post(&run, &ada, &json!({})).await.is(202, &[]);
    assert_eq!(world.used(&ada, "mails_per_day").await, (json!(9), json!(10)));
    let refused = world.post("/v1/emails", &ada, &mail(THREE)).await;
    refused.is(429, &[]);
    let quota = &refused.body["quota"];
    assert_eq!(quota["name"], "mails_per_day");
    assert_eq!((&quota["used"], &quota["max"]), (&json!(9), &json!(10)));
    // Two must come free: those of the first hour are one, and the rest are of the second.
    assert_eq!(quota["room_at"], "2023-11-15T23:00:00.000000Z");
    assert!(refused.text.contains("9 of 10 mails"), "{}", refused.text);
    assert_eq!(refused.header("ratelimit-policy"), "\"mails_per_day\";q=10;w=86400");
    assert_eq!(refused.header("ratelimit"), "\"mails_per_day\";r=1;t=85600");
    assert_eq!(refused.header("retry-after"), "85600");
    // What is refused takes nothing: not of the day, and no place.
    let waiting = world.state.depths.waiting(Queue::Mail);
    world.post(&run, &ada, &json!({})).await.is(202, &[]);
    world.post(&run, &ada, &json!({})).await.is(429, &[]);
    world.post("/v1/batches", &ada, &batch).await.is(429, &[]);
    assert_eq!(world.state.depths.waiting(Queue::Mail), waiting + 1);
    world.advance(Duration::from_secs(85_600 - 3600));
    world
        .post("/v1/emails", &ada, &mail(&["a@example.com"]))
        .await
        .is(202, &[]);
    world.post("/v1/emails", &ada, &mail(THREE)).await.is(429, &[]);
    world.advance(Duration::from_secs(3600));
    world.post("/v1/emails", &ada, &mail(THREE)).await.is(202, &[]);
}

#[actix_web::test]
async fn more_mails_than_any_day_has_are_refused_for_good_and_operators_send_what_they_like() {
    let world = World::with(&[("LEGWORK_LIMITS__MAILS_PER_DAY", "2")]);
    let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
    let refused = world.post("/v1/emails", &ada, &mail(THREE)).await;
    refused.is(422, &["/to"]);
    assert!(refused.text.contains("which is 2 within a day"), "{}", refused.text);
    let batch = json!({ "jobs": [{ "kind": "email.send", "args": mail(THREE) }] });
    world.post("/v1/batches", &ada, &batch).await.is(422, &["/jobs"]);
    world.post("/v1/emails", &operator, &mail(THREE)).await.is(202, &[]);
    assert_eq!(world.used(&operator, "mails_per_day").await, (json!(3), Value::Null));
    assert_eq!(world.used(&ada, "mails_per_day").await, (json!(0), json!(2)));
}

#[actix_web::test]
async fn mails_of_jobs_that_come_to_nothing_are_given_back() {
    let world = World::with(&[("LEGWORK_LIMITS__MAILS_PER_DAY", "3")]);
    let ada = world.member("ada@example.org").await;
    let mut after = mail(THREE);
    after["after"] = json!(["job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6"]);
    for _ in 0..3 {
        world.post("/v1/emails", &ada, &after).await.is(422, &["/after/0"]);
        let batch = json!({ "jobs": [{ "kind": "email.send", "args": after }] });
        world
            .post("/v1/batches", &ada, &batch)
            .await
            .is(422, &["/jobs/0/args/after/0"]);
    }
    assert_eq!(world.used(&ada, "mails_per_day").await.0, 0);
    world.post("/v1/emails", &ada, &mail(THREE)).await.is(202, &[]);
}

#[actix_web::test]
async fn what_schedules_make_counts_too_and_is_refused_with_the_numbers() {
    let world = World::with(&[("LEGWORK_LIMITS__MAILS_PER_DAY", "1")]);
    let ada = world.member("ada@example.org").await;
    let monthly = json!({
        "name": "a", "cron": "@monthly", "time_zone": "UTC",
        "job": { "kind": "email.send", "args": mail(&["a@example.com"]) }
    });
    let made = world.post("/v1/schedules", &ada, &monthly).await;
    let id = made.body["id"].as_str().unwrap().parse().unwrap();
    let read = world
        .state
        .store
        .read(move |connection| crate::store::schedules::one(connection, id, crate::store::JobScope::All));
    let schedule: Schedule = read.await.unwrap().unwrap();
    let fire = || world.state.throttle.take_fire(&schedule, Queue::Mail);
    assert_eq!(fire(), Ok(()));
    let refused = fire().unwrap_err();
    assert!(
        refused.contains("mails_per_day") && refused.contains("1 of 1 mails"),
        "{refused}"
    );
    assert_eq!(world.used(&ada, "mails_per_day").await, (json!(1), json!(1)));
}

#[actix_web::test]
async fn a_workspace_that_keeps_as_many_bytes_as_it_may_orders_no_report_until_some_are_gone() {
    let world = World::with(&[("LEGWORK_LIMITS__BYTES_STORED_MAX", "10")]);
    let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
    let order = json!({ "table": "jobs", "format": "csv" });
    let report = world.report(&ada).await;
    world.build(report).await;
    let (used, max) = world.used(&ada, "bytes_stored").await;
    assert!(used.as_u64().unwrap() > 10 && max == 10, "{used} of {max}");
    let refused = world.post("/v1/reports", &ada, &order).await;
    refused.is(409, &[]);
    assert_eq!(refused.body["quota"]["name"], "bytes_stored");
    assert_eq!(
        (&refused.body["quota"]["used"], &refused.body["quota"]["max"]),
        (&used, &max)
    );
    let shown = world.get(&format!("/v1/reports/{report}"), &ada).await;
    assert_eq!(refused.body["quota"]["room_at"], shown.body["expires_at"]);
    let work = json!({ "kind": "report.build", "args": order });
    world
        .post("/v1/batches", &ada, &json!({ "jobs": [work] }))
        .await
        .is(409, &[]);
    let hourly = json!({ "name": "a", "cron": "@hourly", "time_zone": "UTC", "job": work });
    let schedule = world.post("/v1/schedules", &ada, &hourly).await;
    let run = format!("/v1/schedules/{}/run", schedule.body["id"].as_str().unwrap());
    world.post(&run, &ada, &json!({})).await.is(409, &[]);
    for _ in 0..2 {
        let own = world.report(&operator).await;
        world.build(own).await;
    }
    world.delete(&format!("/v1/reports/{report}"), &ada).await.is(204, &[]);
    world.report(&ada).await;
}

#[actix_web::test]
async fn operators_set_what_a_workspace_may_use_and_it_holds_at_once_and_is_an_act() {
    let world = World::with(&[
        ("LEGWORK_LIMITS__JOBS_WAITING", "2"),
        ("LEGWORK_LIMITS__MAILS_PER_DAY", "1"),
    ]);
    let (ada, eve) = (
        world.member("ada@example.org").await,
        world.member("eve@example.org").await,
    );
    let operator = world.operator().await;
    let workspace = world.own_workspace(&ada).await;
    let probe = json!({ "steps": 1 });
    for token in [&ada, &eve] {
        world.probe(token).await;
        world.probe(token).await;
        let refused = world.post("/v1/probes", token, &probe).await;
        refused.is(429, &[]);
        let quota = &refused.body["quota"];
        assert_eq!(quota["name"], "jobs_waiting");
        assert_eq!((&quota["used"], &quota["max"]), (&json!(2), &json!(2)));
        assert!(refused.text.contains("2 of 2 jobs wait"), "{}", refused.text);
    }
    world
        .change(&workspace, &ada, &json!({ "mails_per_day": 0 }))
        .await
        .is(403, &[]);
    let set = world
        .change(
            &workspace,
            &operator,
            &json!({ "jobs_waiting_max": 3, "mails_per_day": 0 }),
        )
        .await;
    set.is(200, &[]);
    assert_eq!(
        set.body["quotas"]["jobs_waiting"],
        json!({ "used": 2, "max": 3, "own": 3, "less_at": null })
    );
    assert_eq!(set.body["quotas"]["mails_per_day"]["max"], Value::Null);
    world.probe(&ada).await;
    world.post("/v1/probes", &ada, &probe).await.is(429, &[]);
    world.post("/v1/probes", &eve, &probe).await.is(429, &[]);
    world
        .change(&workspace, &operator, &json!({ "jobs_waiting_max": 0 }))
        .await
        .is(200, &[]);
    world.post("/v1/emails", &ada, &mail(THREE)).await.is(202, &[]);
    assert_eq!(world.used(&ada, "jobs_waiting").await, (Value::Null, Value::Null));
    let back = json!({ "jobs_waiting_max": null, "mails_per_day": null });
    let back = world.change(&workspace, &operator, &back).await;
    assert_eq!(
        back.body["quotas"]["mails_per_day"],
        json!({
            "used": 3, "max": 1, "own": null, "less_at": back.body["quotas"]["mails_per_day"]["less_at"]
        })
    );
    world.post("/v1/probes", &ada, &probe).await.is(429, &[]);
    // What is left out stays.
    world
        .change(&workspace, &operator, &json!({ "bytes_stored_max": 5 }))
        .await
        .is(200, &[]);
    let weighed = world.change(&workspace, &operator, &json!({ "weight": 7 })).await;
    assert_eq!(
        (&weighed.body["weight"], &weighed.body["quotas"]["bytes_stored"]["own"]),
        (&json!(7), &json!(5))
    );
    assert_eq!(world.get(&workspace, &operator).await.body, weighed.body);
    assert_eq!(world.get("/v1/workspaces/current", &ada).await.body, weighed.body);
    let acts = world.get("/v1/audit?action=workspace.quota", &operator).await;
    let details: Vec<&Value> = acts.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|act| &act["detail"])
        .collect();
    assert_eq!(
        details,
        [
            &json!({ "bytes_stored_max": 5 }),
            &json!({ "jobs_waiting_max": null, "mails_per_day": null }),
            &json!({ "jobs_waiting_max": 0 }),
            &json!({ "jobs_waiting_max": 3, "mails_per_day": 0 }),
        ]
    );
    let nowhere = format!("/v1/workspaces/{}", crate::domain::id::WorkspaceId::generate());
    world
        .change(&nowhere, &operator, &json!({ "weight": 2 }))
        .await
        .is(404, &[]);
}

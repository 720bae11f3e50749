//! Schedules over HTTP: what is taken and refused, who sees what, and what acts do.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{Answer, World, request};

fn hourly(name: &str) -> Value {
    json!({
        "name": name, "cron": "@hourly", "time_zone": "Europe/Berlin",
        "job": { "kind": "probe.run", "args": { "steps": 3, "priority": 2, "key": "k" } }
    })
}

impl World {
    async fn patch(&self, uri: &str, token: &str, body: &Value) -> Answer {
        self.send(request(Method::PATCH, uri, token).set_json(body)).await
    }

    /// The address of a new schedule.
    async fn schedule(&self, token: &str, body: &Value) -> String {
        let made = self.post("/v1/schedules", token, body).await;
        made.is(201, &[]);
        made.header("location").to_owned()
    }
}

#[actix_web::test]
async fn a_schedule_is_shown_as_it_was_made_with_its_next_ten_ticks() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let made = world.post("/v1/schedules", &token, &hourly("a")).await;
    made.is(201, &[]);
    let location = made.header("location").to_owned();
    let shown = world.get(&location, &token).await;
    assert_eq!(shown.body, made.body);
    assert_eq!(
        shown.body["job"],
        json!({
            "kind": "probe.run", "queue": "probes", "args": { "steps": 3, "priority": 2, "key": "k" }, "priority": 2,
            "max_attempts": 3, "timeout_ms": 3_600_000, "key": "k"
        })
    );
    assert_eq!(
        (&shown.body["missed"], &shown.body["overlap"], &shown.body["next_at"]),
        (&json!("skip"), &json!("allow"), &json!("2023-11-14T23:00:00.000000Z"))
    );
    let fires = shown.body["next_fires"].as_array().unwrap();
    assert_eq!(fires.len(), 10);
    assert_eq!(
        fires[0],
        json!({ "at": "2023-11-14T23:00:00.000000Z", "local": "2023-11-15T00:00:00+01:00" })
    );
    let listed = world.get("/v1/schedules", &token).await;
    assert_eq!(listed.body["data"][0]["id"], shown.body["id"]);
    assert!(listed.body["data"][0].get("next_fires").is_none());
}

#[actix_web::test]
async fn what_is_wrong_is_named_where_it_is() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let with = |path: &str, value: Value| {
        let mut body = hourly("a");
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    let args = |kind: &str, args: Value| with("/job", json!({ "kind": kind, "args": args }));
    let mail = json!({ "to": ["nobody"], "subject": "x", "text": "y", "run_at": "2030-01-01T00:00:00Z" });
    for (body, pointers) in [
        (with("/name", json!("")), &["/name"][..]),
        (with("/cron", json!("* * * * * *")), &["/cron"]),
        (with("/cron", json!("0 0 30 2 *")), &["/cron"]),
        (with("/time_zone", json!("Mars/Olympus")), &["/time_zone"]),
        (with("/job/kind", json!("account.verify_email")), &["/job/kind"]),
        (with("/job/args", json!({ "steps": -1 })), &["/job/args/steps"]),
        (with("/job/args", json!({ "steps": 1, "step": 1 })), &["/job/args/step"]),
        (args("email.send", mail), &["/job/args/run_at", "/job/args/to/0"]),
        (
            args(
                "report.build",
                json!({ "table": "jobs", "format": "csv", "from": "2030-01-01T00:00:00Z" }),
            ),
            &["/job/args/from"],
        ),
        (
            with(
                "/job/args",
                json!({ "steps": 1, "unique": { "key": "k", "for_s": 1 }, "deadline_at": "2030-01-01T00:00:00Z" }),
            ),
            &["/job/args/deadline_at", "/job/args/unique"],
        ),
    ] {
        world.post("/v1/schedules", &token, &body).await.is(422, pointers);
    }
    for missed in [
        json!("never"),
        json!({ "catch_up": 0 }),
        json!({ "catch_up": 101 }),
        json!({}),
        json!(3),
    ] {
        let mut body = hourly("a");
        body["missed"] = missed;
        world.post("/v1/schedules", &token, &body).await.is(422, &["/missed"]);
    }
    let forbidden = with("/job/args", json!({ "steps": 1, "panic": true }));
    world.post("/v1/schedules", &token, &forbidden).await.is(403, &[]);
    let listed = world.get("/v1/schedules", &token).await;
    assert_eq!(listed.body["data"], json!([]));
}

#[actix_web::test]
async fn a_name_is_taken_once_in_a_workspace_and_a_hundred_are_enough() {
    let world = World::new();
    let (ada, bob) = (
        world.member("ada@example.org").await,
        world.member("bob@example.org").await,
    );
    let first = world.schedule(&ada, &hourly("a")).await;
    world.post("/v1/schedules", &ada, &hourly("a")).await.is(409, &[]);
    world.schedule(&bob, &hourly("a")).await;
    for number in 1..100 {
        world.schedule(&ada, &hourly(&number.to_string())).await;
    }
    world.post("/v1/schedules", &ada, &hourly("b")).await.is(409, &[]);
    world.patch(&first, &ada, &json!({ "name": "7" })).await.is(409, &[]);
    world.delete(&first, &ada).await.is(204, &[]);
    world.schedule(&ada, &hourly("b")).await;
    let page = world.get("/v1/schedules?limit=60", &ada).await;
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let rest = world
        .get(&format!("/v1/schedules?limit=60&cursor={cursor}"), &ada)
        .await;
    assert_eq!(rest.body["data"].as_array().unwrap().len(), 40);
    assert_eq!(rest.body["next_cursor"], Value::Null);
}

#[actix_web::test]
async fn another_workspaces_schedule_is_not_found_and_an_operator_finds_it_without_its_arguments() {
    let world = World::new();
    let (ada, bob) = (
        world.member("ada@example.org").await,
        world.member("bob@example.org").await,
    );
    let mut body = hourly("a");
    body["job"] = json!({ "kind": "email.send", "args": { "to": "carol@example.com", "subject": "x", "text": "y" } });
    let uri = world.schedule(&ada, &body).await;
    world.get(&uri, &bob).await.is(404, &[]);
    world.delete(&uri, &bob).await.is(404, &[]);
    world.patch(&uri, &bob, &json!({ "cron": "x" })).await.is(404, &[]);
    world.get(&format!("{uri}/fires"), &bob).await.is(404, &[]);
    for act in ["pause", "resume", "run"] {
        world.post(&format!("{uri}/{act}"), &bob, &json!({})).await.is(404, &[]);
    }
    let operator = world.operator().await;
    let seen = world.get(&uri, &operator).await;
    seen.is(200, &[]);
    assert_eq!(seen.body["job"]["args"], Value::Null);
    assert!(!seen.text.contains("carol@example.com"));
}

#[actix_web::test]
async fn a_change_counts_from_now_and_leaves_the_rest_as_it_is() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let uri = world.schedule(&token, &hourly("a")).await;
    let before = world.get(&uri, &token).await.body;
    world.advance(std::time::Duration::from_secs(7_200));
    let renamed = world
        .patch(&uri, &token, &json!({ "name": "b", "missed": { "catch_up": 5 } }))
        .await;
    assert_eq!(
        renamed.body["next_at"], before["next_at"],
        "its tick is due all the same"
    );
    assert_eq!(
        (&renamed.body["name"], &renamed.body["missed"]),
        (&json!("b"), &json!({ "catch_up": 5 }))
    );
    let moved = world
        .patch(
            &uri,
            &token,
            &json!({ "time_zone": "asia/kathmandu", "cron": "0 12 * * *" }),
        )
        .await;
    moved.is(200, &[]);
    assert_eq!(
        moved.body["next_fires"][0],
        json!({ "at": "2023-11-15T06:15:00.000000Z", "local": "2023-11-15T12:00:00+05:45" })
    );
    assert_eq!(moved.body["time_zone"], "Asia/Kathmandu");
    assert_eq!(moved.body["job"], before["job"]);
    world
        .patch(&uri, &token, &json!({ "cron": "0 0 31 2 *" }))
        .await
        .is(422, &["/cron"]);
    world
        .patch(&uri, &token, &json!({ "job": { "kind": "probe.run", "args": {} } }))
        .await
        .is(422, &["/job/args/steps"]);
}

#[actix_web::test]
async fn a_paused_schedule_has_no_tick_until_it_is_resumed_and_then_from_now_on() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let uri = world.schedule(&token, &hourly("a")).await;
    for _ in 0..2 {
        let paused = world.post(&format!("{uri}/pause"), &token, &json!({})).await;
        paused.is(200, &[]);
        assert_eq!(
            (&paused.body["next_at"], &paused.body["next_fires"]),
            (&Value::Null, &json!([]))
        );
        assert_eq!(paused.body["paused_at"], "2023-11-14T22:13:20.000000Z");
    }
    world.advance(std::time::Duration::from_secs(7_200));
    let changed = world.patch(&uri, &token, &json!({ "cron": "30 * * * *" })).await;
    assert_eq!(changed.body["next_at"], Value::Null);
    for _ in 0..2 {
        let resumed = world.post(&format!("{uri}/resume"), &token, &json!({})).await;
        assert_eq!(resumed.body["next_at"], "2023-11-15T00:30:00.000000Z");
        assert_eq!(resumed.body["paused"], false);
    }
}

#[actix_web::test]
async fn a_change_to_what_it_was_takes_away_no_tick_that_is_due() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let uri = world.schedule(&token, &hourly("a")).await;
    world.advance(std::time::Duration::from_secs(3_600));
    let due = "2023-11-14T23:00:00.000000Z";
    for same in [
        json!({ "cron": "@hourly" }),
        json!({ "name": "b", "time_zone": "Europe/Berlin", "cron": "@hourly" }),
    ] {
        let changed = world.patch(&uri, &token, &same).await;
        assert_eq!(changed.body["next_at"], due);
    }
    let changed = world.patch(&uri, &token, &json!({ "cron": "30 * * * *" })).await;
    assert_eq!(changed.body["next_at"], "2023-11-14T23:30:00.000000Z");
}

#[actix_web::test]
async fn a_run_by_hand_makes_a_job_moves_no_tick_and_is_in_the_history() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let mut body = hourly("a");
    body["overlap"] = json!("skip");
    let uri = world.schedule(&token, &body).await;
    let before = world.get(&uri, &token).await.body;
    let run = format!("{uri}/run");
    let made = world.post(&run, &token, &json!({})).await;
    made.is(202, &[]);
    assert_eq!(
        (&made.body["schedule_id"], &made.body["key"], &made.body["priority"]),
        (&before["id"], &json!("k"), &json!(2))
    );
    let job = made.header("location").to_owned();
    assert_eq!(world.get(&job, &token).await.body["id"], made.body["id"]);
    world.post(&run, &token, &json!({})).await.is(409, &[]);
    world
        .post(&format!("{job}/cancel"), &token, &json!({}))
        .await
        .is(200, &[]);
    world.post(&run, &token, &json!({})).await.is(202, &[]);
    let after = world.get(&uri, &token).await.body;
    assert_eq!(after["next_fires"], before["next_fires"]);
    let fires = world.get(&format!("{uri}/fires?limit=1"), &token).await;
    let cursor = fires.body["next_cursor"].as_str().unwrap();
    let older = world.get(&format!("{uri}/fires?cursor={cursor}"), &token).await;
    let older = older.body["data"].as_array().unwrap();
    assert_eq!(older.len(), 1);
    assert_eq!(
        (&older[0]["outcome"], &older[0]["job_id"], &older[0]["job_state"]),
        (&json!("ordered"), &made.body["id"], &json!("cancelled"))
    );
}

#[actix_web::test]
async fn ticks_are_previewed_without_making_anything() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let ask = json!({ "cron": "30 2 * * *", "time_zone": "Europe/Berlin", "after": "2024-03-30T12:00:00Z" });
    let told = world.post("/v1/schedules/preview", &token, &ask).await;
    told.is(200, &[]);
    assert_eq!(told.body["next_fires"][0]["local"], "2024-03-31T03:00:00+02:00");
    let never = json!({ "cron": "0 0 31 4 *", "time_zone": "UTC" });
    world
        .post("/v1/schedules/preview", &token, &never)
        .await
        .is(422, &["/cron"]);
    assert_eq!(world.get("/v1/schedules", &token).await.body["data"], json!([]));
}

//! What operators do, written down: each act once, by whom, and nothing of what members do with their own.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{World, request};

impl World {
    /// The acts once there are so many, the newest first.
    async fn acts_when(&self, token: &str, count: usize) -> Vec<Value> {
        let listed = async {
            loop {
                let answer = self.get("/v1/audit", token).await;
                answer.is(200, &[]);
                let data = answer.body["data"].as_array().unwrap().clone();
                if data.len() >= count {
                    return data;
                }
                // An order to an actor does not wait for its act.
                self.state.store.ping(Duration::from_secs(10)).await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(60), listed)
            .await
            .expect("the acts")
    }
}

#[actix_web::test]
async fn what_an_operator_does_with_queues_and_other_peoples_jobs_is_an_act_and_nothing_else_is() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let operator = world.operator().await;
    let post = async |token: &str, uri: String, status: u16| {
        world.post(&uri, token, &json!({})).await.is(status, &[]);
    };
    // Twice: what changes nothing is no act.
    for _ in 0..2 {
        post(&operator, "/v1/queues/mail/pause".into(), 200).await;
    }
    for _ in 0..2 {
        post(&operator, "/v1/queues/mail/resume".into(), 200).await;
    }
    let (theirs, own) = (world.probe(&ada).await, world.probe(&operator).await);
    post(&operator, format!("/v1/jobs/{own}/cancel"), 200).await;
    post(&operator, format!("/v1/jobs/{own}/retry"), 202).await;
    post(&ada, format!("/v1/jobs/{theirs}/cancel"), 200).await;
    post(&ada, format!("/v1/jobs/{theirs}/retry"), 202).await;
    post(&operator, format!("/v1/jobs/{theirs}/cancel"), 200).await;
    let changed = json!({ "args": { "steps": 2 } });
    let retry = world
        .post(&format!("/v1/jobs/{theirs}/retry"), &operator, &changed)
        .await;
    retry.is(202, &[]);
    // One that is refused changes nothing.
    post(&operator, format!("/v1/jobs/{theirs}/retry"), 409).await;
    let acts = world.acts_when(&operator, 4).await;
    let told: Vec<(&str, &str)> = acts
        .iter()
        .map(|act| (act["action"].as_str().unwrap(), act["subject"].as_str().unwrap()))
        .collect();
    let theirs = theirs.to_string();
    assert_eq!(
        told,
        [
            ("job.retry", theirs.as_str()),
            ("job.cancel", &theirs),
            ("queue.resume", "mail"),
            ("queue.pause", "mail")
        ]
    );
    assert_eq!(acts[0]["detail"], json!({ "changed_args": true }));
    assert_eq!(acts[0]["request_id"], retry.header("x-request-id"));
    assert_eq!(acts[1]["detail"], json!({ "state": "cancelled" }));
    let me = world.get("/v1/accounts/me", &operator).await.body;
    for act in &acts {
        assert_eq!(
            (&act["account_id"], &act["workspace_id"]),
            (&me["id"], &me["workspace_id"]),
            "{act}"
        );
    }
}

#[actix_web::test]
async fn what_an_operator_does_with_batches_schedules_and_reports_of_others_is_an_act_and_with_their_own_is_none() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let operator = world.operator().await;
    let probe = json!({ "kind": "probe.run", "args": { "steps": 1 } });
    let hourly = json!({ "name": "a", "cron": "@hourly", "time_zone": "UTC", "job": probe });
    let mut subjects = Vec::new();
    // The operator's own first, and then the member's by the operator.
    for owner in [&operator, &ada] {
        let batch = json!({ "jobs": [probe], "open": true });
        let batch = world.post("/v1/batches", owner, &batch).await;
        let batch = batch.body["id"].as_str().unwrap().to_owned();
        let schedule = world.post("/v1/schedules", owner, &hourly).await;
        let schedule = schedule.body["id"].as_str().unwrap().to_owned();
        let report = json!({ "table": "jobs", "format": "csv" });
        world.post("/v1/reports", owner, &report).await.is(202, &[]);
        let report = world.get("/v1/reports?limit=1", owner).await.body["data"][0]["id"].clone();
        let report = report.as_str().unwrap().to_owned();
        // Twice: what changes nothing is no act.
        for _ in 0..2 {
            for (uri, status) in [
                (format!("/v1/batches/{batch}/seal"), 200),
                (format!("/v1/batches/{batch}/cancel"), 202),
                (format!("/v1/schedules/{schedule}/pause"), 200),
                (format!("/v1/schedules/{schedule}/resume"), 200),
            ] {
                world.post(&uri, &operator, &json!({})).await.is(status, &[]);
            }
            world.advance(Duration::from_millis(1));
        }
        let uri = format!("/v1/schedules/{schedule}");
        let run = world.post(&format!("{uri}/run"), &operator, &json!({})).await;
        run.is(202, &[]);
        let change = request(Method::PATCH, &uri, &operator).set_json(json!({ "name": "bob@example.com" }));
        world.send(change).await.is(200, &[]);
        world.delete(&uri, &operator).await.is(204, &[]);
        world.delete(&uri, &operator).await.is(404, &[]);
        world
            .delete(&format!("/v1/reports/{report}"), &operator)
            .await
            .is(204, &[]);
        subjects = vec![batch, schedule, report, run.body["id"].as_str().unwrap().to_owned()];
    }
    let [batch, schedule, report, job] = &subjects[..] else {
        unreachable!("four of them");
    };
    let acts = world.acts_when(&operator, 10).await;
    let mut told: Vec<(&str, &str)> = acts
        .iter()
        .map(|act| (act["action"].as_str().unwrap(), act["subject"].as_str().unwrap()))
        .collect();
    told.reverse();
    assert_eq!(
        told,
        [
            ("batch.seal", batch.as_str()),
            ("batch.cancel", batch),
            ("schedule.pause", schedule),
            ("schedule.resume", schedule),
            ("schedule.pause", schedule),
            ("schedule.resume", schedule),
            ("schedule.run", schedule),
            ("schedule.change", schedule),
            ("schedule.delete", schedule),
            ("report.delete", report),
        ]
    );
    assert_eq!(acts[3]["detail"], json!({ "job": job }));
    assert!(!json!(acts).to_string().contains('@'), "{acts:?}");
}

#[actix_web::test]
async fn orders_to_actors_are_acts_with_who_gave_them_and_refused_ones_are_not() {
    let world = World::new();
    let operator = world.operator().await;
    world.start("mailer").await;
    for act in ["suspend", "resume", "restart"] {
        world
            .post(&format!("/v1/supervision/mailer/{act}"), &operator, &json!({}))
            .await
            .is(202, &[]);
        world
            .post(&format!("/v1/supervision/nobody/{act}"), &operator, &json!({}))
            .await
            .is(404, &[]);
    }
    let acts = world.acts_when(&operator, 3).await;
    let mut told: Vec<&str> = acts.iter().map(|act| act["action"].as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, ["actor.restart", "actor.resume", "actor.suspend"]);
    assert!(
        acts.iter()
            .all(|act| act["subject"] == "mailer" && act["subject_kind"] == "actor"),
        "{acts:?}"
    );
}

#[actix_web::test]
async fn acts_are_for_operators_and_are_shown_page_by_page_and_by_what_and_by_whom() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let operator = world.operator().await;
    world.get("/v1/audit", &ada).await.is(403, &[]);
    for _ in 0..3 {
        for order in ["pause", "resume"] {
            let uri = format!("/v1/queues/mail/{order}");
            world.post(&uri, &operator, &json!({})).await.is(200, &[]);
        }
    }
    let (mut seen, mut uri, mut pages) = (Vec::new(), "/v1/audit?limit=4".to_owned(), 0);
    loop {
        let page = world.get(&uri, &operator).await;
        page.is(200, &[]);
        pages += 1;
        seen.extend(
            page.body["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|act| act["id"].to_string()),
        );
        match page.body["next_cursor"].as_str() {
            Some(cursor) => uri = format!("/v1/audit?limit=4&cursor={cursor}"),
            None => break,
        }
    }
    let (count, is_newest_first) = (seen.len(), seen.iter().rev().is_sorted());
    assert_eq!((count, pages, is_newest_first), (6, 2, true));
    let me = world.get("/v1/accounts/me", &operator).await.body["id"].clone();
    let nobody = crate::domain::id::AccountId::generate();
    for (query, count) in [
        ("action=queue.pause".to_owned(), 3),
        ("action=jobs.retry".to_owned(), 0),
        (format!("account={}", me.as_str().unwrap()), 6),
        (format!("account={nobody}&action=queue.pause"), 0),
    ] {
        let page = world.get(&format!("/v1/audit?{query}"), &operator).await;
        assert_eq!(page.body["data"].as_array().unwrap().len(), count, "{query}");
    }
    for (query, pointer) in [
        ("action=queue.burn", "/query/action"),
        ("account=acc_1", "/query/account"),
        ("limit=0", "/query/limit"),
        ("cursor=%00", "/query/cursor"),
        ("colour=red", "/query/colour"),
    ] {
        world
            .get(&format!("/v1/audit?{query}"), &operator)
            .await
            .is(422, &[pointer]);
    }
}

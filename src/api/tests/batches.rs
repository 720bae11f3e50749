//! Batches, over HTTP.

use serde_json::{Value, json};

use super::{Answer, World};
use crate::domain::job::AttemptEnd;

fn probe(steps: u64) -> Value {
    json!({ "kind": "probe.run", "args": { "steps": steps } })
}

fn mail(to: &str) -> Value {
    json!({ "kind": "email.send", "args": { "to": to, "subject": "Hi", "text": "there" } })
}

impl World {
    async fn batch(&self, token: &str, body: Value) -> Answer {
        let answer = self.post("/v1/batches", token, &body).await;
        answer.is(202, &[]);
        answer
    }

    /// The batch as it is shown now.
    async fn shown(&self, batch: &Answer, token: &str) -> Value {
        let uri = format!("/v1/batches/{}", batch.body["id"].as_str().unwrap());
        self.get(&uri, token).await.body
    }
}

#[actix_web::test]
async fn a_batch_is_accepted_counted_and_finished() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let report = json!({ "kind": "report.build", "args": { "table": "jobs", "format": "csv" } });
    let body = json!({ "name": "Nightly", "jobs": [probe(1), probe(2)], "finally": report });
    let batch = world.batch(&token, body).await;
    let id = batch.body["id"].as_str().unwrap();
    assert_eq!(batch.header("location"), format!("/v1/batches/{id}"));
    let jobs = batch.body["jobs"].as_array().unwrap();
    for job in jobs {
        let job = world
            .get(&format!("/v1/jobs/{}", job.as_str().unwrap()), &token)
            .await
            .body;
        assert_eq!(
            (&job["batch_id"], &job["state"]),
            (&batch.body["id"], &"available".into())
        );
    }
    let finishing = format!("/v1/jobs/{}", batch.body["finishing_job_id"].as_str().unwrap());
    let job = world.get(&finishing, &token).await.body;
    assert_eq!(job["waiting_for"], format!("the end of the batch {id}"));
    assert_eq!((job.get("batch_id"), &job["run_at"]), (None, &job["created_at"]));
    let held = world.claim().await;
    world.finish(&held, AttemptEnd::Completed).await;
    let done = world.get(&format!("/v1/jobs?batch={id}&state=completed"), &token).await;
    assert_eq!(done.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(done.body["data"][0]["id"], held.id.to_string());
    let all = world.get(&format!("/v1/jobs?batch={id}"), &token).await;
    assert_eq!(
        all.body["data"].as_array().unwrap().len(),
        2,
        "the finishing one is no member"
    );
    let shown = world.shown(&batch, &token).await;
    assert_eq!(
        (&shown["total"], &shown["done"], &shown["failed"], &shown["progress"]),
        (&json!(2), &json!(1), &json!(0), &json!(0.5))
    );
    assert_eq!(
        (&shown["counts"]["available"], &shown["counts"]["completed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(shown["finished_at"], Value::Null);
    let held = world.claim().await;
    world.finish(&held, AttemptEnd::Completed).await;
    assert!(world.shown(&batch, &token).await["finished_at"].is_string());
    assert_eq!(world.get(&finishing, &token).await.body["state"], "available");
    let reports = world.get("/v1/reports", &token).await;
    assert_eq!(
        reports.body["data"].as_array().unwrap().len(),
        1,
        "its report was entered"
    );
    let log = world.log.lines();
    let line = log.iter().find(|line| line["event"] == "batch_accepted").unwrap();
    assert_eq!((&line["batch"], &line["accepted"]), (&batch.body["id"], &json!(2)));
}

#[actix_web::test]
async fn what_is_wrong_with_a_job_is_told_by_its_place_in_the_batch_and_nothing_is_made() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let unique = json!({ "kind": "probe.run", "args": { "steps": 1, "unique": { "key": "x", "for_s": 60 } } });
    let missing =
        json!({ "kind": "probe.run", "args": { "steps": 1, "after": ["job_00000000000000000000000000000000"] } });
    for (body, pointers) in [
        (json!({ "jobs": [] }), &["/jobs"][..]),
        (
            json!({ "jobs": [probe(1), probe(9_999_999), mail("x")] }),
            &["/jobs/1/args/steps", "/jobs/2/args/to"],
        ),
        (
            json!({ "jobs": [probe(1), { "kind": "probe.run", "args": { "paces": 1 } }] }),
            &["/jobs/1/args/paces"],
        ),
        (
            json!({ "jobs": [{ "kind": "account.verify", "args": {} }] }),
            &["/jobs/0/kind"],
        ),
        (
            json!({ "jobs": [probe(1)], "finally": mail("x") }),
            &["/finally/args/to"],
        ),
        (json!({ "jobs": [unique] }), &["/jobs/0/args/unique"]),
        (
            json!({ "jobs": [probe(1)], "finally": missing.clone() }),
            &["/finally/args/after"],
        ),
        (json!({ "jobs": [probe(1), missing] }), &["/jobs/1/args/after/0"]),
        (json!({ "jobs": [probe(1)], "on_failure": "run" }), &["/on_failure"]),
        (json!({ "jobs": vec![probe(1); 601] }), &["/jobs"]),
    ] {
        world.post("/v1/batches", &token, &body).await.is(422, pointers);
    }
    let fails = json!({ "kind": "probe.run", "args": { "steps": 1, "fail": true } });
    world
        .post("/v1/batches", &token, &json!({ "jobs": [fails] }))
        .await
        .is(403, &[]);
    let jobs = world.get("/v1/jobs", &token).await;
    assert_eq!(jobs.body["data"], json!([]));
    assert_eq!(world.get("/v1/batches", &token).await.body["data"], json!([]));
}

#[actix_web::test]
async fn a_batch_counts_as_many_requests_as_it_has_jobs_and_takes_nothing_if_it_is_refused() {
    let world = World::with(&[
        ("LEGWORK_LIMITS__JOBS_PER_MINUTE", "10"),
        ("LEGWORK_LIMITS__MAILS_BURST", "2"),
    ]);
    let token = world.member("ada@example.org").await;
    let three = json!({ "jobs": [mail("a@example.org"), mail("b@example.org"), mail("c@example.org")] });
    world.post("/v1/batches", &token, &three).await.is(422, &["/jobs"]);
    assert_eq!(world.state.depths.waiting(crate::domain::job::Queue::Mail), 0);
    world
        .batch(&token, json!({ "jobs": [probe(1), probe(1), probe(1), probe(1)] }))
        .await;
    let refused = world
        .post("/v1/batches", &token, &json!({ "jobs": vec![probe(1); 4] }))
        .await;
    refused.is(429, &[]);
    world
        .batch(&token, json!({ "jobs": [probe(1), probe(1), probe(1)] }))
        .await;
    assert_eq!(world.state.depths.waiting(crate::domain::job::Queue::Probes), 7);
}

#[actix_web::test]
async fn jobs_are_added_to_an_open_batch_until_it_is_sealed() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let batch = world.batch(&token, json!({ "jobs": [probe(1)], "open": true })).await;
    let uri = format!("/v1/batches/{}", batch.body["id"].as_str().unwrap());
    let more = json!({ "jobs": [probe(1), mail("bob@example.org")] });
    let added = world.post(&format!("{uri}/jobs"), &token, &more).await;
    added.is(202, &[]);
    assert_eq!(
        (&added.body["total"], added.body["jobs"].as_array().unwrap().len()),
        (&json!(3), 2)
    );
    let sealed = world.post(&format!("{uri}/seal"), &token, &json!({})).await;
    sealed.is(200, &[]);
    assert!(sealed.body["sealed_at"].is_string());
    world.post(&format!("{uri}/jobs"), &token, &more).await.is(409, &[]);
    let stranger = world.member("eve@example.org").await;
    for (path, body) in [("/jobs", &more), ("/seal", &json!({})), ("/cancel", &json!({}))] {
        world.post(&format!("{uri}{path}"), &stranger, body).await.is(404, &[]);
    }
    world.get(&uri, &stranger).await.is(404, &[]);
}

#[actix_web::test]
async fn a_cancelled_batch_ends_with_its_jobs_and_leaves_their_room_to_others() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = json!({ "jobs": [probe(1), probe(1), probe(1)], "finally": mail("bob@example.org") });
    let batch = world.batch(&token, body).await;
    let held = world.claim().await;
    world
        .state
        .depths
        .left(crate::domain::job::Queue::Probes, [held.workspace]);
    let uri = format!("/v1/batches/{}", batch.body["id"].as_str().unwrap());
    let cancelled = world.post(&format!("{uri}/cancel"), &token, &json!({})).await;
    cancelled.is(202, &[]);
    assert_eq!(
        (
            &cancelled.body["counts"]["cancelled"],
            &cancelled.body["counts"]["running"]
        ),
        (&json!(2), &json!(1))
    );
    assert_eq!(*world.hurried.lock().unwrap(), [held.id]);
    assert_eq!(world.state.depths.waiting(crate::domain::job::Queue::Probes), 0);
    world.finish(&held, AttemptEnd::Cancelled).await;
    let shown = world.shown(&batch, &token).await;
    assert!(shown["finished_at"].is_string(), "{shown}");
    let finishing = format!("/v1/jobs/{}", batch.body["finishing_job_id"].as_str().unwrap());
    let job = world.get(&finishing, &token).await.body;
    assert_eq!(
        (&job["state"], &job["cause"]),
        (&"cancelled".into(), &"dependency_failed".into())
    );
    world
        .post(&format!("{uri}/cancel"), &token, &json!({}))
        .await
        .is(202, &[]);
}

#[actix_web::test]
async fn batches_are_listed_the_newest_first_a_page_at_a_time() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(
            0,
            world.batch(&token, json!({ "jobs": [probe(1)] })).await.body["id"].clone(),
        );
    }
    let page = world.get("/v1/batches?limit=2", &token).await;
    page.is(200, &[]);
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let rest = world.get(&format!("/v1/batches?limit=2&cursor={cursor}"), &token).await;
    let listed: Vec<Value> = [&page, &rest]
        .iter()
        .flat_map(|page| {
            page.body["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|batch| batch["id"].clone())
        })
        .collect();
    assert_eq!((listed, &rest.body["next_cursor"]), (ids, &Value::Null));
}

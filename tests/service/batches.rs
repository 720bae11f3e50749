//! `kill -9` in the middle of batches: each ends after a restart, and is finished once.

use serde_json::{Value, json};

use crate::support::service::{Home, PATIENCE, Service, breathe};

/// Makes a batch, and answers its path.
async fn batch(service: &Service, key: &str, body: &Value) -> String {
    let (status, batch) = service.post(key, "/v1/batches", body).await;
    assert_eq!(status, 202, "{batch}");
    format!("/v1/batches/{}", batch["id"].as_str().unwrap())
}

/// Waits until a batch is as `wanted`.
async fn when(service: &Service, key: &str, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let (status, batch) = service.get(key, path).await;
        assert_eq!(status, 200, "{batch}");
        if wanted(&batch) {
            return batch;
        }
        assert!(std::time::Instant::now() < deadline, "the batch stays {batch}");
        breathe().await;
    }
}

#[tokio::test]
async fn killed_in_the_middle_of_a_batch_it_ends_after_a_restart_and_its_finishing_job_runs_once() {
    let home = Home::new();
    let key = home.operator();
    let mut service = home.serve();
    let probe = json!({ "kind": "probe.run", "args": { "steps": 2, "step_ms": 20 } });
    let mail = json!({ "to": "bob@example.com", "subject": "Done", "text": "All is done." });
    let body = json!({ "jobs": vec![probe; 200], "finally": { "kind": "email.send", "args": mail } });
    let path = batch(&service, &key, &body).await;
    for done in [20, 100] {
        when(&service, &key, &path, |batch| batch["done"].as_u64() >= Some(done)).await;
        service.kill_9();
        service = home.serve();
    }
    let ended = when(&service, &key, &path, |batch| batch["finished_at"].is_string()).await;
    assert_eq!(
        (&ended["counts"]["completed"], &ended["progress"]),
        (&json!(200), &json!(1.0))
    );
    let finishing = ended["finishing_job_id"].as_str().unwrap();
    let job = service
        .job_when(&key, finishing, |job| job["state"] == "completed")
        .await;
    // A kill may fall upon its attempt too; that one is lost, and the mail is the same one.
    let attempts = job["attempts"].as_array().unwrap().iter();
    let completed = attempts.filter(|attempt| attempt["outcome"] == "completed");
    assert_eq!(completed.count(), 1, "{job}");
    assert_eq!(home.outbox().len(), 1);
}

#[tokio::test]
async fn killed_once_batches_are_accepted_or_asked_to_be_cancelled_each_comes_to_its_end() {
    let home = Home::new();
    let key = home.operator();
    let mut service = home.serve();
    let probe = |steps: u64| json!({ "kind": "probe.run", "args": { "steps": steps, "step_ms": 1 } });
    let (mut finished, mut cancelled) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let body = json!({ "jobs": vec![probe(1); 40], "finally": probe(0) });
        finished.push(batch(&service, &key, &body).await);
        let body = json!({ "jobs": vec![probe(60_000); 40], "finally": probe(0) });
        let path = batch(&service, &key, &body).await;
        let (status, answer) = service.post(&key, &format!("{path}/cancel"), &json!({})).await;
        assert_eq!(status, 202, "{answer}");
        cancelled.push(path);
        service.kill_9();
        service = home.serve();
    }
    for (path, state) in finished
        .iter()
        .map(|path| (path, "completed"))
        .chain(cancelled.iter().map(|path| (path, "cancelled")))
    {
        let ended = when(&service, &key, path, |batch| batch["finished_at"].is_string()).await;
        let finishing = ended["finishing_job_id"].as_str().unwrap();
        let job = service
            .job_when(&key, finishing, |job| job["finished_at"].is_string())
            .await;
        assert_eq!(job["state"], state, "{ended} {job}");
    }
}

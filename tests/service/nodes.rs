//! Several nodes on one PostgreSQL: one killed, one stopped and continued, and the roles apart.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::postgres_server;
use crate::support::service::{Home, PATIENCE, Service, breathe};

/// Within which the work of a dead node runs again.
const AGAIN: Duration = Duration::from_secs(20);

/// A folder of its own on a database that others share.
fn home(url: &str) -> Home {
    Home::new().with("LEGWORK_DATABASE__URL", url)
}

/// So many probes of one step that lasts so long.
async fn probes(service: &Service, key: &str, count: usize, step_ms: u64) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let probe = json!({ "steps": 1, "step_ms": step_ms });
        let (status, job) = service.post(key, "/v1/probes", &probe).await;
        assert_eq!(status, 202, "{job}");
        ids.push(job["id"].as_str().unwrap().to_owned());
    }
    ids
}

/// The node that runs a job, or ran it last.
fn runs_at(job: &Value) -> String {
    let last = job["attempts"].as_array().unwrap().last().unwrap();
    last["node"].as_str().unwrap().to_owned()
}

/// The outcomes of a job's attempts.
fn outcomes(job: &Value) -> Vec<&str> {
    let attempts = job["attempts"].as_array().unwrap();
    attempts
        .iter()
        .map(|attempt| attempt["outcome"].as_str().unwrap_or("running"))
        .collect()
}

/// Waits until so many nodes are listed, and answers them.
async fn nodes(service: &Service, key: &str, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, listed) = service.get(key, "/v1/nodes").await;
        assert_eq!(status, 200, "{listed}");
        let all = listed["data"].as_array().unwrap().clone();
        if all.len() == count {
            return all;
        }
        assert!(Instant::now() < deadline, "not {count}: {listed}");
        breathe().await;
    }
}

/// Waits until these jobs run at another node than `dead`, and answers how long that took.
async fn run_elsewhere(service: &Service, key: &str, ids: &[String], dead: &str) -> Duration {
    let since = Instant::now();
    for id in ids {
        service
            .job_when(key, id, |job| {
                matches!(job["state"].as_str(), Some("running" | "completed")) && runs_at(job) != dead
            })
            .await;
    }
    since.elapsed()
}

#[tokio::test]
async fn what_a_killed_node_was_at_runs_again_elsewhere_within_twenty_seconds_and_a_start_takes_nothing_from_the_living()
 {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let url = server.create_database();
    let (first_home, second_home) = (home(&url), home(&url));
    let key = first_home.operator();
    let first = first_home.serve();
    let ids = probes(&first, &key, 20, 15_000).await;
    for id in &ids {
        first.job_when(&key, id, |job| job["state"] == "running").await;
    }
    let dead = nodes(&first, &key, 1).await[0]["id"].as_str().unwrap().to_owned();

    let second = second_home.serve();
    let both = nodes(&second, &key, 2).await;
    let there = both.iter().find(|node| node["id"] == dead.as_str()).unwrap();
    assert_eq!(
        there["running"], 20,
        "the start of another took the work of a living node: {both:?}"
    );
    first.kill_9();
    let took = run_elsewhere(&second, &key, &ids, &dead).await;
    assert!(took < AGAIN, "it took {took:?}");
    for id in &ids {
        let job = second.job_when(&key, id, |job| job["state"] == "completed").await;
        assert_eq!(
            (outcomes(&job), &job["attempt"]),
            (vec!["lost", "completed"], &json!(1)),
            "{job}"
        );
    }
    nodes(&second, &key, 1).await;
}

#[tokio::test]
async fn a_node_that_was_stopped_for_long_has_its_late_ends_refused_and_then_works_again() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let url = server.create_database();
    let (first_home, second_home) = (home(&url), home(&url));
    let key = first_home.operator();
    let first = first_home.serve();
    let ids = probes(&first, &key, 10, 4_000).await;
    for id in &ids {
        first.job_when(&key, id, |job| job["state"] == "running").await;
    }
    let stopped = nodes(&first, &key, 1).await[0]["id"].as_str().unwrap().to_owned();
    let second = second_home.serve();
    first.signal("STOP");
    let took = run_elsewhere(&second, &key, &ids, &stopped).await;
    assert!(took < AGAIN, "it took {took:?}");
    first.signal("CONT");
    // It learns that it was given up, ends what it was at, and enters anew under the same name.
    first.log_line(|line| line["event"] == "node_lost");
    first.log_line(|line| line["event"] == "lease_lost");
    first.log_line(|line| line["event"] == "lease_regained");
    let both: BTreeSet<String> = nodes(&second, &key, 2)
        .await
        .iter()
        .map(|node| node["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(both.contains(&stopped));
    for id in &ids {
        let job = second.job_when(&key, id, |job| job["state"] == "completed").await;
        assert_eq!(
            (outcomes(&job), &job["attempt"]),
            (vec!["lost", "completed"], &json!(1)),
            "{job}"
        );
        assert_ne!(runs_at(&job), stopped, "a late end was written: {job}");
    }
    // With nobody else there it performs what comes.
    second.kill_9();
    let again = probes(&first, &key, 1, 0).await;
    let job = first.job_when(&key, &again[0], |job| job["state"] == "completed").await;
    assert_eq!(runs_at(&job), stopped);
}

#[tokio::test]
async fn one_node_answers_and_another_performs() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let url = server.create_database();
    let api_home = home(&url).with("LEGWORK_ROLES", "api");
    let work_home = home(&url).with("LEGWORK_ROLES", "work");
    let key = api_home.operator();
    let api = api_home.serve();
    let ids = probes(&api, &key, 3, 0).await;
    let (_, queues) = api.get(&key, "/v1/queues").await;
    let probes_queue = &queues["data"][1];
    assert_eq!(
        (&probes_queue["slots"], &probes_queue["waiting"]),
        (&json!(0), &json!(3)),
        "{queues}"
    );
    let why = "a node that performs jobs; none is alive";
    api.job_when(&key, &ids[0], |job| job["waiting_for"] == why).await;
    let (status, ready) = api.get("", "/health/ready").await;
    assert_eq!((status, &ready), (200, &json!({ "status": "ok", "queues": [] })));

    let work = work_home.serve();
    let all = nodes(&api, &key, 2).await;
    assert_eq!(
        (&all[0]["roles"], &all[1]["roles"]),
        (&json!(["api"]), &json!(["work"]))
    );
    for id in &ids {
        let job = api.job_when(&key, id, |job| job["state"] == "completed").await;
        assert_eq!(runs_at(&job), all[1]["id"].as_str().unwrap());
    }
    assert_eq!(work.get("", "/health/ready").await.0, 200);
    let (status, refused) = work.get(&key, "/v1/queues").await;
    assert_eq!(status, 404);
    assert!(refused["detail"].as_str().unwrap().contains("role api"), "{refused}");
    work.signal("TERM");
    assert_eq!(work.wait().0, Some(0));
    assert_eq!(
        nodes(&api, &key, 1).await[0]["roles"],
        json!(["api"]),
        "it left in order"
    );
}

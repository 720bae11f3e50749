//! Limits through `kill -9` of those who hold their places: a limit of 1 never runs 2.

use std::time::{Duration, Instant};

use legwork::clock::Timestamp;
use serde_json::json;

use crate::support::postgres_server;
use crate::support::service::{Home, PATIENCE, Service, breathe};

/// Jobs under one key.
const JOBS: usize = 12;

/// Sets a limit of one for a key, and makes jobs with that key and one beside them.
async fn limited(service: &Service, key: &str) -> Vec<String> {
    let url = service.url("/v1/limits/probes/customer-7");
    let set = service
        .http
        .put(&url)
        .bearer_auth(key)
        .json(&json!({ "concurrency": 1 }));
    assert_eq!(set.send().await.unwrap().status().as_u16(), 200);
    let mut ids = Vec::new();
    for _ in 0..JOBS {
        let probe = json!({ "steps": 4, "step_ms": 50, "key": "customer-7" });
        let (status, job) = service.post(key, "/v1/probes", &probe).await;
        assert_eq!((status, &job["key"]), (202, &json!("customer-7")), "{job}");
        ids.push(job["id"].as_str().unwrap().to_owned());
    }
    let (status, free) = service.post(key, "/v1/probes", &json!({ "steps": 0 })).await;
    assert_eq!(status, 202);
    let free = free["id"].as_str().unwrap();
    service.job_when(key, free, |job| job["state"] == "completed").await;
    ids
}

/// From when to when each attempt of these jobs had its place, by their own records, in order.
async fn places(service: &Service, key: &str, ids: &[String]) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for id in ids {
        let job = service.job_when(key, id, |job| job["state"] == "completed").await;
        for attempt in job["attempts"].as_array().unwrap() {
            let text = |name: &str| attempt[name].as_str().unwrap().to_owned();
            all.push((text("started_at"), text("finished_at"), text("outcome")));
        }
    }
    all.sort();
    all
}

/// By how much a claim's clock may have been read before the end of an attempt was committed for which it then waited.
const READ_BEFORE: Duration = Duration::from_secs(2);

/// The same for an attempt that ended by itself: half of what each takes, so that two which ran at once are seen all the same.
const WAITED_FOR: Duration = Duration::from_millis(100);

/// That no two of them had a place at once.
fn one_at_a_time(places: &[(String, String, String)]) {
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    for pair in places.windows(2) {
        // The process of a lost one was dead long before it was found to be.
        let slack = if pair[0].2 == "lost" { READ_BEFORE } else { WAITED_FOR };
        assert!(
            time(&pair[0].1) <= time(&pair[1].0).plus(slack),
            "two ran at once: {pair:?} of {places:#?}"
        );
    }
}

/// The job that runs under the limit, as soon as one does, and the node that runs it.
async fn at_work(service: &Service, key: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, jobs) = service.get(key, "/v1/jobs?state=running").await;
        let attempt = &jobs["data"][0]["attempts"][0];
        if let Some(node) = attempt["node"].as_str() {
            return node.to_owned();
        }
        assert!(Instant::now() < deadline, "none runs: {jobs}");
        breathe().await;
    }
}

#[tokio::test]
async fn a_limit_of_one_runs_one_through_three_kills_of_the_process_on_sqlite() {
    let home = Home::new();
    let key = home.operator();
    let mut service = home.serve();
    let ids = limited(&service, &key).await;
    for _ in 0..3 {
        at_work(&service, &key).await;
        service.kill_9();
        service = home.serve();
    }
    let places = places(&service, &key, &ids).await;
    let lost = places.iter().filter(|(.., outcome)| outcome == "lost").count();
    assert!(lost >= 1, "a kill fell among them: {places:?}");
    assert_eq!(places.len(), JOBS + lost);
    one_at_a_time(&places);
}

#[tokio::test]
async fn a_limit_of_one_runs_one_on_three_nodes_of_which_the_one_at_work_is_killed() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let url = server.create_database();
    let homes = [(); 3].map(|()| Home::new().with("LEGWORK_DATABASE__URL", &url));
    let key = homes[0].operator();
    let mut nodes: Vec<(String, Service)> = Vec::new();
    for home in &homes {
        let service = home.serve();
        let line = service.log_line(|line| line["event"] == "serving");
        nodes.push((line["node"].as_str().unwrap().to_owned(), service));
    }
    let ids = limited(&nodes[0].1, &key).await;
    let victim = at_work(&nodes[0].1, &key).await;
    let index = nodes.iter().position(|(name, _)| *name == victim).unwrap();
    nodes.remove(index).1.kill_9();
    let places = places(&nodes[0].1, &key, &ids).await;
    let lost = places.iter().filter(|(.., outcome)| outcome == "lost").count();
    assert_eq!(places.len(), JOBS + lost);
    one_at_a_time(&places);
}

//! A service on SQLite whose disk is full for a while.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::service::{Home, PATIENCE, Service, breathe};
use crate::support::tmpfs::SmallDisk;

/// Posts a probe and answers its id, or none if there was no room for it.
async fn try_probe(service: &Service, key: &str, probe: &Value) -> Option<String> {
    let begun = Instant::now();
    let request = service
        .http
        .post(service.url("/v1/probes"))
        .bearer_auth(key)
        .json(probe);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").cloned();
    let body: Value = response.json().await.unwrap();
    match status {
        202 => Some(body["id"].as_str().unwrap().to_owned()),
        503 => {
            assert!(retry_after.is_some(), "{body}");
            assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
            None
        }
        other => panic!("{other}: {body}"),
    }
}

async fn readiness(service: &Service) -> u16 {
    let response = service.http.get(service.url("/health/ready")).send().await.unwrap();
    response.status().as_u16()
}

#[tokio::test]
async fn a_full_disk_is_told_and_costs_nothing_that_was_accepted() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let home = Home::new()
        .with("LEGWORK_DATA_DIR", disk.path().join("data").display().to_string())
        .with("LEGWORK_LIMITS__JOBS_PER_MINUTE", "0");
    let key = home.operator();
    let service = home.serve();
    let probe = json!({ "steps": 0 });
    let mut accepted = Vec::new();
    for _ in 0..20 {
        accepted.extend(try_probe(&service, &key, &probe).await);
    }
    assert_eq!(accepted.len(), 20);
    disk.fill();
    let mut refused = 0;
    let deadline = Instant::now() + PATIENCE;
    // The log has some room left in it.
    while refused < 20 {
        match try_probe(&service, &key, &probe).await {
            Some(id) => accepted.push(id),
            None => refused += 1,
        }
        assert!(Instant::now() < deadline, "the disk does not become full");
    }
    while readiness(&service).await != 503 {
        let log = || service.log().join("\n");
        assert!(Instant::now() < deadline, "the service calls itself ready:\n{}", log());
        breathe().await;
    }
    disk.make_room();
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(id) = try_probe(&service, &key, &probe).await {
            accepted.push(id);
            break;
        }
        assert!(Instant::now() < deadline, "the service does not find the room");
        breathe().await;
    }
    while readiness(&service).await != 200 {
        assert!(Instant::now() < deadline, "the service does not call itself ready");
        breathe().await;
    }
    for id in &accepted {
        let job = service.job_when(&key, id, |job| !job["finished_at"].is_null()).await;
        assert_eq!(job["state"], "completed", "{job}");
    }
    // What was answered is also in the file.
    service.kill_9();
    let service = home.serve();
    for id in &accepted {
        let job = service.job_when(&key, id, |_| true).await;
        assert_eq!(job["state"], "completed", "{job}");
    }
}

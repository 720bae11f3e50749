//! `kill -9` at the tick: whatever was settled stays, and the rest is settled after the restart, each tick once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use legwork::clock::Clock;
use legwork::store::schedules::{self, Schedule};
use legwork::store::{Database, JobScope, Store, StoreOptions};
use legwork::supervision::Tree;
use serde_json::{Value, json};

use crate::support::service::{Home, PATIENCE, Service, breathe};

const SCHEDULES: usize = 200;
const ROUNDS: usize = 3;

/// Has every schedule be due, while no service runs.
async fn make_due(home: &Home) {
    let options = StoreOptions {
        database: Database::Sqlite(home.database()),
        writers: 1,
        readers: 1,
        on_available: Arc::new(|_| {}),
    };
    let tree = Tree::new("root", Clock::System);
    let store = Store::open(&options, tree.root()).unwrap();
    let due = Clock::System.now().minus(Duration::from_secs(5));
    let write = store.write(move |tx| {
        for schedule in schedules::list(tx.connection(), JobScope::All, None, SCHEDULES)? {
            let next = Some(due);
            schedules::save(tx.connection(), &Schedule { next, ..schedule })?;
        }
        Ok(())
    });
    write.await.unwrap();
    tree.stop().await;
}

/// The history of each schedule, once each has `count` entries.
async fn histories(service: &Service, key: &str, ids: &[String], count: usize) -> Vec<Vec<Value>> {
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut all = Vec::new();
    for id in ids {
        loop {
            let (status, fires) = service.get(key, &format!("/v1/schedules/{id}/fires")).await;
            assert_eq!(status, 200, "{fires}");
            let fires = fires["data"].as_array().unwrap().clone();
            if fires.len() >= count {
                all.push(fires);
                break;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "{id} has {} of {count}",
                fires.len()
            );
            breathe().await;
        }
    }
    all
}

#[actix::test]
async fn killed_at_the_tick_again_and_again_each_tick_makes_one_job() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let mut ids = Vec::new();
    for number in 0..SCHEDULES {
        let body = json!({
            "name": format!("s{number}"), "cron": "0 0 1 1 *", "time_zone": "UTC", "missed": { "catch_up": 1 },
            "job": { "kind": "probe.run", "args": { "steps": 0 } }
        });
        let (status, made) = service.post(&key, "/v1/schedules", &body).await;
        assert_eq!(status, 201, "{made}");
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    service.kill_9();
    for round in 1..=ROUNDS {
        make_due(&home).await;
        let service = home.serve();
        service.log_line(|line| line["event"] == "schedule_fired");
        service.kill_9();
        let service = home.serve();
        for fires in histories(&service, &key, &ids, round).await {
            assert_eq!(fires.len(), round, "{fires:?}");
            let jobs: HashSet<&str> = fires.iter().filter_map(|fire| fire["job_id"].as_str()).collect();
            let ticks: HashSet<&str> = fires.iter().filter_map(|fire| fire["tick_at"].as_str()).collect();
            assert_eq!((jobs.len(), ticks.len()), (round, round), "{fires:?}");
            assert!(
                fires.iter().all(|fire| fire["job_state"].is_string()),
                "a job is there: {fires:?}"
            );
        }
        let (_, page) = service.get(&key, "/v1/jobs?limit=100&kind=probe.run").await;
        let mut jobs = page["data"].as_array().unwrap().len();
        let mut cursor = page["next_cursor"].as_str().map(str::to_owned);
        while let Some(at) = cursor {
            let (_, page) = service
                .get(&key, &format!("/v1/jobs?limit=100&kind=probe.run&cursor={at}"))
                .await;
            jobs += page["data"].as_array().unwrap().len();
            cursor = page["next_cursor"].as_str().map(str::to_owned);
        }
        assert_eq!(jobs, round * SCHEDULES, "no job is without an entry");
        service.kill_9();
    }
}

//! A service whose PostgreSQL goes away under load and comes back: stopped, its connections cut, killed.
//!
//! What must hold each time: whatever was accepted completes, none of it twice; who cannot be served is told so with a 503 and
//! when to come again, soon; the service says so of itself, and recovers without help.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::postgres_server::PostgresServer;
use crate::support::service::{Home, PATIENCE, Service, breathe};

/// Between two requests: 20 a second.
const PACE: Duration = Duration::from_millis(50);

/// How long a refusal may take. The service gives the database one second; the rest is for a loaded machine.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);

/// What became of the requests of a load.
#[derive(Default)]
struct Outcomes {
    accepted: Vec<String>,
    refused: usize,
    /// The longest time to a refusal, and what was refused.
    slowest_refusal: (Duration, String),
    wrong: Vec<String>,
}

struct Answer {
    status: u16,
    has_retry_after: bool,
    took: Duration,
    path: String,
    body: Value,
}

async fn ask(http: reqwest::Client, request: reqwest::RequestBuilder) -> Answer {
    let request = request.build().unwrap();
    let path = request.url().path().to_owned();
    let begun = Instant::now();
    let response = http.execute(request).await.unwrap();
    let status = response.status().as_u16();
    let has_retry_after = response.headers().contains_key("retry-after");
    let body = response.json().await.unwrap_or(Value::Null);
    Answer {
        status,
        has_retry_after,
        took: begun.elapsed(),
        path,
        body,
    }
}

/// Sends probes and reads of a session by turns until `ends`, and waits for the answers.
async fn load(service: Arc<Service>, key: String, token: String, ends: Arc<AtomicBool>) -> Outcomes {
    let mut asked = JoinSet::new();
    let mut turn = 0_usize;
    while !ends.load(Ordering::SeqCst) {
        let request = if turn.is_multiple_of(2) {
            let probe = json!({ "steps": 1, "step_ms": 20 });
            service
                .http
                .post(service.url("/v1/probes"))
                .bearer_auth(&key)
                .json(&probe)
        } else {
            service
                .http
                .get(service.url("/v1/sessions/current"))
                .bearer_auth(&token)
        };
        asked.spawn(ask(service.http.clone(), request));
        turn += 1;
        tokio::time::sleep(PACE).await;
    }
    let mut outcomes = Outcomes::default();
    while let Some(answer) = asked.join_next().await {
        let answer = answer.unwrap();
        match answer.status {
            202 => outcomes.accepted.push(answer.body["id"].as_str().unwrap().to_owned()),
            200 => {}
            503 if answer.has_retry_after => {
                outcomes.refused += 1;
                let this = (answer.took, answer.path);
                outcomes.slowest_refusal = this.max(outcomes.slowest_refusal);
            }
            status => outcomes.wrong.push(format!("{status}: {}", answer.body)),
        }
    }
    outcomes
}

/// A service on a server of its own, under load.
struct Stage {
    server: Arc<PostgresServer>,
    service: Arc<Service>,
    key: String,
    ends: Arc<AtomicBool>,
    load: tokio::task::JoinHandle<Outcomes>,
    _home: Home,
}

impl Stage {
    async fn set() -> Option<Self> {
        let server = Arc::new(PostgresServer::start_new(&[])?);
        let home = Home::new()
            .with("LEGWORK_DATABASE__URL", server.url("postgres"))
            .with("LEGWORK_LIMITS__JOBS_PER_MINUTE", "0");
        let key = home.operator();
        let service = Arc::new(home.serve());
        let login = json!({ "email": "op@example.com", "password": "a good long password" });
        let (status, session) = service.post_openly("/v1/sessions", &login).await;
        assert_eq!(status, 201, "{session}");
        let token = session["token"].as_str().unwrap().to_owned();
        let ends = Arc::new(AtomicBool::new(false));
        let load = tokio::spawn(load(Arc::clone(&service), key.clone(), token, Arc::clone(&ends)));
        Some(Self {
            server,
            service,
            key,
            ends,
            load,
            _home: home,
        })
    }

    /// Does something to the server, which blocks.
    async fn to_server<T: Send + 'static>(&self, act: impl FnOnce(&PostgresServer) -> T + Send + 'static) -> T {
        let server = Arc::clone(&self.server);
        tokio::task::spawn_blocking(move || act(&server)).await.unwrap()
    }

    /// Waits until the service says of itself what is `wanted`.
    async fn ready_is(&self, wanted: u16) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = ask(
                self.service.http.clone(),
                self.service.http.get(self.service.url("/health/ready")),
            )
            .await;
            if answer.status == wanted {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the service stays {}: {}",
                answer.status,
                answer.body
            );
            breathe().await;
        }
    }

    /// Goes on for a while, ends the load, and holds what must hold of every outage. Answers how many were refused.
    async fn settle(self) -> usize {
        self.ready_is(200).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.ends.store(true, Ordering::SeqCst);
        let outcomes = self.load.await.unwrap();
        assert_eq!(outcomes.wrong, Vec::<String>::new());
        let log = self.service.log().join("\n");
        assert!(
            outcomes.slowest_refusal.0 < REFUSED_WITHIN,
            "{:?}\n{log}",
            outcomes.slowest_refusal
        );
        assert!(!outcomes.accepted.is_empty());
        let log = self.server.log();
        assert!(!log.contains("syntax error"), "{log}");
        for id in &outcomes.accepted {
            let job = self
                .service
                .job_when(&self.key, id, |job| !job["finished_at"].is_null())
                .await;
            assert_eq!(job["state"], "completed", "{job}");
            let mut ends: HashMap<&str, usize> = HashMap::new();
            for attempt in job["attempts"].as_array().unwrap() {
                *ends.entry(attempt["outcome"].as_str().unwrap_or("none")).or_default() += 1;
            }
            assert_eq!(ends.get("completed"), Some(&1), "{job}");
        }
        outcomes.refused
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_for_ten_seconds_costs_refusals_and_nothing_else() {
    let Some(stage) = Stage::set().await else { return };
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.to_server(PostgresServer::stop).await;
    stage.ready_is(503).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    stage.to_server(PostgresServer::start).await;
    let refused = stage.settle().await;
    assert!(refused > 20, "{refused}: probes cannot be accepted without a database");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_one_by_one_are_made_anew() {
    let Some(stage) = Stage::set().await else { return };
    let one = "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
               AND backend_type = 'client backend' ORDER BY random() LIMIT 1) AS one";
    for _ in 0..25 {
        stage.to_server(move |server| server.psql(one)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stage.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_started_on_the_same_data_has_lost_nothing() {
    let Some(stage) = Stage::set().await else { return };
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.to_server(PostgresServer::kill).await;
        stage.to_server(PostgresServer::start).await;
        stage.ready_is(200).await;
    }
    stage.settle().await;
}

#[tokio::test]
async fn what_the_service_accepts_is_on_disk_whatever_the_server_would_do_by_itself() {
    let lazy = [("synchronous_commit", "off"), ("wal_writer_delay", "10s")];
    let Some(server) = PostgresServer::start_new(&lazy) else {
        return;
    };
    let home = Home::new().with("LEGWORK_DATABASE__URL", server.url("postgres"));
    let key = home.operator();
    let service = home.serve();
    let mut ids = Vec::new();
    for _ in 0..10 {
        let later = json!({ "steps": 0, "run_at": "2099-01-01T00:00:00Z" });
        ids.push(service.probe(&key, &later).await);
    }
    // Whatever is not on disk is gone, and with a lazy session it would not be there for seconds.
    server.kill();
    server.start();
    for id in ids {
        let there = server.psql(&format!("SELECT count(*) FROM jobs WHERE id = '{id}'"));
        assert_eq!(there, "1", "{id}");
    }
}

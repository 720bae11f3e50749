//! A rolling restart: nodes of this version and of the one before on one PostgreSQL, from the migration to the end of the last
//! old node; and this version on a schema that a newer one has changed.
//!
//! The binary of the version before is a file that `LEGWORK_TEST_PREVIOUS` names.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::postgres_server::{self, PostgresServer};
use crate::support::required;
use crate::support::service::{Home, PATIENCE, Service, breathe};

/// A database of its own, and the name by which the server knows it.
struct Database {
    server: &'static PostgresServer,
    url: String,
    name: String,
}

impl Database {
    fn new() -> Option<Self> {
        let server = postgres_server::shared()?;
        let url = server.create_database();
        let name = url.rsplit_once('/').unwrap().1.to_owned();
        Some(Self { server, url, name })
    }

    fn home(&self) -> Home {
        Home::new()
            .with("LEGWORK_DATABASE__URL", &self.url)
            .with("LEGWORK_DATABASE__CONTRACT_AFTER_MINUTES", "0")
    }

    /// A home of the version before, which does not know the newer settings.
    fn old_home(&self, program: &std::path::Path) -> Home {
        Home::new().with("LEGWORK_DATABASE__URL", &self.url).of(program)
    }

    fn ask(&self, sql: &str) -> String {
        self.server.psql_in(&self.name, sql)
    }

    /// Waits until a statement answers this.
    async fn until(&self, sql: &str, wanted: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(sql);
            if answer == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{sql} answers {answer}, not {wanted}");
            breathe().await;
        }
    }

    /// Whether the index is there by which the version before claims.
    fn has_old_index(&self) -> bool {
        self.ask("SELECT count(*) FROM pg_indexes WHERE indexname = 'jobs_to_claim'") == "1"
    }
}

/// Orders probes, one after the other, until told to end; answers their ids.
struct Load {
    is_over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Load {
    fn on(service: &Service, key: &str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (http, url, key) = (service.http.clone(), service.url("/v1/probes"), key.to_owned());
        let ends = Arc::clone(&is_over);
        let task = tokio::spawn(async move {
            let mut ids = Vec::new();
            while !ends.load(Ordering::SeqCst) {
                let probe = json!({ "steps": 1, "step_ms": 20 });
                let answer = http.post(&url).bearer_auth(&key).json(&probe).send().await.unwrap();
                assert_eq!(answer.status().as_u16(), 202);
                let job: Value = answer.json().await.unwrap();
                ids.push(job["id"].as_str().unwrap().to_owned());
                breathe().await;
            }
            ids
        });
        Self { is_over, task }
    }

    async fn end(self) -> Vec<String> {
        self.is_over.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

fn previous() -> Option<PathBuf> {
    required::named("previous", "LEGWORK_TEST_PREVIOUS")
}

/// The id of the node that a service is.
fn node_of(service: &Service) -> String {
    let serving = service.log_line(|line| line["event"] == "serving");
    serving["node"].as_str().unwrap().to_owned()
}

/// The schema is refused by the version before, in words.
fn is_refused(home: &Home) {
    let said = home.run(&["serve"], "");
    assert_eq!(said.status.code(), Some(1), "{}", said.stderr);
    assert!(
        said.stderr.contains("it was used by a newer version"),
        "{}",
        said.stderr
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_two_versions_serve_side_by_side_every_job_is_done_once_and_the_old_schema_goes_with_the_last_old_node()
 {
    let (Some(database), Some(program)) = (Database::new(), previous()) else {
        return;
    };
    let (one_home, other_home) = (database.old_home(&program), database.old_home(&program));
    let key = one_home.operator();
    let (one, other) = (one_home.serve(), other_home.serve());
    let loads = [Load::on(&one, &key), Load::on(&other, &key)];
    let done_by = "SELECT count(DISTINCT node) FROM jobs WHERE kind = 'probe.run' AND state = 'completed'";
    database.until(done_by, "2").await;

    // The migration runs while they serve, and leaves what they use.
    let home = database.home();
    let said = home.run(&["migrate"], "");
    assert!(said.status.success(), "{}", said.stderr);
    assert!(database.has_old_index());
    let said = home.run(&["migrate", "--contract"], "");
    assert_eq!(said.status.code(), Some(1), "{}", said.stdout);
    assert!(
        said.stderr.contains(&format!("{} of version 0.1.0", node_of(&one))),
        "{}",
        said.stderr
    );
    // Who knows of no expanding alone must not start anew from here on.
    is_refused(&database.old_home(&program));

    let new = home.serve();
    let new_load = Load::on(&new, &key);
    database.until(done_by, "3").await;
    let mut ids = new_load.end().await;
    for load in loads {
        ids.extend(load.end().await);
    }
    let undone = "SELECT count(*) FROM jobs WHERE kind = 'probe.run' AND state <> 'completed'";
    database.until(undone, "0").await;
    let all = database.ask("SELECT count(*) FROM jobs WHERE kind = 'probe.run'");
    assert_eq!(all, ids.len().to_string(), "accepted by whichever of them");
    let oftener = "SELECT count(*) FROM jobs WHERE kind = 'probe.run' AND (attempt <> 1 OR fence <> 1)";
    assert_eq!(database.ask(oftener), "0", "each was done once");
    let (_, listed) = new.get(&key, "/v1/nodes").await;
    let versions: Vec<&str> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, ["0.1.0", "0.1.0", env!("CARGO_PKG_VERSION")]);

    // One old node is stopped in order: it ends what it has, and the others go on.
    one.signal("TERM");
    assert_eq!(one.wait().0, Some(0));
    let ids = held_by_both(&other, &new, &key).await;
    assert!(database.has_old_index(), "an old node is alive");
    // The other one dies at work: the new node takes its jobs back.
    let dead = node_of(&other);
    let at_work = format!("SELECT count(*) FROM jobs WHERE state = 'running' AND node = '{dead}'");
    assert_ne!(database.ask(&at_work), "0");
    let left: Vec<String> = database
        .ask(&format!(
            "SELECT id FROM jobs WHERE state = 'running' AND node = '{dead}'"
        ))
        .lines()
        .map(str::to_owned)
        .collect();
    other.kill_9();
    for id in &ids {
        let job = new.job_when(&key, id, |job| job["state"] == "completed").await;
        let attempts = job["attempts"].as_array().unwrap();
        let outcomes: Vec<&str> = attempts
            .iter()
            .map(|attempt| attempt["outcome"].as_str().unwrap())
            .collect();
        let expected: &[&str] = if left.contains(id) {
            &["lost", "completed"]
        } else {
            &["completed"]
        };
        assert_eq!((outcomes.as_slice(), &job["attempt"]), (expected, &json!(1)), "{job}");
    }

    // With the last old node goes what only it used.
    new.log_line(|line| line["event"] == "schema_contracted");
    assert!(!database.has_old_index());
    assert_eq!(database.ask("SELECT oldest_release FROM schema_needs"), "2");
    is_refused(&other_home);
    let said = home.run(&["migrate", "--contract"], "");
    assert!(said.status.success(), "{}", said.stderr);
    let id = new.probe(&key, &json!({ "steps": 0 })).await;
    new.job_when(&key, &id, |job| job["state"] == "completed").await;
}

/// Probes that run for a while, some of them at each of two nodes; answers all of them.
async fn held_by_both(one: &Service, other: &Service, key: &str) -> Vec<String> {
    let (mut ids, mut nodes) = (Vec::new(), std::collections::BTreeSet::new());
    let wanted = [node_of(one), node_of(other)];
    let deadline = Instant::now() + PATIENCE;
    while !wanted.iter().all(|node| nodes.contains(node)) {
        assert!(Instant::now() < deadline, "only {nodes:?} began");
        for service in [one, other] {
            let id = service.probe(key, &json!({ "steps": 1, "step_ms": 10_000 })).await;
            let job = other.job_when(key, &id, |job| job["state"] == "running").await;
            nodes.insert(job["attempts"][0]["node"].as_str().unwrap().to_owned());
            ids.push(id);
        }
    }
    ids
}

#[tokio::test]
async fn a_schema_that_a_newer_version_has_only_expanded_is_served_and_one_that_it_has_contracted_is_refused() {
    let Some(database) = Database::new() else { return };
    let home = database.home();
    let key = home.operator();
    database.ask("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')");
    database.ask("ALTER TABLE jobs ADD COLUMN colour TEXT NOT NULL DEFAULT 'none'");
    let service = home.serve();
    service.log_line(|line| line["event"] == "schema_newer" && line["versions"] == "29990101000000");
    let id = service.probe(&key, &json!({ "steps": 0 })).await;
    service.job_when(&key, &id, |job| job["state"] == "completed").await;
    service.signal("TERM");
    assert_eq!(service.wait().0, Some(0));

    database.ask("UPDATE schema_needs SET oldest_release = 1000");
    for command in [&["serve"][..], &["migrate"]] {
        let said = home.run(command, "");
        assert_eq!(said.status.code(), Some(1), "{}", said.stderr);
        assert!(said.stderr.contains("from number 1000 on"), "{}", said.stderr);
    }
}

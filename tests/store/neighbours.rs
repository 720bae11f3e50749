//! Two services on one PostgreSQL: what one accepts, the other starts, by notification or, if all of those are lost, by its poll.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::postgres_server::PostgresServer;
use crate::support::service::{Home, Service};

/// Two services of which only the second claims jobs.
struct Pair {
    accepts: Service,
    _performs: Service,
    key: String,
    _homes: [Home; 2],
}

impl Pair {
    fn start(server: &PostgresServer) -> Self {
        let home = || {
            Home::new()
                .with("LEGWORK_DATABASE__URL", server.url("postgres"))
                .with("LEGWORK_LIMITS__JOBS_PER_MINUTE", "0")
        };
        let homes = [
            home().with("LEGWORK_ROLES", "api"),
            home().with("LEGWORK_ROLES", "work"),
        ];
        let key = homes[0].operator();
        let (accepts, performs) = (homes[0].serve(), homes[1].serve());
        Self {
            accepts,
            _performs: performs,
            key,
            _homes: homes,
        }
    }

    /// How long a probe waited until it was started.
    async fn delay(&self) -> Duration {
        let id = self.accepts.probe(&self.key, &json!({ "steps": 0 })).await;
        let done = |job: &Value| job["state"] == "completed";
        let job = self.accepts.job_when(&self.key, &id, done).await;
        let at = |name: &str| job[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        // The clock of the database decides, and may be some microseconds off the node's.
        Duration::try_from(at("started_at").duration_since(at("created_at"))).unwrap_or_default()
    }

    async fn delays(&self, count: usize) -> Vec<Duration> {
        let mut delays = Vec::new();
        for _ in 0..count {
            delays.push(self.delay().await);
        }
        delays.sort();
        delays
    }
}

#[tokio::test]
async fn a_job_that_one_node_accepts_is_started_by_another_at_once() {
    let Some(server) = PostgresServer::start_new(&[("fsync", "off")]) else {
        return;
    };
    let pair = Pair::start(&server);
    let delays = pair.delays(10).await;
    // Polls alone, one a second, would have half of them wait longer than this.
    assert!(delays[7] < Duration::from_millis(500), "{delays:?}");
}

#[tokio::test]
async fn a_job_whose_every_notification_is_lost_is_started_by_a_poll() {
    let Some(server) = PostgresServer::start_new(&[("fsync", "off")]) else {
        return;
    };
    // One of that name that does nothing, in a schema that is looked into first.
    server.psql("CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT'");
    server.psql("ALTER DATABASE postgres SET search_path = public, pg_catalog");
    let pair = Pair::start(&server);
    let delays = pair.delays(10).await;
    assert!(
        delays[9] < Duration::from_secs(3),
        "a poll comes each second: {delays:?}"
    );
    assert!(
        delays[9] > Duration::from_millis(100),
        "something else has told: {delays:?}"
    );
}

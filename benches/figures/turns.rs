//! Claims per second with 1,000 workspaces that share a queue by weight, and with limits on every key, against as many jobs of
//! one workspace without any, by the code that the dispatcher claims with; SQLite and PostgreSQL. The claims under limits stand
//! against those of the same workspaces without limits, too.
//!
//! Only the claims are timed, each with its commit; what was claimed is ended in between. The jobs of one workspace lie in the
//! order in which they are claimed, and those of a thousand do not. What that alone costs shows one workspace with several
//! priorities: it has neither turns nor limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use legwork::clock::Clock;
use legwork::config::DatabaseUrl;
use legwork::domain::id::{JobId, NodeId, WorkspaceId};
use legwork::domain::job::{AttemptEnd, Limit, Queue, Rate, Turn};
use legwork::store::limits::{self, Limited};
use legwork::store::{Abort, AttemptFinish, ClaimRequest, Database, KnownKind, NewJob, Store, StoreOptions};
use legwork::supervision::Tree;

use crate::machine;
use crate::place::{durable_postgres, name_in};
use crate::postgres_server::PostgresServer;
use crate::round::middle;
use crate::scale::Scale;
use crate::table::Row;

const JOBS: u64 = 50_000;
const WORKSPACES: u128 = 1_000;
const KIND: &str = "bench.turns";
/// As many as the prober has slots, and as the mailer has.
const PORTIONS: [usize; 2] = [256, 16];

/// What the jobs are like.
#[derive(Clone, Copy)]
enum Crowd {
    /// Of one workspace, without keys.
    One,
    /// The same with four priorities in turn, so that a claim takes every fourth of those that were accepted one after the other.
    /// Its jobs' rows lie in as many pages as those that a claim of up to 256 takes of a thousand workspaces, some 70 in SQLite.
    Mixed,
    /// Of a thousand with weights 1, 2 and 5, without keys.
    Many,
    /// Of a thousand with weights, each with a key under a limit of both sorts, which are never full.
    Limited,
}

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    let postgres = durable_postgres();
    let mut rows = Vec::new();
    for (name, server) in [("SQLite", None), ("PostgreSQL", Some(&postgres))] {
        for portion in PORTIONS {
            rows.extend(on(scale, name, server, portion));
        }
    }
    rows
}

fn on(scale: Scale, database: &str, server: Option<&PostgresServer>, portion: usize) -> Vec<Row> {
    println!("{database}, up to {portion} a claim");
    let count = scale.jobs(JOBS);
    let mut rates: [Vec<f64>; 4] = Default::default();
    for _ in 0..scale.rounds {
        for (rates, crowd) in rates
            .iter_mut()
            .zip([Crowd::One, Crowd::Mixed, Crowd::Many, Crowd::Limited])
        {
            rates.push(rate(server, crowd, count, portion));
        }
        let [one, mixed, many, limited] = [0, 1, 2, 3].map(|index: usize| *rates[index].last().unwrap());
        println!(
            "  one workspace: {one:.0}/s, four priorities: {mixed:.0}/s, 1,000: {many:.0}/s, 1,000 with limits: {limited:.0}/s"
        );
    }
    let [one, mixed, many, limited] = rates.map(middle);
    let row = |what: &str, rate: f64, beside: &str, than: f64| Row {
        figure: format!("jobs claimed with {what}, {database}, up to {portion} a claim"),
        value: format!("{rate:.0}/s"),
        yardstick: format!("{beside}: {than:.0}/s"),
        ratio: Some(rate / than),
        reach: "0.7",
        aim: "0.9",
    };
    let first = "one workspace, no limits";
    let with_limits = "1,000 workspaces and limits";
    vec![
        Row {
            reach: "",
            aim: "",
            ..row("one workspace and four priorities", mixed, first, one)
        },
        row("1,000 workspaces", many, first, one),
        row(with_limits, limited, first, one),
        row(with_limits, limited, "1,000 workspaces, no limits", many),
    ]
}

/// Jobs claimed in a second of claiming, from a fresh database.
fn rate(server: Option<&PostgresServer>, crowd: Crowd, count: u64, portion: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let url = server.map(PostgresServer::create_database);
    let database = match &url {
        None => Database::Sqlite(folder.path().join("legwork.db")),
        Some(url) => Database::from(&DatabaseUrl::parse(url).unwrap()),
    };
    actix::System::new().block_on(async {
        let options = StoreOptions {
            database,
            writers: 4,
            readers: 1,
            on_available: Arc::new(|_| {}),
        };
        let tree = Tree::new("root", Clock::System);
        let store = Store::open(&options, tree.root()).unwrap();
        match (server, &url) {
            (Some(server), Some(url)) => drop(server.psql_in(name_in(url), &enter_workspaces())),
            _ => enter_into_file(folder.path()),
        }
        fill(&store, crowd, count).await;
        let rate = claim_all(&store, count, portion).await;
        drop(store);
        tree.stop().await;
        rate
    })
}

fn workspace(number: u128) -> WorkspaceId {
    WorkspaceId::from_bits(number % WORKSPACES + 1)
}

fn enter_workspaces() -> String {
    let rows = (0..WORKSPACES).map(|number| {
        let weight = [1, 2, 5][usize::try_from(number % 3).unwrap()];
        format!("('{}', 'bench', 0, {weight})", workspace(number))
    });
    let rows: Vec<String> = rows.collect();
    format!(
        "INSERT INTO workspaces (id, name, created_at, weight) VALUES {}",
        rows.join(", ")
    )
}

fn enter_into_file(folder: &std::path::Path) {
    let status = machine::command("sqlite3")
        .arg(folder.join("legwork.db"))
        .arg(enter_workspaces())
        .status();
    assert!(status.unwrap().success());
}

async fn fill(store: &Store, crowd: Crowd, count: u64) {
    let now = Clock::System.now();
    if matches!(crowd, Crowd::Limited) {
        let second = Duration::from_secs(1);
        let rate = Rate {
            jobs: 1_000_000,
            period: second,
            burst: 1_000_000,
        };
        let limit = Limit {
            concurrency: Some(1_000),
            rate: Some(rate),
        };
        let write = store.write(move |tx| {
            for number in 0..WORKSPACES {
                limits::set(tx, Queue::Probes, &Limited::EachKey(workspace(number)), &limit, now)?;
            }
            Ok::<_, Abort<()>>(())
        });
        write.await.unwrap();
    }
    let jobs: Vec<NewJob> = (0..u128::from(count))
        .map(|number| NewJob {
            id: JobId::generate(),
            workspace: workspace(if matches!(crowd, Crowd::One | Crowd::Mixed) {
                0
            } else {
                number
            }),
            kind: KIND,
            queue: Queue::Probes,
            priority: if matches!(crowd, Crowd::Mixed) {
                i32::try_from(number % 4).unwrap()
            } else {
                0
            },
            args: r#"{"steps":0,"step_ms":0,"fail":null,"panic":null}"#.to_owned(),
            args_version: 1,
            max_attempts: 3,
            timeout: Duration::from_secs(60),
            run_at: now,
            created_at: now,
            deadline: None,
            unique: None,
            limit_key: matches!(crowd, Crowd::Limited).then(|| "customer".parse().unwrap()),
            schedule: None,
            batch: None,
            is_waited_for: false,
            after: None,
            request_id: None,
            labels: None,
        })
        .collect();
    for part in jobs.chunks(1_000) {
        store.enqueue(part.to_vec()).await.unwrap();
    }
}

async fn claim_all(store: &Store, count: u64, portion: usize) -> f64 {
    let (mut turn, mut claimed, mut spent) = (Turn::default(), 0, Duration::ZERO);
    while claimed < count {
        let request = ClaimRequest {
            queue: Queue::Probes,
            kinds: vec![KnownKind { name: KIND, version: 1 }],
            limit: portion,
            turn,
            node: NodeId::from_bits(1),
            now: Clock::System.now(),
        };
        let began = Instant::now();
        let got = store.claim(request).await.unwrap();
        spent += began.elapsed();
        assert!(!got.jobs.is_empty(), "{claimed} of {count} were claimed");
        claimed += got.jobs.len() as u64;
        turn = got.turn;
        let ends = got.jobs.into_iter().map(|job| {
            store.finish(AttemptFinish {
                job: job.id,
                fence: job.fence,
                end: AttemptEnd::Completed,
                error: None,
                result: None,
                progress: None,
                transcript: None,
                suppress: Vec::new(),
                at: Clock::System.now(),
            })
        });
        futures_util::future::join_all(ends).await;
    }
    count as f64 / spent.as_secs_f64()
}

//! Jobs accepted per second in batches of 1,000, against SQLite itself with 64 rows in a transaction.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Instant;

use crate::machine;
use crate::place::Place;
use crate::round::{Request, load, middle};
use crate::scale::Scale;
use crate::table::Row;

/// Requests at once.
const CONNECTIONS: u32 = 4;
/// Jobs in a request.
const BATCH: u32 = 1_000;
/// Rows in a transaction of the yardstick.
const ROWS: u64 = 64;
/// Rows that the yardstick inserts.
const ALL: u64 = 640_000;

/// The table of the yardstick, and the numbers that 64 rows are made from: so little is parsed for each transaction.
const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE accepted (id INTEGER NOT NULL PRIMARY KEY, kind TEXT NOT NULL, args TEXT NOT NULL, run_at BIGINT NOT NULL);
CREATE TEMP TABLE numbers AS
    WITH RECURSIVE counted(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM counted WHERE i < 64) SELECT i FROM counted;
";

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!("against SQLite in WAL mode with synchronous=FULL, {ROWS} rows in a transaction, by sqlite3");
    let body = format!(r#"{{"count":{BATCH},"steps":0}}"#);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let place = Place::new(None);
        let server = place.start(&[]);
        server.pause("probes");
        let url = format!("{}/v1/probes/batch", server.base);
        let round = load(&Request::post(&url, &server.key, &body), CONNECTIONS, scale.seconds);
        let rate = round.per_second * f64::from(BATCH);
        let kept = place.count("SELECT count(*) FROM jobs");
        let answered = rate * f64::from(scale.seconds);
        assert!(kept as f64 > answered * 0.99, "{kept} rows for {answered} answers");
        drop(server);
        ours.push(rate);
        theirs.push(by_sqlite3(scale.jobs(ALL)));
        println!("legwork {rate:.0} rows/s, sqlite3 {:.0} rows/s", theirs.last().unwrap());
    }
    let (ours, theirs) = (middle(ours), middle(theirs));
    vec![Row {
        figure: format!("jobs accepted in batches of {BATCH}, SQLite, {CONNECTIONS} connections"),
        value: format!("{ours:.0} rows/s"),
        yardstick: format!("SQLite WAL FULL, {ROWS} rows a transaction: {theirs:.0} rows/s"),
        ratio: Some(ours / theirs),
        reach: "0.3",
        aim: "0.5",
    }]
}

/// Rows per second of sqlite3.
fn by_sqlite3(rows: u64) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let transactions = rows.div_ceil(ROWS);
    let mut script = SCHEMA.to_owned();
    for at in 0..transactions {
        writeln!(
            script,
            "INSERT INTO accepted (kind, args, run_at) SELECT 'probe', '{{\"steps\":0,\"step_ms\":0}}', {at} FROM numbers;"
        )
        .unwrap();
    }
    let path = folder.path().join("script.sql");
    std::fs::write(&path, script).unwrap();
    let start = Instant::now();
    let status = machine::command("sqlite3")
        .arg("-bail")
        .arg(folder.path().join("yardstick.db"))
        .stdin(std::fs::File::open(path).unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "sqlite3 failed");
    (transactions * ROWS) as f64 / start.elapsed().as_secs_f64()
}

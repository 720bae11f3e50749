//! A report of 1,000,000 rows: how long it takes and how much memory, against sqlite3's own CSV of the same columns.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use serde_json::json;

use crate::database;
use crate::machine;
use crate::round::middle;
use crate::scale::Scale;
use crate::server::Server;
use crate::table::Row;

const ROWS: u64 = 1_000_000;

/// Copies of the one job that a round made itself, each a millisecond older than the last, under ids that sort by time.
fn multiply(rows: u64) -> String {
    format!(
        "
PRAGMA synchronous = OFF;
CREATE TEMP TABLE copies AS
    WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {rows} - 1)
    SELECT model.* FROM (SELECT * FROM jobs LIMIT 1) AS model, numbers;
UPDATE copies SET
    id = 'job_' || printf('%012x', created_at / 1000 - rowid) || substr(id, 17),
    created_at = created_at - rowid * 1000;
INSERT INTO jobs SELECT * FROM copies;
"
    )
}

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!("against sqlite3's own CSV of the same columns");
    let rows = scale.jobs(ROWS);
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[]);
    let job = server.post("/v1/probes", &json!({"steps": 1, "step_ms": 0}));
    server.wait_for_job(job["id"].as_str().unwrap());
    drop(server);
    database::run(home.path(), &multiply(rows));
    ["csv", "jsonl"]
        .map(|format| of(format, home.path(), rows, scale))
        .into()
}

fn of(format: &str, home: &Path, rows: u64, scale: Scale) -> Row {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let server = Server::start(home, &[]);
        let before = server.memory_kib("VmRSS");
        server.forget_peak();
        let start = Instant::now();
        let job = server.post("/v1/reports", &json!({"table": "jobs", "format": format}));
        let done = server.wait_for_job(job["id"].as_str().unwrap());
        ours.push(start.elapsed().as_secs_f64());
        let report = &done["result"]["report"];
        assert!(report["rows"].as_u64().unwrap() >= rows, "{done}");
        println!(
            "{format}: {} rows, {} bytes in {:.2} s; resident {before} KiB before, {} KiB at its peak",
            report["rows"],
            report["bytes"],
            ours.last().unwrap(),
            server.memory_kib("VmHWM")
        );
        drop(server);
        theirs.push(by_sqlite3(home));
    }
    let (ours, theirs) = (middle(ours), middle(theirs));
    Row {
        figure: format!("report of {rows} jobs as {format}"),
        value: format!("{ours:.2} s"),
        yardstick: format!("sqlite3 -csv: {theirs:.2} s"),
        ratio: Some(ours / theirs),
        reach: "",
        aim: "",
    }
}

/// Seconds that sqlite3 takes to write all jobs as CSV, numbers for times and all.
fn by_sqlite3(folder: &Path) -> f64 {
    let start = Instant::now();
    let status = machine::command("sqlite3")
        .args(["-csv", "-header"])
        .arg(folder.join("data/legwork.db"))
        .arg("SELECT id, kind, queue, state, priority, attempt, max_attempts, run_at, created_at, started_at, finished_at, cause FROM jobs ORDER BY workspace_id, id")
        .stdout(std::fs::File::create(folder.join("yardstick.csv")).unwrap())
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "sqlite3 failed");
    start.elapsed().as_secs_f64()
}

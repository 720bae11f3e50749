//! How long after its accept a job starts, one at a time, on SQLite and on PostgreSQL.
//!
//! The job's own times are from the request's arrival to the claim, before the claim is committed. The client's are from
//! sending the request to the answer by `Prefer: wait`, so with the commits of the accept, the claim and the end in it: the
//! work's start is between the two.

use std::time::Instant;

use crate::place::{Place, durable_postgres};
use crate::postgres_server::PostgresServer;
use crate::round::middle;
use crate::scale::Scale;
use crate::table::Row;

const PROBES: u64 = 1_000;
/// Sidekiq's, the best of the others on two cores like those of the README's figures, which keeps jobs in memory: the median
/// and the 99th percentile in milliseconds. It is not measured again here.
const OTHERS: [f64; 2] = [1.2, 2.7];

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!("against Sidekiq, measured once on two such cores, not durable");
    let postgres = durable_postgres();
    let mut rows = on(scale, "SQLite", None);
    rows.extend(on(scale, "PostgreSQL", Some(&postgres)));
    rows
}

fn on(scale: Scale, database: &str, postgres: Option<&PostgresServer>) -> Vec<Row> {
    let rounds: Vec<[f64; 4]> = (0..scale.rounds).map(|_| round(scale, database, postgres)).collect();
    let column = |index: usize| middle(rounds.iter().map(|round| round[index]));
    let row = |of: &str, index: usize, reach, aim| Row {
        figure: format!("accept to start of work, {database}, {of}"),
        value: format!(
            "{:.2} ms (to the answer of its end {:.2} ms)",
            column(index),
            column(index + 2)
        ),
        yardstick: format!("Sidekiq, measured once: {:.1} ms", OTHERS[index]),
        ratio: Some(column(index) / OTHERS[index]),
        reach,
        aim,
    };
    vec![row("median", 0, "2 ms", "1 ms"), row("p99", 1, "6 ms", "3 ms")]
}

/// The median and the 99th percentile of the start, and those of the answer.
fn round(scale: Scale, database: &str, postgres: Option<&PostgresServer>) -> [f64; 4] {
    let place = Place::new(postgres);
    let server = place.start(&[]);
    let probes = scale.jobs(PROBES).max(10);
    let mut answers = Vec::new();
    for _ in 0..probes {
        let start = Instant::now();
        let job = server.perform(r#"{"steps":0}"#);
        answers.push(start.elapsed().as_secs_f64() * 1e3);
        assert_eq!(job["state"], "completed", "{job}");
    }
    answers.sort_by(f64::total_cmp);
    let [median, tail] = [probes / 2, probes * 99 / 100];
    let start = |at: u64| {
        let waits = format!("SELECT started_at - created_at FROM jobs ORDER BY 1 LIMIT 1 OFFSET {at}");
        place.count(&waits) as f64 / 1e3
    };
    let answer = |at: u64| answers[usize::try_from(at).unwrap()];
    let found = [start(median), start(tail), answer(median), answer(tail)];
    println!(
        "{database}, {probes} probes: started after {:.2} ms, p99 {:.2} ms; answered after {:.2} ms, p99 {:.2} ms",
        found[0], found[1], found[2], found[3]
    );
    found
}

//! Durable accepts per second on PostgreSQL, `POST /v1/emails` with an API key and the queue paused, against pgbench, which
//! inserts one row for each request on the same server: a plain one into a plain table, and a job's into the service's own.

use std::path::Path;

use crate::machine;
use crate::place::{Place, durable_postgres, name_in};
use crate::postgres_server::PostgresServer;
use crate::round::{MAIL, Request, load, median, middle};
use crate::scale::Scale;
use crate::table::Row;

const CONNECTIONS: u32 = 64;

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!("against one prepared INSERT a request, {CONNECTIONS} connections, by pgbench");
    let postgres = durable_postgres();
    let (mut ours, mut plain, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let place = Place::new(Some(&postgres));
        let server = place.start(&[]);
        server.pause("mail");
        let url = format!("{}/v1/emails", server.base);
        let round = load(&Request::post(&url, &server.key, MAIL), CONNECTIONS, scale.seconds);
        let kept = place.count("SELECT count(*) FROM jobs");
        let answered = round.per_second * f64::from(scale.seconds);
        assert!(kept as f64 > answered * 0.99, "{kept} rows for {answered} answers");
        drop(server);
        println!("{}", round.line("legwork", CONNECTIONS));
        ours.push(round);

        plain.push(into_a_plain_table(&postgres, scale.seconds));
        jobs.push(into_jobs(&postgres, place.url().unwrap(), scale.seconds));
        println!(
            "  pgbench, {CONNECTIONS} connections: {:.0}/s plain rows, {:.0}/s jobs",
            plain.last().unwrap(),
            jobs.last().unwrap()
        );
    }
    let (rate, tail) = (
        median(&ours, |round| round.per_second),
        median(&ours, |round| round.p99_ms),
    );
    let row = |what: &str, theirs: f64, reach, aim| Row {
        figure: format!("durable accepts, PostgreSQL, mail queue paused, {CONNECTIONS} connections"),
        value: format!("{rate:.0}/s, p99 {tail:.1} ms"),
        yardstick: format!("pgbench, one INSERT a request, {what}: {theirs:.0}/s"),
        ratio: Some(rate / theirs),
        reach,
        aim,
    };
    vec![
        row("a plain row", middle(plain), "1.5", "3"),
        row("the same row into the same table", middle(jobs), "", ""),
    ]
}

/// Rows per second that pgbench inserts, one in a transaction, into an empty table with a key alone.
fn into_a_plain_table(postgres: &PostgresServer, seconds: u32) -> f64 {
    let url = postgres.create_database();
    postgres.psql_in(
        name_in(&url),
        "CREATE TABLE accepted (id BIGSERIAL PRIMARY KEY, workspace_id TEXT NOT NULL, kind TEXT NOT NULL, \
         args TEXT NOT NULL, created_at TIMESTAMPTZ NOT NULL DEFAULT now())",
    );
    by_pgbench(&url, "insert.sql", seconds)
}

/// The same into the jobs of a service that has ended.
fn into_jobs(postgres: &PostgresServer, url: &str, seconds: u32) -> f64 {
    postgres.psql_in(name_in(url), "TRUNCATE jobs");
    by_pgbench(url, "insert_job.sql", seconds)
}

fn by_pgbench(url: &str, script: &str, seconds: u32) -> f64 {
    let clients = CONNECTIONS.to_string();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/yardsticks");
    let output = machine::command("pgbench")
        .args(["-n", "-M", "prepared", "-j", "1", "-c", &clients])
        .args(["-T", &seconds.to_string(), "-f"])
        .arg(folder.join(script))
        .arg(url)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = rate.and_then(|rest| rest.split(' ').next()?.parse().ok());
    rate.unwrap_or_else(|| panic!("pgbench said: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

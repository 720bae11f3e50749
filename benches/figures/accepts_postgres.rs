//! Durable accepts per second on PostgreSQL, `POST /v1/emails` with an API key and the queue paused, against pgbench, which
//! inserts one row for each request on the same server.

use std::path::Path;

use crate::machine;
use crate::place::{Place, durable_postgres};
use crate::postgres_server::PostgresServer;
use crate::round::{MAIL, Request, load, median, middle};
use crate::scale::Scale;
use crate::table::Row;

const CONNECTIONS: u32 = 64;

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!("against one prepared INSERT a request, {CONNECTIONS} connections, by pgbench");
    let postgres = durable_postgres();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let place = Place::new(Some(&postgres));
        let server = place.start(&[]);
        server.pause("mail");
        let url = format!("{}/v1/emails", server.base);
        let round = load(&Request::post(&url, &server.key, MAIL), CONNECTIONS, scale.seconds);
        let kept = place.count("SELECT count(*) FROM jobs");
        let answered = round.per_second * f64::from(scale.seconds);
        assert!(kept as f64 > answered * 0.99, "{kept} rows for {answered} answers");
        println!("{}", round.line("legwork", CONNECTIONS));
        ours.push(round);
        drop(server);
        theirs.push(by_pgbench(&postgres, scale.seconds));
        println!("  pgbench, {CONNECTIONS} connections: {:.0}/s", theirs.last().unwrap());
    }
    let (rate, theirs) = (median(&ours, |round| round.per_second), middle(theirs));
    vec![Row {
        figure: format!(
            "durable accepts, PostgreSQL, mail queue paused, {CONNECTIONS} connections (p99 {:.1} ms)",
            median(&ours, |round| round.p99_ms)
        ),
        value: format!("{rate:.0}/s"),
        yardstick: format!("pgbench, one INSERT a request: {theirs:.0}/s"),
        ratio: Some(rate / theirs),
        reach: "1.5",
        aim: "3",
    }]
}

/// Rows per second that pgbench inserts, one in a transaction, into an empty table.
fn by_pgbench(postgres: &PostgresServer, seconds: u32) -> f64 {
    let url = postgres.create_database();
    let (_, name) = url.rsplit_once('/').unwrap();
    postgres.psql_in(
        name,
        "CREATE TABLE accepted (id BIGSERIAL PRIMARY KEY, workspace_id TEXT NOT NULL, kind TEXT NOT NULL, \
         args TEXT NOT NULL, created_at TIMESTAMPTZ NOT NULL DEFAULT now())",
    );
    let clients = CONNECTIONS.to_string();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/yardsticks/insert.sql");
    let output = machine::command("pgbench")
        .args(["-n", "-M", "prepared", "-j", "1", "-c", &clients])
        .args(["-T", &seconds.to_string(), "-f"])
        .arg(script)
        .arg(&url)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = rate.and_then(|rest| rest.split(' ').next()?.parse().ok());
    rate.unwrap_or_else(|| panic!("pgbench said: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

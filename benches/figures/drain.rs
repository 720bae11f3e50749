//! Probes without steps performed per second from a backlog, each claim and each end durable and fenced, on SQLite and on
//! PostgreSQL.

use crate::place::{Place, durable_postgres};
use crate::postgres_server::PostgresServer;
use crate::round::middle;
use crate::scale::Scale;
use crate::server::now_micros;
use crate::table::Row;

const BACKLOG: u64 = 50_000;

/// What the best others did with a backlog of 50,000 on two cores like those of the README's figures. It is not measured
/// again here, so it says nothing on another machine.
struct Others {
    name: &'static str,
    per_second: f64,
    reach: &'static str,
    aim: &'static str,
}

const ON_SQLITE: Others = Others {
    name: "apalis-sqlite, measured once",
    per_second: 16_500.0,
    reach: "1.2",
    aim: "2",
};
const ON_POSTGRES: Others = Others {
    name: "graphile_worker with its local queue, measured once",
    per_second: 29_000.0,
    reach: "0.8",
    aim: "1.3",
};

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    let postgres = durable_postgres();
    vec![
        on(scale, "SQLite", None, &ON_SQLITE),
        on(scale, "PostgreSQL", Some(&postgres), &ON_POSTGRES),
    ]
}

fn on(scale: Scale, database: &str, postgres: Option<&PostgresServer>, others: &Others) -> Row {
    let Others {
        name,
        per_second,
        reach,
        aim,
    } = others;
    println!("{database} against {name} on two such cores ({per_second:.0}/s)");
    let backlog = scale.jobs(BACKLOG);
    let rates = (0..scale.rounds).map(|_| {
        let place = Place::new(postgres);
        let server = place.start(&[]);
        server.pause("probes");
        server.fill(backlog);
        let start = now_micros();
        server.resume("probes");
        server.wait_until_idle("probes");
        let completed = place.count("SELECT count(*) FROM jobs WHERE state = 'completed'");
        assert_eq!(completed, backlog, "probes that completed");
        let end = place.count("SELECT max(finished_at) FROM jobs");
        let rate = backlog as f64 / (end - start) as f64 * 1e6;
        let resident = server.memory_kib("VmRSS");
        println!("{database}: {backlog} probes performed at {rate:.0}/s; {resident} KiB resident");
        rate
    });
    let rate = middle(rates);
    Row {
        figure: format!("probes drained from a backlog of {backlog}, {database}"),
        value: format!("{rate:.0}/s"),
        yardstick: format!("{name}: {per_second:.0}/s"),
        ratio: Some(rate / per_second),
        reach,
        aim,
    }
}

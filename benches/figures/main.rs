//! The load program behind the README's figures: runs the built service as a process, puts load on it, and measures it
//! against a yardstick in the same run.
//!
//! `cargo bench --bench figures` measures all and prints one table at its end; names behind `--` choose among them, such as
//! `cargo bench --bench figures -- accepts drain`, and `--small` does little of each, to see that it works. A program that
//! is needed and missing is named before anything starts.
//!
//! Guarantees: every round starts with an empty folder and an empty database, except that a report is built over the rows made
//! for it; the service runs with its default settings, its log into a file; databases keep their full durability; what was
//! accepted is counted in the database and must agree with what the client was answered.
//!
//! Left out: a verdict. Figures differ between machines and runs; what holds is the ratio.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "a load program: whatever goes wrong ends it, and its output is its purpose"
)]

mod accepts;
mod accepts_postgres;
mod batches;
mod claims;
mod database;
mod drain;
mod goroutine;
mod latency;
mod logins;
mod machine;
mod mail_building;
mod mail_sites;
mod mails;
mod place;
#[expect(
    dead_code,
    clippy::disallowed_methods,
    reason = "the tests' server, which looks for programs in PATH; they use more of it"
)]
#[path = "../../tests/support/postgres_server.rs"]
mod postgres_server;
mod quick;
mod report;
#[expect(
    dead_code,
    clippy::disallowed_methods,
    reason = "what the tests' server looks for its programs with; they use more of it"
)]
#[path = "../../tests/support/required.rs"]
mod required;
mod round;
mod scale;
mod server;
mod sick_relay;
mod sink;
mod table;
mod turns;

use scale::Scale;
use table::Row;

/// One measurement: its name on the command line, the programs that it needs, and what it does.
struct Figure {
    name: &'static str,
    needs: &'static [&'static str],
    measure: fn(Scale) -> Vec<Row>,
}

const FIGURES: &[Figure] = &[
    Figure {
        name: "accepts",
        needs: &["wrk", "go", "sqlite3"],
        measure: accepts::measure,
    },
    Figure {
        name: "accepts_busy",
        needs: &["wrk", "go", "smtp-sink", "sqlite3"],
        measure: accepts::measure_busy,
    },
    Figure {
        name: "accepts_postgres",
        needs: &["wrk", "pgbench"],
        measure: accepts_postgres::measure,
    },
    Figure {
        name: "batches",
        needs: &["wrk", "sqlite3"],
        measure: batches::measure,
    },
    Figure {
        name: "drain",
        needs: &["sqlite3"],
        measure: drain::measure,
    },
    Figure {
        name: "latency",
        needs: &["sqlite3"],
        measure: latency::measure,
    },
    Figure {
        name: "claims",
        needs: &["sqlite3"],
        measure: claims::measure,
    },
    Figure {
        name: "turns",
        needs: &["sqlite3"],
        measure: turns::measure,
    },
    Figure {
        name: "quick",
        needs: &["wrk", "smtp-sink", "sqlite3"],
        measure: quick::measure,
    },
    Figure {
        name: "logins",
        needs: &["smtp-sink"],
        measure: logins::measure,
    },
    Figure {
        name: "mails",
        needs: &["wrk", "smtp-sink", "smtp-source", "python3", "sqlite3"],
        measure: mails::measure,
    },
    Figure {
        name: "mail_sites",
        needs: &["wrk", "sqlite3"],
        measure: mail_sites::measure,
    },
    Figure {
        name: "mail_building",
        needs: &[],
        measure: mail_building::measure,
    },
    Figure {
        name: "report",
        needs: &["sqlite3"],
        measure: report::measure,
    },
];

/// Does little of each measurement.
const SMALL: &str = "--small";

fn main() {
    // cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let (small, asked): (Vec<String>, Vec<String>) = words.into_iter().partition(|word| word == SMALL);
    let unknown = asked
        .iter()
        .find(|name| FIGURES.iter().all(|figure| figure.name != **name));
    if let Some(name) = unknown {
        let known: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
        panic!("there is no figure {name}; there are {}", known.join(", "));
    }
    let is_asked = |figure: &&Figure| asked.is_empty() || asked.iter().any(|name| name == figure.name);
    let chosen: Vec<&Figure> = FIGURES.iter().filter(is_asked).collect();
    for figure in &chosen {
        let mut missing = figure.needs.to_vec();
        missing.retain(|name| !machine::has(name));
        assert!(missing.is_empty(), "{} needs {}", figure.name, missing.join(", "));
    }
    let scale = if small.is_empty() { Scale::FULL } else { Scale::SMALL };
    println!("{}; medians of {}", machine::describe(), scale.rounds);
    let mut rows = Vec::new();
    for figure in chosen {
        println!("\n== {}", figure.name);
        rows.extend((figure.measure)(scale));
    }
    table::print(&rows);
}

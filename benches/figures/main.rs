//! The load program behind the README's figures: runs the built service as a process, puts load on it, and measures it
//! against a yardstick in the same run.
//!
//! `cargo bench --bench figures` measures all; `cargo bench --bench figures -- accepts drain mails report` those named.
//! It needs wrk, go, Postfix' smtp-sink and smtp-source, and sqlite3, and says so when one is missing.
//!
//! Guarantees: every round starts with an empty folder, except that a report is built over the rows made for it; the service
//! runs with its default settings, its log into a file; what was accepted is counted in the database and must agree with what
//! the client was answered.
//!
//! Left out: a verdict. Figures differ between machines and runs; what holds is the ratio.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "a load program: whatever goes wrong ends it, and its output is its purpose"
)]

mod accepts;
mod database;
mod drain;
mod machine;
mod mails;
mod report;
mod round;
mod server;

/// One measurement: its name on the command line, the programs that it needs, and what it does.
struct Figure {
    name: &'static str,
    needs: &'static [&'static str],
    measure: fn(),
}

const FIGURES: &[Figure] = &[
    Figure {
        name: "accepts",
        needs: &["wrk", "go", "sqlite3"],
        measure: accepts::measure,
    },
    Figure {
        name: "drain",
        needs: &["wrk", "sqlite3"],
        measure: drain::measure,
    },
    Figure {
        name: "mails",
        needs: &["wrk", "smtp-sink", "smtp-source", "sqlite3"],
        measure: mails::measure,
    },
    Figure {
        name: "report",
        needs: &["sqlite3"],
        measure: report::measure,
    },
];

fn main() {
    // cargo adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let unknown = asked
        .iter()
        .find(|name| FIGURES.iter().all(|figure| figure.name != **name));
    if let Some(name) = unknown {
        let known: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
        panic!("there is no figure {name}; there are {}", known.join(", "));
    }
    println!("{}", machine::describe());
    for figure in FIGURES {
        if asked.is_empty() || asked.iter().any(|name| name == figure.name) {
            let missing: Vec<&str> = figure
                .needs
                .iter()
                .copied()
                .filter(|name| !machine::has(name))
                .collect();
            assert!(missing.is_empty(), "{} needs {}", figure.name, missing.join(", "));
            println!("\n== {}", figure.name);
            (figure.measure)();
        }
    }
}

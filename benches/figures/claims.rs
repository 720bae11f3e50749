//! How fast jobs are claimed and performed with 1,000,000 waiting behind them, against 1,000, and how much memory the service
//! takes with so many.

use std::time::Duration;

use crate::place::Place;
use crate::round::middle;
use crate::scale::Scale;
use crate::server::{Server, now_micros};
use crate::table::Row;

/// Jobs that are performed before those that only wait.
const HEAD: u64 = 20_000;
const MANY: u64 = 1_000_000;
const FEW: u64 = 1_000;
/// How long the service rests between being filled and being measured.
const REST: Duration = Duration::from_secs(3);

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    let [head, many, few] = [HEAD, MANY, FEW].map(|count| scale.jobs(count));
    println!("the first {head} probes with {many} more waiting, against the same with {few} more");
    let (mut ours, mut theirs, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let place = Place::new(None);
        let server = filled(&place, head + few);
        theirs.push(rate(&place, &server, head));
        drop(server);

        let place = Place::new(None);
        let server = filled(&place, head + many);
        resident.push(server.memory_kib("VmRSS") as f64 / 1024.0);
        ours.push(rate(&place, &server, head));
        println!(
            "{many} waiting: {:.0}/s, {:.0} MiB resident before; {few} waiting: {:.0}/s",
            ours.last().unwrap(),
            resident.last().unwrap(),
            theirs.last().unwrap()
        );
    }
    let (ours, theirs, resident) = (middle(ours), middle(theirs), middle(resident));
    vec![
        Row {
            figure: format!("claims with {many} waiting jobs, SQLite"),
            value: format!("{ours:.0}/s"),
            yardstick: format!("with {few} waiting: {theirs:.0}/s"),
            ratio: Some(ours / theirs),
            reach: "0.8",
            aim: "0.95",
        },
        Row {
            figure: format!("resident memory with {many} waiting jobs, SQLite"),
            value: format!("{resident:.0} MiB"),
            yardstick: String::new(),
            ratio: None,
            reach: "100 MB",
            aim: "60 MB",
        },
    ]
}

/// A service with so many waiting probes, at rest.
fn filled(place: &Place<'_>, count: u64) -> Server {
    let server = place.start(&[]);
    server.pause("probes");
    server.fill(count);
    std::thread::sleep(REST);
    server
}

/// How many of the first `head` probes are performed in a second.
fn rate(place: &Place<'_>, server: &Server, head: u64) -> f64 {
    let start = now_micros();
    server.resume("probes");
    let last = loop {
        std::thread::sleep(Duration::from_secs(1));
        let ended = place.count("SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL");
        if ended >= head {
            let last = head - 1;
            break place.count(&format!(
                "SELECT finished_at FROM jobs WHERE finished_at IS NOT NULL ORDER BY finished_at LIMIT 1 OFFSET {last}"
            ));
        }
    };
    head as f64 / (last - start) as f64 * 1e6
}

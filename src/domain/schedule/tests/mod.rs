//! When cadences tick, against a walk through the minutes of a dozen zones; and what becomes of ticks that nobody was there for.

mod cadences;
mod expressions;
mod oracle;
mod plans;

use super::*;
use crate::clock::Timestamp;

/// Zones whose clocks are moved in every way there is: by an hour, half of one or two, for a day, in winter, by decree.
const ZONES: [&str; 14] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Asia/Tehran",
    "Europe/Dublin",
    "Pacific/Chatham",
    "Antarctica/Troll",
    "America/St_Johns",
    "Africa/Cairo",
    "UTC",
];

fn cadence(cron: &str, zone: &str) -> Cadence {
    Cadence::new(Cron::parse(cron).unwrap(), Zones::bundled().get(zone).unwrap())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The first `count` ticks after `after`, as the wall shows them.
fn ticks(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let cadence = cadence(cron, zone);
    let ticks = cadence.after(at(after)).take(count);
    ticks.map(|tick| cadence.local(tick)).collect()
}

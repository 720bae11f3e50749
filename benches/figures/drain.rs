//! Probes without steps performed per second from a backlog, each claim and each end durable and fenced.

use std::time::Instant;

use crate::database;
use crate::round::load;
use crate::server::Server;

/// The backlog is what is accepted in this time.
const SECONDS: u32 = 4;
const ROUNDS: usize = 3;

pub(crate) fn measure() {
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let home = tempfile::tempdir().unwrap();
        let server = Server::start(home.path(), &[]);
        server.pause("probes");
        let probe = r#"{"steps":0,"step_ms":0}"#;
        let round = load(&format!("{}/v1/probes", server.base), &server.key, probe, 64, SECONDS);
        let backlog = database::count(home.path(), "SELECT count(*) FROM jobs WHERE state = 'available'");
        let start = Instant::now();
        server.resume("probes");
        server.wait_until_drained("probes");
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{backlog} probes accepted at {:.0}/s, performed at {:.0}/s; {} KiB resident",
            round.per_second,
            backlog as f64 / seconds,
            server.memory_kib("VmRSS")
        );
        rates.push(backlog as f64 / seconds);
    }
    rates.sort_by(f64::total_cmp);
    println!("median {:.0} probes/s", rates[rates.len() / 2]);
}

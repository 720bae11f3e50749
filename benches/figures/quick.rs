//! What a quick request takes while the workers are busy, `GET /v1/sessions/current` with a login's token, against the same
//! request with nothing else to do.
//!
//! Busy are all 256 slots of the probes, each with a step every hundred milliseconds, and all slots of the mailer, which empties a
//! backlog into smtp-sink. Reports are left out: they read, and the figure would be that of the cores which they share.

use crate::place::Place;
use crate::round::{MAIL, Request, load, median};
use crate::scale::Scale;
use crate::server::Server;
use crate::sink::Sink;
use crate::table::Row;

/// Moderate: a server that is at its limit queues, whoever else is at work.
const CONNECTIONS: u32 = 8;
/// As many probes as there are slots.
const PROBES: u64 = 256;
/// Longer than any round.
const PROBE: &str = r#"{"count":256,"steps":3000,"step_ms":100}"#;

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!("busy workers against idle ones, {CONNECTIONS} connections");
    let (mut busy, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let sink = Sink::start();
        let place = Place::new(None);
        let server = place.start(&[("LEGWORK_MAIL__URL", &sink.url())]);
        let token = server.log_in();
        idle.push(round(&server, &token, scale));
        println!("{}", idle.last().unwrap().line("idle", CONNECTIONS));

        server.pause("mail");
        let url = format!("{}/v1/emails", server.base);
        load(&Request::post(&url, &server.key, MAIL), 64, scale.seconds);
        server.post("/v1/probes/batch", &serde_json::from_str(PROBE).unwrap());
        server.wait_until_running("probes", PROBES);
        server.resume("mail");
        busy.push(round(&server, &token, scale));
        println!("{}", busy.last().unwrap().line("busy", CONNECTIONS));
        let left = ["mail", "probes"].map(|queue| {
            let standing = server.queue(queue);
            let count = |what: &str| standing[what].as_u64().unwrap();
            count("waiting") + count("running")
        });
        println!("           {} mails and {} probes not yet done", left[0], left[1]);
        assert!(left[0] > 0 && left[1] == PROBES, "the workers were not busy throughout");
    }
    let [ours, theirs] = [&busy, &idle].map(|rounds| median(rounds, |round| round.p99_ms));
    let rates = [&busy, &idle].map(|rounds| median(rounds, |round| round.per_second));
    vec![Row {
        figure: format!("p99 of `GET /v1/sessions/current`, workers busy, {CONNECTIONS} connections"),
        value: format!("{ours:.2} ms ({:.0}/s)", rates[0]),
        yardstick: format!("idle: {theirs:.2} ms ({:.0}/s)", rates[1]),
        ratio: Some(ours / theirs),
        reach: "2",
        aim: "1.3",
    }]
}

fn round(server: &Server, token: &str, scale: Scale) -> crate::round::Round {
    let url = format!("{}/v1/sessions/current", server.base);
    let round = load(&Request::get(&url, token), CONNECTIONS, scale.seconds);
    assert_eq!(round.failed, 0, "requests failed");
    round
}

//! Mails per second into Postfix' smtp-sink from a backlog, against Postfix' own smtp-source over as many connections.

use std::time::Instant;

use serde_json::json;

use crate::machine;
use crate::place::Place;
use crate::round::{Request, load, middle};
use crate::scale::Scale;
use crate::server::now_micros;
use crate::sink::Sink;
use crate::table::Row;

/// The backlog is what is accepted in this time.
const SECONDS: u32 = 2;
/// The size of a mail's text, as in the yardstick.
const BYTES: usize = 2048;
/// The size of each of its lines.
const LINE: usize = 64;

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!("against Postfix' smtp-source over as many connections, which keeps nothing");
    let line = format!("{}\r\n", "x".repeat(LINE - 2));
    let mail = json!({"to": "ada@example.com", "subject": "A figure", "text": line.repeat(BYTES / LINE)});
    [8_u32, 16, 32]
        .map(|connections| over(connections, &mail.to_string(), scale))
        .into()
}

fn over(connections: u32, mail: &str, scale: Scale) -> Row {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let sink = Sink::start();
        let place = Place::new(None);
        let slots = connections.to_string();
        let server = place.start(&[
            ("LEGWORK_MAIL__URL", &sink.url()),
            ("LEGWORK_MAIL__CONCURRENCY", &slots),
        ]);
        server.pause("mail");
        let url = format!("{}/v1/emails", server.base);
        load(&Request::post(&url, &server.key, mail), 64, SECONDS.min(scale.seconds));
        let backlog = place.count("SELECT count(*) FROM jobs WHERE state = 'available'");
        let start = now_micros();
        server.resume("mail");
        server.wait_until_idle("mail");
        let sent = place.count("SELECT count(*) FROM jobs WHERE state = 'completed'");
        assert!(sent >= backlog, "{sent} of {backlog} mails were sent");
        let end = place.count("SELECT max(finished_at) FROM jobs");
        let rate = backlog as f64 / (end - start) as f64 * 1e6;
        ours.push(rate);
        theirs.push(by_smtp_source(&sink.address, connections, backlog));
        println!(
            "{connections} connections: legwork {rate:.0}/s of {backlog}, smtp-source {:.0}/s",
            theirs.last().unwrap()
        );
    }
    let (ours, theirs) = (middle(ours), middle(theirs));
    Row {
        figure: format!("mails into smtp-sink from a backlog, SQLite, {connections} connections"),
        value: format!("{ours:.0}/s"),
        yardstick: format!("smtp-source, keeps nothing: {theirs:.0}/s"),
        ratio: Some(ours / theirs),
        reach: "",
        aim: "",
    }
}

/// Mails per second of smtp-source, which keeps its connections.
fn by_smtp_source(address: &str, connections: u32, mails: u64) -> f64 {
    let start = Instant::now();
    let status = machine::command("smtp-source")
        .args(["-d", "-s", &connections.to_string(), "-m", &mails.to_string()])
        .args(["-l", &BYTES.to_string(), address])
        .status()
        .unwrap();
    assert!(status.success(), "smtp-source failed");
    mails as f64 / start.elapsed().as_secs_f64()
}

//! Durable accepts per second, `POST /v1/emails` with an API key, against a goroutine that keeps nothing: with the queue
//! paused, and with the mailer sending all the while.

use crate::goroutine::Goroutine;
use crate::place::Place;
use crate::round::{MAIL, Request, Round, load, median};
use crate::scale::Scale;
use crate::sink::Sink;
use crate::table::Row;

/// What is to be reached and what is aimed at over so many connections.
struct Wish {
    connections: u32,
    reach: &'static str,
    aim: &'static str,
}

/// With the queue paused.
pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    let wishes = [(64, "0.8", "1.2"), (256, "0.9", "1.3")];
    compare(
        scale,
        "mail queue paused",
        &wishes.map(wish),
        ("0.5", "0.15"),
        |connections| {
            let place = Place::new(None);
            let server = place.start(&[]);
            server.pause("mail");
            round(&place, &server.base, &server.key, connections, scale)
        },
    )
}

/// With the mailer at full load.
pub(crate) fn measure_busy(scale: Scale) -> Vec<Row> {
    let wishes = [(64, "0.4", "0.7"), (256, "0.4", "0.7")];
    compare(
        scale,
        "mailer at full load",
        &wishes.map(wish),
        ("", ""),
        |connections| {
            let sink = Sink::start();
            let place = Place::new(None);
            let server = place.start(&[("LEGWORK_MAIL__URL", &sink.url())]);
            let found = round(&place, &server.base, &server.key, connections, scale);
            let waiting = server.queue("mail")["waiting"].as_u64().unwrap();
            let sent = place.count("SELECT count(*) FROM jobs WHERE state = 'completed'");
            println!("          {sent} mails sent meanwhile, {waiting} wait still");
            assert!(sent > 0, "no mail was sent");
            found
        },
    )
}

fn wish((connections, reach, aim): (u32, &'static str, &'static str)) -> Wish {
    Wish {
        connections,
        reach,
        aim,
    }
}

/// One round, and whether as much is in the database as was answered.
fn round(place: &Place<'_>, base: &str, key: &str, connections: u32, scale: Scale) -> Round {
    let url = format!("{base}/v1/emails");
    let round = load(&Request::post(&url, key, MAIL), connections, scale.seconds);
    let kept = place.count("SELECT count(*) FROM jobs");
    let answered = round.per_second * f64::from(scale.seconds);
    assert!(kept as f64 > answered * 0.99, "{kept} rows for {answered} answers");
    round
}

fn compare(
    scale: Scale,
    what: &str,
    wishes: &[Wish],
    tail: (&'static str, &'static str),
    accept: impl Fn(u32) -> Round,
) -> Vec<Row> {
    println!("against a Go handler that starts a goroutine for each request and keeps nothing");
    let goroutine = Goroutine::build();
    let mut rows = Vec::new();
    for wish in wishes {
        let connections = wish.connections;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..scale.rounds {
            ours.push(accept(connections));
            println!("{}", ours.last().unwrap().line("legwork", connections));
            theirs.push(goroutine.accept(connections, scale.seconds));
            println!("{}", theirs.last().unwrap().line("goroutine", connections));
        }
        let rates = [&ours, &theirs].map(|rounds| median(rounds, |round| round.per_second));
        let tails = [&ours, &theirs].map(|rounds| median(rounds, |round| round.p99_ms));
        let figure = format!("durable accepts, SQLite, {what}, {connections} connections");
        rows.push(Row {
            figure: figure.clone(),
            value: format!("{:.0}/s", rates[0]),
            yardstick: format!("goroutine, kept nowhere: {:.0}/s", rates[1]),
            ratio: Some(rates[0] / rates[1]),
            reach: wish.reach,
            aim: wish.aim,
        });
        rows.push(Row {
            figure: format!("p99 of {figure}"),
            value: format!("{:.1} ms", tails[0]),
            yardstick: format!("goroutine's: {:.1} ms", tails[1]),
            ratio: Some(tails[0] / tails[1]),
            reach: tail.0,
            aim: tail.1,
        });
    }
    rows
}

//! Mails per second to eight sites of ten while one of the other two hangs and the last answers 450 to all, against the same
//! eight while all ten are well.

use std::time::{Duration, Instant};

use crate::mails::mail;
use crate::place::Place;
use crate::round::{Request, load, middle};
use crate::scale::Scale;
use crate::sick_relay::SickRelay;
use crate::table::Row;

/// The longest that a relay's thoughts about a mail are waited for.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!(
        "ten sites of which one hangs at RCPT and one answers 450 to all, against ten that are well; 16 connections"
    );
    // The backlog is what is accepted in this time. It is many seconds' work, since what is asked for is how it goes on: for a
    // second or two, until a site counts as silent, what waits for it may keep all others out.
    [
        ("answers at once", Duration::ZERO, 10),
        ("takes 10 ms for each mail", Duration::from_millis(10), 2),
    ]
    .map(|(how, thought, seconds)| {
        let (mut sick, mut well) = (Vec::new(), Vec::new());
        for _ in 0..scale.rounds {
            well.push(round(thought, false, seconds, scale));
            sick.push(round(thought, true, seconds, scale));
            println!(
                "the relay {how}: {:.0}/s to the eight, {:.0}/s while two are sick",
                well.last().unwrap(),
                sick.last().unwrap()
            );
        }
        let (sick, well) = (middle(sick), middle(well));
        Row {
            figure: format!("mails to eight sites while a ninth hangs and a tenth answers 450; the relay {how}"),
            value: format!("{sick:.0}/s"),
            yardstick: format!("while all ten are well: {well:.0}/s"),
            ratio: Some(sick / well),
            reach: "0.9",
            aim: "0.98",
        }
    })
    .into()
}

/// Mails per second to the eight sites, by when the relay took them.
fn round(thought: Duration, sick: bool, seconds: u32, scale: Scale) -> f64 {
    let relay = SickRelay::start(thought, sick);
    let place = Place::new(None);
    let server = place.start(&[("LEGWORK_MAIL__URL", &relay.url())]);
    server.pause("mail");
    let url = format!("{}/v1/emails", server.base);
    load(
        &Request::post(&url, &server.key, &mail()),
        64,
        seconds.min(scale.seconds),
    );
    // The last two sites are the sick ones.
    let of_two = "SELECT job_id FROM job_args WHERE args LIKE '%site-8.%' OR args LIKE '%site-9.%'";
    let count = place.count(&format!(
        "SELECT count(*) FROM jobs WHERE state = 'available' AND id NOT IN ({of_two})"
    ));
    let start = Instant::now();
    server.resume("mail");
    while relay.taken() < count {
        assert!(start.elapsed() < PATIENCE, "{} of {count} mails arrived", relay.taken());
        std::thread::sleep(Duration::from_millis(20));
    }
    if sick {
        let claims = place.count(&format!("SELECT sum(fence) FROM jobs WHERE id IN ({of_two})"));
        println!("{claims} claims for the two");
    }
    count as f64 / relay.last_taken().duration_since(start).as_secs_f64()
}

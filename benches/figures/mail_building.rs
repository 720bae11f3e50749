//! Mails built per second on one core, from a template's fields to the bytes that go over the wire. There is no yardstick.

use std::time::{Duration, Instant};

use legwork::clock::Clock;
use legwork::domain::email::EmailAddress;
use legwork::mail::{Extras, Message, Sender, Templates};
use serde_json::json;

use crate::round::middle;
use crate::scale::Scale;
use crate::table::Row;

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!("one thread; a built-in template with both versions of its text");
    let templates = Templates::new().unwrap();
    let rates = (0..scale.rounds).map(|_| rate(&templates, Duration::from_secs(scale.seconds.into()) / 4));
    let rate = middle(rates.collect::<Vec<_>>());
    vec![Row {
        figure: "templates rendered and messages built, a second and core".to_owned(),
        value: format!("{rate:.0}/s"),
        yardstick: String::new(),
        ratio: None,
        reach: "5k",
        aim: "15k",
    }]
}

fn rate(templates: &Templates, time: Duration) -> f64 {
    let from = Sender {
        address: EmailAddress::parse("legwork@example.com").unwrap(),
        name: None,
    };
    let (start, mut count, mut bytes) = (Instant::now(), 0_u32, 0_usize);
    while start.elapsed() < time {
        let link = format!("https://example.com/verify?token={count}");
        let content = templates
            .render("welcome", &json!({"name": "Ada", "link": link}))
            .unwrap();
        let message = Message {
            id: format!("job_{count}@example.com"),
            date: Clock::System.now(),
            from: from.clone(),
            to: vec![EmailAddress::parse("ada@example.com").unwrap().into()],
            subject: content.subject,
            text: content.text,
            html: content.html,
            job: None,
            extras: Extras::default(),
        };
        bytes += message.render().unwrap().bytes.len();
        count += 1;
    }
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    println!("{rate:.0} mails of {} bytes a second", bytes / count as usize);
    rate
}

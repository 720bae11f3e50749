//! What a login and a look at one's session take while the mail server hangs, against the same while it works: registrations and
//! mails go on in both cases, so that all slots of the mailer wait in the one, and are busy in the other.
//!
//! Two services stand side by side and are asked in turns, two seconds each, so that whatever else the machine does falls on both.
//! Requests come at fixed rates, whether or not earlier ones are answered: both are asked the same. The limits of logins and
//! registrations are off, since all come from one address; one hash costs what it does by default.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::place::Place;
use crate::round::MAIL;
use crate::scale::Scale;
use crate::server::{Server, credentials};
use crate::sink::Sink;
use crate::table::Row;

/// How long one of them is asked before it is the other's turn.
const TURN: Duration = Duration::from_secs(2);
/// The time between two looks at a session: 200 in a second.
const TICK: Duration = Duration::from_millis(5);
/// So many ticks lie between two logins, two registrations and two mails: 10, 4 and 20 in a second.
const LOGIN_TICKS: u32 = 20;
const REGISTRATION_TICKS: u32 = 50;
const MAIL_TICKS: u32 = 10;

/// What is asked, and how it is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Login,
    Check,
    Other,
}

/// A service and what its answers took, in milliseconds.
struct Side {
    server: Server,
    token: String,
    logins: Vec<f64>,
    checks: Vec<f64>,
    registered: u64,
}

/// A mail server that takes every connection and says nothing; it ends with the process.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let held: Vec<TcpStream> = listener.incoming().flatten().collect();
        drop(held);
    });
    url
}

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!("a mail server that hangs against one that works, in turns of {TURN:?}");
    let sink = Sink::start();
    let places = [Place::new(None), Place::new(None)];
    let mut sides = [(&places[0], sink.url()), (&places[1], silent())].map(|(place, mail)| {
        let server = place.start(&[
            ("LEGWORK_MAIL__URL", &mail),
            ("LEGWORK_LIMITS__ENTRIES_PER_MINUTE", "0"),
            ("LEGWORK_LIMITS__REGISTRATIONS_PER_HOUR", "0"),
            ("LEGWORK_LIMITS__LOGINS_PER_MINUTE", "0"),
            ("LEGWORK_LIMITS__LOGINS_PER_MINUTE_ADDRESS", "0"),
        ]);
        let token = server.log_in();
        Side {
            server,
            token,
            logins: Vec::new(),
            checks: Vec::new(),
            registered: 0,
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let http = reqwest::Client::new();
    let turns = u64::try_from(scale.rounds).unwrap() * u64::from(scale.seconds) * 2;
    for turn in 0..=turns {
        // Who goes first alternates, and the first turns of each, in which the slots fill, count for nothing.
        let first = usize::from(turn % 2 == 1);
        for side in [first, 1 - first] {
            // An account keeps its newest hundred logins: the one that is looked at is to be among them.
            sides[side].token = sides[side].server.log_in();
            runtime.block_on(sides[side].turn(&http));
            if turn == 0 {
                sides[side].logins.clear();
                sides[side].checks.clear();
            }
        }
    }
    let [working, hanging] = &sides;
    let held = hanging.server.queue("mail");
    assert!(
        held["running"] != 0 && held["waiting"] != 0,
        "the mailer was not held up: {held}"
    );
    working.server.wait_until_idle("mail");
    println!("           {} mails wait for the one that hangs", held["waiting"]);
    let row = |figure: &str, of: fn(&Side) -> &Vec<f64>, share: f64| {
        let [ours, theirs] = [hanging, working].map(|side| quantile(of(side), share));
        Row {
            figure: format!("{figure} while the mail server hangs, {} samples", of(hanging).len()),
            value: format!("{ours:.2} ms"),
            yardstick: format!("it works: {theirs:.2} ms"),
            ratio: Some(ours / theirs),
            reach: "1.1",
            aim: "1",
        }
    };
    vec![
        row("p50 of a login", |side| &side.logins, 0.5),
        row("p99 of a login", |side| &side.logins, 0.99),
        row("p99 of `GET /v1/sessions/current`", |side| &side.checks, 0.99),
    ]
}

impl Side {
    /// Asks for one turn, and waits for all answers.
    async fn turn(&mut self, http: &reqwest::Client) {
        let (began, mut tick, mut under_way) = (Instant::now(), 0, JoinSet::new());
        while TICK * tick < TURN {
            tokio::time::sleep_until((began + TICK * tick).into()).await;
            for (asked, request) in self.due(http, tick) {
                under_way.spawn(async move {
                    let sent = Instant::now();
                    let answer = request.send().await.unwrap();
                    let (status, text) = (answer.status(), answer.text().await.unwrap());
                    assert!(status.is_success(), "{status}: {text}");
                    (asked, sent.elapsed().as_secs_f64() * 1e3)
                });
            }
            tick += 1;
        }
        while let Some(done) = under_way.join_next().await {
            match done.unwrap() {
                (Asked::Login, took) => self.logins.push(took),
                (Asked::Check, took) => self.checks.push(took),
                (Asked::Other, _) => {}
            }
        }
    }

    /// The requests of this tick.
    fn due(&mut self, http: &reqwest::Client, tick: u32) -> Vec<(Asked, reqwest::RequestBuilder)> {
        let base = self.server.base.clone();
        let post = |path: &str, body: &Value| http.post(format!("{base}{path}")).json(body);
        let check = http.get(format!("{base}/v1/sessions/current"));
        let mut due = vec![(Asked::Check, check.bearer_auth(&self.token))];
        if tick.is_multiple_of(LOGIN_TICKS) {
            due.push((Asked::Login, post("/v1/sessions", &credentials())));
        }
        if tick % REGISTRATION_TICKS == REGISTRATION_TICKS / 2 {
            self.registered += 1;
            let email = format!("person-{}@example.com", self.registered);
            let person = json!({ "email": email, "password": "correct horse battery", "name": "Ada" });
            due.push((Asked::Other, post("/v1/accounts", &person)));
        }
        if tick % MAIL_TICKS == MAIL_TICKS / 2 {
            let mail = serde_json::from_str(MAIL).unwrap();
            due.push((Asked::Other, post("/v1/emails", &mail).bearer_auth(&self.server.key)));
        }
        due
    }
}

/// The value below which this share of them lies.
fn quantile(all: &[f64], share: f64) -> f64 {
    let mut all = all.to_vec();
    all.sort_by(f64::total_cmp);
    let at = (all.len() as f64 * share) as usize;
    all[at.min(all.len() - 1)]
}

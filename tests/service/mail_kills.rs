//! `kill -9` every 300 ms while mails are accepted and sent: none is lost, and none comes twice but within the window that the
//! README names, between the final dot and the end of its attempt on disk.
//!
//! 1,500 mails by default, and 20,000 where `LEGWORK_TEST_FULL` says so, as `.ci/run` does.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::relay::Relay;
use crate::support::service::{Home, Service, breathe};

/// How long the service lives, each time.
const LIFE: Duration = Duration::from_millis(300);
/// Mails that are accepted at once.
const CALLERS: usize = 16;
/// The longest that all of it may take.
const PATIENCE: Duration = Duration::from_secs(3_600);

fn mails() -> usize {
    if std::env::var_os("LEGWORK_TEST_FULL").is_some() {
        return 20_000;
    }
    // Not by `eprintln!`, which the harness keeps to itself when a test passes.
    let said = writeln!(
        std::io::stderr().lock(),
        "1,500 mails instead of 20,000; LEGWORK_TEST_FULL=1 sends all"
    );
    said.unwrap();
    1_500
}

/// Where the service is in its present life.
#[derive(Clone)]
struct Life {
    base: String,
    http: reqwest::Client,
}

impl Life {
    fn of(service: &Service) -> Self {
        Self {
            base: service.base.clone(),
            http: service.http.clone(),
        }
    }
}

/// Kills and starts the service until it is told to leave it alive; how often it was killed.
struct Killer {
    lives: watch::Receiver<Life>,
    enough: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<(Home, Service, usize)>,
}

impl Killer {
    fn start(home: Home) -> Self {
        let (enough, is_enough) = mpsc::channel();
        let first = home.serve();
        let (told, lives) = watch::channel(Life::of(&first));
        let thread = std::thread::spawn(move || {
            let (mut service, mut kills) = (first, 0);
            while is_enough.recv_timeout(LIFE) == Err(RecvTimeoutError::Timeout) {
                service.kill_9();
                kills += 1;
                service = home.serve();
                told.send_replace(Life::of(&service));
            }
            (home, service, kills)
        });
        Self { lives, enough, thread }
    }

    /// The answer to a request of the present life, or of a later one; `None` where it was killed meanwhile.
    async fn ask(lives: &watch::Receiver<Life>, key: &str, path: &str, body: Option<(&Value, &str)>) -> Option<Value> {
        let life = lives.borrow().clone();
        let url = format!("{}{path}", life.base);
        let request = match body {
            Some((body, once)) => life.http.post(url).json(body).header("Idempotency-Key", once),
            None => life.http.get(url),
        };
        let answer = request.bearer_auth(key).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        answer.json().await.ok()
    }
}

/// Has all mails accepted, however often that must be asked; each job with its rule.
async fn accept(lives: &watch::Receiver<Life>, key: &str, count: usize) -> HashMap<String, &'static str> {
    let next = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (lives, key, next) = (lives.clone(), key.to_owned(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut accepted = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= count {
                        return accepted;
                    }
                    let rule = if number % 4 == 0 { "hold" } else { "retry" };
                    let mail = json!({
                        "to": format!("r{number}@example.com"), "subject": "Hello", "text": "...", "on_uncertain": rule,
                    });
                    let once = format!("mail-{number}");
                    let job = loop {
                        match Killer::ask(&lives, &key, "/v1/emails", Some((&mail, &once))).await {
                            Some(job) => break job,
                            None => breathe().await,
                        }
                    };
                    accepted.push((job["id"].as_str().unwrap().to_owned(), rule));
                }
            })
        })
        .collect();
    let mut all = HashMap::new();
    for caller in callers {
        all.extend(caller.await.unwrap());
    }
    all
}

/// Waits until no job has something before it.
async fn settle(lives: &watch::Receiver<Life>, key: &str, relay: &Relay) {
    let deadline = Instant::now() + PATIENCE;
    'look: loop {
        assert!(Instant::now() < deadline, "{} mails came", relay.held().len());
        for state in ["available", "running", "retryable", "scheduled"] {
            let path = format!("/v1/jobs?kind=email.send&state={state}&limit=1");
            let page = Killer::ask(lives, key, &path, None).await;
            if page.is_none_or(|page| !page["data"].as_array().unwrap().is_empty()) {
                breathe().await;
                continue 'look;
            }
        }
        return;
    }
}

/// Whether the attempts of a job explain so many copies: one that it knows of, and one for each attempt that a kill cut off.
fn explains(job: &Value, copies: usize) -> bool {
    let attempts = job["attempts"].as_array().unwrap();
    let cut_off = |attempt: &&Value| matches!(attempt["outcome"].as_str(), Some("lost" | "uncertain"));
    copies <= 1 + attempts.iter().filter(cut_off).count()
}

#[tokio::test]
async fn killed_every_300_ms_under_load_no_mail_is_lost_and_none_is_doubled_outside_the_window() {
    let count = mails();
    let relay = Relay::start();
    let home = Home::new()
        .with("LEGWORK_MAIL__URL", relay.url())
        .with("LEGWORK_MAIL__UNCERTAIN_WAIT", "1s");
    let key = home.operator();
    let killer = Killer::start(home);
    let jobs = accept(&killer.lives, &key, count).await;
    assert_eq!(jobs.len(), count, "an Idempotency-Key made two jobs");
    settle(&killer.lives, &key, &relay).await;
    killer.enough.send(()).unwrap();
    let (_home, service, kills) = tokio::task::spawn_blocking(move || killer.thread.join().unwrap())
        .await
        .unwrap();

    let mut copies: HashMap<String, usize> = HashMap::new();
    for mail in relay.held() {
        let job = mail.message_id.split('-').next().unwrap().to_owned();
        *copies.entry(job).or_default() += 1;
    }
    let (mut lost, mut doubled, mut held) = (Vec::new(), 0, 0);
    for (id, rule) in &jobs {
        let came = copies.get(id).copied().unwrap_or(0);
        if came == 1 {
            continue;
        }
        let (status, job) = service.get(&key, &format!("/v1/jobs/{id}")).await;
        assert_eq!(status, 200, "{job}");
        if came > 1 {
            doubled += 1;
            assert_eq!(
                *rule, "retry",
                "a mail that must not come twice came {came} times: {job}"
            );
            assert!(explains(&job, came), "{came} copies without a kill between them: {job}");
        } else if *rule == "hold" && job["state"] == "uncertain" {
            held += 1;
        } else {
            lost.push(job);
        }
    }
    println!(
        "{kills} kills, {count} mails; lost {}; doubled, killed between the dot and the commit: {doubled}; held as uncertain: {held}",
        lost.len()
    );
    assert!(lost.is_empty(), "{lost:?}");
    // At each kill so many are being sent.
    assert!(doubled <= kills * 16, "{doubled}");
    assert!(kills > 2, "{kills} kills prove nothing");
}

#[test]
fn a_copy_that_no_kill_explains_is_found() {
    let job = |outcomes: &[&str]| json!({ "attempts": outcomes.iter().map(|outcome| json!({ "outcome": outcome })).collect::<Vec<_>>() });
    assert!(explains(&job(&["lost", "completed"]), 2));
    assert!(!explains(&job(&["failed", "completed"]), 2));
    assert!(!explains(&job(&["lost", "completed"]), 3));
}

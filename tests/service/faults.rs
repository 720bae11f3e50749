//! The service under load while an operator's script makes its actors panic: what must not be noticed, and what must.
//!
//! `LEGWORK_TEST_LOAD_SECONDS` says for how long each part lasts; a minute tells more than the few seconds of a usual run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::shutdown::PHASES;
use crate::support::service::{Home, PATIENCE, Service, breathe};

/// Everything that work passes through, from the request to its written end.
const ACTORS: [&str; 6] = ["mailer", "prober", "reporter", "dispatcher", "keeper", "writer"];

/// Between two panics.
const PANIC_EVERY: Duration = Duration::from_millis(200);

/// Between two probes: 50 a second.
const PROBE_EVERY: Duration = Duration::from_millis(20);

/// How many probes go with one mail.
const PROBES_A_MAIL: usize = 5;

fn load_time() -> Duration {
    let seconds = std::env::var("LEGWORK_TEST_LOAD_SECONDS").ok();
    Duration::from_secs(seconds.map_or(8, |seconds| seconds.parse().unwrap()))
}

/// The load: requests at their times, however long their answers take.
struct Load {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Load {
    fn on(service: &Service, key: &str) -> Arc<Self> {
        Arc::new(Self {
            http: service.http.clone(),
            base: service.base.clone(),
            key: key.to_owned(),
        })
    }

    async fn accept(&self, path: &str, body: Value) -> String {
        let request = self.http.post(format!("{}{path}", self.base));
        let answer = request.bearer_auth(&self.key).json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        let job: Value = answer.json().await.unwrap();
        assert_eq!(status, 202, "{job}");
        job["id"].as_str().unwrap().to_owned()
    }

    /// Gives work for so long, and answers the ids of probes and of mails.
    async fn run(self: &Arc<Self>, time: Duration) -> (Vec<String>, Vec<String>) {
        let (mut probes, mut mails) = (Vec::new(), Vec::new());
        let mut beat = tokio::time::interval(PROBE_EVERY);
        let end = Instant::now() + time;
        for number in 0.. {
            beat.tick().await;
            if Instant::now() >= end {
                break;
            }
            let load = Arc::clone(self);
            let probe = json!({ "steps": 1, "step_ms": 30 });
            probes.push(tokio::spawn(async move { load.accept("/v1/probes", probe).await }));
            if number % PROBES_A_MAIL == 0 {
                let load = Arc::clone(self);
                let mail = json!({ "to": "ada@example.org", "subject": "Hello", "text": "Hello\n" });
                mails.push(tokio::spawn(async move { load.accept("/v1/emails", mail).await }));
            }
        }
        (accepted(probes).await, accepted(mails).await)
    }
}

async fn accepted(tasks: Vec<tokio::task::JoinHandle<String>>) -> Vec<String> {
    let ids = futures_util::future::join_all(tasks).await;
    ids.into_iter().map(Result::unwrap).collect()
}

/// Does `work`, and asks all the while whether the service is live; it always is.
async fn while_live<T>(service: &Service, work: impl Future<Output = T>) -> T {
    let done = AtomicBool::new(false);
    let watch = async {
        let mut asked = 0;
        while !done.load(Ordering::SeqCst) {
            assert_eq!(service.get("", "/health/live").await.0, 200);
            asked += 1;
            breathe().await;
        }
        assert!(asked > 0);
    };
    let work = async {
        let result = work.await;
        done.store(true, Ordering::SeqCst);
        result
    };
    tokio::join!(work, watch).0
}

/// An order to a child; whether it was passed on, which it is not while the child is down.
async fn order(service: &Service, key: &str, name: &str, act: &str) -> bool {
    let (status, answer) = service
        .post(key, &format!("/v1/supervision/{name}/{act}"), &json!({}))
        .await;
    assert!(matches!(status, 202 | 409), "{status} {answer}");
    status == 202
}

/// Waits until all are done; each was attempted once, and answers how long each took from its acceptance, in order of size.
async fn completed_at_once(service: &Service, key: &str, ids: &[String]) -> Vec<u64> {
    let mut times = Vec::with_capacity(ids.len());
    for id in ids {
        let job = service.job_when(key, id, |job| !job["finished_at"].is_null()).await;
        assert_eq!(job["state"], "completed", "{job}");
        let attempts = job["attempts"].as_array().unwrap();
        assert_eq!(
            (attempts.len(), &attempts[0]["outcome"]),
            (1, &"completed".into()),
            "{job}"
        );
        let (from, to) = (micros(&job["created_at"]), micros(&job["finished_at"]));
        // Over midnight, a day more.
        times.push((to + 86_400_000_000 - from) % 86_400_000_000);
    }
    times.sort_unstable();
    times
}

/// The microsecond of its day of a time such as `2026-01-31T12:00:00.000000Z`.
fn micros(time: &Value) -> u64 {
    let digits: Vec<u64> = time.as_str().unwrap()[11..26]
        .split([':', '.'])
        .map(|part| part.parse().unwrap())
        .collect();
    ((digits[0] * 60 + digits[1]) * 60 + digits[2]) * 1_000_000 + digits[3]
}

#[tokio::test]
async fn no_job_is_lost_or_begun_twice_while_each_actor_panics_in_turn() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve_with(&["--fault-injection"]);
    let load = Load::on(&service, &key);
    let over = AtomicBool::new(false);
    let script = async {
        let (mut given, mut beat) = (0, tokio::time::interval(PANIC_EVERY));
        for name in ACTORS.iter().cycle() {
            beat.tick().await;
            if over.load(Ordering::SeqCst) {
                break;
            }
            given += usize::from(order(&service, &key, name, "panic").await);
        }
        given
    };
    let work = async {
        let ids = load.run(load_time()).await;
        over.store(true, Ordering::SeqCst);
        ids
    };
    let ((probes, mails), panics) = while_live(&service, async { tokio::join!(work, script) }).await;
    assert!(panics >= ACTORS.len(), "{panics} panics");
    let times = completed_at_once(&service, &key, &probes).await;
    completed_at_once(&service, &key, &mails).await;
    assert_eq!(home.outbox().len(), mails.len(), "each mail was sent once");
    let (status, tree) = service.get(&key, "/v1/supervision").await;
    assert_eq!(status, 200);
    for name in ACTORS {
        let (_, shown) = service.get(&key, &format!("/v1/supervision/{name}")).await;
        assert!(shown["node"]["last_failure"].is_object(), "{name} was not hurt: {tree}");
    }
    eprintln!(
        "{} probes and {} mails through {panics} panics; a probe took {} µs in the middle, {} at most",
        probes.len(),
        mails.len(),
        times[times.len() / 2],
        times[times.len() - 1]
    );
}

#[tokio::test]
async fn a_worker_beyond_its_intensity_degrades_its_queue_alone_and_readiness_says_so() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve_with(&["--fault-injection"]);
    let load = Load::on(&service, &key);
    let (probes, early) = load.run(load_time() / 4).await;
    completed_at_once(&service, &key, &early).await;
    let calm = completed_at_once(&service, &key, &probes).await;

    let ready = async || service.get("", "/health/ready").await;
    let is_degraded = |ready: &Value| queue(ready, "mail")["state"] == "degraded";
    let script = async {
        let deadline = Instant::now() + PATIENCE;
        // An order to start anew ends the backoff, so that the failures come faster than it would have them.
        loop {
            if order(&service, &key, "mailer", "panic").await {
                service.get("", "/health/live").await;
            } else {
                let (status, ready) = ready().await;
                assert_eq!(status, 200, "{ready}");
                if is_degraded(&ready) {
                    break ready;
                }
                order(&service, &key, "mailer", "restart").await;
            }
            assert!(Instant::now() < deadline, "the mailer bears any number of failures");
        }
    };
    let work = async { tokio::join!(load.run(load_time() / 4), script) };
    let ((probes, mails), ready) = while_live(&service, work).await;
    assert_eq!(ready["status"], "degraded");
    let reason = "the mailer failed too often and is tried again at long intervals";
    assert_eq!(
        (&queue(&ready, "mail")["status"], &queue(&ready, "mail")["reason"]),
        (&"degraded".into(), &reason.into())
    );
    for other in ["probes", "reports"] {
        assert_eq!(
            (&queue(&ready, other)["status"], queue(&ready, other).get("reason")),
            (&"ok".into(), None)
        );
    }
    let hurt = completed_at_once(&service, &key, &probes).await;
    let (calm, hurt) = (calm[calm.len() / 2], hurt[hurt.len() / 2]);
    eprintln!("a probe took {calm} µs in the middle in calm, {hurt} while the mailer failed");
    // Loose, for machines with other work: a queue that waited for its neighbour would take a backoff, of 50 ms and more.
    assert!(
        hurt < calm * 3 / 2 + 40_000,
        "{calm} µs in calm, {hurt} beside a failing worker"
    );

    assert!(order(&service, &key, "mailer", "restart").await);
    completed_at_once(&service, &key, &mails).await;
    assert_eq!(
        home.outbox().len(),
        early.len() + mails.len(),
        "each mail was sent once"
    );
}

fn queue<'a>(ready: &'a Value, name: &str) -> &'a Value {
    let mut queues = ready["queues"].as_array().unwrap().iter();
    queues.find(|queue| queue["queue"] == name).unwrap()
}

#[tokio::test]
async fn a_root_that_fails_brings_the_service_down_in_order_and_with_a_code() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve_with(&["--fault-injection"]);
    let id = service.probe(&key, &json!({ "steps": 100, "step_ms": 50 })).await;
    service.job_when(&key, &id, |job| job["state"] == "running").await;
    assert!(order(&service, &key, "root", "panic").await);
    let failed = service.log_line(|line| line["event"] == "service_failed");
    assert!(
        failed["error"]
            .as_str()
            .unwrap()
            .starts_with("the supervision tree failed: "),
        "{failed}"
    );
    service.log_line(|line| line["event"] == "shutdown" && line["phase"] == "end");
    assert_eq!(service.wait().0, Some(1));

    let service = home.serve();
    service.job_when(&key, &id, |job| job["state"] == "completed").await;
}

/// What a request of a service that is on its way down is answered; none once nobody listens.
async fn try_post(service: &Service, key: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let request = service.http.post(service.url(path)).bearer_auth(key).json(body);
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.json().await.ok()?))
}

#[tokio::test]
async fn a_writer_that_keeps_failing_ends_the_service_in_order_and_all_that_was_accepted_is_there_after() {
    let home = Home::new().with("LEGWORK_SHUTDOWN__GRACE_MS", "300");
    let key = home.operator();
    let service = home.serve_with(&["--fault-injection"]);
    let long = service.probe(&key, &json!({ "steps": 1000, "step_ms": 1000 })).await;
    service.job_when(&key, &long, |job| job["state"] == "running").await;
    let work = json!({ "steps": 1, "step_ms": 10 });
    let mut accepted = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    // An order to start anew ends the backoff, so that the failures come faster than it would have them.
    for act in ["panic", "restart"].iter().cycle() {
        let path = format!("/v1/supervision/writer/{act}");
        match try_post(&service, &key, &path, &json!({})).await {
            Some((202 | 409, _)) => {}
            // The tree is gone, or nobody listens any more.
            Some((404, _)) | None => break,
            Some((status, answer)) => panic!("{status} {answer}"),
        }
        match try_post(&service, &key, "/v1/probes", &work).await {
            Some((202, job)) => accepted.push(job["id"].as_str().unwrap().to_owned()),
            Some((503, _)) | None => {}
            Some((status, answer)) => panic!("{status} {answer}"),
        }
        assert!(Instant::now() < deadline, "the writer bears any number of failures");
    }
    let escalated = service.log_line(|line| line["event"] == "escalated");
    assert_eq!(escalated["actor"], "root", "{escalated}");
    assert!(
        escalated["error"].as_str().unwrap().contains("failed too often"),
        "{escalated}"
    );
    let (code, log) = service.wait();
    assert_eq!(code, Some(1));
    let lines: Vec<Value> = log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let phases: Vec<&str> = of("shutdown")
        .iter()
        .map(|line| line["phase"].as_str().unwrap())
        .collect();
    assert_eq!(phases, PHASES);
    assert_eq!((of("service_failed").len(), of("escalated").len()), (1, 1));

    assert!(!accepted.is_empty(), "nothing was accepted between two failures");
    let copy = home.path().join("copy.db");
    let copied = home.run(&["backup", copy.to_str().unwrap()], "");
    assert!(copied.status.success(), "{}", copied.stderr);
    let service = home.serve();
    for id in &accepted {
        service.job_when(&key, id, |job| job["state"] == "completed").await;
    }
    let again = service.job_when(&key, &long, |job| job["state"] == "running").await;
    assert_eq!(again["attempt"], 1, "the end of the process is not the job's: {again}");
}

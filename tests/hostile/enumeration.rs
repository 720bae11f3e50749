//! Whether a stranger learns who has an account: by what is answered, by its status and its head, and by the time that it takes.
//!
//! Times are compared as `timing` says, up to a quarter of what one hash takes here: a case that leaves out its hash, or makes two,
//! differs by a whole one. The hash is dearer than in other tests, so that it stands out of all else that a request does.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::people::{PASSWORD, account, log_in, register, unlimited};
use super::timing::{Compared, compare};
use crate::support::service::{Home, Service};

/// What one hash costs here, so that it takes some ten milliseconds in a build without optimization.
const HASH_KIB: &str = "4096";
/// The share of a hash up to which two times are the same.
const TOLERANCE: f64 = 0.25;
/// Between which shares the first kind may take longer, where its median is within the tolerance: beyond them almost every pair
/// differs in one direction, however little.
const SHARES: std::ops::Range<f64> = 0.2..0.8;

/// How many addresses have an account where registrations are compared: each of them, and each new one, is registered five times
/// until it is written down no more, and by then there are enough pairs.
const KNOWN: usize = 60;

fn home() -> Home {
    unlimited().with("LEGWORK_PASSWORDS__MEMORY_KIB", HASH_KIB)
}

/// An answer without what each has of its own: its date and the id of its request.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

async fn ask(service: &Service, path: &str, body: &Value) -> (Told, Duration) {
    let request = service
        .http
        .post(service.url(path))
        .header("x-request-id", "one")
        .json(body);
    let began = Instant::now();
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
    let all = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)));
    let mut headers: Vec<_> = all.filter(|(name, _)| name != "date").collect();
    headers.sort();
    let body = answer.text().await.unwrap();
    let took = began.elapsed();
    let body = serde_json::from_str(&body).unwrap_or(Value::Null);
    (Told { status, headers, body }, took)
}

/// What a hash takes, by a login against a request that is refused before one.
async fn hash(service: &Service) -> Duration {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..15 {
        for (all, email) in times.iter_mut().zip(["nobody@example.com", "nobody"]) {
            all.push(
                ask(
                    service,
                    "/v1/sessions",
                    &json!({ "email": email, "password": PASSWORD }),
                )
                .await
                .1,
            );
        }
    }
    let [with, without] = times.map(|mut all| {
        all.sort_unstable();
        all[all.len() / 2]
    });
    let hash = with.saturating_sub(without);
    assert!(
        hash > Duration::from_millis(2),
        "a hash of {hash:?} is too cheap to be looked for"
    );
    hash
}

/// That both kinds of request are answered alike, and take the same time.
async fn are_alike(service: &Service, path: &str, names: [&str; 2], kinds: [&dyn Fn(usize) -> Value; 2]) {
    let tolerance = hash(service).await.mul_f64(TOLERANCE);
    let mut first_told = None;
    let compared = compare(tolerance, async |first, pair| {
        let kind = kinds[usize::from(!first)];
        let (told, took) = ask(service, path, &kind(pair)).await;
        let expected = first_told.get_or_insert_with(|| told.clone());
        assert_eq!(&told, expected, "{} at {path}", names[usize::from(!first)]);
        took
    })
    .await;
    tell(path, names, tolerance, &compared);
    assert!(
        compared.is_same && SHARES.contains(&compared.share),
        "{path}: {} takes another time than {}, at a tolerance of {tolerance:?}: {compared:?}",
        names[0],
        names[1]
    );
}

#[expect(
    clippy::print_stderr,
    reason = "the figures of a test that passed, for whoever asks for them with --nocapture"
)]
fn tell(path: &str, names: [&str; 2], tolerance: Duration, compared: &Compared) {
    eprintln!(
        "{path}: {} against {}, tolerance {tolerance:?}: {compared:?}",
        names[0], names[1]
    );
}

#[tokio::test]
async fn a_login_tells_nobody_who_has_an_account() {
    let home = home();
    account(&home, "ada@example.com");
    let service = home.serve();
    register(&home, &service, "new@example.com").await;
    let login = |email: String, password: &str| json!({ "email": email, "password": password });
    let wrong = |_| login("ada@example.com".into(), "not the good password");
    let unknown = |pair| login(format!("nobody-{pair}@example.com"), PASSWORD);
    let unverified = |_| login("new@example.com".into(), PASSWORD);
    let endless = |_| login("ada@example.com".into(), &"x".repeat(10_000));
    let endless_unknown = |_| login("nobody@example.com".into(), &"x".repeat(10_000));
    let at = "/v1/sessions";
    are_alike(
        &service,
        at,
        ["an unknown address", "a wrong password"],
        [&unknown, &wrong],
    )
    .await;
    are_alike(
        &service,
        at,
        ["an unverified address", "a wrong password"],
        [&unverified, &wrong],
    )
    .await;
    are_alike(
        &service,
        at,
        ["an endless password", "one at an unknown address"],
        [&endless, &endless_unknown],
    )
    .await;
    log_in(&service, "ada@example.com").await;
}

/// That the comparison can fail: what is compared differs by one hash, since the account's was made at a cost that is no more.
#[tokio::test]
async fn a_difference_of_one_hash_is_found() {
    let home = unlimited();
    account(&home, "ada@example.com");
    let home = home.with("LEGWORK_PASSWORDS__MEMORY_KIB", HASH_KIB);
    let service = home.serve();
    let tolerance = hash(&service).await.mul_f64(TOLERANCE);
    let compared = compare(tolerance, async |known, _| {
        let email = if known { "ada@example.com" } else { "nobody@example.com" };
        let body = json!({ "email": email, "password": "not the good password" });
        ask(&service, "/v1/sessions", &body).await.1
    })
    .await;
    assert!(
        !compared.is_same && compared.share < SHARES.start,
        "{tolerance:?}: {compared:?}"
    );
}

#[tokio::test]
async fn a_registration_tells_nobody_who_has_an_account() {
    let home = home();
    for number in 0..KNOWN {
        account(&home, &format!("ada-{number}@example.com"));
    }
    let service = home.serve();
    let person = |email: String| json!({ "email": email, "password": PASSWORD, "name": "Eve" });
    let known = |pair| person(format!("ada-{}@example.com", pair % KNOWN));
    let new = |pair| person(format!("new-{}@example.com", pair % KNOWN));
    let at = "/v1/accounts";
    are_alike(&service, at, ["a known address", "a new one"], [&known, &new]).await;
}

#[tokio::test]
async fn who_asks_for_another_password_learns_nothing_about_an_address() {
    let home = home();
    account(&home, "ada@example.com");
    let service = home.serve();
    register(&home, &service, "new@example.com").await;
    let reset = |email: String| json!({ "email": email });
    let known = |_| reset("ada@example.com".into());
    let unknown = |_| reset("nobody@example.com".into());
    let unverified = |_| reset("new@example.com".into());
    let at = "/v1/password-resets";
    are_alike(&service, at, ["a known address", "an unknown one"], [&known, &unknown]).await;
    are_alike(
        &service,
        at,
        ["an unverified address", "an unknown one"],
        [&unverified, &unknown],
    )
    .await;
}

#[tokio::test]
async fn the_limit_on_logins_is_the_same_for_an_address_that_has_an_account() {
    let home = unlimited().with("LEGWORK_LIMITS__LOGINS_PER_MINUTE", "3");
    account(&home, "ada@example.com");
    let service = home.serve();
    let mut told = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let mut answers = Vec::new();
        for _ in 0..5 {
            let body = json!({ "email": email, "password": "not the good password" });
            let (told, _) = ask(&service, "/v1/sessions", &body).await;
            let names: Vec<String> = told.headers.into_iter().map(|(name, _)| name).collect();
            answers.push((told.status, names, told.body["type"].clone()));
        }
        told.push(answers);
    }
    let statuses: Vec<u16> = told[0].iter().map(|(status, ..)| *status).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    assert_eq!(told[0], told[1]);
}

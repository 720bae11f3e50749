//! Browsers and programs that have logged in before, and the mail about one that has not.

use std::time::Duration;

use actix_web::http::{Method, header};
use serde_json::{Value, json};

use super::{Answer, PASSWORD, World, request};
use crate::store::security::{self, SecurityEventRecord, SecurityFilter};
use crate::store::{JobFilter, JobScope, jobs};

impl World {
    /// Logs in by a browser with this name and these cookies.
    async fn browse(&self, email: &str, program: &str, cookies: &str) -> Answer {
        let mut login = request(Method::POST, "/v1/sessions", "").insert_header((header::USER_AGENT, program));
        if !cookies.is_empty() {
            login = login.insert_header((header::COOKIE, cookies));
        }
        let answer = self
            .send(login.set_json(json!({ "email": email, "password": PASSWORD })))
            .await;
        answer.is(201, &[]);
        answer
    }

    /// How many mails about new devices there are.
    async fn told(&self) -> usize {
        let filter = JobFilter {
            scope: JobScope::All,
            state: None,
            kind: Some("account.new_device".into()),
            queue: None,
            batch: None,
            before: None,
            limit: 100,
        };
        let read = self.state.store.read(move |connection| jobs::list(connection, &filter));
        read.await.unwrap().jobs.len()
    }

    /// What was written down of the security of accounts, the newest first.
    pub(super) async fn all_happened(&self) -> Vec<SecurityEventRecord> {
        let filter = SecurityFilter {
            workspace: None,
            account: None,
            event: None,
            before: None,
            limit: 1_000,
        };
        let read = self
            .state
            .store
            .read(move |connection| security::list(connection, &filter));
        read.await.unwrap().0
    }
}

/// The value of the cookie by which the browser is known.
fn device(answer: &Answer) -> String {
    let mut cookies = answer
        .headers
        .get_all("set-cookie")
        .map(|value| value.to_str().unwrap());
    let cookie = cookies.find(|cookie| cookie.starts_with("legwork_device=")).unwrap();
    assert!(
        cookie.contains("; HttpOnly; SameSite=Lax; Path=/; Max-Age=31536000"),
        "{cookie}"
    );
    cookie.split(';').next().unwrap().to_owned()
}

#[actix_web::test]
async fn the_owner_is_told_of_a_browser_that_has_not_logged_in_before_and_of_no_other() {
    let world = World::new();
    world.account("ada@example.org", false).await;
    let first = device(&world.browse("ada@example.org", "Firefox", "").await);
    assert_eq!(world.told().await, 0, "the first login of all");
    let again = device(&world.browse("ada@example.org", "Firefox 2", &first).await);
    assert_eq!(again, first, "the same device, though its name changed");
    world.browse("ada@example.org", "Firefox 2", "").await;
    assert_eq!(world.told().await, 0, "a program that keeps no cookies");
    let second = device(&world.browse("ada@example.org", "Safari", "").await);
    assert_eq!(world.told().await, 1);
    assert_ne!(second, first);
    world.browse("ada@example.org", "Opera", &second).await;
    assert_eq!(world.told().await, 1);
    let happened: Vec<String> = world.all_happened().await.into_iter().map(|one| one.event).collect();
    assert_eq!(happened.iter().filter(|event| *event == "login.new_device").count(), 1);
    assert_eq!(happened.iter().filter(|event| *event == "login.succeeded").count(), 5);
}

#[actix_web::test]
async fn a_cookie_that_was_made_for_another_account_or_by_nobody_says_nothing() {
    let world = World::new();
    for email in ["ada@example.org", "bob@example.org"] {
        world.account(email, false).await;
        world.browse(email, "Firefox", "").await;
    }
    let bobs = device(&world.browse("bob@example.org", "Firefox", "").await);
    let mine = device(&world.browse("ada@example.org", "Opera", &bobs).await);
    assert_eq!(world.told().await, 1, "another account's");
    assert_eq!(mine.matches("dev_").count(), 2, "it keeps both accounts");
    world.browse("bob@example.org", "Safari", &mine).await;
    world.browse("ada@example.org", "Safari", &mine).await;
    assert_eq!(world.told().await, 1);
    let (id, proof) = mine.split_once('~').unwrap().0.split_once('.').unwrap();
    for (number, bad) in [
        format!("{id}.{}", "A".repeat(43)),
        format!("legwork_device=dev_{}.{proof}", "0".repeat(32)),
        "legwork_device=x".into(),
        format!("{id}.{proof}~"),
    ]
    .iter()
    .enumerate()
    {
        world.browse("ada@example.org", &format!("Made up {number}"), bad).await;
        assert_eq!(world.told().await, number + 2, "{bad}");
    }
}

#[actix_web::test]
async fn the_device_of_an_account_is_known_for_long_and_forgotten_beyond_fifty() {
    let world = World::new();
    world.account("ada@example.org", false).await;
    let first = device(&world.browse("ada@example.org", "number 0", "").await);
    for number in 1..=50 {
        world.advance(Duration::from_secs(60));
        world.browse("ada@example.org", &format!("number {number}"), "").await;
    }
    assert_eq!(world.told().await, 50);
    world.browse("ada@example.org", "number 0", &first).await;
    assert_eq!(world.told().await, 51, "it was the one that was used least lately");
}

#[actix_web::test]
async fn a_login_that_is_refused_is_one_row_whether_or_not_there_is_an_account() {
    let world = World::new();
    let id = world.account("ada@example.org", false).await;
    for email in ["ada@example.org", "nobody@example.org"] {
        let before = world.all_happened().await.len();
        let body: Value = json!({ "email": email, "password": "wrong password" });
        world.post("/v1/sessions", "", &body).await.is(401, &[]);
        assert_eq!(world.all_happened().await.len(), before + 1, "{email}");
    }
    let happened = world.all_happened().await;
    assert!(happened.iter().all(|one| one.event == "login.refused"));
    assert_eq!((happened[0].account, happened[1].account), (None, Some(id)));
    assert!(
        happened
            .iter()
            .all(|one| !one.detail.contains('@') && !one.detail.contains("wrong password"))
    );
}

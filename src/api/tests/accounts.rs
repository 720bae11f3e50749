//! Registering, verifying, and one's own account.

mod address_changes;
mod deletion;
mod password_resets;
mod passwords;
mod performing;

use std::time::Duration;

use actix_web::http::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{PASSWORD, World, request};
use crate::domain::id::RegistrationId;
use crate::domain::security::SecurityEvent;
use crate::jobs::kinds::TOKEN_PURPOSE;
use crate::store::{JobFilter, JobRecord, JobScope, jobs};

fn new_account(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD, "name": " Ada Lovelace " })
}

impl World {
    pub(super) async fn register(&self, email: &str) {
        self.post("/v1/accounts", "", &new_account(email)).await.is(202, &[]);
    }

    /// The service's own jobs, the newest first.
    async fn own_jobs(&self) -> Vec<JobRecord> {
        let filter = JobFilter {
            scope: JobScope::All,
            state: None,
            kind: None,
            queue: None,
            batch: None,
            before: None,
            limit: 100,
        };
        self.state
            .store
            .read(move |connection| jobs::list(connection, &filter))
            .await
            .unwrap()
            .jobs
    }

    /// The token that the newest welcome mail will hold, derived as the mail's job derives it.
    pub(super) async fn newest_token(&self) -> String {
        let claimed = self.claim_mail().await;
        let args: Value = serde_json::from_str(&claimed.args).unwrap();
        let id: RegistrationId = args["registration"].as_str().unwrap().parse().unwrap();
        let (_, token) = self.state.keys.derive(TOKEN_PURPOSE, &id.to_string());
        token.expose_secret().to_owned()
    }

    async fn claim_mail(&self) -> crate::store::ClaimedJob {
        let request = crate::store::ClaimRequest {
            queue: crate::domain::job::Queue::Mail,
            kinds: vec![crate::store::KnownKind {
                name: "account.verify",
                version: 1,
            }],
            limit: 100,
            turn: Default::default(),
            node: crate::domain::id::NodeId::generate(),
            now: self.clock.now(),
        };
        self.state.store.claim(request).await.unwrap().jobs.pop().unwrap()
    }
}

#[actix_web::test]
async fn a_registration_becomes_an_account_by_the_mailed_token_and_only_once() {
    let world = World::new();
    world.register("ada@example.org").await;
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    world.post("/v1/sessions", "", &login).await.is(401, &[]);
    let token = world.newest_token().await;
    let answer = world.post("/v1/accounts/verify", "", &json!({ "token": token })).await;
    answer.is(200, &[]);
    assert_eq!(answer.body["email"], "ada@example.org");
    assert_eq!(
        (&answer.body["name"], &answer.body["is_operator"]),
        (&"Ada Lovelace".into(), &false.into())
    );
    world
        .post("/v1/accounts/verify", "", &json!({ "token": token }))
        .await
        .is(422, &["/token"]);
    world.post("/v1/sessions", "", &login).await.is(201, &[]);
    let events = world.happened(SecurityEvent::AccountMade).await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        events[0].account.unwrap().to_string(),
        answer.body["id"].as_str().unwrap()
    );
}

#[actix_web::test]
async fn a_known_and_a_new_address_get_one_answer_and_their_owner_the_mail_that_fits() {
    let world = World::new();
    world.account("known@example.org", false).await;
    let mut answers = Vec::new();
    for (email, kind) in [
        ("known@example.org", "account.exists"),
        ("new@example.org", "account.verify"),
    ] {
        let answer = world.post("/v1/accounts", "", &new_account(email)).await;
        let headers: Vec<_> = answer.headers.keys().map(|name| name.to_string()).collect();
        answers.push((answer.status, answer.text.clone(), headers));
        let own = world.own_jobs().await;
        assert_eq!(own[0].kind, kind);
        assert!(!answer.text.contains("job_"));
    }
    assert_eq!(answers[0], answers[1]);
    // The case of the letters makes no other person.
    world.register("KNOWN@Example.org").await;
    assert_eq!(world.own_jobs().await[0].kind, "account.exists");
}

#[actix_web::test]
async fn the_owner_of_an_account_gets_no_more_mails_than_a_new_address_and_no_link_that_works() {
    let world = World::new();
    world.account("known@example.org", false).await;
    for _ in 0..6 {
        world.register("known@example.org").await;
    }
    let own = world.own_jobs().await;
    assert_eq!(own.len(), 5);
    assert!(
        own.iter().all(|job| job.kind == "account.exists"),
        "no mail with a link to verify"
    );
}

#[actix_web::test]
async fn an_address_gets_five_mails_a_day_and_the_sixth_registration_the_same_answer() {
    let world = World::new();
    for _ in 0..6 {
        world.register("ada@example.org").await;
    }
    assert_eq!(world.own_jobs().await.len(), 5);
    world.advance(Duration::from_secs(24 * 3600 + 1));
    world.register("ada@example.org").await;
    assert_eq!(world.own_jobs().await.len(), 6);
}

#[actix_web::test]
async fn all_bad_tokens_get_one_answer() {
    let world = World::new();
    let mut texts = std::collections::HashSet::new();
    world.register("late@example.org").await;
    let late = world.newest_token().await;
    world.advance(Duration::from_secs(24 * 3600));
    world.register("lost-race@example.org").await;
    let lost_race = world.newest_token().await;
    world.account("lost-race@example.org", false).await;
    for token in ["", "x", "lws_abc", &"a".repeat(10_000), &late, &lost_race] {
        let post = request(Method::POST, "/v1/accounts/verify", "").insert_header(("x-request-id", "one"));
        let answer = world.send(post.set_json(json!({ "token": token }))).await;
        answer.is(422, &["/token"]);
        texts.insert(answer.text);
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[actix_web::test]
async fn the_mailed_link_opens_a_page_that_changes_nothing_until_it_is_clicked() {
    let world = World::new();
    world.register("ada@example.org").await;
    let token = world.newest_token().await;
    for _ in 0..2 {
        let page = world.get(&format!("/verify?token={token}&utm_source=mail"), "").await;
        assert_eq!((page.status, page.header("cache-control")), (200, "no-store"));
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert!(page.header("content-security-policy").contains("form-action 'self'"));
        assert!(page.text.contains(&format!("value=\"{token}\"")) && page.text.contains("method=\"post\""));
    }
    let click = || request(Method::POST, "/verify", "").set_form([("token", &token)]);
    let page = world.send(click()).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Welcome, Ada Lovelace."), "{}", page.text);
    let page = world.send(click()).await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (422, "text/html; charset=utf-8")
    );
    assert!(page.text.contains("not valid"), "{}", page.text);
    world.login("ada@example.org").await;
}

#[actix_web::test]
async fn what_strangers_put_into_a_link_is_escaped_on_the_page() {
    let world = World::new();
    let page = world
        .get("/verify?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "")
        .await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("&quot;&gt;&lt;script&gt;"), "{}", page.text);
    assert!(!page.text.contains("<script"));
    for uri in ["/verify", "/verify?tok=1", "/verify?token"] {
        let page = world.get(uri, "").await;
        assert!(page.header("content-type").starts_with("text/html"), "{uri}");
        assert!(!page.text.contains("<script"));
    }
    assert_eq!(world.get("/verify", "").await.status, 422);
}

#[actix_web::test]
async fn ones_own_account_is_shown_and_renamed() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let me = world.get("/v1/accounts/me", &token).await;
    me.is(200, &[]);
    assert_eq!(me.body["email"], "ada@example.org");
    assert!(me.body["id"].as_str().unwrap().starts_with("acc_"));
    let patch = |name: &str| request(Method::PATCH, "/v1/accounts/me", &token).set_json(json!({ "name": name }));
    let renamed = world.send(patch("Ada, Countess of Lovelace")).await;
    renamed.is(200, &[]);
    assert_eq!(world.get("/v1/accounts/me", &token).await.body, renamed.body);
    assert_eq!(renamed.body["name"], "Ada, Countess of Lovelace");
    world
        .send(patch("Ada\r\nBcc: eve@example.org"))
        .await
        .is(422, &["/name"]);
}

#[actix_web::test]
async fn several_wrong_fields_of_a_registration_are_told_at_once() {
    let world = World::new();
    let body = json!({ "email": "ada", "password": "short", "name": "" });
    world
        .post("/v1/accounts", "", &body)
        .await
        .is(422, &["/email", "/password", "/name"]);
    let own_address = json!({ "email": "ada@example.org", "password": "Ada@example.org", "name": "Ada" });
    world
        .post("/v1/accounts", "", &own_address)
        .await
        .is(422, &["/password"]);
    assert!(world.own_jobs().await.is_empty());
}

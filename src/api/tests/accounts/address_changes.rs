//! Changing the address of one's account.

use std::time::Duration;

use actix_web::http::Method;
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{PASSWORD, World, request};
use crate::domain::security::SecurityEvent;
use crate::jobs::kinds::{ADDRESS_PURPOSE, AddressChangedArgs};
use crate::store::testing::rows_of;

const ASK: &str = "/v1/accounts/me/email";
const CONFIRM: &str = "/v1/accounts/confirm-address";

impl World {
    /// The token of a link that was asked for and mailed.
    pub(in crate::api::tests) async fn address_token(&self, session: &str, email: &str) -> String {
        self.post(ASK, session, &json!({ "email": email })).await.is(202, &[]);
        let performed = self.perform_address_change().await;
        assert_eq!(performed.mailed, [email]);
        let args: Value = serde_json::from_str(&performed.job.args).unwrap();
        self.token_of_change(args["change"].as_str().unwrap())
    }

    fn token_of_change(&self, id: &str) -> String {
        self.state.keys.derive(ADDRESS_PURPOSE, id).1.expose_secret().to_owned()
    }

    async fn confirm_address(&self, token: &str) -> crate::api::tests::Answer {
        self.post(CONFIRM, "", &json!({ "token": token })).await
    }
}

#[actix_web::test]
async fn an_address_is_changed_by_the_link_and_the_old_one_is_told() {
    let world = World::new();
    let session = world.member("old@example.org").await;
    let reset = world.reset_token("old@example.org").await;
    let token = world.address_token(&session, "New@example.org").await;
    let me = world.get("/v1/accounts/me", &session).await;
    assert_eq!(me.body["email"], "old@example.org", "nothing is changed before");
    let answer = world.confirm_address(&token).await;
    answer.is(200, &[]);
    assert_eq!(answer.body["email"], "New@example.org");
    assert_eq!(
        world.get("/v1/accounts/me", &session).await.body["email"],
        "New@example.org"
    );
    world.login("new@example.org").await;
    let old = json!({ "email": "old@example.org", "password": PASSWORD });
    world.post("/v1/sessions", "", &old).await.is(401, &[]);
    let told = world.perform_notice::<AddressChangedArgs>().await;
    assert_eq!(told.mailed, ["old@example.org"]);
    for event in [SecurityEvent::AddressChangeAsked, SecurityEvent::AddressChanged] {
        assert_eq!(world.happened(event).await.len(), 1);
    }
    world.confirm_address(&token).await.is(422, &["/token"]);
    let reset = json!({ "token": reset, "password": "seven green kites at noon" });
    world
        .post("/v1/password-resets/confirm", "", &reset)
        .await
        .is(422, &["/token"]);
}

#[actix_web::test]
async fn an_address_that_has_an_account_gets_one_answer_the_same_writes_and_no_link() {
    let world = World::new();
    world.account("known@example.org", false).await;
    let session = world.member("ada@example.org").await;
    let (mut answers, mut writes) = (Vec::new(), Vec::new());
    for email in ["new@example.org", "Known@example.org"] {
        let answer = world.post(ASK, &session, &json!({ "email": email })).await;
        answer.is(202, &[]);
        let headers: Vec<_> = answer.headers.keys().map(|name| name.to_string()).collect();
        answers.push((answer.text, headers));
        writes.push(rows_of(&world.state.store, None));
    }
    assert_eq!(answers[0], answers[1]);
    let jobs: Vec<_> = world.own_jobs().await.into_iter().map(|job| job.kind).collect();
    assert_eq!(jobs, ["account.exists", "account.change_address"]);
    assert_eq!(
        writes[1]["address_changes"], 1,
        "the second took the place of the first"
    );
    assert_eq!(writes[1]["jobs"] - writes[0]["jobs"], 1);
    assert_eq!(writes[1]["security_events"] - writes[0]["security_events"], 1);
    let late = world.perform_address_change().await;
    assert!(late.mailed.is_empty() && late.result().contains("replaced"));
}

#[actix_web::test]
async fn an_address_that_got_an_account_meanwhile_is_not_taken_from_it() {
    let world = World::new();
    let session = world.member("ada@example.org").await;
    let token = world.address_token(&session, "new@example.org").await;
    world.account("NEW@example.org", false).await;
    world.confirm_address(&token).await.is(422, &["/token"]);
    let me = world.get("/v1/accounts/me", &session).await;
    assert_eq!(me.body["email"], "ada@example.org");
}

#[actix_web::test]
async fn of_several_who_use_a_link_at_once_one_changes_the_address() {
    let world = World::new();
    let session = world.member("ada@example.org").await;
    let token = world.address_token(&session, "new@example.org").await;
    let answers = join_all((0..6).map(|_| world.confirm_address(&token))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 422, 422, 422, 422, 422]);
}

#[actix_web::test]
async fn all_bad_tokens_get_one_answer() {
    let world = World::new();
    let session = world.member("ada@example.org").await;
    let replaced = world.address_token(&session, "one@example.org").await;
    let late = world.address_token(&session, "two@example.org").await;
    world.advance(Duration::from_secs(24 * 3600));
    world.register("new@example.org").await;
    let of_registration = world.newest_token().await;
    let mut texts = std::collections::HashSet::new();
    for token in ["", "x", &session, &replaced, &late, &of_registration] {
        let post = request(Method::POST, CONFIRM, "").insert_header(("x-request-id", "one"));
        let answer = world.send(post.set_json(json!({ "token": token }))).await;
        answer.is(422, &["/token"]);
        texts.insert(answer.text);
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    world
        .post("/v1/accounts/verify", "", &json!({ "token": of_registration }))
        .await
        .is(200, &[]);
}

#[actix_web::test]
async fn another_password_makes_a_change_void_that_was_asked_for_before() {
    let world = World::new();
    let session = world.member("ada@example.org").await;
    let token = world.address_token(&session, "new@example.org").await;
    let change = json!({ "current_password": PASSWORD, "new_password": "nine red boats at dawn" });
    world
        .post("/v1/accounts/me/password", &session, &change)
        .await
        .is(200, &[]);
    world.confirm_address(&token).await.is(422, &["/token"]);
}

#[actix_web::test]
async fn another_address_is_given_only_to_who_showed_the_password_lately() {
    let world = World::new();
    let session = world.member("ada@example.org").await;
    let body = json!({ "email": "new@example.org" });
    let key = world.api_key(&session).await;
    world.post(ASK, &key, &body).await.is(403, &[]);
    world.advance(Duration::from_secs(600));
    let answer = world.post(ASK, &session, &body).await;
    answer.is(403, &[]);
    assert!(answer.text.contains("confirmation-required"), "{}", answer.text);
    assert!(world.own_jobs().await.is_empty());
}

#[actix_web::test]
async fn links_to_an_address_are_limited_with_the_resets_of_it() {
    let world = World::new();
    let session = world.member("ada@example.org").await;
    let from = |uri| request(Method::POST, uri, &session).peer_addr("192.0.2.7:1".parse().unwrap());
    let body = json!({ "email": "victim@example.org" });
    for uri in [ASK, ASK, ASK, "/v1/password-resets", "/v1/password-resets"] {
        world.send(from(uri).set_json(&body)).await.is(202, &[]);
    }
    world.send(from(ASK).set_json(&body)).await.is(429, &[]);
}

#[actix_web::test]
async fn the_mailed_link_opens_a_page_that_changes_nothing_until_it_is_clicked() {
    let world = World::new();
    let session = world.member("ada@example.org").await;
    let token = world.address_token(&session, "new@example.org").await;
    let page = world.get(&format!("/confirm-address?token={token}"), "").await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"));
    assert!(page.text.contains(&format!("value=\"{token}\"")) && !page.text.contains("<script"));
    let me = world.get("/v1/accounts/me", &session).await;
    assert_eq!(me.body["email"], "ada@example.org");
    let click = || request(Method::POST, "/confirm-address", "").set_form([("token", &token)]);
    let page = world.send(click()).await;
    assert!(
        page.status == 200 && page.text.contains("new@example.org"),
        "{}",
        page.text
    );
    assert_eq!(world.send(click()).await.status, 422);
    assert_eq!(world.get("/confirm-address", "").await.status, 422);
}

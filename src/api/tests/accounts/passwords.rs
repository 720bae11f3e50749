//! Changing one's password.

use std::time::Duration;

use actix_web::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{PASSWORD, World, request};
use crate::domain::email::EmailAddress;
use crate::domain::password::{Password, PasswordCost, PasswordHasher, SALT_BYTES};
use crate::domain::security::SecurityEvent;
use crate::jobs::kinds::PasswordChangedArgs;
use crate::store::Abort;
use crate::store::accounts;

const URI: &str = "/v1/accounts/me/password";
const NEW: &str = "seven green kites at noon";

impl World {
    /// Gives an account the password that all have.
    pub(in crate::api::tests) async fn give_password(&self, email: &str) {
        let password = Password::parse(PASSWORD).unwrap();
        let hash = self.state.hasher.hash(&password, &[7; SALT_BYTES]).unwrap();
        let (email, now) = (EmailAddress::parse(email).unwrap(), self.clock.now());
        let write = self.state.store.write(move |tx| {
            let account = accounts::by_email(tx.connection(), &email)?.unwrap();
            Ok::<_, Abort<()>>(accounts::set_password(tx.connection(), account.id, &hash, now)?)
        });
        assert!(write.await.unwrap());
    }
}

fn change(current: &str, new: &str) -> Value {
    json!({ "current_password": current, "new_password": new })
}

async fn login(world: &World, password: &str) -> u16 {
    let body = json!({ "email": "ada@example.org", "password": password });
    world.post("/v1/sessions", "", &body).await.status
}

#[actix_web::test]
async fn a_changed_password_is_the_only_one_and_the_login_goes_on_under_another_token() {
    let world = World::new();
    let (asks, other) = (
        world.member("ada@example.org").await,
        world.login("ada@example.org").await,
    );
    let answer = world.post(URI, &asks, &change(PASSWORD, NEW)).await;
    answer.is(200, &[]);
    let token = answer.body["token"].as_str().unwrap().to_owned();
    assert!(token != asks && answer.header("set-cookie").contains(&token));
    assert_eq!(answer.body["account"]["email"], "ada@example.org");
    for (token, status) in [(&asks, 401), (&other, 401), (&token, 200)] {
        assert_eq!(world.get("/v1/accounts/me", token).await.status, status);
    }
    assert_eq!((login(&world, PASSWORD).await, login(&world, NEW).await), (401, 201));
    let events = world.happened(SecurityEvent::PasswordChanged).await;
    assert_eq!((events.len(), events[0].detail.as_str()), (1, "{\"sessions_ended\":1}"));
    let told = world.perform_notice::<PasswordChangedArgs>().await;
    assert_eq!(told.mailed, ["ada@example.org"]);
}

#[actix_web::test]
async fn other_logins_stay_where_they_are_to() {
    let world = World::new();
    let (asks, other) = (
        world.member("ada@example.org").await,
        world.login("ada@example.org").await,
    );
    let mut body = change(PASSWORD, NEW);
    body["end_other_sessions"] = false.into();
    world.post(URI, &asks, &body).await.is(200, &[]);
    world.get("/v1/accounts/me", &other).await.is(200, &[]);
    world.get("/v1/accounts/me", &asks).await.is(401, &[]);
}

#[actix_web::test]
async fn who_does_not_know_the_password_changes_nothing_and_may_not_try_for_ever() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let ask = |body: Value| {
        request(Method::POST, URI, &token)
            .peer_addr("192.0.2.7:1".parse().unwrap())
            .set_json(body)
    };
    for _ in 0..10 {
        let answer = world.send(ask(change("a wrong password", NEW))).await;
        answer.is(422, &["/current_password"]);
    }
    assert_eq!(world.happened(SecurityEvent::ConfirmationRefused).await.len(), 10);
    world.send(ask(change(PASSWORD, NEW))).await.is(429, &[]);
    assert_eq!(login(&world, PASSWORD).await, 201);
    let key = world.api_key(&token).await;
    world.post(URI, &key, &change(PASSWORD, NEW)).await.is(403, &[]);
}

#[actix_web::test]
async fn another_password_is_set_only_by_a_login_that_was_confirmed_lately_by_the_second_factor_too() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let (secret, _) = world.second_factor(&token).await;
    world.advance(Duration::from_secs(601));
    let answer = world.post(URI, &token, &change(PASSWORD, NEW)).await;
    answer.is(403, &[]);
    assert_eq!(answer.body["type"], "/problems/confirmation-required");
    let confirm = async |body: Value| world.post("/v1/sessions/current/confirm", &token, &body).await;
    confirm(json!({ "password": PASSWORD })).await.is(401, &[]);
    let confirmed = confirm(json!({ "password": PASSWORD, "code": world.code(&secret) })).await;
    confirmed.is(200, &[]);
    let token = confirmed.body["token"].as_str().unwrap().to_owned();
    world.post(URI, &token, &change(PASSWORD, NEW)).await.is(200, &[]);
}

#[actix_web::test]
async fn of_several_changes_at_once_one_is_made() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let bodies: Vec<_> = (0..4)
        .map(|number| change(PASSWORD, &format!("{NEW} {number}")))
        .collect();
    let answers = join_all(bodies.iter().map(|body| world.post(URI, &token, body))).await;
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    let rest = answers.iter().all(|answer| [200, 401, 422].contains(&answer.status));
    assert!(good == 1 && rest, "{answers:?}");
    assert_eq!(world.happened(SecurityEvent::PasswordChanged).await.len(), 1);
}

#[actix_web::test]
async fn a_password_that_is_easy_to_guess_is_refused_with_the_reason() {
    let world = World::new();
    let token = world.member("ada.lovelace@example.org").await;
    for (password, reason) in [
        ("short", "at least 8"),
        ("password1", "most used"),
        ("qwertyuiop[]", "too easy to guess"),
        ("ada.lovelace1", "too easy to guess"),
        ("ada.lovelace@example.org", "e-mail address"),
    ] {
        let answer = world.post(URI, &token, &change(PASSWORD, password)).await;
        answer.is(422, &["/new_password"]);
        assert!(answer.text.contains(reason), "{password}: {}", answer.text);
    }
    let body = json!({ "email": "eve@example.org", "password": "eve@example", "name": "Eve" });
    world.post("/v1/accounts", "", &body).await.is(422, &["/password"]);
}

#[actix_web::test]
async fn a_password_is_the_same_however_a_keyboard_composes_it() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let decomposed = change(PASSWORD, "seven cafe\u{301}s at noon");
    world.post(URI, &token, &decomposed).await.is(200, &[]);
    assert_eq!(login(&world, "seven caf\u{e9}s at noon").await, 201);
    assert_eq!(login(&world, "seven cafe\u{301}s at noon").await, 201);
    assert_eq!(login(&world, "seven cafes at noon").await, 401);
}

#[actix_web::test]
async fn a_hash_of_an_earlier_cost_is_made_anew_at_the_next_login_that_is_right() {
    let world = World::new();
    let id = world.account("ada@example.org", false).await;
    let earlier = PasswordCost {
        memory_kib: 16,
        ..PasswordCost::TRIVIAL
    };
    let password = Password::parse(PASSWORD).unwrap();
    let old = PasswordHasher::new(earlier).unwrap();
    let old = old.hash(&password, &[1; SALT_BYTES]).unwrap();
    let (stored, now) = (old.clone(), world.now());
    let write = world
        .state
        .store
        .write(move |tx| Ok::<_, Abort<()>>(accounts::set_password(tx.connection(), id, &stored, now)?));
    assert!(write.await.unwrap());
    let hash = async || {
        let read = world
            .state
            .store
            .read(move |connection| accounts::password_hash(connection, id));
        read.await.unwrap().unwrap()
    };
    assert_eq!(login(&world, "a wrong password").await, 401);
    assert!(hash().await == old, "it was hashed for whoever does not know it");
    assert_eq!(login(&world, PASSWORD).await, 201);
    let new = hash().await;
    assert!(
        new.as_str().starts_with("$argon2id$v=19$m=8,t=1,p=1$"),
        "{}",
        new.as_str()
    );
    assert_eq!(login(&world, PASSWORD).await, 201);
    assert!(hash().await == new, "it is of today's cost");
}

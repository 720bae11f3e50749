//! The second factor: turning it on and off, logging in with it, and guessing it.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{Answer, PASSWORD, World, request};
use crate::domain::email::EmailAddress;
use crate::domain::security::SecurityEvent;
use crate::domain::totp::TotpSecret;
use crate::store::{Abort, accounts, second_factors};

const URI: &str = "/v1/accounts/me/second-factor";

impl World {
    /// A second factor that is not on yet.
    pub(super) async fn begin_second_factor(&self, token: &str) -> TotpSecret {
        let made = self.send(request(Method::POST, URI, token)).await;
        made.is(201, &[]);
        let secret = made.body["secret"].as_str().unwrap();
        let uri = made.body["uri"].as_str().unwrap();
        assert!(
            uri.starts_with("otpauth://totp/Legwork:") && uri.contains(secret),
            "{uri}"
        );
        let bytes = totp_rs::Secret::try_from_base32(secret).unwrap();
        TotpSecret::from_bytes(bytes.as_bytes()).unwrap()
    }

    /// One that is on, and its recovery codes.
    pub(super) async fn second_factor(&self, token: &str) -> (TotpSecret, Vec<String>) {
        let secret = self.begin_second_factor(token).await;
        let on = self
            .post(&format!("{URI}/confirm"), token, &json!({ "code": self.code(&secret) }))
            .await;
        on.is(200, &[]);
        (secret, codes(&on))
    }

    /// The code that the app shows.
    pub(super) fn code(&self, secret: &TotpSecret) -> String {
        secret.code_at(self.clock.now())
    }

    /// The code that it will show next, which is taken already.
    pub(super) fn next_code(&self, secret: &TotpSecret) -> String {
        secret.code_at(self.clock.now().plus(Duration::from_secs(30)))
    }

    /// Takes the second factor of an account away, past the service.
    pub(super) async fn forget_second_factor(&self, email: &str) {
        let email = EmailAddress::parse(email).unwrap();
        let write = self.state.store.write(move |tx| {
            let account = accounts::by_email(tx.connection(), &email)?;
            let id = account.map(|account| account.id).ok_or(Abort::Refused(()))?;
            Ok(second_factors::remove(tx.connection(), id)?)
        });
        write.await.unwrap();
    }

    async fn log_in_with(&self, code: &str) -> Answer {
        let body = json!({ "email": "ada@example.org", "password": PASSWORD, "code": code });
        self.post("/v1/sessions", "", &body).await
    }
}

fn codes(answer: &Answer) -> Vec<String> {
    let all = answer.body["recovery_codes"].as_array().unwrap();
    all.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn needs_a_code(answer: &Answer) {
    answer.is(401, &[]);
    assert_eq!(answer.body["type"], "/problems/second-factor-required");
}

#[track_caller]
fn is_wrong(answer: &Answer) {
    answer.is(401, &[]);
    assert_eq!(answer.body["type"], "/problems/unauthenticated");
    assert!(answer.text.contains("the code is wrong"), "{}", answer.text);
}

#[actix_web::test]
async fn a_factor_is_asked_for_once_its_first_code_was_shown_and_no_sooner() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let other = world.login("ada@example.org").await;
    let secret = world.begin_second_factor(&token).await;
    assert_eq!(
        world.get(URI, &token).await.body,
        json!({ "on": false, "recovery_codes_left": 0 })
    );
    world.login("ada@example.org").await;
    let confirm = |code: String| {
        let (world, token) = (&world, &token);
        async move {
            world
                .post(&format!("{URI}/confirm"), token, &json!({ "code": code }))
                .await
        }
    };
    let wrong = if world.code(&secret) == "000000" {
        "000001"
    } else {
        "000000"
    };
    confirm(wrong.to_owned()).await.is(422, &["/code"]);
    confirm("12345".to_owned()).await.is(422, &["/code"]);
    let on = confirm(world.code(&secret)).await;
    on.is(200, &[]);
    assert_eq!(codes(&on).len(), 10);
    assert_eq!(
        world.get(URI, &token).await.body,
        json!({ "on": true, "recovery_codes_left": 10 })
    );
    world.get(URI, &other).await.is(401, &[]);
    confirm(world.next_code(&secret)).await.is(409, &[]);
    world.send(request(Method::POST, URI, &token)).await.is(409, &[]);
    needs_a_code(
        &world
            .post(
                "/v1/sessions",
                "",
                &json!({ "email": "ada@example.org", "password": PASSWORD }),
            )
            .await,
    );
    // The owner finds that somebody has the password.
    let newest = world.all_happened().await.remove(0);
    assert_eq!(
        (newest.event.as_str(), newest.detail.as_str()),
        ("login.refused", r#"{"why":"code missing"}"#)
    );
    let answer = world
        .post(
            "/v1/sessions",
            "",
            &json!({ "email": "ada@example.org", "password": "wrong", "code": "123456" }),
        )
        .await;
    answer.is(401, &[]);
    assert_eq!(answer.body["type"], "/problems/unauthenticated");
    assert!(
        !answer.text.contains("code"),
        "nothing is told before the password is right"
    );
}

#[actix_web::test]
async fn a_code_lets_in_once_and_of_two_logins_at_once_with_one_code_one_gets_in() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let (secret, _) = world.second_factor(&token).await;
    is_wrong(&world.log_in_with(&world.code(&secret)).await);
    let code = world.next_code(&secret);
    let at_once = futures_util::future::join_all((0..4).map(|_| world.log_in_with(&code))).await;
    let statuses = |wanted: u16| at_once.iter().filter(|answer| answer.status == wanted).count();
    assert_eq!((statuses(201), statuses(401)), (1, 3));
    is_wrong(&world.log_in_with(&code).await);
    world.advance(Duration::from_secs(360));
    world.log_in_with(&world.code(&secret)).await.is(201, &[]);
    world.advance(Duration::from_secs(3_000));
    let old = secret.code_at(world.clock.now().minus(Duration::from_secs(90)));
    is_wrong(&world.log_in_with(&old).await);
}

#[actix_web::test]
async fn a_recovery_code_lets_in_once_whatever_its_case_and_new_ones_void_the_old() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let (_, old) = world.second_factor(&token).await;
    let written = old[0].to_uppercase().replace('-', " ");
    world.log_in_with(&written).await.is(201, &[]);
    is_wrong(&world.log_in_with(&old[0]).await);
    assert_eq!(world.get(URI, &token).await.body["recovery_codes_left"], 9);
    let used = world
        .all_happened()
        .await
        .into_iter()
        .find(|one| one.event == "second_factor.recovery_code_used");
    assert_eq!(used.unwrap().detail, "{\"left\":9}");
    let made = world
        .send(request(Method::POST, &format!("{URI}/recovery-codes"), &token))
        .await;
    made.is(200, &[]);
    is_wrong(&world.log_in_with(&old[1]).await);
    world.log_in_with(&codes(&made)[1]).await.is(201, &[]);
}

#[actix_web::test]
async fn codes_cannot_be_guessed_and_a_recovery_code_still_lets_the_owner_in() {
    let world = World::with(&[("LEGWORK_LIMITS__LOGINS_PER_MINUTE", "0")]);
    let token = world.member("ada@example.org").await;
    let (secret, recovery) = world.second_factor(&token).await;
    let near: Vec<String> = [0, 30, 60]
        .map(|seconds| {
            secret.code_at(
                world
                    .clock
                    .now()
                    .minus(Duration::from_secs(30))
                    .plus(Duration::from_secs(seconds)),
            )
        })
        .to_vec();
    let wrong: Vec<String> = (0..20_u32)
        .map(|code| format!("{code:06}"))
        .filter(|code| !near.contains(code))
        .collect();
    let at_once = futures_util::future::join_all(wrong.iter().take(12).map(|code| world.log_in_with(code))).await;
    let looked_at = at_once.iter().filter(|answer| answer.status == 401).count();
    let refused = at_once.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((looked_at, refused), (5, 7));
    // The right one is not looked at either, or a guesser would learn by it.
    let right = world.log_in_with(&world.next_code(&secret)).await;
    right.is(429, &[]);
    assert!(!right.header("retry-after").is_empty());
    world.log_in_with(&recovery[0]).await.is(201, &[]);
    world.advance(Duration::from_secs(301));
    world.log_in_with(&world.code(&secret)).await.is(201, &[]);
    let refusals = world
        .all_happened()
        .await
        .into_iter()
        .filter(|one| one.event == "login.refused");
    assert_eq!(refusals.filter(|one| one.detail == "{\"why\":\"code\"}").count(), 5);
}

#[actix_web::test]
async fn turning_it_off_needs_a_code_and_a_password_that_was_shown_lately() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let (secret, _) = world.second_factor(&token).await;
    let off = |token: &str, code: String| {
        let delete = request(Method::DELETE, URI, token).set_json(json!({ "code": code }));
        world.send(delete)
    };
    off(&token, world.code(&secret)).await.is(422, &["/code"]);
    world.advance(Duration::from_secs(601));
    for (method, uri) in [
        (Method::POST, URI.to_owned()),
        (Method::DELETE, URI.to_owned()),
        (Method::POST, format!("{URI}/confirm")),
        (Method::POST, format!("{URI}/recovery-codes")),
    ] {
        let answer = world
            .send(request(method, &uri, &token).set_json(json!({ "code": "123456" })))
            .await;
        answer.is(403, &[]);
        assert_eq!(answer.body["type"], "/problems/confirmation-required");
    }
    let confirm = |body: Value| {
        let (world, token) = (&world, &token);
        async move { world.post("/v1/sessions/current/confirm", token, &body).await }
    };
    needs_a_code(&confirm(json!({ "password": PASSWORD })).await);
    let confirmed = confirm(json!({ "password": PASSWORD, "code": world.code(&secret) })).await;
    confirmed.is(200, &[]);
    let token = confirmed.body["token"].as_str().unwrap().to_owned();
    off(&token, world.code(&secret)).await.is(422, &["/code"]);
    off(&token, world.next_code(&secret)).await.is(204, &[]);
    world.login("ada@example.org").await;
    off(&token, world.next_code(&secret)).await.is(409, &[]);
    let again = world
        .send(request(Method::POST, &format!("{URI}/recovery-codes"), &token))
        .await;
    again.is(409, &[]);
}

#[actix_web::test]
async fn wrong_codes_are_written_down_and_a_recovery_code_turns_it_off_beyond_them() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let (secret, recovery) = world.second_factor(&token).await;
    let off = |code: &str| {
        let delete = request(Method::DELETE, URI, &token).set_json(json!({ "code": code }));
        world.send(delete)
    };
    // It turned the factor on, and is not good again.
    let taken = world.code(&secret);
    for _ in 0..5 {
        off(&taken).await.is(422, &["/code"]);
    }
    off(&taken).await.is(429, &[]);
    assert_eq!(world.happened(SecurityEvent::ConfirmationRefused).await.len(), 5);
    off(&recovery[0]).await.is(204, &[]);
    world.login("ada@example.org").await;
}

#[actix_web::test]
async fn the_secret_is_kept_sealed_and_is_of_no_use_in_another_accounts_row() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let (secret, _) = world.second_factor(&ada).await;
    let bob = world.account("bob@example.org", false).await;
    let factor = {
        let email = EmailAddress::parse("ada@example.org").unwrap();
        let read = world.state.store.read(move |connection| {
            let account = accounts::by_email(connection, &email)?.unwrap();
            second_factors::of_account(connection, account.id)
        });
        read.await.unwrap().unwrap()
    };
    use base64::Engine as _;
    let sealed = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(&factor.sealed_secret)
        .unwrap();
    assert!(!sealed.windows(20).any(|bytes| bytes == secret.expose()));
    let moved = second_factors::SecondFactor {
        account: bob,
        ..factor.clone()
    };
    assert!(super::super::second_factor::totp_secret(&factor, &world.state.keys).is_ok());
    assert!(super::super::second_factor::totp_secret(&moved, &world.state.keys).is_err());
}

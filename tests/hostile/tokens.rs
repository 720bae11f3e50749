//! Tokens that are guessed, bent, shown again, or shown by many at once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::json;

use super::people::{PASSWORD, account, log_in, register, unlimited};
use super::wire::{exchange, getting};
use crate::support::service::Service;

/// As many as race for one thing.
const RACERS: usize = 50;

/// Texts that are nearly this token, each with what was done to it.
fn bent(token: &str) -> Vec<(&'static str, String)> {
    let (prefix, secret) = token.split_at(4);
    let other = if prefix == "lws_" { "lwk_" } else { "lws_" };
    let swapped: String = secret
        .chars()
        .map(|char| match char {
            _ if char.is_ascii_lowercase() => char.to_ascii_uppercase(),
            _ => char.to_ascii_lowercase(),
        })
        .collect();
    let reversed: String = secret.chars().rev().collect();
    let mut all = vec![
        ("nothing", String::new()),
        ("its prefix", prefix.into()),
        ("its secret", secret.into()),
        ("of another kind", format!("{other}{secret}")),
        ("of no kind", format!("lwx_{secret}")),
        ("its prefix in capitals", format!("{}{secret}", prefix.to_uppercase())),
        ("its case swapped", format!("{prefix}{swapped}")),
        ("reversed", format!("{prefix}{reversed}")),
        ("cut by one", token[..token.len() - 1].into()),
        ("cut to half", token[..token.len() / 2].into()),
        ("one more", format!("{token}A")),
        ("twice", format!("{token}{token}")),
        ("quoted", format!("\"{token}\"")),
        (
            "in percent signs",
            format!("%{:02x}{}", token.as_bytes()[0], &token[1..]),
        ),
        ("with a comma", format!("{token},{token}")),
        ("zeros", format!("{prefix}{}", "A".repeat(43))),
        ("random", format!("{prefix}{}", random())),
        ("a path", "../../keys".into()),
        ("a query", "' OR '1'='1".into()),
        ("very long", "A".repeat(4_000)),
    ];
    // Four characters of a mailed token may be capitals already.
    all.retain(|(_, text)| text != token);
    all
}

/// Forty-three characters that nobody was given.
fn random() -> String {
    let id = uuid::Uuid::now_v7().simple().to_string();
    // The last of them has no unused bits set, as in a token that is well formed.
    format!("{id}{}A", &id[..10])
}

/// What distinguishes answers: all but what every answer has of its own.
async fn told(service: &Service, headers: &str) -> (u16, String, String) {
    let said = exchange(
        service,
        &getting("/v1/accounts/me", &format!("X-Request-Id: one\r\n{headers}")),
    )
    .await;
    let own = |line: &&str| !line.starts_with("date:");
    let mut head: Vec<String> = said.head().lines().filter(own).map(str::to_owned).collect();
    head.sort();
    (said.status(), head.join("\n"), said.json().to_string())
}

#[tokio::test]
async fn every_token_that_is_none_gets_one_and_the_same_answer() {
    let home = unlimited();
    let key = home.operator();
    account(&home, "ada@example.com");
    let service = home.serve();
    let login = log_in(&service, "ada@example.com").await;
    let ended = log_in(&service, "ada@example.com").await;
    assert_eq!(service.delete(&ended, "/v1/sessions/current").await.0, 204);
    let mut answers: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let mut note = |answer: (u16, String, String), how: String| answers.entry(answer).or_default().push(how);
    note(told(&service, "").await, "nothing at all".into());
    note(
        told(&service, &format!("Authorization: Bearer {ended}\r\n")).await,
        "one that has ended".into(),
    );
    note(
        told(&service, &format!("Authorization: Basic {login}\r\n")).await,
        "another scheme".into(),
    );
    note(
        told(&service, &format!("Authorization: {login}\r\n")).await,
        "no scheme".into(),
    );
    note(
        told(
            &service,
            &format!("Authorization: Bearer {login}\r\nAuthorization: Bearer {login}\r\n"),
        )
        .await,
        "two headers".into(),
    );
    note(
        told(&service, &format!("Cookie: legwork_session={key}\r\n")).await,
        "a key as a cookie".into(),
    );
    note(
        told(&service, &format!("Cookie: legwork_session={ended}\r\n")).await,
        "a cookie that has ended".into(),
    );
    note(
        told(&service, &format!("X-Api-Key: {key}\r\n")).await,
        "a header of others".into(),
    );
    for token in [&login, &key] {
        for (how, text) in bent(token) {
            note(
                told(&service, &format!("Authorization: Bearer {text}\r\n")).await,
                format!("bearer: {how}"),
            );
            // Two spellings of the login's own token that a cookie may have.
            let is_good = token == &login && matches!(how, "quoted" | "in percent signs");
            if !is_good {
                note(
                    told(&service, &format!("Cookie: legwork_session={text}\r\n")).await,
                    format!("cookie: {how}"),
                );
            }
        }
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert_eq!(answers.keys().next().unwrap().0, 401, "{answers:#?}");
    // Those that they were made from are good all the same.
    for token in [&login, &key] {
        assert_eq!(
            told(&service, &format!("Authorization: Bearer {token}\r\n")).await.0,
            200
        );
    }
}

#[tokio::test]
async fn a_mailed_token_is_good_once_and_nothing_like_it_ever() {
    let home = unlimited();
    let service = home.serve();
    let token = register(&home, &service, "ada@example.com").await;
    let verify = async |token: &str| {
        let body = json!({ "token": token });
        let request = service
            .http
            .post(service.url("/v1/accounts/verify"))
            .header("x-request-id", "one");
        let answer = request.json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let mut refusals = Vec::new();
    for (_, text) in bent(&token) {
        refusals.push(verify(&text).await);
    }
    // The id of another mail in front of this one's secret, and the other way round.
    let other = register(&home, &service, "bob@example.com").await;
    let half = token.len() / 2;
    refusals.push(verify(&format!("{}{}", &token[..half], &other[half..])).await);
    assert_eq!(verify(&token).await.0, 200);
    refusals.push(verify(&token).await);
    for refusal in &refusals {
        assert_eq!(refusal, &refusals[0]);
    }
    assert_eq!(refusals[0].0, 422, "{refusals:?}");
}

#[tokio::test]
async fn fifty_who_show_one_mailed_token_at_once_make_one_account() {
    let home = unlimited();
    let operator = home.operator();
    let service = home.serve();
    // Two registrations of one address, each with a token that is good.
    let first = register(&home, &service, "ada@example.com").await;
    let person = json!({ "email": "ADA@example.com", "password": PASSWORD, "name": "Eve" });
    assert_eq!(service.post_openly("/v1/accounts", &person).await.0, 202);
    let second = super::people::mailed(&home, "ADA@example.com", "/verify?token=").await;
    assert_ne!(first, second);
    let racers = (0..RACERS).map(|number| {
        let token = if number.is_multiple_of(2) { &first } else { &second };
        let service = &service;
        async move {
            service
                .post_openly("/v1/accounts/verify", &json!({ "token": token }))
                .await
                .0
        }
    });
    let mut statuses = join_all(racers).await;
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| *status == 422), "{statuses:?}");
    // The service's own workspace, the operator's, and that of the one account.
    let (_, workspaces) = service.get(&operator, "/v1/workspaces").await;
    assert_eq!(workspaces["data"].as_array().unwrap().len(), 3, "{workspaces}");
    log_in(&service, "ada@example.com").await;
}

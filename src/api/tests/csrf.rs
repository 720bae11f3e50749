//! Requests that another site's page has a browser send.

use actix_web::http::{Method, header};
use actix_web::test::TestRequest;
use serde_json::json;

use super::{World, request};
use crate::api::credentials::csrf_token;
use crate::domain::token::TokenHash;

const OURS: &str = "http://127.0.0.1:8080";

impl World {
    /// The token against forgery of the login with this token.
    pub(super) fn csrf(&self, token: &str) -> String {
        csrf_token(&TokenHash::of(token), &self.state.keys)
    }
}

fn by_cookie(method: &Method, uri: &str, token: &str) -> TestRequest {
    request(method.clone(), uri, "").insert_header((header::COOKIE, format!("legwork_session={token}")))
}

#[actix_web::test]
async fn a_change_by_cookie_needs_both_our_origin_and_the_token_of_that_login_and_one_by_bearer_neither() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let other = world.login("ada@example.org").await;
    let changes = [
        (Method::POST, "/v1/probes", json!({ "steps": 1 })),
        (Method::PATCH, "/v1/accounts/me", json!({ "name": "Ada" })),
        (Method::DELETE, "/v1/limits/probes/none", json!(null)),
        (Method::PUT, "/v1/limits/probes/one", json!({ "concurrency": 1 })),
    ];
    let origins: [(&str, &str, bool); 7] = [
        ("origin", OURS, true),
        ("origin", "https://evil.example", false),
        ("origin", "null", false),
        ("sec-fetch-site", "same-origin", true),
        ("sec-fetch-site", "cross-site", false),
        ("sec-fetch-site", "same-site", false),
        ("x-nothing", "said", true),
    ];
    let tokens = [
        (Some(world.csrf(&token)), true),
        (None, false),
        (Some(String::new()), false),
        (Some(world.csrf(&other)), false),
        (Some(token.clone()), false),
        (Some(world.csrf(&token).to_uppercase()), false),
    ];
    for (method, uri, body) in &changes {
        for (name, origin, is_ours) in origins {
            for (csrf, is_good) in &tokens {
                let here = format!("{method} {uri} {name}: {origin}, {csrf:?}");
                let with = |mut request: TestRequest| {
                    request = request.insert_header((name, origin));
                    if let Some(csrf) = csrf {
                        request = request.insert_header(("x-csrf-token", csrf.as_str()));
                    }
                    request.set_json(body)
                };
                let answer = world.send(with(by_cookie(method, uri, &token))).await;
                assert_eq!(answer.status == 403, !(is_ours && *is_good), "{here}: {answer:?}");
                if is_ours && !is_good {
                    assert!(answer.text.contains("X-CSRF-Token"), "{here}: says what is missing");
                }
                let by_token = world.send(with(request(method.clone(), uri, &token))).await;
                assert_ne!(by_token.status, 403, "{here}: a bearer token needs none");
            }
            let reading = by_cookie(&Method::GET, "/v1/jobs", &token).insert_header((name, origin));
            world.send(reading).await.is(200, &[]);
        }
    }
    let twice = by_cookie(&Method::POST, "/v1/probes", &token)
        .append_header(("x-csrf-token", world.csrf(&token)))
        .append_header(("x-csrf-token", "x"));
    world.send(twice.set_json(json!({ "steps": 1 }))).await.is(403, &[]);
}

#[actix_web::test]
async fn the_token_against_forgery_is_told_at_the_login_and_later_and_changes_with_the_login() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let current = world.get("/v1/sessions/current", &token).await;
    assert_eq!(current.body["csrf_token"], world.csrf(&token).as_str());
    assert!(!current.text.contains(&token));
    let confirmed = world
        .post(
            "/v1/sessions/current/confirm",
            &token,
            &json!({ "password": super::PASSWORD }),
        )
        .await;
    confirmed.is(200, &[]);
    let new = confirmed.body["token"].as_str().unwrap();
    assert_eq!(confirmed.body["csrf_token"], world.csrf(new).as_str());
    let change = |csrf: String| {
        by_cookie(&Method::POST, "/v1/probes", new)
            .insert_header(("x-csrf-token", csrf))
            .set_json(json!({ "steps": 1 }))
    };
    world.send(change(world.csrf(&token))).await.is(403, &[]);
    world.send(change(world.csrf(new))).await.is(202, &[]);
}

#[actix_web::test]
async fn with_tls_the_cookies_are_taken_from_this_host_alone() {
    let world = World::with(&[("LEGWORK_PUBLIC_URL", "https://legwork.example")]);
    world.account("ada@example.org", false).await;
    let body = json!({ "email": "ada@example.org", "password": super::PASSWORD });
    let answer = world.post("/v1/sessions", "", &body).await;
    let token = answer.body["token"].as_str().unwrap();
    assert_eq!(
        answer.header("set-cookie"),
        format!("__Host-legwork_session={token}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=1209600")
    );
    let all: Vec<_> = answer.headers.get_all("set-cookie").collect();
    let device = all[1].to_str().unwrap();
    assert!(
        device.starts_with("__Host-legwork_device=dev_") && device.contains("; Secure; Path=/;"),
        "{device}"
    );
    let me = |name: &str| {
        request(Method::GET, "/v1/accounts/me", "").insert_header((header::COOKIE, format!("{name}={token}")))
    };
    world.send(me("__Host-legwork_session")).await.is(200, &[]);
    world.send(me("legwork_session")).await.is(401, &[]);
}

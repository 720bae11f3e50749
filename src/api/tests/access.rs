//! Who may do what: a walk over all routes.

use std::time::Duration;

use actix_web::http::{Method, header};
use serde_json::json;

use super::{PASSWORD, World, request};

const ID: &str = "0193a000000070008000000000000000";

/// The routes that need an account.
fn for_members() -> Vec<(Method, String)> {
    vec![
        (Method::GET, "/v1/accounts/me".into()),
        (Method::PATCH, "/v1/accounts/me".into()),
        (Method::GET, "/v1/sessions".into()),
        (Method::GET, "/v1/sessions/current".into()),
        (Method::DELETE, "/v1/sessions/current".into()),
        (Method::POST, "/v1/sessions/current/confirm".into()),
        (Method::DELETE, "/v1/sessions/others".into()),
        (Method::GET, "/v1/accounts/me/second-factor".into()),
        (Method::POST, "/v1/accounts/me/second-factor".into()),
        (Method::DELETE, "/v1/accounts/me/second-factor".into()),
        (Method::POST, "/v1/accounts/me/second-factor/confirm".into()),
        (Method::POST, "/v1/accounts/me/second-factor/recovery-codes".into()),
        (Method::DELETE, format!("/v1/sessions/ses_{ID}")),
        (Method::GET, "/v1/api-keys".into()),
        (Method::POST, "/v1/api-keys".into()),
        (Method::DELETE, format!("/v1/api-keys/key_{ID}")),
        (Method::POST, "/v1/emails".into()),
        (Method::POST, "/v1/probes".into()),
        (Method::GET, "/v1/reports".into()),
        (Method::POST, "/v1/reports".into()),
        (Method::GET, format!("/v1/reports/rep_{ID}")),
        (Method::DELETE, format!("/v1/reports/rep_{ID}")),
        (Method::GET, format!("/v1/reports/rep_{ID}/file")),
        (Method::GET, "/v1/reports/garbled/file".into()),
        (Method::GET, "/v1/jobs".into()),
        (Method::GET, "/v1/jobs?limit=none".into()),
        (Method::GET, format!("/v1/jobs/job_{ID}")),
        (Method::GET, "/v1/jobs/garbled".into()),
        (Method::POST, format!("/v1/jobs/job_{ID}/cancel")),
        (Method::POST, format!("/v1/jobs/job_{ID}/retry")),
    ]
}

/// The routes that need an operator.
fn for_operators() -> Vec<(Method, String)> {
    vec![
        (Method::GET, "/v1/supervision".into()),
        (Method::GET, "/v1/supervision/events".into()),
        (Method::GET, "/v1/supervision/mailer".into()),
        (Method::GET, "/v1/supervision/mailer?backtrace=true".into()),
        (Method::POST, "/v1/supervision/mailer/restart".into()),
        (Method::POST, "/v1/supervision/mailer/suspend".into()),
        (Method::POST, "/v1/supervision/mailer/resume".into()),
        (Method::POST, "/v1/supervision/mailer/panic".into()),
    ]
}

#[actix_web::test]
async fn without_good_credentials_every_closed_route_answers_the_same_401() {
    let world = World::new();
    let expired = world.member("ada@example.org").await;
    let revoked = world.api_key(&expired).await;
    let keys = world.get("/v1/api-keys", &expired).await;
    let id = keys.body["data"][0]["id"].as_str().unwrap();
    world.delete(&format!("/v1/api-keys/{id}"), &expired).await.is(204, &[]);
    world.advance(Duration::from_secs(337 * 3600));
    let unknown = format!("lws_{}", "A".repeat(43));
    let credentials = [
        String::new(),
        format!("Bearer {expired}"),
        format!("Bearer {revoked}"),
        format!("Bearer {unknown}"),
        format!("Bearer  {expired}"),
        format!("Bearer {expired}x"),
        "Bearer".into(),
        "Bearer lws_".into(),
        "Bearer lws_äöü".into(),
        "Basic YWRhOnNlY3JldA==".into(),
        expired.clone(),
    ];
    let mut texts = std::collections::HashSet::new();
    for (method, uri) in for_members().into_iter().chain(for_operators()) {
        for credentials in &credentials {
            // A bad body, so that a stranger who is told about it would be noticed.
            let mut one = request(method.clone(), &uri, "")
                .insert_header(("x-request-id", "one"))
                .set_payload("{");
            if !credentials.is_empty() {
                one = one.insert_header((header::AUTHORIZATION, credentials.as_bytes()));
            }
            let answer = world.send(one).await;
            answer.is(401, &[]);
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{method} {uri}");
            texts.insert(answer.text);
        }
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[actix_web::test]
async fn what_is_for_operators_is_refused_to_others_and_open_to_them_by_login_and_by_key() {
    let world = World::made(&[], true);
    let member = world.member("ada@example.org").await;
    let operator = world.operator().await;
    let key = world.api_key(&operator).await;
    for (method, uri) in for_operators() {
        world.send(request(method.clone(), &uri, &member)).await.is(403, &[]);
        for token in [&operator, &key] {
            let answer = world.begin(request(method.clone(), &uri, token)).await;
            assert!(
                [200, 404].contains(&answer.status().as_u16()),
                "{uri}: {}",
                answer.status()
            );
        }
    }
}

#[actix_web::test]
async fn another_accounts_login_and_key_are_not_there() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    world.api_key(&ada).await;
    let bob = world.member("bob@example.org").await;
    for list in ["/v1/sessions", "/v1/api-keys"] {
        let theirs = world.get(list, &ada).await;
        let id = theirs.body["data"][0]["id"].as_str().unwrap();
        world.delete(&format!("{list}/{id}"), &bob).await.is(404, &[]);
        world.delete(&format!("{list}/garbled"), &bob).await.is(404, &[]);
    }
    world.get("/v1/accounts/me", &ada).await.is(200, &[]);
}

#[actix_web::test]
async fn a_cookie_from_another_sites_page_changes_nothing() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let post = |origin: &str| {
        request(Method::POST, "/v1/probes", "")
            .insert_header((header::COOKIE, format!("legwork_session={token}")))
            .insert_header(("x-csrf-token", world.csrf(&token)))
            .insert_header((header::HOST, "localhost:9000"))
            .insert_header((header::ORIGIN, origin))
            .set_json(json!({ "steps": 1 }))
    };
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1:8081",
        "http://127.0.0.1:8080.evil.example",
        "localhost:9000",
    ] {
        world.send(post(origin)).await.is(403, &[]);
    }
    for origin in ["http://127.0.0.1:8080", "http://localhost:9000"] {
        world.send(post(origin)).await.is(202, &[]);
    }
    let by_token = post("https://evil.example").insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
    world.send(by_token).await.is(202, &[]);
    let reading = request(Method::GET, "/v1/jobs", "")
        .insert_header((header::COOKIE, format!("legwork_session={token}")))
        .insert_header((header::ORIGIN, "https://evil.example"));
    world.send(reading).await.is(200, &[]);
}

#[actix_web::test]
async fn a_page_without_tls_is_another_site_where_the_service_has_it() {
    let world = World::with(&[("LEGWORK_PUBLIC_URL", "https://legwork.example")]);
    let token = world.member("ada@example.org").await;
    for (origin, status) in [
        ("http://legwork.example", 403),
        ("https://legwork.example", 202),
        ("https://legwork.example:8443", 403),
    ] {
        let post = request(Method::POST, "/v1/probes", "")
            .insert_header((header::COOKIE, format!("__Host-legwork_session={token}")))
            .insert_header(("x-csrf-token", world.csrf(&token)))
            .insert_header((header::HOST, "legwork.example"))
            .insert_header((header::ORIGIN, origin))
            .set_json(json!({ "steps": 1 }));
        world.send(post).await.is(status, &[]);
    }
}

#[actix_web::test]
async fn a_bad_header_is_not_made_good_by_a_cookie_and_a_key_is_no_cookie() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let key = world.api_key(&token).await;
    let me = |cookie: &str| {
        request(Method::GET, "/v1/accounts/me", "").insert_header((header::COOKIE, format!("legwork_session={cookie}")))
    };
    world.send(me(&token)).await.is(200, &[]);
    world
        .send(me(&token).insert_header((header::AUTHORIZATION, "Bearer x")))
        .await
        .is(401, &[]);
    world.send(me(&key)).await.is(401, &[]);
    world.send(me("")).await.is(401, &[]);
    let twice = request(Method::GET, "/v1/accounts/me", &token).append_header((header::AUTHORIZATION, "Bearer x"));
    world.send(twice).await.is(401, &[]);
}

#[actix_web::test]
async fn the_open_routes_need_no_credentials() {
    let world = World::new();
    for uri in ["/", "/health/live", "/health/ready", "/verify?token=x"] {
        assert_eq!(world.get(uri, "").await.status, 200, "{uri}");
    }
    let new = json!({ "email": "new@example.org", "password": PASSWORD, "name": "New" });
    world.post("/v1/accounts", "", &new).await.is(202, &[]);
}

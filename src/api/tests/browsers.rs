//! What browsers are told: TLS alone, which other sites may call the service, and nothing of a host that a stranger names.

use actix_web::http::{Method, header};
use actix_web::test::TestRequest;
use serde_json::json;

use super::{Answer, PASSWORD, World, request};

const APP: &str = "https://app.example.com";

fn cors(answer: &Answer) -> Vec<String> {
    let names = answer.headers.keys().map(|name| name.as_str().to_owned());
    names.filter(|name| name.starts_with("access-control-")).collect()
}

/// The question of a browser, before a page calls the service.
fn question(origin: &str, uri: &str) -> TestRequest {
    request(Method::OPTIONS, uri, "")
        .insert_header((header::ORIGIN, origin))
        .insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "POST"))
        .insert_header((header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type"))
}

#[actix_web::test]
async fn without_a_setting_no_other_site_is_told_anything() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let asked = world.send(question(APP, "/v1/jobs")).await;
    asked.is(405, &[]);
    for answer in [
        asked,
        world.get("/v1/jobs", &ada).await,
        world
            .send(request(Method::GET, "/v1/jobs", &ada).insert_header((header::ORIGIN, APP)))
            .await,
    ] {
        assert_eq!(cors(&answer), Vec::<String>::new());
        assert_eq!(
            (answer.header("vary"), answer.header("strict-transport-security")),
            ("", "")
        );
    }
}

#[actix_web::test]
async fn a_page_of_a_site_that_is_named_may_call_with_a_token_and_others_may_not() {
    let world = World::with(&[(
        "LEGWORK_HTTP__CORS_ORIGINS",
        "https://app.example.com, http://localhost:3000",
    )]);
    let ada = world.member("ada@example.org").await;
    let may = world.send(question(APP, "/v1/probes")).await;
    assert_eq!((may.status, may.text.as_str()), (204, ""));
    assert_eq!(may.header("access-control-allow-origin"), APP);
    assert!(may.header("access-control-allow-methods").contains("PATCH"));
    assert!(may.header("access-control-allow-headers").contains("Authorization"));
    assert_eq!(may.header("access-control-max-age"), "7200");

    let by = |origin: &str, token: &str| {
        request(Method::POST, "/v1/probes", token)
            .insert_header((header::ORIGIN, origin))
            .set_json(json!({ "steps": 1 }))
    };
    for (token, status) in [(ada.as_str(), 202), ("", 401)] {
        let answer = world.send(by("http://localhost:3000", token)).await;
        answer.is(status, &[]);
        assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:3000");
        assert!(answer.header("access-control-expose-headers").contains("RateLimit,"));
        assert_eq!(answer.header("vary"), "Origin");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    for origin in [
        "https://app.example.com.evil.example",
        "https://evil.example",
        "http://app.example.com",
        "https://APP.example.com",
        "https://app.example.com:443",
        "null",
        "*",
        "",
    ] {
        world.send(question(origin, "/v1/probes")).await.is(405, &[]);
        let answer = world.send(by(origin, &ada)).await;
        assert_eq!(cors(&answer), Vec::<String>::new(), "{origin}");
        assert_eq!(answer.header("vary"), "Origin", "a cache must not give it to others");
    }
    let twice = question(APP, "/v1/probes").append_header((header::ORIGIN, "https://evil.example"));
    world.send(twice).await.is(405, &[]);
    let plain = request(Method::OPTIONS, "/v1/probes", "").insert_header((header::ORIGIN, APP));
    world.send(plain).await.is(405, &[]);
}

#[actix_web::test]
async fn a_cookie_is_of_no_use_to_a_page_of_another_site_that_is_named() {
    let world = World::with(&[("LEGWORK_HTTP__CORS_ORIGINS", APP)]);
    let ada = world.member("ada@example.org").await;
    let post = request(Method::POST, "/v1/probes", "")
        .insert_header((header::ORIGIN, APP))
        .insert_header((header::COOKIE, format!("legwork_session={ada}")))
        .set_json(json!({ "steps": 1 }));
    world.send(post).await.is(403, &[]);
}

#[actix_web::test]
async fn browsers_are_told_to_come_by_tls_alone_where_people_do() {
    let tls = ("LEGWORK_PUBLIC_URL", "https://legwork.example.org");
    let policy = async |variables: &[(&str, &str)], uri: &str, key: &str| {
        let world = World::with(variables);
        let mut asked = request(Method::GET, uri, "");
        if !key.is_empty() {
            // Refused by a middleware, before there is a handler.
            asked = asked.insert_header(("idempotency-key", key));
        }
        let answer = world.send(asked).await;
        answer.header("strict-transport-security").to_owned()
    };
    for (uri, key) in [("/", ""), ("/v1/jobs", ""), ("/nowhere", ""), ("/v1/jobs", "k")] {
        assert_eq!(
            policy(&[tls], uri, key).await,
            "max-age=63072000; includeSubDomains",
            "{uri}"
        );
        assert_eq!(policy(&[], uri, key).await, "");
        assert_eq!(policy(&[tls, ("LEGWORK_HTTP__HSTS_SECONDS", "0")], uri, key).await, "");
    }
}

#[actix_web::test]
async fn a_host_that_a_stranger_names_is_nowhere_in_an_answer() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let person = json!({ "email": "bob@example.org", "password": PASSWORD, "name": "Bob" });
    for (method, uri, token, body) in [
        (Method::GET, "/", "", None),
        (Method::GET, "/openapi.json", "", None),
        (Method::GET, "/verify?token=x", "", None),
        (Method::POST, "/v1/accounts", "", Some(person)),
        (Method::POST, "/v1/probes", ada.as_str(), Some(json!({ "steps": 1 }))),
        (Method::GET, "/nowhere", "", None),
    ] {
        let mut asked = request(method, uri, token)
            .insert_header((header::HOST, "evil.example"))
            .insert_header(("x-forwarded-host", "evil.example"))
            .insert_header((header::FORWARDED, "host=evil.example"));
        if let Some(body) = &body {
            asked = asked.set_json(body);
        }
        let answer = world.send(asked).await;
        let told = format!("{:?} {}", answer.headers, answer.text);
        assert!(!told.contains("evil.example"), "{uri}: {told}");
    }
}

#[actix_web::test]
async fn a_browser_forgets_what_it_kept_at_the_logout_but_not_which_device_it_is() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let answer = world.delete("/v1/sessions/current", &ada).await;
    answer.is(204, &[]);
    assert_eq!(answer.header("clear-site-data"), "\"cache\", \"storage\"");
}

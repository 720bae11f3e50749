//! Requests that are made in somebody else's name: by a login that was planted, by a page of another site, by fields that nobody
//! is to set.

use reqwest::Method;
use serde_json::{Value, json};

use super::people::{PASSWORD, account, log_in, register, unlimited};
use crate::support::service::Service;

/// A change by cookie, with these headers; answers its status.
async fn by_cookie(service: &Service, cookie: &str, headers: &[(&str, &str)], body: &'static str) -> u16 {
    let mut request = service
        .http
        .post(service.url("/v1/probes"))
        .header("cookie", format!("legwork_session={cookie}"))
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().status().as_u16()
}

/// The token against forgery of this login.
async fn csrf_token(service: &Service, login: &str) -> String {
    let (status, current) = service.get(login, "/v1/sessions/current").await;
    assert_eq!(status, 200, "{current}");
    current["csrf_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_login_takes_no_token_over_from_whoever_logs_in() {
    let home = unlimited();
    account(&home, "ada@example.com");
    account(&home, "eve@example.com");
    let service = home.serve();
    let eve = log_in(&service, "eve@example.com").await;
    let never = format!("lws_{}", "A".repeat(43));
    for planted in [eve.as_str(), never.as_str()] {
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, });
        for header in ["cookie", "authorization"] {
            let value = match header {
                "cookie" => format!("legwork_session={planted}"),
                _ => format!("Bearer {planted}"),
            };
            let login = service.http.post(service.url("/v1/sessions")).header(header, value);
            let answer = login.json(&body).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 201);
            let cookies = answer.headers().get_all("set-cookie").iter();
            let mut cookies = cookies.map(|cookie| cookie.to_str().unwrap());
            let cookie = cookies.find(|cookie| cookie.starts_with("legwork_session=")).unwrap();
            let cookie = cookie.to_owned();
            let made: Value = answer.json().await.unwrap();
            let token = made["token"].as_str().unwrap();
            assert_ne!(token, planted);
            assert!(cookie.contains(token) && !cookie.contains(planted), "{cookie}");
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite="), "{cookie}");
        }
        // A token in the body is a field that nobody knows.
        let mut fixed = body.clone();
        fixed["token"] = json!(planted);
        assert_eq!(service.post_openly("/v1/sessions", &fixed).await.0, 422);
    }
    // Whoever planted it does not come in at all: the login that the browser held has ended.
    assert_eq!(service.get(&eve, "/v1/sessions/current").await.0, 401);
    assert_eq!(service.get(&never, "/v1/sessions/current").await.0, 401);
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_by_the_cookie_of_who_looks_at_it() {
    let home = unlimited();
    account(&home, "ada@example.com");
    let service = home.serve();
    let login = log_in(&service, "ada@example.com").await;
    let csrf = csrf_token(&service, &login).await;
    let other = csrf_token(&service, &log_in(&service, "ada@example.com").await).await;
    let json_type = ("content-type", "application/json");
    let good = ("x-csrf-token", csrf.as_str());
    let probe = r#"{"steps":0}"#;
    let port = service.base.rsplit_once(':').unwrap().1;
    let elsewhere = [
        "http://evil.example".to_owned(),
        "null".to_owned(),
        String::new(),
        format!("{}.evil.example", service.base),
        format!("http://evil.example:{port}"),
        format!("http://127.0.0.1.evil.example:{port}"),
        format!("http://127.0.0.1:{port}@evil.example"),
        "http://127.0.0.1:1".to_owned(),
        "http://127.0.0.1".to_owned(),
        "file://".to_owned(),
    ];
    for origin in &elsewhere {
        // Even if it had got hold of the token against forgery.
        let status = by_cookie(&service, &login, &[json_type, good, ("origin", origin)], probe).await;
        assert_eq!(status, 403, "{origin}");
    }
    for site in ["cross-site", "same-site", "", "Same-Origin"] {
        let status = by_cookie(&service, &login, &[json_type, good, ("sec-fetch-site", site)], probe).await;
        assert_eq!(status, 403, "{site}");
    }
    // What belongs to another login, to nobody, or is sent twice is no such token.
    let own = service.base.clone();
    let first = if csrf.starts_with('A') { "B" } else { "A" };
    let bent = format!("{first}{}", &csrf[1..]);
    for tokens in [
        &[][..],
        &[""],
        &[other.as_str()],
        &[login.as_str()],
        &[bent.as_str()],
        &[csrf.as_str(), csrf.as_str()],
    ] {
        let mut headers = vec![json_type, ("origin", own.as_str())];
        headers.extend(tokens.iter().map(|token| ("x-csrf-token", *token)));
        let status = by_cookie(&service, &login, &headers, probe).await;
        assert_eq!(status, 403, "{tokens:?}");
    }
    // What a form or a simple request of another site can send is not read, whatever it says of itself.
    for kind in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        "text/plain",
        "text/plain; application/json",
        "application/jsonx",
        "text/json",
    ] {
        let status = by_cookie(&service, &login, &[("content-type", kind), good], probe).await;
        assert_eq!(status, 415, "{kind}");
    }
    assert_eq!(by_cookie(&service, &login, &[good], probe).await, 415);
    let (status, jobs) = service.get(&login, "/v1/jobs").await;
    assert_eq!((status, &jobs["data"]), (200, &json!([])), "nothing was done");
    // A page of this service comes in.
    let status = by_cookie(&service, &login, &[json_type, good, ("origin", own.as_str())], probe).await;
    assert_eq!(status, 202);
    // Reading by cookie from elsewhere is answered without leave to show the answer to that page.
    let read = service
        .http
        .get(service.url("/v1/accounts/me"))
        .header("cookie", format!("legwork_session={login}"));
    let answer = read.header("origin", "http://evil.example").send().await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    let asked = service.http.request(Method::OPTIONS, service.url("/v1/probes"));
    let asked = asked
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "POST");
    let answer = asked.send().await.unwrap();
    assert!(
        !answer.headers().contains_key("access-control-allow-origin"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn nobody_gives_himself_what_only_others_may_give() {
    let home = unlimited();
    account(&home, "ada@example.com");
    let service = home.serve();
    let person = json!({ "email": "eve@example.com", "password": PASSWORD, "name": "Eve" });
    let wanted = [
        ("is_operator", json!(true)),
        ("operator", json!(true)),
        ("role", json!("operator")),
        ("id", json!("acc_00000000000000000000000000000000")),
        ("workspace_id", json!("wsp_00000000000000000000000000000000")),
        ("workspace", json!("wsp_00000000000000000000000000000000")),
        ("verified", json!(true)),
        ("created_at", json!("2020-01-01T00:00:00Z")),
        ("password_hash", json!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA")),
        ("__proto__", json!({ "is_operator": true })),
    ];
    let login = log_in(&service, "ada@example.com").await;
    let before = service.get(&login, "/v1/accounts/me").await.1;
    for (field, value) in &wanted {
        let with = |mut body: Value| {
            body[*field] = value.clone();
            body
        };
        let (status, told) = service.post_openly("/v1/accounts", &with(person.clone())).await;
        assert_eq!(
            (status, &told["errors"][0]["pointer"]),
            (422, &json!(format!("/{field}"))),
            "{told}"
        );
        for (path, body) in [
            ("/v1/probes", json!({ "steps": 0 })),
            (
                "/v1/emails",
                json!({ "to": "bob@example.com", "subject": "x", "text": "x" }),
            ),
            ("/v1/api-keys", json!({ "name": "x", "scopes": ["*"] })),
        ] {
            let (status, told) = service.post(&login, path, &with(body)).await;
            assert_eq!(status, 422, "{path} {field}: {told}");
        }
        let change = service.http.patch(service.url("/v1/accounts/me")).bearer_auth(&login);
        let answer = change.json(&with(json!({ "name": "Ada" }))).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 422, "{field}");
    }
    assert_eq!(service.get(&login, "/v1/accounts/me").await.1, before);
    // Nor does who registers for an address that is somebody else's get in before its owner has opened the mail.
    register(&home, &service, "eve@example.com").await;
    let body = json!({ "email": "eve@example.com", "password": PASSWORD });
    assert_eq!(service.post_openly("/v1/sessions", &body).await.0, 401);
}

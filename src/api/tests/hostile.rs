//! Hostile input that no description of the API can tell of; the rest is in `openapi/matrix`.

use actix_web::http::Method;
use serde_json::json;

use super::{World, request};

/// Every route that takes a text which gets into a header or a line, with a good body.
fn routes_with_lines() -> Vec<(Method, &'static str, serde_json::Value)> {
    vec![
        (
            Method::POST,
            "/v1/accounts",
            json!({ "email": "a@example.org", "password": "long enough", "name": "A" }),
        ),
        (Method::PATCH, "/v1/accounts/me", json!({ "name": "A" })),
        (
            Method::POST,
            "/v1/sessions",
            json!({ "email": "a@example.org", "password": "long enough" }),
        ),
        (Method::POST, "/v1/api-keys", json!({ "name": "A", "scopes": ["*"] })),
        (
            Method::POST,
            "/v1/emails",
            json!({ "to": "a@example.org", "subject": "A", "text": "A" }),
        ),
    ]
}

#[actix_web::test]
async fn line_breaks_and_other_control_characters_get_into_no_header() {
    let world = World::new();
    let token = world.operator().await;
    for bad in [
        "a\r\nBcc: eve@example.org",
        "a\nb",
        "a\rb",
        "a\u{0}b",
        "a\u{2028}b",
        "a\u{202e}b",
        "\n",
    ] {
        for (method, uri, good) in routes_with_lines() {
            for field in ["name", "subject", "email", "to"] {
                if good.get(field).is_none() {
                    continue;
                }
                let mut body = good.clone();
                body[field] = json!(if matches!(field, "email" | "to") {
                    format!("{bad}@example.org")
                } else {
                    bad.into()
                });
                let answer = world.send(request(method.clone(), uri, &token).set_json(body)).await;
                answer.is(422, &[&format!("/{field}")]);
            }
        }
    }
}

#[actix_web::test]
async fn the_form_of_the_page_is_read_as_strictly() {
    let world = World::new();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let post = || request(Method::POST, "/verify", "");
    world.send(post().insert_header(form)).await.is(422, &["/token"]);
    world
        .send(post().insert_header(form).set_payload("token=a&token=b"))
        .await
        .is(422, &["/token"]);
    world
        .send(post().insert_header(form).set_payload("token=a&x=b"))
        .await
        .is(422, &["/x"]);
    world
        .send(post().insert_header(form).set_payload(&b"\xff"[..]))
        .await
        .is(400, &[]);
    world
        .send(post().insert_header(form).set_payload("x".repeat(2 * 1024 * 1024)))
        .await
        .is(413, &[]);
    world.send(post().set_json(json!({ "token": "a" }))).await.is(415, &[]);
    let page = world
        .send(post().insert_header(form).set_payload("token=%00%ff%3Cscript%3E"))
        .await;
    assert_eq!(page.status, 422);
    assert!(page.header("content-type").starts_with("text/html") && !page.text.contains("<script"));
}

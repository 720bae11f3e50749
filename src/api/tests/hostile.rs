//! Hostile bodies, over every route that takes one: each the right 4xx, none a 500.

use actix_web::http::{Method, header};
use serde_json::json;

use super::{World, request};

/// Every route that takes JSON, with a body that is good as far as its shape goes.
fn routes_with_json() -> Vec<(Method, &'static str, serde_json::Value)> {
    vec![
        (
            Method::POST,
            "/v1/accounts",
            json!({ "email": "a@example.org", "password": "long enough", "name": "A" }),
        ),
        (Method::POST, "/v1/accounts/verify", json!({ "token": "x" })),
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
        (Method::POST, "/v1/probes", json!({ "steps": 1 })),
        (Method::POST, "/v1/reports", json!({ "table": "jobs", "format": "csv" })),
    ]
}

#[actix_web::test]
async fn a_body_that_is_not_json_or_too_large_or_of_another_type_is_refused_everywhere() {
    let world = World::new();
    let token = world.operator().await;
    let json_type = ("content-type", "application/json");
    for (method, uri, good) in routes_with_json() {
        let post = || request(method.clone(), uri, &token);
        for malformed in [
            &b""[..],
            b"{",
            b"{\"a\":}",
            b"{} {}",
            b"{'a': 1}",
            b"nonsense",
            b"\xff\xfe{}",
            b"{\"name\": \"\xff\"}",
            b"[1,",
        ] {
            world
                .send(post().insert_header(json_type).set_payload(malformed))
                .await
                .is(400, &[]);
        }
        let deep = "[".repeat(100_000);
        world
            .send(post().insert_header(json_type).set_payload(deep))
            .await
            .is(400, &[]);
        let large = format!("{{\"name\": \"{}\"}}", "x".repeat(2 * 1024 * 1024));
        world
            .send(post().insert_header(json_type).set_payload(large))
            .await
            .is(413, &[]);
        world.send(post().set_payload(good.to_string())).await.is(415, &[]);
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin-1",
            "nonsense",
        ] {
            let wrong = post()
                .insert_header((header::CONTENT_TYPE, other))
                .set_payload(good.to_string());
            world.send(wrong).await.is(415, &[]);
        }
    }
}

#[actix_web::test]
async fn json_of_another_shape_is_refused_with_the_field_everywhere() {
    let world = World::new();
    let token = world.operator().await;
    for (method, uri, good) in routes_with_json() {
        for wrong in [json!(null), json!([]), json!("x"), json!(5), json!(true)] {
            world
                .send(request(method.clone(), uri, &token).set_json(wrong))
                .await
                .is(422, &[""]);
        }
        let mut with_more = good.clone();
        with_more["is_operator"] = json!(true);
        world
            .send(request(method.clone(), uri, &token).set_json(with_more))
            .await
            .is(422, &["/is_operator"]);
        for (name, _) in good.as_object().unwrap() {
            let pointer = format!("/{name}");
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(name);
            world
                .send(request(method.clone(), uri, &token).set_json(without))
                .await
                .is(422, &[&pointer]);
            for wrong in [json!({}), json!(-1e300), json!(["\u{0}", 5])] {
                let mut body = good.clone();
                body[name] = wrong;
                let answer = world.send(request(method.clone(), uri, &token).set_json(body)).await;
                assert_eq!(answer.status, 422, "{uri} {}", answer.text);
                let blamed = answer.body["errors"][0]["pointer"].as_str().unwrap();
                assert!(
                    blamed == pointer || blamed.starts_with(&format!("{pointer}/")),
                    "{uri} {}",
                    answer.text
                );
            }
            let text = good.to_string();
            let twice = format!("{},\"{name}\":1}}", text.strip_suffix('}').unwrap());
            let post = request(method.clone(), uri, &token).insert_header((header::CONTENT_TYPE, "application/json"));
            world.send(post.set_payload(twice)).await.is(422, &[&pointer]);
        }
    }
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
        for (method, uri, good) in routes_with_json() {
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

#[actix_web::test]
async fn garbled_paths_are_not_found() {
    let world = World::new();
    let token = world.operator().await;
    let long = format!("job_{}", "0".repeat(10_000));
    for id in [
        "x",
        "job_",
        "acc_0193a000000070008000000000000000",
        "JOB_0193a000000070008000000000000000",
        "%00",
        "%ff",
        "..",
        &long,
    ] {
        world.get(&format!("/v1/jobs/{id}"), &token).await.is(404, &[]);
        world.delete(&format!("/v1/sessions/{id}"), &token).await.is(404, &[]);
        world.delete(&format!("/v1/api-keys/{id}"), &token).await.is(404, &[]);
        world
            .post(&format!("/v1/jobs/{id}/cancel"), &token, &json!({}))
            .await
            .is(404, &[]);
        world
            .post(&format!("/v1/jobs/{id}/retry"), &token, &json!({}))
            .await
            .is(404, &[]);
    }
}

//! Templates of mails.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{Answer, World, request};

const SAMPLE: fn() -> Value = || json!({ "name": "Ada", "order": { "number": 17 } });

fn order() -> Value {
    json!({
        "name": "order", "subject": "Order {{ order.number }}", "html": "<p>Thank you, {{ name }}</p>", "sample": SAMPLE()
    })
}

/// A good template with some fields changed; null takes a field away.
fn with(changes: &Value) -> Value {
    let mut body = order();
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    body
}

async fn make(world: &World, token: &str, changes: &Value) -> Answer {
    let made = world.post("/v1/templates", token, &with(changes)).await;
    made.is(201, &[]);
    made
}

fn id(answer: &Answer) -> String {
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn send(world: &World, token: &str, changes: &Value) -> Answer {
    let mut body = json!({ "to": "bob@example.org", "template": "order", "data": SAMPLE() });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    world.post("/v1/emails", token, &body).await
}

/// The arguments of the mail that was accepted since the last look.
async fn args(world: &World) -> Value {
    serde_json::from_str(&world.claim_email().await.args).unwrap()
}

#[actix_web::test]
async fn a_template_is_kept_by_versions_and_locales() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let first = make(&world, &token, &json!({})).await;
    assert_eq!(
        (&first.body["version"], &first.body["locale"]),
        (&json!(1), &Value::Null)
    );
    let id = id(&first);
    assert_eq!(first.header("location"), format!("/v1/templates/{id}/versions/1"));
    make(
        &world,
        &token,
        &json!({ "locale": "DE-at", "html": "<p>Danke, {{ name }}</p>" }),
    )
    .await;
    let third = make(&world, &token, &json!({ "html": "<p>Thanks, {{ name }}</p>" })).await;
    assert_eq!(
        (third.body["id"].as_str(), &third.body["version"]),
        (Some(id.as_str()), &json!(3))
    );
    let shown = world.get(&format!("/v1/templates/{id}"), &token).await.body;
    assert_eq!(
        shown["locales"],
        json!([{ "locale": null, "version": 3 }, { "locale": "de-AT", "version": 2 }])
    );
    assert_eq!(shown["versions"].as_array().unwrap().len(), 3);
    let listed = world.get("/v1/templates", &token).await.body;
    assert_eq!(listed["data"][0]["name"], "order");
    let old = world.get(&format!("/v1/templates/{id}/versions/1"), &token).await.body;
    assert_eq!(
        (&old["html"], &old["is_current"]),
        (&"<p>Thank you, {{ name }}</p>".into(), &false.into())
    );
    let back = request(Method::POST, &format!("/v1/templates/{id}/versions/1/restore"), &token);
    let back = world.send(back).await;
    back.is(201, &[]);
    assert_eq!((&back.body["version"], &back.body["html"]), (&json!(4), &old["html"]));
    for version in ["0", "9", "-1", "x", "99999999999"] {
        world
            .get(&format!("/v1/templates/{id}/versions/{version}"), &token)
            .await
            .is(404, &[]);
    }
    let gone = request(Method::DELETE, &format!("/v1/templates/{id}"), &token);
    world.send(gone).await.is(204, &[]);
    world.get(&format!("/v1/templates/{id}"), &token).await.is(404, &[]);
    send(&world, &token, &json!({})).await.is(422, &["/template"]);
}

#[actix_web::test]
async fn a_mail_is_rendered_when_it_is_accepted_and_says_by_what() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let made = make(&world, &token, &json!({})).await;
    make(
        &world,
        &token,
        &json!({ "locale": "de", "html": "<p>Danke, {{ name }}</p>" }),
    )
    .await;
    send(&world, &token, &json!({ "locale": "de-AT" })).await.is(202, &[]);
    let sent = args(&world).await;
    let written = &sent["body"]["written"];
    assert_eq!(
        (&written["subject"], &written["html"]),
        (&"Order 17".into(), &"<p>Danke, Ada</p>".into())
    );
    assert!(written["text"].as_str().unwrap().contains("Danke, Ada"));
    let template = &sent["made_by"]["template"];
    assert_eq!(
        *template,
        json!({ "id": id(&made), "name": "order", "version": 2, "locale": "de" })
    );
    assert_eq!(sent["made_by"]["data"], SAMPLE());
    // The newest is sent as soon as it is answered.
    for number in 0..5 {
        make(&world, &token, &json!({ "html": format!("<p>{number}</p>") })).await;
        send(&world, &token, &json!({})).await.is(202, &[]);
        assert_eq!(
            args(&world).await["body"]["written"]["html"],
            format!("<p>{number}</p>")
        );
    }
    // One's own goes before a built-in one of the same name.
    let own = json!({ "name": "welcome", "subject": "Mine", "html": "<p>{{ name }}</p>" });
    world.post("/v1/templates", &token, &own).await.is(201, &[]);
    send(&world, &token, &json!({ "template": "welcome" }))
        .await
        .is(202, &[]);
    assert_eq!(args(&world).await["body"]["written"]["subject"], "Mine");
}

#[actix_web::test]
async fn what_is_wrong_with_a_mail_by_a_template_is_named() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    make(&world, &token, &json!({})).await;
    make(&world, &token, &json!({ "name": "german", "locale": "de" })).await;
    let deep = (0..64).fold(json!(1), |inner, _| json!([inner]));
    for (changes, pointers) in [
        (json!({ "data": { "name": "Ada" } }), vec!["/data/order/number"]),
        (json!({ "data": {} }), vec!["/data/order/number"]),
        (json!({ "data": { "order": { "number": 1 } } }), vec!["/data/name"]),
        (json!({ "data": [] }), vec!["/data"]),
        (json!({ "data": { "deep": deep } }), vec!["/data"]),
        (json!({ "data": { "long": "x".repeat(70_000) } }), vec!["/data"]),
        (json!({ "template": "none" }), vec!["/template"]),
        (json!({ "template": "german" }), vec!["/locale"]),
        (json!({ "template": "german", "locale": "fr" }), vec!["/locale"]),
        (json!({ "locale": "german" }), vec!["/locale"]),
        (json!({ "subject": "x" }), vec!["/subject", "/template", "/data"]),
        (json!({ "template": null }), vec!["/template"]),
    ] {
        send(&world, &token, &changes).await.is(422, &pointers);
    }
    let batch = json!({ "jobs": [
        { "kind": "email.send", "args": { "to": "bob@example.org", "template": "order", "data": SAMPLE() } },
        { "kind": "email.send", "args": { "to": "bob@example.org", "template": "order" } },
    ] });
    world
        .post("/v1/batches", &token, &batch)
        .await
        .is(422, &["/jobs/1/args/data/order/number"]);
}

#[actix_web::test]
async fn a_template_that_cannot_be_rendered_is_not_kept() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for (changes, pointers) in [
        (json!({ "html": "<p>{{ name" }), vec!["/html"]),
        (json!({ "subject": "{% for %}" }), vec!["/subject"]),
        (json!({ "text": "{{ name | nothing }}" }), vec!["/text"]),
        (json!({ "html": "{{ nothing }}" }), vec!["/sample/nothing"]),
        (json!({ "html": "{{ ''.__class__.__mro__ }}" }), vec!["/html"]),
        (
            json!({ "html": "{% for a in range(1000000000) %}x{% endfor %}" }),
            vec!["/html"],
        ),
        (json!({ "html": "{{ 'x' * 1000000000 }}" }), vec!["/html"]),
        (json!({ "html": "<div>".repeat(2_000) }), vec!["/html"]),
        (json!({ "html": "" }), vec!["/html"]),
        (json!({ "html": "a\u{0}b" }), vec!["/html"]),
        (json!({ "html": "x".repeat(300_000) }), vec!["/html"]),
        (json!({ "subject": " " }), vec!["/subject"]),
        (json!({ "sample": [] }), vec!["/sample"]),
        (json!({ "name": "A b" }), vec!["/name"]),
        (json!({ "locale": "x" }), vec!["/locale"]),
        (json!({ "layout": "none" }), vec!["/layout"]),
        (json!({ "layout": "order" }), vec!["/layout"]),
    ] {
        let answer = world.post("/v1/templates", &token, &with(&changes)).await;
        answer.is(422, &pointers);
        for word in ["minijinja", "html.html", "src/"] {
            assert!(!answer.text.contains(word), "{}", answer.text);
        }
    }
    let line = world
        .post("/v1/templates", &token, &with(&json!({ "html": "<p>\n\n{{ 1 + }}" })))
        .await;
    assert!(line.text.contains("line 3"), "{}", line.text);
    assert_eq!(world.get("/v1/templates", &token).await.body["data"], json!([]));
}

#[actix_web::test]
async fn a_preview_shows_the_mail_and_what_may_be_wrong() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let made = make(
        &world,
        &token,
        &json!({ "html": "<style>p { color: red }</style><p>Thank you, {{ name }}</p>" }),
    )
    .await;
    let path = format!("/v1/templates/{}/preview", id(&made));
    let shown = world.post(&path, &token, &json!({})).await;
    shown.is(200, &[]);
    assert_eq!(shown.body["subject"], "Order 17");
    assert!(shown.body["html"].as_str().unwrap().contains("style=\"color: red"));
    assert!(shown.body["text"].as_str().unwrap().contains("Thank you, Ada"));
    assert_eq!(shown.body["warnings"], json!([]));
    let draft = json!({ "html": "<p>{% if a %}{{ a }}{% endif %}</p>", "subject": "x", "data": { "b": 1 } });
    let shown = world.post(&path, &token, &draft).await;
    let about: Vec<_> = shown.body["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["pointer"].clone())
        .collect();
    assert_eq!(about, ["/data/a", "/data/b"]);
    for (body, pointers) in [
        (json!({ "data": {} }), vec!["/data/order/number"]),
        (json!({ "version": 0 }), vec!["/version"]),
        (json!({ "html": "{{" }), vec!["/html"]),
        (json!({ "layout": "none" }), vec!["/layout"]),
        (json!({ "locale": "de" }), vec![]),
    ] {
        let status = if pointers.is_empty() { 200 } else { 422 };
        world.post(&path, &token, &body).await.is(status, &pointers);
    }
    world.post(&path, &token, &json!({ "version": 7 })).await.is(404, &[]);
    // What was shown is not what is kept.
    let kept = world.get(&format!("/v1/templates/{}", id(&made)), &token).await.body;
    assert_eq!(kept["version"], 1);
}

#[actix_web::test]
async fn a_layout_is_rendered_around_and_stays_as_long_as_it_is_used() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let layout = json!({ "name": "layout", "html": "<div>{{ content }}</div>", "sample": {}, "subject": "Layout" });
    let made = make(&world, &token, &layout).await;
    make(&world, &token, &json!({ "layout": "layout" })).await;
    send(&world, &token, &json!({})).await.is(202, &[]);
    assert_eq!(
        args(&world).await["body"]["written"]["html"],
        "<div><p>Thank you, Ada</p></div>"
    );
    let gone = || request(Method::DELETE, &format!("/v1/templates/{}", id(&made)), &token);
    world.send(gone()).await.is(409, &[]);
    let other = with(&json!({ "name": "layout", "html": "<p>x</p>" }));
    world.post("/v1/templates", &token, &other).await.is(409, &[]);
    // A layout in a layout is none.
    let nested = with(&json!({ "name": "outer", "html": "{{ content }}", "layout": "layout" }));
    world.post("/v1/templates", &token, &nested).await.is(201, &[]);
    let in_nested = with(&json!({ "name": "inner", "layout": "outer" }));
    world
        .post("/v1/templates", &token, &in_nested)
        .await
        .is(422, &["/layout"]);
}

#[actix_web::test]
async fn another_workspaces_template_is_none() {
    let world = World::new();
    let (token, other) = (
        world.member("ada@example.org").await,
        world.member("eve@example.org").await,
    );
    let operator = world.operator().await;
    let id = id(&make(&world, &token, &json!({})).await);
    for token in [&other, &operator] {
        world.get(&format!("/v1/templates/{id}"), token).await.is(404, &[]);
        world
            .get(&format!("/v1/templates/{id}/versions/1"), token)
            .await
            .is(404, &[]);
        world
            .post(&format!("/v1/templates/{id}/preview"), token, &json!({}))
            .await
            .is(404, &[]);
        let gone = request(Method::DELETE, &format!("/v1/templates/{id}"), token);
        world.send(gone).await.is(404, &[]);
        assert_eq!(world.get("/v1/templates", token).await.body["data"], json!([]));
        send(&world, token, &json!({})).await.is(422, &["/template"]);
    }
    world.get(&format!("/v1/templates/{id}"), &token).await.is(200, &[]);
}

#[actix_web::test]
async fn operators_replace_mails_of_the_services_own_and_bring_them_back() {
    let world = World::new();
    let (operator, member) = (world.operator().await, world.member("ada@example.org").await);
    let path = "/v1/templates/built-in/password-reset";
    world.get(path, &member).await.is(403, &[]);
    let all = world.get("/v1/templates/built-in", &operator).await.body;
    assert!(all["data"].as_array().unwrap().len() >= 8);
    let before = world.get(path, &operator).await.body;
    assert_eq!(
        (&before["needs_link"], &before["replaced_at"]),
        (&true.into(), &Value::Null)
    );
    let put = |body: Value| request(Method::PUT, path, &operator).set_json(body);
    for (body, pointers) in [
        (json!({ "subject": "x", "html": "<p>no link</p>" }), vec![""]),
        (
            json!({ "subject": "x", "html": "<p>{{ link }}</p>", "text": "none" }),
            vec![""],
        ),
        (
            json!({ "subject": "x", "html": "<p>{{ link }} {{ code }}</p>" }),
            vec![""],
        ),
        (
            json!({ "subject": "{{", "html": "<p>{{ link }}</p>" }),
            vec!["/subject"],
        ),
    ] {
        world.send(put(body)).await.is(422, &pointers);
    }
    let good = json!({ "subject": "New password", "html": "<p>{{ name }}: {{ link }}</p>" });
    let replaced = world.send(put(good)).await;
    replaced.is(200, &[]);
    assert!(replaced.body["replaced_at"].is_string());
    assert_eq!(world.get(path, &operator).await.body, replaced.body);
    // Clients do not send it.
    send(&world, &member, &json!({ "template": "password-reset" }))
        .await
        .is(422, &["/template"]);
    let back = || request(Method::DELETE, path, &operator);
    world.send(back()).await.is(204, &[]);
    world.send(back()).await.is(404, &[]);
    assert_eq!(world.get(path, &operator).await.body, before);
    let acts = world.get("/v1/audit", &operator).await.body;
    let actions: Vec<_> = acts["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|act| act["action"].clone())
        .collect();
    assert_eq!(actions, ["template.restore", "template.replace"]);
}

#[actix_web::test]
async fn a_reset_is_mailed_in_an_operators_words_and_in_the_built_in_ones_where_those_fail() {
    let world = World::new();
    let operator = world.operator().await;
    world.account("ada@example.org", false).await;
    let reset = async || {
        world.advance(std::time::Duration::from_secs(3_600));
        let asked = json!({ "email": "ada@example.org" });
        world.post("/v1/password-resets", "", &asked).await.is(202, &[]);
        let performed = world.perform_reset().await;
        assert_eq!(performed.mailed, ["ada@example.org"]);
        performed.mails.concat()
    };
    assert!(reset().await.contains("Subject: Set a new password"));
    // Fit for the name it is tried with, and for no other.
    let html = "<p>{% if name == 'Ada Lovelace' or is_there %}{{ link }}{% else %}{{ link }}{% endif %}</p>";
    let put = |html: &str| {
        let body = json!({ "subject": "In our words", "html": html });
        request(Method::PUT, "/v1/templates/built-in/password-reset", &operator).set_json(body)
    };
    world.send(put(html)).await.is(422, &[""]);
    world.send(put("<p>{{ link }}</p>")).await.is(200, &[]);
    let mail = reset().await;
    assert!(mail.contains("Subject: In our words"), "{mail}");
    let hidden = "<p>{% if name == 'Ada Lovelace' %}{{ link }}{% endif %}</p>";
    world.send(put(hidden)).await.is(200, &[]);
    let mail = reset().await;
    assert!(mail.contains("Subject: Set a new password"), "{mail}");
    let lines = world.log.lines();
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "replacement_failed")
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["template"], &told[0]["level"]),
        (&"password-reset".into(), &"WARN".into())
    );
    let back = request(Method::DELETE, "/v1/templates/built-in/password-reset", &operator);
    world.send(back).await.is(204, &[]);
    assert!(reset().await.contains("Subject: Set a new password"));
}

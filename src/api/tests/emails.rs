//! Mails.

use serde_json::{Value, json};

use super::World;

/// A good mail with some fields changed; null takes a field away.
pub(super) fn mail(changes: &Value) -> Value {
    let mut mail = json!({ "to": "bob@example.org", "subject": "Hello", "text": "Hello Bob" });
    for (name, value) in changes.as_object().unwrap() {
        mail[name] = value.clone();
    }
    let fields = mail.as_object_mut().unwrap();
    fields.retain(|_, value| !value.is_null());
    mail
}

#[actix_web::test]
async fn a_mail_is_accepted_as_a_job_that_its_location_shows() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for body in [
        mail(&json!({})),
        mail(&json!({ "html": "<p>Hello</p>", "when_uncertain": "hold", "priority": -3, "max_attempts": 1 })),
        json!({ "to": ["a@example.org"], "template": "welcome", "data": { "name": "A", "link": "https://example.org" } }),
    ] {
        let answer = world.post("/v1/emails", &token, &body).await;
        answer.is(202, &[]);
        assert_eq!(
            (&answer.body["kind"], &answer.body["queue"]),
            (&"email.send".into(), &"mail".into())
        );
        assert_eq!(
            (&answer.body["state"], &answer.body["attempts"]),
            (&"available".into(), &json!([]))
        );
        let location = answer.header("location");
        assert_eq!(location, format!("/v1/jobs/{}", answer.body["id"].as_str().unwrap()));
        let mut shown = world.get(location, &token).await.body;
        // What it waits for by then is looked up.
        shown.as_object_mut().unwrap().remove("waiting_for");
        assert_eq!(shown, answer.body);
        assert!(
            !answer.text.contains("example.org"),
            "arguments are not shown: {}",
            answer.text
        );
    }
}

#[actix_web::test]
async fn html_alone_gets_a_text_made_from_it_and_the_subject_where_it_has_none() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let html = "<style>p { color: red }</style><p>Hello, <a href=\"https://example.org/x\">look</a></p>";
    for (html, text) in [
        (html, "Hello, [look][1]\n\n[1]: https://example.org/x\n"),
        ("<img src=\"cid:a\">", "Hello"),
    ] {
        let body = mail(&json!({ "text": null, "subject": "Hello", "html": html }));
        world.post("/v1/emails", &token, &body).await.is(202, &[]);
        let args: Value = serde_json::from_str(&world.claim_email().await.args).unwrap();
        let written = json!({ "subject": "Hello", "text": text, "html": html });
        assert_eq!(args["body"]["written"], written);
    }
}

#[actix_web::test]
async fn blank_html_beside_a_text_is_none() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = mail(&json!({ "html": " \n" }));
    world.post("/v1/emails", &token, &body).await.is(202, &[]);
    let args: Value = serde_json::from_str(&world.claim_email().await.args).unwrap();
    assert_eq!(args["body"]["written"]["html"], Value::Null);
}

#[actix_web::test]
async fn an_address_that_is_given_twice_gets_one_mail() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = mail(&json!({ "to": ["Bob@example.org", "bob@EXAMPLE.org", "eve@example.org"] }));
    world.post("/v1/emails", &token, &body).await.is(202, &[]);
    let args = world.claim_email().await.args;
    let args: Value = serde_json::from_str(&args).unwrap();
    assert_eq!(args["to"], json!(["Bob@example.org", "eve@example.org"]));
    assert_eq!(args["when_uncertain"], "repeat");
    assert!(args.get("from").is_none());
}

#[actix_web::test]
async fn a_mail_for_later_waits_and_one_for_the_past_does_not() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let later = world
        .post(
            "/v1/emails",
            &token,
            &mail(&json!({ "run_at": "2030-01-01T01:00:00+01:00" })),
        )
        .await;
    assert_eq!(
        (&later.body["state"], &later.body["run_at"]),
        (&"scheduled".into(), &"2030-01-01T00:00:00.000000Z".into())
    );
    let past = world
        .post(
            "/v1/emails",
            &token,
            &mail(&json!({ "run_at": "0001-01-01T00:00:00Z" })),
        )
        .await;
    assert_eq!(
        (&past.body["state"], &past.body["run_at"]),
        (&"available".into(), &past.body["created_at"])
    );
}

#[actix_web::test]
async fn every_wrong_field_of_a_mail_is_named() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let many: Vec<_> = (0..101).map(|number| format!("a{number}@example.org")).collect();
    let template = |data: Value| json!({ "to": "bob@example.org", "template": "welcome", "data": data });
    for (body, pointers) in [
        (mail(&json!({ "to": null })), vec!["/to"]),
        (mail(&json!({ "to": 5 })), vec!["/to"]),
        (mail(&json!({ "to": [] })), vec!["/to"]),
        (mail(&json!({ "to": many })), vec!["/to"]),
        (mail(&json!({ "to": "bob" })), vec!["/to"]),
        (
            mail(&json!({ "to": ["a@example.org", "b@", 7, "c@example.org\r\nBcc: d@example.org"] })),
            vec!["/to/1", "/to/2", "/to/3"],
        ),
        (
            mail(&json!({ "subject": "a\r\nBcc: eve@example.org" })),
            vec!["/subject"],
        ),
        (mail(&json!({ "subject": "" })), vec!["/subject"]),
        (mail(&json!({ "subject": null })), vec!["/subject"]),
        (
            mail(&json!({ "subject": "x".repeat(256), "text": "" })),
            vec!["/subject", "/text"],
        ),
        (mail(&json!({ "text": null })), vec!["/text"]),
        (mail(&json!({ "text": null, "html": " " })), vec!["/html"]),
        (
            mail(&json!({ "text": null, "html": "<p>".repeat(5_001) })),
            vec!["/html"],
        ),
        (
            mail(&json!({ "text": null, "html": "word ".repeat(60_000) })),
            vec!["/html"],
        ),
        (mail(&json!({ "text": "x".repeat(256 * 1024 + 1) })), vec!["/text"]),
        (mail(&json!({ "html": "x".repeat(512 * 1024 + 1) })), vec!["/html"]),
        (mail(&json!({ "from": "eve@example.org" })), vec!["/from"]),
        (
            mail(&json!({ "from": "legwork@example.org\r\nBcc: eve@example.org" })),
            vec!["/from"],
        ),
        (mail(&json!({ "from": "Ada\n <legwork@example.org>" })), vec!["/from"]),
        (mail(&json!({ "from": ["legwork@example.org"] })), vec!["/from"]),
        (mail(&json!({ "to": { "name": "Bob" } })), vec!["/to/email"]),
        (
            mail(&json!({ "to": [{ "email": "bob@example.org", "nam": "Bob" }] })),
            vec!["/to/0/nam"],
        ),
        (mail(&json!({ "to": { "email": 5, "name": "Bob" } })), vec!["/to/email"]),
        (
            mail(&json!({ "to": { "email": "bob@example.org", "name": "B\r\nob" } })),
            vec!["/to/name"],
        ),
        (
            mail(&json!({ "to": { "email": "bob@example.org\n" } })),
            vec!["/to/email"],
        ),
        (mail(&json!({ "to": "Bob <bob@example.org>" })), vec!["/to"]),
        (
            mail(&json!({ "cc": [], "bcc": "a\r\nb@example.org", "reply_to": "b" })),
            vec!["/cc", "/bcc", "/reply_to"],
        ),
        (mail(&json!({ "cc": many[..50], "bcc": many[50..100] })), vec!["/bcc"]),
        (mail(&json!({ "cc": many[..100] })), vec!["/cc"]),
        (
            mail(
                &json!({ "headers": { "Bcc": "eve@example.org", "X-A": "a\r\nBcc: eve@example.org", "x-b": "b", "X-B": "b" } }),
            ),
            vec!["/headers/Bcc", "/headers/X-A", "/headers/x-b"],
        ),
        (
            mail(&json!({ "headers": { "X-Legwork-Job": "a", "X-A/b": "a" } })),
            vec!["/headers/X-A~1b", "/headers/X-Legwork-Job"],
        ),
        (mail(&json!({ "headers": { "X-A": 5 } })), vec!["/headers/X-A"]),
        (mail(&json!({ "headers": { "X-A": "" } })), vec!["/headers/X-A"]),
        (
            mail(&json!({ "tags": ["a b", "ok", "a\r\n"] })),
            vec!["/tags/0", "/tags/2"],
        ),
        (mail(&json!({ "tags": vec!["a"; 21] })), vec!["/tags"]),
        (
            mail(&json!({ "metadata": { "a b": "x", "c": "y".repeat(501) } })),
            vec!["/metadata/a b", "/metadata/c"],
        ),
        (mail(&json!({ "metadata": { "a": 5 } })), vec!["/metadata/a"]),
        (mail(&json!({ "attachments": [{}] })), vec!["/attachments/0"]),
        (
            mail(&json!({ "attachments": [{ "upload": "upl_0193a0f2b1c47d3e8f90a1b2c3d4e5f6" }] })),
            vec!["/attachments/0/upload"],
        ),
        (
            mail(&json!({ "attachments": [{ "name": "a.txt", "content": "a b" }] })),
            vec!["/attachments/0/content"],
        ),
        (
            mail(&json!({ "attachments": [{ "name": "a.txt", "content": "" }] })),
            vec!["/attachments/0/content"],
        ),
        (
            mail(&json!({ "attachments": [{ "content": "YQ==" }] })),
            vec!["/attachments/0/name"],
        ),
        (
            mail(&json!({ "attachments": [{ "name": "../a", "content": "YQ==" }] })),
            vec!["/attachments/0/name"],
        ),
        (
            mail(&json!({ "attachments": [{ "name": "a.exe", "content": "YQ==" }] })),
            vec!["/attachments/0/name"],
        ),
        (
            mail(&json!({ "attachments": [{ "name": "a", "content_type": "message/rfc822", "content": "YQ==" }] })),
            vec!["/attachments/0/content_type"],
        ),
        (
            mail(&json!({ "attachments": [
                { "name": "a.png", "content": "YQ==", "inline": true },
                { "name": "b.png", "content": "YQ==", "content_id": "b" },
                { "name": "c.png", "content": "YQ==", "inline": true, "content_id": "c>\r\n" }
            ] })),
            vec![
                "/attachments/0/content_id",
                "/attachments/1/content_id",
                "/attachments/2/content_id",
            ],
        ),
        (mail(&json!({ "when_uncertain": "maybe" })), vec!["/when_uncertain"]),
        (mail(&json!({ "run_at": "tomorrow" })), vec!["/run_at"]),
        (mail(&json!({ "run_at": 5 })), vec!["/run_at"]),
        (
            mail(&json!({ "priority": 11, "max_attempts": 0 })),
            vec!["/priority", "/max_attempts"],
        ),
        (mail(&json!({ "priority": 1e300 })), vec!["/priority"]),
        (mail(&json!({ "max_attempts": 101 })), vec!["/max_attempts"]),
        (mail(&json!({ "max_attempts": 1.5 })), vec!["/max_attempts"]),
        (
            mail(&json!({ "template": "welcome" })),
            vec!["/subject", "/text", "/template"],
        ),
        (mail(&json!({ "data": {} })), vec!["/subject", "/text", "/data"]),
        (json!({ "to": "bob@example.org" }), vec!["/subject", "/text"]),
        (json!({ "to": "bob@example.org", "data": {} }), vec!["/template"]),
        (
            json!({ "to": "bob@example.org", "template": "nope" }),
            vec!["/template"],
        ),
        (template(json!({ "name": "Bob" })), vec!["/data/link"]),
        (
            template(json!({ "name": "Bob", "link": "javascript:alert(1)" })),
            vec!["/data/link"],
        ),
        (
            template(json!({ "name": "a\r\nb", "link": "https://example.org" })),
            vec!["/data/name"],
        ),
        (
            template(json!({ "name": "Bob", "link": "https://example.org", "a/b": 1 })),
            vec!["/data/a~1b"],
        ),
        (template(json!([])), vec!["/data"]),
    ] {
        world.post("/v1/emails", &token, &body).await.is(422, &pointers);
    }
    assert_eq!(world.get("/v1/jobs", &token).await.body["data"], json!([]));
}

//! The link that ends a stream: what it takes, what it does, and what may be asked of a mail that has it.

use std::net::SocketAddr;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{Answer, World};
use crate::domain::email::EmailAddress;
use crate::domain::id::WorkspaceId;
use crate::domain::stream::Stream;
use crate::jobs::kinds::UnsubscribeLinks;

impl World {
    /// The link's path and query, for the mails of whoever has this login.
    async fn link(&self, token: &str, address: &str) -> String {
        let me = self.get("/v1/accounts/me", token).await;
        let workspace: WorkspaceId = me.body["workspace_id"].as_str().unwrap().parse().unwrap();
        let links = UnsubscribeLinks::new(std::sync::Arc::clone(&self.state.keys), "/unsubscribe");
        let (stream, address) = (Stream::parse("news").unwrap(), EmailAddress::parse(address).unwrap());
        links.link(workspace, &stream, &address)
    }

    async fn post_link(&self, link: &str, form: Option<(&str, &str)>) -> Answer {
        let peer: SocketAddr = "192.0.2.7:1".parse().unwrap();
        let mut request = TestRequest::default().method(Method::POST).uri(link).peer_addr(peer);
        if let Some((kind, body)) = form {
            request = request
                .insert_header(("content-type", kind))
                .set_payload(body.to_owned());
        }
        self.send(request).await
    }

    async fn suppressed(&self, token: &str) -> Vec<Value> {
        let page = self.get("/v1/suppressions", token).await;
        page.body["data"].as_array().unwrap().clone()
    }
}

#[actix_web::test]
async fn a_link_ends_the_stream_when_it_is_posted_to_however_and_not_when_it_is_opened() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    let forms = [
        Some(("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click")),
        Some(("multipart/form-data; boundary=x", multipart)),
        None,
    ];
    for (number, form) in forms.into_iter().enumerate() {
        let link = world.link(&ada, &format!("Bob{number}@example.com")).await;
        let page = world.get(&link, "").await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, "text/html; charset=utf-8")
        );
        assert!(page.header("content-security-policy").contains("form-action 'self'"));
        assert!(
            page.text.contains("b***@example.com") && page.text.contains("news"),
            "{}",
            page.text
        );
        assert_eq!(
            world.suppressed(&ada).await.len(),
            number,
            "opening a link changes nothing"
        );
        for _again in 0..2 {
            let done = world.post_link(&link, form).await;
            assert_eq!(done.status, 200, "{}", done.text);
            assert!(done.headers.get("set-cookie").is_none());
        }
        let found = world.suppressed(&ada).await;
        assert_eq!(found.len(), number + 1);
        let origin = json!({ "by": "recipient", "id": null, "reply": null });
        assert_eq!(
            (
                &found[0]["address"],
                &found[0]["stream"],
                &found[0]["reason"],
                &found[0]["origin"]
            ),
            (
                &json!(format!("bob{number}@example.com")),
                &json!("news"),
                &json!("unsubscribe"),
                &origin
            )
        );
    }
}

#[actix_web::test]
async fn a_readers_word_takes_the_place_of_a_servers_and_not_of_a_complaint() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    for (address, before, after) in [
        ("b@example.com", "bounce", "unsubscribe"),
        ("c@example.com", "complaint", "complaint"),
    ] {
        let body = json!({ "address": address, "reason": before, "stream": "news" });
        world.post("/v1/suppressions", &ada, &body).await.is(201, &[]);
        let link = world.link(&ada, address).await;
        assert_eq!(world.post_link(&link, None).await.status, 200);
        assert_eq!(world.suppressed(&ada).await[0]["reason"], after);
    }
}

#[actix_web::test]
async fn a_link_that_is_not_good_changes_nothing_and_only_such_ones_are_limited() {
    let world = World::with(&[("LEGWORK_LIMITS__ENTRIES_PER_MINUTE", "2")]);
    let ada = world.member("ada@example.org").await;
    let link = world.link(&ada, "bob@example.com").await;
    let bent = link.replace("token=", "token=A");
    for bad in ["/unsubscribe", "/unsubscribe?token=", bent.as_str()] {
        let page = world.get(bad, "").await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (422, "text/html; charset=utf-8"),
            "{bad}"
        );
    }
    for status in [422, 422, 429] {
        assert_eq!(world.post_link(&bent, None).await.status, status);
    }
    for _ in 0..5 {
        assert_eq!(
            world.post_link(&link, None).await.status,
            200,
            "a provider posts for many from one address"
        );
    }
    assert_eq!(world.suppressed(&ada).await.len(), 1);
}

#[actix_web::test]
async fn a_mail_may_say_how_its_stream_ends_where_that_means_its_one_reader_and_a_stream_of_its_own() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let mail = |more: Value| {
        let mut body = json!({ "to": "bob@example.com", "subject": "x", "text": "x", "stream": "news" });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    for good in [
        json!({ "list_unsubscribe": true }),
        json!({ "list_unsubscribe": false, "stream": "transactional" }),
        json!({ "list_unsubscribe": "https://example.com/leave", "to": ["a@example.com", "b@example.com"] }),
        json!({ "list_unsubscribe": ["https://example.com/leave", "mailto:leave@example.com"], "stream": "transactional" }),
    ] {
        world.post("/v1/emails", &ada, &mail(good)).await.is(202, &[]);
    }
    for (bad, pointer) in [
        (
            json!({ "list_unsubscribe": true, "to": ["a@example.com", "b@example.com"] }),
            "/list_unsubscribe",
        ),
        (
            json!({ "list_unsubscribe": true, "stream": "transactional" }),
            "/list_unsubscribe",
        ),
        (json!({ "list_unsubscribe": "http://example.com" }), "/list_unsubscribe"),
        (
            json!({ "list_unsubscribe": ["https://example.com", "x\r\nBcc: eve@example.com"] }),
            "/list_unsubscribe/1",
        ),
        (json!({ "list_unsubscribe": [] }), "/list_unsubscribe"),
        (json!({ "list_unsubscribe": 1 }), "/list_unsubscribe"),
        (json!({ "list_unsubscribe": [1] }), "/list_unsubscribe/0"),
    ] {
        world.post("/v1/emails", &ada, &mail(bad)).await.is(422, &[pointer]);
    }
}

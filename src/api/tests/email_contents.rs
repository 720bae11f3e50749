//! What mails may have besides recipients and words.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::emails::mail;
use super::{World, request};
use crate::domain::job::{AttemptEnd, Retry};

/// The arguments of the next mail that is claimed.
async fn claimed(world: &World) -> Value {
    serde_json::from_str(&world.claim_email().await.args).unwrap()
}

#[actix_web::test]
async fn all_that_a_mail_may_have_is_kept_and_shown_as_far_as_it_is_shown() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = mail(&json!({
        "to": [{ "email": "bob@example.org", "name": "Bob" }, "jürgen@bücher.example"],
        "cc": "eve@example.org", "bcc": ["BOB@example.org", "log@example.org"], "reply_to": "Desk <desk@example.org>",
        "from": "Sales <legwork@example.org>", "headers": { "X-Campaign": "spring" },
        "attachments": [{ "name": "a.txt", "content_type": "text/plain", "content": "YWJj" }],
        "tags": ["invoice", "invoice"], "metadata": { "order": "17" }
    }));
    let answer = world.post("/v1/emails", &token, &body).await;
    answer.is(202, &[]);
    assert_eq!(answer.body["tags"], json!(["invoice"]));
    assert_eq!(answer.body["metadata"], json!({ "order": "17" }));
    let shown = world.get(answer.header("location"), &token).await.body;
    assert_eq!(
        (&shown["tags"], &shown["metadata"]),
        (&answer.body["tags"], &answer.body["metadata"])
    );
    let operator = world.operator().await;
    let masked = world.get(answer.header("location"), &operator).await.body;
    assert_eq!((&masked["tags"], masked.get("metadata")), (&answer.body["tags"], None));
    let args = claimed(&world).await;
    assert_eq!(
        args["to"],
        json!([{ "email": "bob@example.org", "name": "Bob" }, "jürgen@xn--bcher-kva.example"])
    );
    assert_eq!(
        (&args["cc"], &args["bcc"]),
        (&json!(["eve@example.org"]), &json!(["log@example.org"]))
    );
    assert_eq!(args["from"], json!({ "email": "legwork@example.org", "name": "Sales" }));
    let file = &args["attachments"][0];
    assert_eq!((&file["name"], &file["bytes"]), (&"a.txt".into(), &3.into()));
    assert!(
        !args.to_string().contains("YWJj"),
        "contents are not among the arguments"
    );
    let uploads = world.get("/v1/uploads", &token).await.body;
    assert_eq!(uploads["data"][0]["id"], file["upload"]);
    let uri = format!("/v1/uploads/{}", file["upload"].as_str().unwrap());
    let delete = request(Method::DELETE, &uri, &token);
    world.send(delete).await.is(409, &[]);
}

#[actix_web::test]
async fn only_a_granted_domain_may_be_sent_from_and_only_by_its_workspace() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let other = world.member("eve@example.org").await;
    let operator = world.operator().await;
    let from = mail(&json!({ "from": { "email": "sales@Example.NET", "name": "Sales" } }));
    world.post("/v1/emails", &token, &from).await.is(422, &["/from"]);
    let me = world.get("/v1/workspaces/current", &token).await.body;
    let uri = format!("/v1/workspaces/{}", me["id"].as_str().unwrap());
    let patch = |token: &str, domains: Value| {
        request(Method::PATCH, &uri, token).set_json(json!({ "sender_domains": domains }))
    };
    world.send(patch(&token, json!(["example.net"]))).await.is(403, &[]);
    let wrong = json!(["example.net", "a@b", "exa mple.org", "localhost\r\n"]);
    let pointers = ["/sender_domains/1", "/sender_domains/2", "/sender_domains/3"];
    world.send(patch(&operator, wrong)).await.is(422, &pointers);
    let granted = world
        .send(patch(&operator, json!(["EXAMPLE.net", "bücher.example"])))
        .await;
    assert_eq!(
        granted.body["sender_domains"],
        json!(["example.net", "xn--bcher-kva.example"])
    );
    world.post("/v1/emails", &token, &from).await.is(202, &[]);
    world.post("/v1/emails", &other, &from).await.is(422, &["/from"]);
    let below = mail(&json!({ "from": "a@sub.example.net" }));
    world.post("/v1/emails", &token, &below).await.is(422, &["/from"]);
    world.send(patch(&operator, json!([]))).await.is(200, &[]);
    world.post("/v1/emails", &token, &from).await.is(422, &["/from"]);
}

#[actix_web::test]
async fn a_mail_that_would_be_too_large_is_refused_with_its_size() {
    let world = World::with(&[("LEGWORK_MAIL__MESSAGE_BYTES_MAX", "65536")]);
    let token = world.member("ada@example.org").await;
    let file = |bytes: usize| json!({ "attachments": [{ "name": "a.bin", "content": "AAAA".repeat(bytes / 3) }] });
    world
        .post("/v1/emails", &token, &mail(&file(45_000)))
        .await
        .is(202, &[]);
    let refused = world.post("/v1/emails", &token, &mail(&file(50_001))).await;
    refused.is(422, &["/attachments"]);
    assert!(refused.text.contains("it may have 65536"), "{}", refused.text);
}

#[actix_web::test]
async fn a_mail_that_runs_again_with_other_words_keeps_its_files() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = mail(&json!({ "attachments": [{ "name": "invoice.txt", "content": "YWJj" }], "tags": ["invoice"] }));
    let made = world.post("/v1/emails", &token, &body).await;
    let first = world.claim_email().await;
    world.finish(&first, AttemptEnd::Failed(Retry::Never)).await;
    let uri = format!("{}/retry", made.header("location"));
    let changed = json!({ "args": { "to": "eve@example.org", "subject": "Again", "text": "Once more." } });
    let again = world.post(&uri, &token, &changed).await;
    again.is(202, &[]);
    assert_eq!(again.body["tags"], json!(["invoice"]));
    let before: Value = serde_json::from_str(&first.args).unwrap();
    let after = claimed(&world).await;
    assert_eq!(after["to"], json!(["eve@example.org"]));
    assert_eq!(after["attachments"][0]["name"], "invoice.txt");
    assert_eq!(after["attachments"], before["attachments"]);
}

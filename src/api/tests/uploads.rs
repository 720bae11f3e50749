//! Uploads.

use actix_web::http::Method;
use serde_json::json;

use super::{Answer, World, request};

async fn upload(world: &World, token: &str, uri: &str, bytes: Vec<u8>) -> Answer {
    let request = request(Method::POST, uri, token).insert_header(("content-type", "application/pdf"));
    world.send(request.set_payload(bytes)).await
}

#[actix_web::test]
async fn a_file_is_uploaded_listed_shown_sent_and_deleted() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let made = upload(&world, &token, "/v1/uploads?name=invoice.pdf", b"abc".to_vec()).await;
    made.is(201, &[]);
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("/v1/uploads/{id}"));
    assert_eq!(
        made.body["sha256"],
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(
        (&made.body["name"], &made.body["content_type"], &made.body["bytes"]),
        (&"invoice.pdf".into(), &"application/pdf".into(), &3.into())
    );
    assert_eq!(world.get(made.header("location"), &token).await.body, made.body);
    assert_eq!(world.get("/v1/uploads", &token).await.body["data"], json!([made.body]));
    let mail = json!({ "to": "bob@example.org", "subject": "a", "text": "b", "attachments": [{ "upload": id }] });
    let job = world.post("/v1/emails", &token, &mail).await;
    job.is(202, &[]);
    let delete = || request(Method::DELETE, &format!("/v1/uploads/{id}"), &token);
    world.send(delete()).await.is(409, &[]);
    let cancel = format!("/v1/jobs/{}/cancel", job.body["id"].as_str().unwrap());
    world.send(request(Method::POST, &cancel, &token)).await.is(200, &[]);
    world.send(delete()).await.is(204, &[]);
    world.send(delete()).await.is(404, &[]);
    world
        .post("/v1/emails", &token, &mail)
        .await
        .is(422, &["/attachments/0/upload"]);
}

#[actix_web::test]
async fn a_name_may_stand_in_the_head_and_must_be_one() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let named = request(Method::POST, "/v1/uploads", &token).insert_header((
        "content-disposition",
        "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe.pdf",
    ));
    let made = world.send(named.set_payload("abc")).await;
    assert_eq!((made.status, &made.body["name"]), (201, &"Größe.pdf".into()));
    assert_eq!(made.body["content_type"], "application/octet-stream");
    for uri in [
        "/v1/uploads",
        "/v1/uploads?name=",
        "/v1/uploads?name=..%2Fa",
        "/v1/uploads?name=a%0D%0Ab",
    ] {
        upload(&world, &token, uri, b"abc".to_vec())
            .await
            .is(422, &["/query/name"]);
    }
    let odd = request(Method::POST, "/v1/uploads?name=a", &token).insert_header(("content-type", "message/rfc822"));
    world.send(odd.set_payload("abc")).await.is(415, &[]);
    upload(&world, &token, "/v1/uploads?name=a", Vec::new())
        .await
        .is(400, &[]);
    let all = world.get("/v1/uploads", &token).await;
    assert_eq!(all.body["data"], json!([made.body]), "nothing of what was refused");
}

#[actix_web::test]
async fn what_is_too_large_or_beyond_the_quota_leaves_nothing_behind() {
    let limits = [
        ("LEGWORK_UPLOADS__MAX_BYTES", "2000000"),
        ("LEGWORK_LIMITS__BYTES_STORED_MAX", "1500000"),
    ];
    let world = World::with(&limits);
    let token = world.member("ada@example.org").await;
    let large = upload(&world, &token, "/v1/uploads?name=a", vec![7; 2_000_001]).await;
    large.is(413, &[]);
    assert!(large.text.contains("2000000"), "{}", large.text);
    let full = upload(&world, &token, "/v1/uploads?name=a", vec![7; 1_600_000]).await;
    full.is(409, &[]);
    assert_eq!(full.body["quota"]["name"], "bytes_stored");
    let used = world.get("/v1/workspaces/current", &token).await.body;
    assert_eq!(used["quotas"]["bytes_stored"]["used"], 0);
    upload(&world, &token, "/v1/uploads?name=a", vec![7; 1_500_000])
        .await
        .is(201, &[]);
    let mail = json!({
        "to": "bob@example.org", "subject": "a", "text": "b", "attachments": [{ "name": "b", "content": "YWJj" }]
    });
    world.post("/v1/emails", &token, &mail).await.is(409, &[]);
    assert_eq!(world.get("/v1/jobs", &token).await.body["data"], json!([]));
}

#[actix_web::test]
async fn another_workspaces_file_is_none() {
    let world = World::new();
    let (ada, eve) = (
        world.member("ada@example.org").await,
        world.member("eve@example.org").await,
    );
    let made = upload(&world, &ada, "/v1/uploads?name=a", b"abc".to_vec()).await;
    let uri = made.header("location");
    let operator = world.operator().await;
    for token in [&eve, &operator] {
        world.get(uri, token).await.is(404, &[]);
        world.send(request(Method::DELETE, uri, token)).await.is(404, &[]);
        assert_eq!(world.get("/v1/uploads", token).await.body["data"], json!([]));
        let mail = json!({
            "to": "bob@example.org", "subject": "a", "text": "b", "attachments": [{ "upload": made.body["id"] }]
        });
        world
            .post("/v1/emails", token, &mail)
            .await
            .is(422, &["/attachments/0/upload"]);
        let batch = json!({ "jobs": [{ "kind": "email.send", "args": mail }] });
        world
            .post("/v1/batches", token, &batch)
            .await
            .is(422, &["/jobs/0/args/attachments/0/upload"]);
    }
}

//! Many mails in one request.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::emails::mail;
use super::{World, request};

#[actix_web::test]
async fn a_batch_answers_for_each_mail_in_its_place() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let messages = json!([mail(&json!({})), mail(&json!({ "to": "bob" })), { "to": 5, "wrong": 1 }, mail(&json!({ "tags": ["a"] }))]);
    let answer = world
        .post("/v1/emails/batch", &token, &json!({ "messages": messages }))
        .await;
    answer.is(202, &[]);
    let data = answer.body["data"].as_array().unwrap();
    let statuses: Vec<_> = data.iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [202, 422, 422, 202]);
    assert_eq!(data[1]["problem"]["errors"][0]["pointer"], "/messages/1/to");
    assert_eq!(data[2]["problem"]["errors"][0]["pointer"], "/messages/2/wrong");
    assert_eq!(data[3]["job"]["tags"], json!(["a"]));
    let listed = world.get("/v1/jobs", &token).await.body["data"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(listed, 2);
    for one in [&data[0], &data[3]] {
        let uri = format!("/v1/jobs/{}", one["job"]["id"].as_str().unwrap());
        assert_eq!(world.get(&uri, &token).await.body["state"], "available");
    }
}

#[actix_web::test]
async fn an_atomic_batch_is_accepted_as_a_whole_or_refused_as_a_whole() {
    let world = World::with(&[
        ("LEGWORK_LIMITS__MAILS_BURST", "3"),
        ("LEGWORK_LIMITS__MAILS_PER_DAY", "100"),
    ]);
    let token = world.member("ada@example.org").await;
    let bad = json!([
        mail(&json!({})),
        mail(&json!({ "to": "bob", "unique": { "key": "a", "for_s": 5 } })),
        mail(&json!({ "text": "" }))
    ]);
    let batch = |messages: &Value| json!({ "messages": messages, "atomic": true });
    let refused = world.post("/v1/emails/batch", &token, &batch(&bad)).await;
    refused.is(422, &["/messages/1/unique", "/messages/1/to", "/messages/2/text"]);
    let four = json!(vec![mail(&json!({})); 4]);
    world
        .post("/v1/emails/batch", &token, &batch(&four))
        .await
        .is(422, &["/messages"]);
    assert_eq!(world.get("/v1/jobs", &token).await.body["data"], json!([]));
    let three = json!(vec![mail(&json!({})); 3]);
    world
        .post("/v1/emails/batch", &token, &batch(&three))
        .await
        .is(202, &[]);
    world
        .post("/v1/emails/batch", &token, &batch(&three))
        .await
        .is(429, &[]);
    for wrong in [json!([]), json!(vec![mail(&json!({})); 1_001])] {
        world
            .post("/v1/emails/batch", &token, &batch(&wrong))
            .await
            .is(422, &["/messages"]);
    }
}

#[actix_web::test]
async fn a_mail_beyond_a_limit_is_refused_in_its_place_with_when_to_come_back() {
    let world = World::with(&[("LEGWORK_LIMITS__MAILS_BURST", "2")]);
    let token = world.member("ada@example.org").await;
    let three = json!({ "messages": vec![mail(&json!({})); 3] });
    let answer = world.post("/v1/emails/batch", &token, &three).await;
    let statuses: Vec<_> = answer.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["status"].clone())
        .collect();
    assert_eq!(statuses, [202, 202, 429]);
    assert!(answer.body["data"][2]["retry_after_s"].as_u64().unwrap() > 0);
}

#[actix_web::test]
async fn a_batch_that_is_repeated_with_its_key_has_one_effect() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let send = |body: &Value| {
        let asking = request(Method::POST, "/v1/emails/batch", &token).set_json(body);
        world.send(asking.insert_header(("idempotency-key", "k1")))
    };
    let wrong = json!({ "messages": [mail(&json!({ "to": "bob" }))] });
    let first = send(&wrong).await;
    assert_eq!(first.body["data"][0]["status"], 422);
    let body = json!({ "messages": [mail(&json!({})), mail(&json!({ "to": "bob" })), mail(&json!({
        "attachments": [{ "name": "a.txt", "content": "YWJj" }]
    }))] });
    let answer = send(&body).await;
    answer.is(202, &[]);
    let again = send(&body).await;
    assert_eq!((again.status, &again.body), (202, &answer.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    send(&wrong).await.is(422, &[]);
    assert_eq!(
        world.get("/v1/jobs", &token).await.body["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[actix_web::test]
async fn files_that_come_twice_in_a_request_are_stored_once() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let file = |name: &str| json!({ "name": name, "content": "YWJj" });
    let with = |name: &str| mail(&json!({ "attachments": [file(name)] }));
    let body = json!({ "messages": [with("a.txt"), with("a.txt"), with("b.txt")] });
    world.post("/v1/emails/batch", &token, &body).await.is(202, &[]);
    assert_eq!(
        world.get("/v1/uploads", &token).await.body["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let jobs =
        json!([{ "kind": "email.send", "args": with("c.txt") }, { "kind": "probe.run", "args": { "steps": 1 } }]);
    world
        .post("/v1/batches", &token, &json!({ "jobs": jobs }))
        .await
        .is(202, &[]);
    assert_eq!(
        world.get("/v1/uploads", &token).await.body["data"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let schedule = json!({
        "name": "x", "cron": "@daily", "time_zone": "UTC", "job": { "kind": "email.send", "args": with("a.txt") }
    });
    world
        .post("/v1/schedules", &token, &schedule)
        .await
        .is(422, &["/job/args/attachments"]);
}

#[actix_web::test]
async fn of_a_mail_in_which_much_is_wrong_some_is_told() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let wrong = mail(&json!({ "tags": ["", "", "", "", "", "", ""] }));
    let body = json!({ "messages": [wrong] });
    let answer = world.post("/v1/emails/batch", &token, &body).await;
    let errors = answer.body["data"][0]["problem"]["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 5);
    assert_eq!(errors[4]["pointer"], "/messages/0/tags/4");
}

#[actix_web::test]
async fn a_request_has_no_more_files_than_one_transaction_may_enter() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let files = json!(vec![json!({ "name": "a.txt", "content": "YWJj" }); 91]);
    let with = mail(&json!({ "attachments": files }));
    let messages = json!({ "messages": vec![with.clone(); 11] });
    world
        .post("/v1/emails/batch", &token, &messages)
        .await
        .is(422, &["/messages"]);
    let jobs = json!({ "jobs": vec![json!({ "kind": "email.send", "args": with }); 11] });
    world.post("/v1/batches", &token, &jobs).await.is(422, &["/jobs"]);
    assert_eq!(world.get("/v1/uploads", &token).await.body["data"], json!([]));
}

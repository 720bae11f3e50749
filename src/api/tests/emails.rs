//! Mails.

use serde_json::{Value, json};

use super::World;

/// A good mail with some fields changed; null takes a field away.
fn mail(changes: &Value) -> Value {
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
async fn an_address_that_is_given_twice_gets_one_mail() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = mail(&json!({ "to": ["Bob@example.org", "bob@EXAMPLE.org", "eve@example.org"] }));
    world.post("/v1/emails", &token, &body).await.is(202, &[]);
    let claim = crate::store::ClaimRequest {
        queue: crate::domain::job::Queue::Mail,
        kinds: vec![crate::store::KnownKind {
            name: "email.send",
            version: 1,
        }],
        limit: 1,
        turn: Default::default(),
        node: crate::domain::id::NodeId::generate(),
        now: world.clock.now(),
    };
    let args = world.state.store.claim(claim).await.unwrap().jobs.remove(0).args;
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

/// The arguments of the next mail that is claimed.
async fn claimed(world: &World) -> Value {
    let claim = crate::store::ClaimRequest {
        queue: crate::domain::job::Queue::Mail,
        kinds: vec![crate::store::KnownKind {
            name: "email.send",
            version: 2,
        }],
        limit: 1,
        turn: Default::default(),
        node: crate::domain::id::NodeId::generate(),
        now: world.clock.now(),
    };
    let args = world.state.store.claim(claim).await.unwrap().jobs.remove(0).args;
    serde_json::from_str(&args).unwrap()
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
    let delete = super::request(actix_web::http::Method::DELETE, &uri, &token);
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
        super::request(actix_web::http::Method::PATCH, &uri, token).set_json(json!({ "sender_domains": domains }))
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
        let request = super::request(actix_web::http::Method::POST, "/v1/emails/batch", &token).set_json(body);
        world.send(request.insert_header(("idempotency-key", "k1")))
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

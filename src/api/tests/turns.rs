//! Limits and weights, as clients and operators set them.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{Answer, World, request};

async fn put(world: &World, uri: &str, token: &str, body: &Value) -> Answer {
    world.send(request(Method::PUT, uri, token).set_json(body)).await
}

async fn delete(world: &World, uri: &str, token: &str) -> Answer {
    world.send(request(Method::DELETE, uri, token)).await
}

#[actix_web::test]
async fn a_limit_of_a_key_is_set_shown_listed_and_removed_by_its_workspace_alone() {
    let world = World::new();
    let (own, other) = (world.member("a@example.com").await, world.member("b@example.com").await);
    let uri = "/v1/limits/probes/customer%2F7%20%C3%A4";
    let body = json!({ "concurrency": 2, "rate": { "jobs": 10, "period_s": 60 } });
    let set = put(&world, uri, &own, &body).await;
    set.is(200, &[]);
    assert_eq!(
        (&set.body["key"], &set.body["queue"]),
        (&json!("customer/7 ä"), &json!("probes"))
    );
    assert_eq!(set.body["rate"], json!({ "jobs": 10, "period_s": 60, "burst": 10 }));
    assert_eq!(world.get(uri, &own).await.body, set.body);
    world.get(uri, &other).await.is(404, &[]);
    delete(&world, uri, &other).await.is(404, &[]);
    put(&world, "/v1/limits/probes/*", &own, &json!({ "concurrency": 1 }))
        .await
        .is(200, &[]);
    put(&world, "/v1/limits/mail/x", &own, &json!({ "concurrency": 0 }))
        .await
        .is(200, &[]);
    let first = world.get("/v1/limits?limit=2", &own).await;
    let keys = |page: &Answer| -> Vec<Value> {
        let data = page.body["data"].as_array().unwrap();
        data.iter().map(|limit| limit["key"].clone()).collect()
    };
    assert_eq!(keys(&first), ["x", "*"]);
    let rest = format!("/v1/limits?cursor={}", first.body["next_cursor"].as_str().unwrap());
    let rest = world.get(&rest, &own).await;
    assert_eq!(
        (keys(&rest), &rest.body["next_cursor"]),
        (vec![json!("customer/7 ä")], &json!(null))
    );
    assert_eq!(world.get("/v1/limits", &other).await.body["data"], json!([]));
    delete(&world, uri, &own).await.is(204, &[]);
    world.get(uri, &own).await.is(404, &[]);
    delete(&world, uri, &own).await.is(404, &[]);
}

#[actix_web::test]
async fn a_limit_that_is_none_is_refused_with_what_is_wrong() {
    let world = World::new();
    let (own, operator) = (world.member("a@example.com").await, world.operator().await);
    let uri = "/v1/limits/probes/a";
    for (body, pointer) in [
        (json!({}), ""),
        (json!({ "concurrency": -1 }), "/concurrency"),
        (json!({ "concurrency": 1_000_001 }), "/concurrency"),
        (json!({ "rate": { "jobs": 0, "period_s": 1 } }), "/rate/jobs"),
        (json!({ "rate": { "jobs": 1, "period_s": 86_401 } }), "/rate/period_s"),
        (
            json!({ "rate": { "jobs": 1, "period_s": 1, "burst": 0 } }),
            "/rate/burst",
        ),
    ] {
        let answer = put(&world, uri, &own, &body).await;
        answer.is(422, &[pointer]);
    }
    for uri in [
        "/v1/limits/nothing/a",
        "/v1/limits/probes/a%0Ab",
        "/v1/queues/nothing/limit",
    ] {
        put(&world, uri, &operator, &json!({ "concurrency": 1 }))
            .await
            .is(404, &[]);
    }
    let long = "k".repeat(201);
    for key in ["*", "", "a\nb", long.as_str()] {
        let answer = world.post("/v1/probes", &own, &json!({ "steps": 0, "key": key })).await;
        answer.is(422, &["/key"]);
    }
}

#[actix_web::test]
async fn a_job_says_that_a_limit_holds_it_back_and_starts_when_there_is_room() {
    let world = World::new();
    let own = world.member("a@example.com").await;
    put(&world, "/v1/limits/probes/*", &own, &json!({ "concurrency": 1 }))
        .await
        .is(200, &[]);
    let probe = json!({ "steps": 0, "key": "one" });
    for _ in 0..2 {
        let accepted = world.post("/v1/probes", &own, &probe).await;
        accepted.is(202, &[]);
        assert_eq!(accepted.body["key"], "one");
    }
    let held = world.claim_up_to(5).await;
    assert_eq!(held.len(), 1);
    let jobs = world.get("/v1/jobs?state=available", &own).await;
    let waiting = jobs.body["data"][0]["id"].as_str().unwrap().to_owned();
    let waits_for = async || {
        let job = world.get(&format!("/v1/jobs/{waiting}"), &own).await;
        job.body["waiting_for"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(waits_for().await, "a place under the limit of its key or its queue");
    let rate = json!({ "rate": { "jobs": 1, "period_s": 60 } });
    put(&world, "/v1/limits/probes/one", &own, &rate).await.is(200, &[]);
    assert_eq!(world.claim_up_to(5).await.len(), 1, "the change holds for what waits");
    world.post("/v1/probes", &own, &probe).await.is(202, &[]);
    let jobs = world.get("/v1/jobs?state=available", &own).await;
    let id = jobs.body["data"][0]["id"].as_str().unwrap();
    let job = world.get(&format!("/v1/jobs/{id}"), &own).await;
    let words = job.body["waiting_for"].as_str().unwrap();
    assert!(
        words.starts_with("its time under the rate of its key or its queue, "),
        "{words}"
    );
}

#[actix_web::test]
async fn the_limit_of_a_queue_and_the_weight_of_a_workspace_are_operators_to_set() {
    let world = World::new();
    let (own, operator) = (world.member("a@example.com").await, world.operator().await);
    let (limit, one) = ("/v1/queues/probes/limit", json!({ "concurrency": 1 }));
    put(&world, limit, &own, &one).await.is(403, &[]);
    assert_eq!(world.get(limit, &operator).await.body["concurrency"], json!(null));
    put(&world, limit, &operator, &one).await.is(200, &[]);
    world.fill(3).await;
    assert_eq!(world.claim_up_to(5).await.len(), 1);
    for _ in 0..2 {
        delete(&world, limit, &operator).await.is(204, &[]);
    }
    assert_eq!(world.claim_up_to(5).await.len(), 2);

    let me = world.get("/v1/accounts/me", &own).await;
    let workspace = format!("/v1/workspaces/{}", me.body["workspace_id"].as_str().unwrap());
    let patch = async |token: &str, body: Value| {
        let change = request(Method::PATCH, &workspace, token).set_json(body);
        world.send(change).await
    };
    patch(&own, json!({ "weight": 3 })).await.is(403, &[]);
    patch(&operator, json!({ "weight": 101 })).await.is(422, &["/weight"]);
    let set = patch(&operator, json!({ "weight": 3 })).await;
    set.is(200, &[]);
    assert_eq!(set.body["weight"], 3);
    assert_eq!(world.get(&workspace, &operator).await.body, set.body);
    let all = world.get("/v1/workspaces?limit=1", &operator).await;
    let next = all.body["next_cursor"].as_str().unwrap();
    let rest = world.get(&format!("/v1/workspaces?cursor={next}"), &operator).await;
    let ids: Vec<&Value> = [&all, &rest]
        .into_iter()
        .flat_map(|page| page.body["data"].as_array().unwrap())
        .map(|one| &one["id"])
        .collect();
    assert!(ids.contains(&&set.body["id"]));
    world.get("/v1/workspaces", &own).await.is(403, &[]);
}

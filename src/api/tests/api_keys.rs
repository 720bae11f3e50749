//! API keys.

use std::time::Duration;

use serde_json::json;

use super::World;
use crate::domain::id::{AccountId, ApiKeyId};
use crate::store::{Abort, api_keys};

#[actix_web::test]
async fn a_key_is_shown_once_works_until_it_is_revoked_and_is_listed() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let answer = world
        .post("/v1/api-keys", &token, &json!({ "name": "ci", "scopes": ["*"] }))
        .await;
    answer.is(201, &[]);
    let (id, key) = (
        answer.body["id"].as_str().unwrap(),
        answer.body["key"].as_str().unwrap(),
    );
    assert!(key.starts_with("lwk_"));
    world.get("/v1/accounts/me", key).await.is(200, &[]);
    world.probe(key).await;
    let list = world.get("/v1/api-keys", &token).await;
    assert_eq!(
        (&list.body["data"][0]["id"], &list.body["data"][0]["name"]),
        (&id.into(), &"ci".into())
    );
    assert_eq!(list.body["data"][0]["scopes"], json!(["*"]));
    assert!(!list.text.contains("lwk_"));
    world.delete(&format!("/v1/api-keys/{id}"), &token).await.is(204, &[]);
    world.delete(&format!("/v1/api-keys/{id}"), &token).await.is(404, &[]);
    world.get("/v1/accounts/me", key).await.is(401, &[]);
    assert_eq!(world.get("/v1/api-keys", &token).await.body["data"], json!([]));
}

#[actix_web::test]
async fn a_key_can_manage_neither_keys_nor_logins() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let key = world.api_key(&token).await;
    let new = json!({ "name": "other", "scopes": ["*"] });
    world.post("/v1/api-keys", &key, &new).await.is(403, &[]);
    for uri in ["/v1/api-keys", "/v1/sessions", "/v1/sessions/current"] {
        world.get(uri, &key).await.is(403, &[]);
    }
    let id = world.get("/v1/api-keys", &token).await.body["data"][0]["id"].clone();
    world
        .delete(&format!("/v1/api-keys/{}", id.as_str().unwrap()), &key)
        .await
        .is(403, &[]);
    world.delete("/v1/sessions/current", &key).await.is(403, &[]);
}

#[actix_web::test]
async fn the_hundred_and_first_key_is_refused_until_one_is_revoked() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for _ in 0..100 {
        world.api_key(&token).await;
    }
    let new = json!({ "name": "one more", "scopes": ["*"] });
    world.post("/v1/api-keys", &token, &new).await.is(409, &[]);
    let list = world.get("/v1/api-keys", &token).await;
    let id = list.body["data"][99]["id"].as_str().unwrap();
    world.delete(&format!("/v1/api-keys/{id}"), &token).await.is(204, &[]);
    world.post("/v1/api-keys", &token, &new).await.is(201, &[]);
}

#[actix_web::test]
async fn a_key_has_a_name_and_the_one_scope_there_is() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for (body, pointers) in [
        (json!({ "name": "", "scopes": ["*"] }), vec!["/name"]),
        (json!({ "name": "a\r\nb", "scopes": ["*"] }), vec!["/name"]),
        (json!({ "name": "ci", "scopes": ["jobs:read"] }), vec!["/scopes/0"]),
        (json!({ "name": "ci", "scopes": ["*", "*"] }), vec!["/scopes"]),
        (json!({ "name": "ci", "scopes": [] }), vec!["/scopes"]),
        (json!({ "name": "ci", "scopes": "*" }), vec!["/scopes"]),
        (json!({ "name": "ci", "scopes": [1] }), vec!["/scopes/0"]),
        (json!({ "name": "ci" }), vec!["/scopes"]),
        (json!({ "scopes": ["*"] }), vec!["/name"]),
    ] {
        world.post("/v1/api-keys", &token, &body).await.is(422, &pointers);
    }
}

#[actix_web::test]
async fn a_key_that_another_process_revokes_stops_working_within_a_second() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let key = world.api_key(&token).await;
    let list = world.get("/v1/api-keys", &token).await;
    let id: ApiKeyId = list.body["data"][0]["id"].as_str().unwrap().parse().unwrap();
    let me = world.get("/v1/accounts/me", &key).await;
    me.is(200, &[]);
    let account: AccountId = me.body["id"].as_str().unwrap().parse().unwrap();
    let other = world.other_process();
    let now = world.clock.now();
    let revoked = other.write(move |tx| Ok::<_, Abort<()>>(api_keys::revoke(tx.connection(), id, account, now)?));
    assert!(revoked.await.unwrap());
    world.advance(Duration::from_secs(1));
    world.get("/v1/accounts/me", &key).await.is(401, &[]);
}

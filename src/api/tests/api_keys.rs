//! API keys.

use std::time::Duration;

use serde_json::json;

use super::World;
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::scope::Scope;
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
    assert_eq!(list.body["data"][0]["prefix"], key[..12]);
    assert!(!list.text.contains(&key[..13]) && list.body["data"][0].get("key").is_none());
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
async fn a_key_has_a_name_scopes_that_are_known_and_an_end_within_a_year_if_any() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for (body, pointers) in [
        (json!({ "name": "", "scopes": ["*"] }), vec!["/name"]),
        (json!({ "name": "a\r\nb", "scopes": ["*"] }), vec!["/name"]),
        (json!({ "name": "ci", "scopes": ["jobs:all"] }), vec!["/scopes/0"]),
        (json!({ "name": "ci", "scopes": ["*", "JOBS:READ"] }), vec!["/scopes/1"]),
        (json!({ "name": "ci", "scopes": [] }), vec!["/scopes"]),
        (
            json!({ "name": "ci", "scopes": vec!["*"; Scope::ALL.len() + 1] }),
            vec!["/scopes"],
        ),
        (json!({ "name": "ci", "scopes": "*" }), vec!["/scopes"]),
        (json!({ "name": "ci", "scopes": [1] }), vec!["/scopes/0"]),
        (json!({ "name": "ci" }), vec!["/scopes"]),
        (json!({ "scopes": ["*"] }), vec!["/name"]),
        (
            json!({ "name": "ci", "scopes": ["*"], "expires_in_days": 0 }),
            vec!["/expires_in_days"],
        ),
        (
            json!({ "name": "ci", "scopes": ["*"], "expires_in_days": 367 }),
            vec!["/expires_in_days"],
        ),
    ] {
        world.post("/v1/api-keys", &token, &body).await.is(422, &pointers);
    }
    let body = json!({ "name": "ci", "scopes": ["jobs:read", "emails:write", "jobs:read"] });
    let made = world.post("/v1/api-keys", &token, &body).await;
    made.is(201, &[]);
    assert_eq!(made.body["scopes"], json!(["emails:write", "jobs:read"]));
    assert_eq!(made.body["expires_at"], json!(null));
}

#[actix_web::test]
async fn a_key_with_an_end_is_good_until_then_by_the_clock_also_when_it_was_just_used() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = json!({ "name": "ci", "scopes": ["*"], "expires_in_days": 2 });
    let made = world.post("/v1/api-keys", &token, &body).await;
    let key = made.body["key"].as_str().unwrap();
    world.advance(Duration::from_hours(48) - Duration::from_micros(1));
    world.get("/v1/accounts/me", key).await.is(200, &[]);
    world.advance(Duration::from_micros(1));
    world.get("/v1/accounts/me", key).await.is(401, &[]);
    assert_eq!(world.get("/v1/api-keys", &token).await.body["data"], json!([]));
}

#[actix_web::test]
async fn keys_are_found_by_how_they_begin_and_a_whole_key_is_refused() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let (one, other) = (world.api_key(&token).await, world.api_key(&token).await);
    for (prefix, count) in [("lwk_", 2), (&one[..12], 1), (&other[..12], 1), ("lwk_~", 0)] {
        let found = world.get(&format!("/v1/api-keys?prefix={prefix}"), &token).await;
        if count == 0 {
            found.is(422, &["/query/prefix"]);
            continue;
        }
        found.is(200, &[]);
        let found = found.body["data"].as_array().unwrap().clone();
        assert!(
            found.len() == count
                && found
                    .iter()
                    .all(|key| key["prefix"].as_str().unwrap().starts_with(prefix))
        );
    }
    for prefix in [&one[..13], &one, "", "lws_"] {
        let refused = world.get(&format!("/v1/api-keys?prefix={prefix}"), &token).await;
        refused.is(422, &["/query/prefix"]);
        assert!(prefix.is_empty() || prefix == "lws_" || !refused.text.contains(prefix));
    }
    let stranger = world.member("bob@example.org").await;
    let theirs = world
        .get(&format!("/v1/api-keys?prefix={}", &one[..12]), &stranger)
        .await;
    assert_eq!(theirs.body["data"], json!([]));
}

/// Rotates a key.
async fn rotate(world: &World, token: &str, id: &str, body: serde_json::Value) -> super::Answer {
    world.post(&format!("/v1/api-keys/{id}/rotate"), token, &body).await
}

#[actix_web::test]
async fn a_rotated_key_and_its_successor_are_both_good_until_the_overlap_has_passed() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = json!({ "name": "shop", "scopes": ["account:read"], "expires_in_days": 30 });
    let old = world.post("/v1/api-keys", &token, &body).await.body;
    let (id, old_key) = (old["id"].as_str().unwrap(), old["key"].as_str().unwrap());
    world.advance(Duration::from_mins(5));
    let new = rotate(&world, &token, id, json!({ "overlap_hours": 2 })).await;
    new.is(201, &[]);
    assert_eq!(
        (&new.body["name"], &new.body["scopes"]),
        (&json!("shop"), &json!(["account:read"]))
    );
    let new_key = new.body["key"].as_str().unwrap();
    let list = world.get("/v1/api-keys", &token).await.body["data"].clone();
    assert_eq!(
        (&list[0]["id"], &list[0]["replaced_by"]),
        (&new.body["id"], &json!(null))
    );
    assert_eq!((&list[1]["id"], &list[1]["replaced_by"]), (&old["id"], &new.body["id"]));
    let lasts = |key: &serde_json::Value| -> Duration {
        let at = |name: &str| key[name].as_str().unwrap().parse::<crate::clock::Timestamp>().unwrap();
        at("expires_at").since(at("created_at"))
    };
    assert_eq!(
        (lasts(&list[0]), lasts(&old)),
        (Duration::from_hours(30 * 24), Duration::from_hours(30 * 24))
    );
    rotate(&world, &token, id, json!({})).await.is(409, &[]);
    for key in [old_key, new_key] {
        world.get("/v1/accounts/me", key).await.is(200, &[]);
    }
    world.advance(Duration::from_hours(2));
    world.get("/v1/accounts/me", old_key).await.is(401, &[]);
    world.get("/v1/accounts/me", new_key).await.is(200, &[]);
    assert_eq!(
        world.get("/v1/api-keys", &token).await.body["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[actix_web::test]
async fn without_an_overlap_the_old_key_is_revoked_at_once_and_an_overlap_has_bounds() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let key = world.api_key(&token).await;
    let id = world.get("/v1/api-keys", &token).await.body["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    world.get("/v1/accounts/me", &key).await.is(200, &[]);
    for hours in [-1, 721] {
        let refused = rotate(&world, &token, &id, json!({ "overlap_hours": hours })).await;
        refused.is(422, &["/overlap_hours"]);
    }
    let stranger = world.member("bob@example.org").await;
    rotate(&world, &stranger, &id, json!({})).await.is(404, &[]);
    let new = rotate(&world, &token, &id, json!({ "overlap_hours": 0 })).await;
    new.is(201, &[]);
    assert_eq!(new.body["expires_at"], json!(null));
    world.get("/v1/accounts/me", &key).await.is(401, &[]);
    world
        .get("/v1/accounts/me", new.body["key"].as_str().unwrap())
        .await
        .is(200, &[]);
    rotate(&world, &token, &id, json!({})).await.is(404, &[]);
}

#[actix_web::test]
async fn with_as_many_keys_as_there_may_be_each_can_still_be_rotated_once() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for _ in 0..100 {
        world.api_key(&token).await;
    }
    let all = world.get("/v1/api-keys", &token).await.body["data"]
        .as_array()
        .unwrap()
        .clone();
    for key in &all {
        rotate(&world, &token, key["id"].as_str().unwrap(), json!({}))
            .await
            .is(201, &[]);
    }
    let all = world.get("/v1/api-keys", &token).await.body["data"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(all.len(), 200);
    rotate(&world, &token, all[0]["id"].as_str().unwrap(), json!({}))
        .await
        .is(409, &[]);
}

#[actix_web::test]
async fn keys_are_made_by_who_showed_the_password_lately_and_revoked_by_any_login() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    world.api_key(&token).await;
    world.advance(world.state.config.session.confirmed_for);
    let id = world.get("/v1/api-keys", &token).await.body["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let new = json!({ "name": "ci", "scopes": ["*"] });
    for refused in [
        world.post("/v1/api-keys", &token, &new).await,
        rotate(&world, &token, &id, json!({})).await,
    ] {
        refused.is(403, &[]);
        assert_eq!(refused.body["type"], "/problems/confirmation-required");
    }
    world.delete(&format!("/v1/api-keys/{id}"), &token).await.is(204, &[]);
}

#[actix_web::test]
async fn what_happens_to_keys_is_written_down_without_their_secret() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let key = world.api_key(&token).await;
    let id = world.get("/v1/api-keys", &token).await.body["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let new = rotate(&world, &token, &id, json!({})).await;
    world.delete(&format!("/v1/api-keys/{id}"), &token).await.is(204, &[]);
    let filter = crate::store::security::SecurityFilter {
        workspace: None,
        account: None,
        event: None,
        before: None,
        limit: 50,
    };
    let read = world
        .state
        .store
        .read(move |connection| crate::store::security::list(connection, &filter));
    let mut events = read.await.unwrap().0;
    events.retain(|event| event.event.starts_with("api_key."));
    let names: Vec<_> = events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(names, ["api_key.revoked", "api_key.rotated", "api_key.made"]);
    for event in &events {
        assert!(event.detail.contains(&id) && event.request_id.is_some(), "{event:?}");
        for secret in [&key, new.body["key"].as_str().unwrap()] {
            assert!(!event.detail.contains(&secret[..13]));
        }
    }
    assert!(events[2].detail.contains(&key[..12]));
}

/// Waits until a key is refused, and answers how long that took.
async fn until_refused(world: &World, key: &str) -> Duration {
    let since = std::time::Instant::now();
    while world.get("/v1/accounts/me", key).await.status != 401 {
        assert!(since.elapsed() < Duration::from_secs(60), "it is never refused");
        tokio::task::yield_now().await;
    }
    since.elapsed()
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
    let took = until_refused(&world, &key).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[actix_web::test]
async fn who_comes_again_costs_no_read_whatever_is_written_meanwhile() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let key = world.api_key(&token).await;
    let id = world.get("/v1/api-keys", &token).await.body["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for token in [&token, &key] {
        world.get("/v1/accounts/me", token).await.is(200, &[]);
    }
    let (began, before) = (std::time::Instant::now(), world.state.store.reads());
    for number in 0..100 {
        world
            .get("/v1/accounts/me", [&token, &key][number % 2])
            .await
            .is(200, &[]);
        if number % 10 == 0 {
            // A closure that changes nobody's credentials.
            world.state.store.take_write(Duration::from_secs(10)).await.unwrap();
            world.member(&format!("new{number}@example.org")).await;
        }
    }
    // Each login reads its account and its second factor; the rest are looks at the log of changes, four a second at most.
    let looks = world.state.store.reads() - before - 20;
    assert!(
        u128::from(looks) <= began.elapsed().as_millis() / 250 + 1,
        "{looks} reads"
    );
    world.delete(&format!("/v1/api-keys/{id}"), &token).await.is(204, &[]);
    world.get("/v1/accounts/me", &key).await.is(401, &[]);
}

#[actix_web::test]
async fn no_request_that_is_under_way_while_a_key_is_revoked_lets_it_in_afterwards() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for _ in 0..20 {
        let key = world.api_key(&token).await;
        let id = world.get("/v1/api-keys", &token).await.body["data"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let uri = format!("/v1/api-keys/{id}");
        let asking = futures_util::future::join_all((0..8).map(|_| world.get("/v1/accounts/me", &key)));
        let (answers, revoked) = futures_util::future::join(asking, world.delete(&uri, &token)).await;
        revoked.is(204, &[]);
        assert!(answers.iter().all(|answer| [200, 401].contains(&answer.status)));
        world.get("/v1/accounts/me", &key).await.is(401, &[]);
    }
}

#[actix_web::test]
async fn when_a_key_was_last_used_is_noted_apart_from_the_request() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let key = world.api_key(&token).await;
    let last_used_at = async || world.get("/v1/api-keys", &token).await.body["data"][0]["last_used_at"].clone();
    world.state.key_uses.write(&world.state.store).await;
    assert_eq!(last_used_at().await, json!(null));
    world.advance(Duration::from_mins(3));
    let used_at = world.clock.now();
    for _ in 0..3 {
        world.get("/v1/accounts/me", &key).await.is(200, &[]);
    }
    assert_eq!(last_used_at().await, json!(null), "not yet written");
    world.state.key_uses.write(&world.state.store).await;
    assert_eq!(last_used_at().await, json!(used_at));
}

//! Logging in and out.

use std::time::Duration;

use actix_web::http::{Method, header};
use serde_json::json;

use super::{PASSWORD, World, request};

#[actix_web::test]
async fn a_login_gives_a_token_and_a_cookie_and_each_of_them_is_good() {
    let world = World::new();
    world.account("ada@example.org", false).await;
    let body = json!({ "email": "Ada@Example.org", "password": PASSWORD });
    let post = request(Method::POST, "/v1/sessions", "").insert_header((header::USER_AGENT, "curl/8"));
    let answer = world.send(post.set_json(body)).await;
    answer.is(201, &[]);
    assert_eq!(answer.body["account"]["email"], "ada@example.org");
    assert_eq!(answer.body["expires_at"], "2023-11-28T22:13:20.000000Z");
    let token = answer.body["token"].as_str().unwrap();
    let cookie = answer.header("set-cookie");
    assert_eq!(
        cookie,
        format!("legwork_session={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age=1209600")
    );
    let by_cookie = request(Method::GET, "/v1/sessions/current", "").insert_header((header::COOKIE, cookie));
    for answer in [
        world.send(by_cookie).await,
        world.get("/v1/sessions/current", token).await,
    ] {
        answer.is(200, &[]);
        assert_eq!(
            (&answer.body["user_agent"], &answer.body["current"]),
            (&"curl/8".into(), &true.into())
        );
        assert_eq!(answer.body["account"]["name"], "Ada");
        assert!(!answer.text.contains("lws_"));
    }
}

#[actix_web::test]
async fn an_unknown_address_a_wrong_password_and_an_unverified_one_get_one_answer() {
    let world = World::new();
    world.account("ada@example.org", false).await;
    let waiting = json!({ "email": "new@example.org", "password": PASSWORD, "name": "New" });
    world.post("/v1/accounts", "", &waiting).await.is(202, &[]);
    let mut texts = std::collections::HashSet::new();
    for (email, password) in [
        ("ada@example.org", "wrong password"),
        ("ada@example.org", ""),
        ("nobody@example.org", PASSWORD),
        ("new@example.org", PASSWORD),
    ] {
        let post = request(Method::POST, "/v1/sessions", "").insert_header(("x-request-id", "one"));
        let answer = world
            .send(post.set_json(json!({ "email": email, "password": password })))
            .await;
        answer.is(401, &[]);
        assert_eq!(
            (answer.header("www-authenticate"), answer.header("set-cookie")),
            ("Bearer", "")
        );
        texts.insert(answer.text);
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[actix_web::test]
async fn a_logout_ends_the_login_and_takes_the_cookie_away() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let answer = world.delete("/v1/sessions/current", &token).await;
    answer.is(204, &[]);
    assert_eq!(
        answer.header("set-cookie"),
        "legwork_session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
    );
    world.get("/v1/sessions/current", &token).await.is(401, &[]);
}

#[actix_web::test]
async fn logging_out_twice_at_once_is_told_as_not_being_logged_in() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    // That no other status comes is checked on their way.
    let at_once = (0..8).map(|_| world.delete("/v1/sessions/current", &token));
    let mut statuses: Vec<_> = futures_util::future::join_all(at_once)
        .await
        .iter()
        .map(|answer| answer.status)
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 401, 401, 401, 401, 401, 401, 401]);
}

#[actix_web::test]
async fn logins_are_listed_newest_first_and_one_can_be_ended_from_another() {
    let world = World::new();
    let old = world.member("ada@example.org").await;
    let new = world.login("ada@example.org").await;
    let list = world.get("/v1/sessions", &new).await;
    let current: Vec<_> = list.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["current"] == true)
        .collect();
    assert_eq!(current, [true, false]);
    assert!(list.body["next_cursor"].is_null());
    let id = list.body["data"][1]["id"].as_str().unwrap();
    let uri = format!("/v1/sessions/{id}");
    let answer = world.delete(&uri, &new).await;
    answer.is(204, &[]);
    assert_eq!(answer.header("set-cookie"), "", "the login that asks goes on");
    world.delete(&uri, &new).await.is(404, &[]);
    world.get("/v1/accounts/me", &old).await.is(401, &[]);
    world.get("/v1/accounts/me", &new).await.is(200, &[]);
}

#[actix_web::test]
async fn a_login_ends_by_itself() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    world.advance(Duration::from_secs(336 * 3600 - 1));
    world.get("/v1/accounts/me", &token).await.is(200, &[]);
    world.advance(Duration::from_secs(1));
    world.get("/v1/accounts/me", &token).await.is(401, &[]);
}

#[actix_web::test]
async fn the_hundred_and_first_login_ends_the_oldest() {
    let world = World::new();
    let oldest = world.member("ada@example.org").await;
    let other = world.member("bob@example.org").await;
    let second = world.login("ada@example.org").await;
    for _ in 0..98 {
        world.login("ada@example.org").await;
    }
    world.get("/v1/accounts/me", &oldest).await.is(200, &[]);
    world.login("ada@example.org").await;
    world.get("/v1/accounts/me", &oldest).await.is(401, &[]);
    world.get("/v1/accounts/me", &second).await.is(200, &[]);
    world.get("/v1/accounts/me", &other).await.is(200, &[]);
}

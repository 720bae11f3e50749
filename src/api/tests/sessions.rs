//! Logging in and out.

use std::time::Duration;

use actix_web::http::{Method, header};
use serde_json::json;

use super::{PASSWORD, World, request};
use crate::domain::token::Token;
use crate::store::sessions;

#[actix_web::test]
async fn a_login_gives_a_token_and_a_cookie_and_each_of_them_is_good() {
    let world = World::new();
    world.account("ada@example.org", false).await;
    let body = json!({ "email": "Ada@Example.org", "password": PASSWORD });
    let post = request(Method::POST, "/v1/sessions", "").insert_header((header::USER_AGENT, "curl/8"));
    let answer = world.send(post.set_json(body)).await;
    answer.is(201, &[]);
    assert_eq!(answer.body["account"]["email"], "ada@example.org");
    assert_eq!(answer.body["expires_at"], "2023-11-17T22:13:20.000000Z");
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

#[actix_web::test]
async fn a_login_by_a_browser_that_holds_a_login_ends_that_one() {
    let world = World::new();
    let planted = world.member("eve@example.org").await;
    world.account("ada@example.org", false).await;
    let login = request(Method::POST, "/v1/sessions", "")
        .insert_header((header::COOKIE, format!("legwork_session={planted}")))
        .set_json(json!({ "email": "ada@example.org", "password": PASSWORD }));
    let answer = world.send(login).await;
    answer.is(201, &[]);
    let token = answer.body["token"].as_str().unwrap();
    assert_ne!(token, planted);
    world.get("/v1/accounts/me", &planted).await.is(401, &[]);
    world.get("/v1/accounts/me", token).await.is(200, &[]);
    // A login that fails ends nothing.
    let login = request(Method::POST, "/v1/sessions", "")
        .insert_header((header::COOKIE, format!("legwork_session={token}")))
        .set_json(json!({ "email": "ada@example.org", "password": "wrong" }));
    world.send(login).await.is(401, &[]);
    world.get("/v1/accounts/me", token).await.is(200, &[]);
}

#[actix_web::test]
async fn a_confirmation_gives_another_token_and_the_old_one_is_good_no_more() {
    let world = World::new();
    let old = world.member("ada@example.org").await;
    let uri = "/v1/sessions/current/confirm";
    world
        .post(uri, &old, &json!({ "password": "wrong" }))
        .await
        .is(401, &[]);
    world.get("/v1/accounts/me", &old).await.is(200, &[]);
    let before = world.get("/v1/sessions/current", &old).await;
    let shown = json!({ "password": PASSWORD });
    let at_once = (0..4).map(|_| world.post(uri, &old, &shown));
    let answers = futures_util::future::join_all(at_once).await;
    let mut good = answers.iter().filter(|answer| answer.status == 200);
    let confirmed = good.next().unwrap();
    assert_eq!(good.count(), 0, "one of several at once");
    let new = confirmed.body["token"].as_str().unwrap();
    assert!(confirmed.header("set-cookie").contains(new));
    world.get("/v1/accounts/me", &old).await.is(401, &[]);
    let after = world.get("/v1/sessions/current", new).await;
    assert_eq!(after.body["id"], before.body["id"], "the same login");
    let happened: Vec<String> = world.all_happened().await.into_iter().map(|one| one.event).collect();
    assert_eq!(
        happened,
        ["session.confirmed", "session.confirmation_refused", "login.succeeded"]
    );
}

#[actix_web::test]
async fn confirmations_are_counted_as_logins_are() {
    let world = World::with(&[("LEGWORK_LIMITS__LOGINS_PER_MINUTE", "3")]);
    world.account("ada@example.org", false).await;
    let peer = "192.0.2.7:1000".parse().unwrap();
    let login = request(Method::POST, "/v1/sessions", "").peer_addr(peer);
    let login = world
        .send(login.set_json(json!({ "email": "ada@example.org", "password": PASSWORD })))
        .await;
    let token = login.body["token"].as_str().unwrap().to_owned();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let confirm = request(Method::POST, "/v1/sessions/current/confirm", &token).peer_addr(peer);
        statuses.push(
            world
                .send(confirm.set_json(json!({ "password": "wrong" })))
                .await
                .status,
        );
    }
    assert_eq!(statuses.first(), Some(&401));
    assert_eq!(statuses.last(), Some(&429));
}

#[actix_web::test]
async fn a_login_that_is_not_used_ends_and_one_that_is_used_goes_on_to_its_end() {
    const IDLE: u64 = 72 * 3600;
    let world = World::new();
    let unused = world.member("ada@example.org").await;
    let used = world.login("ada@example.org").await;
    for _ in 0..4 {
        world.advance(Duration::from_secs(IDLE - 1));
        world.get("/v1/accounts/me", &used).await.is(200, &[]);
    }
    world.get("/v1/accounts/me", &unused).await.is(401, &[]);
    let list = world.get("/v1/sessions", &used).await;
    assert_eq!(
        list.body["data"].as_array().unwrap().len(),
        1,
        "the other is not shown either"
    );
    // What was noted is written, and read again.
    let written = world
        .state
        .session_uses
        .write(&world.state.store, world.clock.now())
        .await;
    assert_eq!(written.unwrap(), 1);
    world.advance(Duration::from_secs(336 * 3600 - 4 * (IDLE - 1) - 1));
    world.get("/v1/accounts/me", &used).await.is(200, &[]);
    world.advance(Duration::from_secs(1));
    world.get("/v1/accounts/me", &used).await.is(401, &[]);
}

#[actix_web::test]
async fn a_session_check_costs_no_write() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let began = world.clock.now();
    for _ in 0..10 {
        world.advance(Duration::from_secs(600));
        world.get("/v1/accounts/me", &token).await.is(200, &[]);
    }
    let hash = Token::parse(&token).unwrap().1.hash();
    let now = world.clock.now();
    let found = world
        .state
        .store
        .read(move |connection| sessions::by_token(connection, &hash, now))
        .await
        .unwrap();
    // It was used ten times, and the database knows of none until the keeper writes.
    assert_eq!(found.unwrap().0.last_used_at, Some(began));
}

#[actix_web::test]
async fn the_list_shows_by_what_and_where_from_logins_are_used_and_until_when_they_are_good() {
    let world = World::new();
    world.account("ada@example.org", false).await;
    let from = |address: &str, request: actix_web::test::TestRequest| request.peer_addr(address.parse().unwrap());
    let login = request(Method::POST, "/v1/sessions", "").insert_header((header::USER_AGENT, "Firefox"));
    let login = login.set_json(json!({ "email": "ada@example.org", "password": PASSWORD }));
    let login = world.send(from("192.0.2.7:1000", login)).await;
    assert_eq!(
        login.body["expires_at"], "2023-11-17T22:13:20.000000Z",
        "three days of no use"
    );
    let token = login.body["token"].as_str().unwrap();
    world.advance(Duration::from_secs(3600));
    let list = request(Method::GET, "/v1/sessions", token);
    let list = world.send(from("[2001:db8:1:2:3::4]:1000", list)).await;
    let one = &list.body["data"][0];
    assert_eq!(one["user_agent"], "Firefox");
    assert_eq!(one["network"], "2001:db8:1:2::/64");
    assert_eq!(one["created_at"], "2023-11-14T22:13:20.000000Z");
    assert_eq!(one["last_used_at"], "2023-11-14T23:13:20.000000Z");
    assert_eq!(one["expires_at"], "2023-11-17T23:13:20.000000Z");
}

#[actix_web::test]
async fn ending_the_others_leaves_the_one_that_asks_and_other_peoples() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let others = [
        world.login("ada@example.org").await,
        world.login("ada@example.org").await,
    ];
    let bob = world.member("bob@example.org").await;
    let answer = world.delete("/v1/sessions/others", &token).await;
    answer.is(200, &[]);
    assert_eq!(answer.body, json!({ "ended": 2 }));
    for other in others {
        world.get("/v1/accounts/me", &other).await.is(401, &[]);
    }
    world.get("/v1/accounts/me", &token).await.is(200, &[]);
    world.get("/v1/accounts/me", &bob).await.is(200, &[]);
    let key = world.api_key(&token).await;
    world.delete("/v1/sessions/others", &key).await.is(403, &[]);
    let mut happened = world.all_happened().await.into_iter();
    let last = happened.find(|one| one.event == "session.others_ended").unwrap();
    assert_eq!(last.detail, "{\"ended\":2}");
}

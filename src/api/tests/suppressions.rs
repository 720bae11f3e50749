//! Suppressions: putting addresses there, seeing them, taking them away.

use serde_json::{Value, json};

use super::World;
use crate::domain::id::{SuppressionId, WorkspaceId};
use crate::domain::suppression::{SuppressionOrigin, SuppressionReason};
use crate::store::Abort;
use crate::store::suppressions::{NewSuppression, add};

const LIST: &str = "/v1/suppressions";

fn of(address: &str, reason: &str, stream: Option<&str>) -> Value {
    let mut body = json!({ "address": address, "reason": reason });
    if let Some(stream) = stream {
        body["stream"] = stream.into();
    }
    body
}

impl World {
    async fn addresses(&self, query: &str, token: &str) -> Vec<String> {
        let page = self.get(&format!("{LIST}{query}"), token).await;
        page.is(200, &[]);
        let data = page.body["data"].as_array().unwrap().clone();
        data.iter()
            .map(|one| one["address"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[actix_web::test]
async fn whomever_mails_go_to_can_be_suppressed_and_found() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let made = world
        .post(LIST, &ada, &of("j\u{fc}rgen@b\u{fc}cher.example", "manual", None))
        .await;
    made.is(201, &[]);
    let kept = "j\u{fc}rgen@xn--bcher-kva.example";
    assert_eq!(made.body["address"], kept);
    let found = world.addresses("?address=j%C3%BCrgen@b%C3%BCcher.example", &ada).await;
    assert_eq!(found, [kept]);
}

#[actix_web::test]
async fn an_address_is_suppressed_once_and_keeps_the_weightier_reason() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let key = world.api_key(&ada).await;
    let made = world
        .post(LIST, &ada, &of("Bob@Example.com", "bounce", Some("news")))
        .await;
    made.is(201, &[]);
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("{LIST}/{id}"));
    assert_eq!(made.body["address"], "bob@example.com");
    assert_eq!(made.body["origin"]["by"], "account");
    world.advance(std::time::Duration::from_secs(60));
    for (reason, expected, by) in [
        ("bounce", "bounce", "account"),
        ("manual", "bounce", "account"),
        ("complaint", "complaint", "api_key"),
        ("unsubscribe", "complaint", "api_key"),
    ] {
        let again = world
            .post(LIST, &key, &of("bob@example.com", reason, Some("news")))
            .await;
        again.is(200, &[]);
        assert_eq!(again.body["id"], id);
        assert_eq!(
            (&again.body["reason"], &again.body["origin"]["by"]),
            (&json!(expected), &json!(by))
        );
        assert_eq!(again.body["created_at"], made.body["created_at"]);
        let shown = world.get(&format!("{LIST}/{id}"), &ada).await;
        assert_eq!(shown.body, again.body);
    }
    // In all streams it is another one.
    let all = world.post(LIST, &ada, &of("bob@example.com", "manual", None)).await;
    all.is(201, &[]);
    assert_eq!(all.body["stream"], Value::Null);
    assert_eq!(world.addresses("", &ada).await.len(), 2);
}

#[actix_web::test]
async fn what_is_wrong_is_told_field_by_field() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let wrong = json!({ "address": "bob\r\n@example.com", "reason": "manual", "stream": "No stream" });
    world.post(LIST, &ada, &wrong).await.is(422, &["/address", "/stream"]);
    let unknown = of("bob@example.com", "because", None);
    world.post(LIST, &ada, &unknown).await.is(422, &["/reason"]);
    let more = json!({ "address": "bob@example.com", "reason": "manual", "until": "tomorrow" });
    world.post(LIST, &ada, &more).await.is(422, &["/until"]);
    let import = format!("{LIST}/import");
    let many = json!({ "suppressions": [of("a@example.com", "manual", None), of("b@", "manual", None), of("c@example.com", "manual", Some("C"))] });
    let refused = world.post(&import, &ada, &many).await;
    refused.is(422, &["/suppressions/1/address", "/suppressions/2/stream"]);
    world
        .post(&import, &ada, &json!({ "suppressions": [] }))
        .await
        .is(422, &["/suppressions"]);
    let too_many = vec![of("a@example.com", "manual", None); 1_001];
    let refused = world.post(&import, &ada, &json!({ "suppressions": too_many })).await;
    refused.is(422, &["/suppressions"]);
    assert!(world.addresses("", &ada).await.is_empty(), "all or none");
    for (query, pointer) in [
        ("?stream=No", "/query/stream"),
        ("?address=bob", "/query/address"),
        ("?cursor=x", "/query/cursor"),
        ("?limit=0", "/query/limit"),
        ("?reason=none", "/query/reason"),
    ] {
        world.get(&format!("{LIST}{query}"), &ada).await.is(422, &[pointer]);
    }
}

#[actix_web::test]
async fn many_are_added_at_once_and_the_same_once_more_changes_nothing() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let mut many: Vec<Value> = (0..998)
        .map(|number| of(&format!("u{number}@example.com"), "bounce", None))
        .collect();
    many.push(of("U0@example.com", "complaint", None));
    many.push(of("u0@example.com", "manual", Some("news")));
    let body = json!({ "suppressions": many });
    let import = format!("{LIST}/import");
    let first = world.post(&import, &ada, &body).await;
    first.is(200, &[]);
    assert_eq!(first.body, json!({ "added": 999, "known": 1 }));
    let again = world.post(&import, &ada, &body).await;
    assert_eq!(again.body, json!({ "added": 0, "known": 1_000 }));
    let found = world
        .get(&format!("{LIST}?address=u0@EXAMPLE.com&reason=complaint"), &ada)
        .await;
    assert_eq!(found.body["data"][0]["address"], "u0@example.com");
    let other = world.member("bob@example.org").await;
    assert!(world.addresses("", &other).await.is_empty());
}

#[actix_web::test]
async fn a_list_goes_on_page_by_page_and_by_what_is_asked_for() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    for number in 0..5 {
        let (reason, stream) = if number % 2 == 0 {
            ("bounce", Some("news"))
        } else {
            ("manual", None)
        };
        let body = of(&format!("u{number}@example.com"), reason, stream);
        world.post(LIST, &ada, &body).await.is(201, &[]);
    }
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = world.get(&format!("{LIST}{query}"), &ada).await;
        seen.extend(
            page.body["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["address"].clone()),
        );
        match page.body["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    let expected: Vec<Value> = (0..5)
        .rev()
        .map(|number| json!(format!("u{number}@example.com")))
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(world.addresses("?stream=news&reason=bounce", &ada).await.len(), 3);
    assert_eq!(
        world.addresses("?reason=manual", &ada).await,
        ["u3@example.com", "u1@example.com"]
    );
    assert!(world.addresses("?stream=other", &ada).await.is_empty());
}

#[actix_web::test]
async fn one_is_taken_away_by_its_own_workspace_and_by_nobody_else_not_even_an_operator() {
    let world = World::new();
    let (ada, bob) = (
        world.member("ada@example.org").await,
        world.member("bob@example.org").await,
    );
    let operator = world.operator().await;
    let made = world
        .post(LIST, &ada, &of("eve@example.com", "unsubscribe", None))
        .await;
    let path = format!("{LIST}/{}", made.body["id"].as_str().unwrap());
    for other in [&bob, &operator] {
        world.get(&path, other).await.is(404, &[]);
        world.delete(&path, other).await.is(404, &[]);
    }
    assert_eq!(world.delete(&path, &ada).await.status, 204);
    world.delete(&path, &ada).await.is(404, &[]);
    world.get(&path, &ada).await.is(404, &[]);
}

#[actix_web::test]
async fn a_full_list_takes_no_more_from_members_and_says_what_it_has() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let me = world.get("/v1/accounts/me", &ada).await;
    let workspace: WorkspaceId = me.body["workspace_id"].as_str().unwrap().parse().unwrap();
    let now = world.clock.now();
    let all: Vec<NewSuppression> = (0..99_999)
        .map(|number| NewSuppression {
            id: SuppressionId::generate(),
            workspace,
            address: format!("u{number}@example.com"),
            stream: None,
            reason: SuppressionReason::Manual,
            origin: SuppressionOrigin::Recipient,
            at: now,
        })
        .collect();
    let write = world
        .state
        .store
        .write(move |tx| Ok::<_, Abort<()>>(add(tx.connection(), &all)?));
    write.await.unwrap();
    let import = format!("{LIST}/import");
    let two = json!({ "suppressions": [of("x@example.com", "manual", None), of("y@example.com", "manual", None)] });
    world.post(&import, &ada, &two).await.is(409, &[]);
    world
        .post(LIST, &ada, &of("x@example.com", "manual", None))
        .await
        .is(201, &[]);
    world
        .post(LIST, &ada, &of("y@example.com", "manual", None))
        .await
        .is(409, &[]);
    world
        .post(LIST, &ada, &of("u1@example.com", "complaint", None))
        .await
        .is(200, &[]);
    let known = json!({ "suppressions": [of("u1@example.com", "bounce", None)] });
    world.post(&import, &ada, &known).await.is(200, &[]);
}

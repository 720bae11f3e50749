//! What happened to accounts: who sees it, page by page.

use serde_json::{Value, json};

use super::{Answer, World};
use crate::domain::id::{AccountId, WorkspaceId};
use crate::domain::security::SecurityEvent;
use crate::store::Abort;
use crate::store::security::{NewSecurityEvent, note};

impl World {
    /// Writes down that something happened to an account, or to none.
    async fn happens(&self, event: SecurityEvent, account: Option<&Value>) {
        let id = |name: &str| account.map(|account| account[name].as_str().unwrap().to_owned());
        let new = NewSecurityEvent {
            at: self.clock.now(),
            workspace: id("workspace_id").map_or(WorkspaceId::SERVICE, |id| id.parse().unwrap()),
            account: id("id").map(|id| id.parse().unwrap()),
            event,
            network: Some("192.0.2.1".to_owned()),
            user_agent: None,
            request_id: Some("r".to_owned()),
            detail: json!({ "count": 3 }),
        };
        let write = self.state.store.write(move |tx| Ok::<_, Abort<()>>(note(tx, &new)?));
        write.await.unwrap();
    }

    async fn me(&self, token: &str) -> Value {
        self.get("/v1/accounts/me", token).await.body
    }
}

/// The events of a page that this test wrote.
fn events(page: &Answer) -> Vec<&Value> {
    page.is(200, &[]);
    let data = page.body["data"].as_array().unwrap();
    data.iter().filter(|event| event["detail"]["count"] == 3).collect()
}

#[actix_web::test]
async fn members_see_what_concerns_their_own_workspace_and_operators_all() {
    let world = World::new();
    let (ada, bob) = (
        world.member("ada@example.org").await,
        world.member("bob@example.org").await,
    );
    let operator = world.operator().await;
    let (her, him) = (world.me(&ada).await, world.me(&bob).await);
    world.happens(SecurityEvent::PasswordChanged, Some(&her)).await;
    world.happens(SecurityEvent::KeyMade, Some(&him)).await;
    world.happens(SecurityEvent::LoginRefused, None).await;

    let seen = world.get("/v1/security-events", &ada).await;
    let seen = events(&seen);
    assert_eq!(seen.len(), 1, "{seen:?}");
    let event = seen[0];
    assert_eq!(
        (&event["event"], &event["account_id"], &event["workspace_id"]),
        (&json!("password.changed"), &her["id"], &her["workspace_id"])
    );
    assert_eq!(
        (&event["network"], &event["user_agent"], &event["request_id"]),
        (&json!("192.0.2.1"), &Value::Null, &json!("r"))
    );
    assert_eq!(events(&world.get("/v1/security-events", &operator).await).len(), 3);

    let (hers, his) = (
        her["workspace_id"].as_str().unwrap(),
        him["workspace_id"].as_str().unwrap(),
    );
    let nobody = AccountId::generate();
    for (token, query, count) in [
        (&ada, format!("workspace={hers}"), 1),
        (&ada, format!("account={}", him["id"].as_str().unwrap()), 0),
        (&ada, "event=api_key.made".to_owned(), 0),
        (&operator, format!("workspace={his}"), 1),
        (&operator, format!("workspace={}", WorkspaceId::SERVICE), 1),
        (&operator, format!("account={}", her["id"].as_str().unwrap()), 1),
        (&operator, format!("account={nobody}"), 0),
        (&operator, "event=login.refused".to_owned(), 1),
        (&operator, format!("event=login.refused&workspace={his}"), 0),
    ] {
        let page = world.get(&format!("/v1/security-events?{query}"), token).await;
        assert_eq!(events(&page).len(), count, "{query}");
    }
    for (query, pointer) in [
        ("event=login.burnt", "/query/event"),
        ("account=acc_1", "/query/account"),
        ("workspace=1", "/query/workspace"),
        ("limit=101", "/query/limit"),
        ("cursor=%00", "/query/cursor"),
        ("colour=red", "/query/colour"),
    ] {
        let page = world.get(&format!("/v1/security-events?{query}"), &ada).await;
        page.is(422, &[pointer]);
    }
    let of_others = format!("/v1/security-events?workspace={his}");
    world.get(&of_others, &ada).await.is(404, &[]);
    world.get("/v1/security-events", "").await.is(401, &[]);
}

#[actix_web::test]
async fn events_are_shown_page_by_page_the_newest_first() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let her = world.me(&ada).await;
    for _ in 0..5 {
        world.happens(SecurityEvent::ResetMailed, Some(&her)).await;
    }
    let base = "/v1/security-events?event=password.reset_mailed&limit=2";
    let (mut seen, mut uri, mut pages) = (Vec::new(), base.to_owned(), 0);
    loop {
        let page = world.get(&uri, &ada).await;
        pages += 1;
        seen.extend(events(&page).into_iter().map(|event| event["id"].to_string()));
        match page.body["next_cursor"].as_str() {
            Some(cursor) => uri = format!("{base}&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages, seen.iter().rev().is_sorted()), (5, 3, true));
}

#[actix_web::test]
async fn of_a_flood_of_refused_logins_as_many_are_written_down_for_known_addresses_as_for_others() {
    for email in ["ada@example.org", "nobody@example.org"] {
        let world = World::with(&[("LEGWORK_LIMITS__REFUSALS_KEPT_PER_MINUTE", "3")]);
        world.account("ada@example.org", false).await;
        let operator = world.operator().await;
        let guess = json!({ "email": email, "password": "not the password" });
        let written = async || {
            let page = world.get("/v1/security-events?event=login.refused", &operator).await;
            page.is(200, &[]);
            page.body["data"].as_array().unwrap().len()
        };
        for _ in 0..6 {
            world.post("/v1/sessions", "", &guess).await.is(401, &[]);
        }
        assert_eq!(written().await, 3, "{email}");
        world.advance(std::time::Duration::from_secs(20));
        world.post("/v1/sessions", "", &guess).await.is(401, &[]);
        assert_eq!(written().await, 4, "{email}");
    }
}

//! Where a request comes from: through proxies or not, and what is counted by that.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{Answer, PASSWORD, World, request};

const PROXIES: (&str, &str) = ("LEGWORK_HTTP__TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8:aaaa::/48");

impl World {
    /// A login with a wrong password, over a connection from `peer`, with these headers.
    async fn guess(&self, peer: &str, email: &str, headers: &[(&str, &str)]) -> Answer {
        let peer: SocketAddr = format!("{peer}:4000").parse().unwrap();
        let mut asked = request(Method::POST, "/v1/sessions", "").peer_addr(peer);
        for (name, value) in headers {
            asked = asked.append_header((*name, *value));
        }
        let body = json!({ "email": email, "password": "not the password" });
        self.send(asked.set_json(body)).await
    }
}

#[actix_web::test]
async fn without_trusted_proxies_no_header_changes_where_a_request_comes_from() {
    let world = World::with(&[("LEGWORK_LIMITS__LOGINS_PER_MINUTE", "2")]);
    for number in 0..6 {
        let claimed = format!("192.0.2.{number}");
        let node = format!("for={claimed}");
        let headers = [
            ("x-forwarded-for", claimed.as_str()),
            ("forwarded", node.as_str()),
            ("x-real-ip", claimed.as_str()),
            ("true-client-ip", claimed.as_str()),
        ];
        let answer = world.guess("10.0.0.1", "ada@example.org", &headers).await;
        assert_eq!(answer.status, if number < 2 { 401 } else { 429 }, "{number}");
    }
}

#[actix_web::test]
async fn behind_a_trusted_proxy_each_client_is_counted_for_itself_and_none_chooses_who_it_is() {
    let world = World::with(&[PROXIES, ("LEGWORK_LIMITS__LOGINS_PER_MINUTE", "2")]);
    let by = |claimed: &str, client: &str| format!("{claimed}, {client}, 10.3.3.3");
    for (client, other) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:1::1")] {
        for number in 0..5 {
            let sent = by(&format!("198.51.100.{number}"), client);
            let headers = [("x-forwarded-for", sent.as_str()), ("forwarded", "for=203.0.113.5")];
            let answer = world.guess("10.0.0.1", "ada@example.org", &headers).await;
            assert_eq!(answer.status, if number < 2 { 401 } else { 429 }, "{client} {number}");
        }
        // Over another proxy, and in two lines.
        let lines = [("x-forwarded-for", "198.51.100.9"), ("x-forwarded-for", client)];
        let answer = world.guess("[2001:db8:aaaa::9]", "ada@example.org", &lines).await;
        answer.is(429, &[]);
        let answer = world
            .guess("10.0.0.1", "ada@example.org", &[("x-forwarded-for", &by("x", other))])
            .await;
        answer.is(401, &[]);
    }
}

#[actix_web::test]
async fn only_the_header_that_the_proxies_write_is_read() {
    let world = World::with(&[
        PROXIES,
        ("LEGWORK_HTTP__FORWARDED_HEADER", "forwarded"),
        ("LEGWORK_LIMITS__LOGINS_PER_MINUTE", "2"),
    ]);
    for number in 0..5 {
        let claimed = format!("192.0.2.{number}");
        let headers = [
            ("x-forwarded-for", claimed.as_str()),
            ("forwarded", "for=\""),
            ("forwarded", "for=\"[2001:db8::1]:4711\";proto=https"),
        ];
        let answer = world.guess("10.0.0.1", "ada@example.org", &headers).await;
        assert_eq!(answer.status, if number < 2 { 401 } else { 429 }, "{number}");
    }
}

#[actix_web::test]
async fn a_login_remembers_the_network_of_the_client_and_not_that_of_the_proxy() {
    let world = World::with(&[PROXIES]);
    world.account("ada@example.org", false).await;
    let peer: SocketAddr = "10.0.0.1:4000".parse().unwrap();
    let login = request(Method::POST, "/v1/sessions", "")
        .peer_addr(peer)
        .insert_header(("x-forwarded-for", "198.51.100.1, 2001:db8:1:2:3::4"))
        .set_json(json!({ "email": "ada@example.org", "password": PASSWORD }));
    world.send(login).await.is(201, &[]);
    let read = world.state.store.read(|connection| {
        let email = crate::domain::email::EmailAddress::parse("ada@example.org").unwrap();
        let account = crate::store::accounts::with_password(connection, &email)?.unwrap().0;
        let now = crate::clock::Timestamp::from_micros(0);
        crate::store::sessions::of_account(connection, account.id, now)
    });
    let networks: Vec<_> = read.await.unwrap().into_iter().map(|session| session.network).collect();
    assert_eq!(networks, [Some("2001:db8:1:2::/64".to_owned())]);
}

#[actix_web::test]
async fn what_is_left_is_told_before_it_is_gone_and_not_to_operators() {
    let world = World::with(&[
        ("LEGWORK_LIMITS__JOBS_PER_MINUTE", "3"),
        ("LEGWORK_LIMITS__MAILS_BURST", "10"),
    ]);
    let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
    let probe = json!({ "steps": 1 });
    for rest in [2, 1] {
        let answer = world.post("/v1/probes", &ada, &probe).await;
        answer.is(202, &[]);
        assert_eq!(answer.header("ratelimit"), format!("\"jobs\";r={rest};t=20"));
        assert_eq!(answer.header("ratelimit-policy"), "\"jobs\";q=3;w=60");
    }
    let mail = json!({ "to": "bob@example.org", "subject": "Hello", "text": "Are you well?" });
    let answer = world.post("/v1/emails", &ada, &mail).await;
    assert_eq!(
        answer.header("ratelimit"),
        "\"jobs\";r=0;t=20",
        "less than of the mails"
    );
    world.advance(Duration::from_secs(60));
    let bad = world.post("/v1/probes", &ada, &json!({ "steps": -1 })).await;
    bad.is(422, &["/steps"]);
    for answer in [
        bad,
        world.post("/v1/probes", &operator, &probe).await,
        world.get("/v1/jobs", &ada).await,
    ] {
        assert_eq!(
            (answer.header("ratelimit"), answer.header("ratelimit-policy")),
            ("", "")
        );
    }
}

#[actix_web::test]
async fn a_refused_login_tells_what_its_own_network_has_left_and_not_what_others_tried() {
    let world = World::with(&[("LEGWORK_LIMITS__LOGINS_PER_MINUTE_ADDRESS", "3")]);
    for (peer, rest) in [("192.0.2.1", 9), ("192.0.2.2", 9), ("192.0.2.2", 8)] {
        let answer = world.guess(peer, "ada@example.org", &[]).await;
        answer.is(401, &[]);
        assert_eq!(answer.header("ratelimit"), format!("\"logins\";r={rest};t=6"));
    }
    // One to spare, and then none.
    world.guess("192.0.2.3", "ada@example.org", &[]).await.is(401, &[]);
    let refused = world.guess("192.0.2.3", "ada@example.org", &[]).await;
    refused.is(429, &[]);
    assert_eq!(refused.header("retry-after"), "20");
    assert_eq!(refused.header("ratelimit"), "\"address_logins\";r=0;t=20");
}

#[actix_web::test]
async fn work_is_counted_by_network_over_all_workspaces_and_not_where_an_operator_asks() {
    let world = World::with(&[("LEGWORK_LIMITS__JOBS_PER_MINUTE_NETWORK", "3")]);
    let (ada, bob) = (
        world.member("ada@example.org").await,
        world.member("bob@example.org").await,
    );
    let operator = world.operator().await;
    let ask = async |token: &str, peer: &str, uri: &str, body: Value| {
        let peer: SocketAddr = peer.parse().unwrap();
        let asked = request(Method::POST, uri, token).peer_addr(peer).set_json(body);
        world.send(asked).await
    };
    let (here, there, probe) = ("192.0.2.1:1", "192.0.2.2:1", json!({ "steps": 1 }));
    let jobs = |count: usize| {
        let one = json!({ "kind": "probe.run", "args": { "steps": 1 } });
        json!({ "jobs": vec![one; count] })
    };
    ask(&ada, here, "/v1/batches", jobs(4)).await.is(422, &["/jobs"]);
    ask(&ada, here, "/v1/batches", jobs(2)).await.is(202, &[]);
    ask(&bob, here, "/v1/probes", probe.clone()).await.is(202, &[]);
    for token in [&ada, &bob] {
        let refused = ask(token, here, "/v1/probes", probe.clone()).await;
        refused.is(429, &[]);
        assert_eq!(refused.header("ratelimit-policy"), "\"network_jobs\";q=3;w=60");
        assert_eq!(refused.header("retry-after"), "20");
        ask(token, there, "/v1/probes", probe.clone()).await.is(202, &[]);
    }
    for _ in 0..5 {
        ask(&operator, here, "/v1/probes", probe.clone()).await.is(202, &[]);
    }
    world.advance(Duration::from_secs(20));
    ask(&bob, here, "/v1/probes", probe).await.is(202, &[]);
}

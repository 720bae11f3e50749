//! Limits: what a stranger with a verified address cannot do, and that operators can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use actix_web::web;
use serde_json::{Value, json};

use super::{Answer, PASSWORD, World, request};
use crate::api::Throttle;

pub(super) fn mail(to: &[&str]) -> Value {
    json!({ "to": to, "subject": "Hello", "text": "Are you well?" })
}

#[track_caller]
fn is_over(answer: &Answer, retry_after: &str, policy: &str, limit: &str) {
    answer.is(429, &[]);
    assert_eq!(answer.header("retry-after"), retry_after);
    assert_eq!(answer.header("ratelimit-policy"), policy);
    assert_eq!(answer.header("ratelimit"), limit);
    assert_eq!(answer.body["type"], "/problems/too-many-requests");
}

impl World {
    /// A request over a connection from that address.
    pub(super) async fn send_by(&self, peer: &str, uri: &str, body: &Value) -> Answer {
        let peer: SocketAddr = peer.parse().unwrap();
        self.send(
            TestRequest::default()
                .method(Method::POST)
                .uri(uri)
                .peer_addr(peer)
                .set_json(body),
        )
        .await
    }
}

#[actix_web::test]
async fn mails_are_counted_by_recipient_and_by_workspace_over_all_keys_and_logins() {
    let world = World::with(&[
        ("LEGWORK_LIMITS__MAILS_PER_HOUR", "60"),
        ("LEGWORK_LIMITS__MAILS_BURST", "3"),
    ]);
    let ada = world.member("ada@example.org").await;
    let key = world.api_key(&ada).await;
    let bob = world.member("bob@example.org").await;
    world
        .post("/v1/emails", &ada, &mail(&["a@example.com", "b@example.com"]))
        .await
        .is(202, &[]);
    world
        .post("/v1/emails", &key, &mail(&["c@example.com"]))
        .await
        .is(202, &[]);
    for token in [&ada, &key] {
        let refused = world.post("/v1/emails", token, &mail(&["d@example.com"])).await;
        is_over(&refused, "60", "\"mails\";q=60;w=3600", "\"mails\";r=0;t=60");
    }
    world
        .post("/v1/emails", &bob, &mail(&["d@example.com"]))
        .await
        .is(202, &[]);
    world
        .post("/v1/probes", &ada, &json!({ "steps": 1 }))
        .await
        .is(202, &[]);
    world.advance(Duration::from_secs(60));
    world
        .post("/v1/emails", &ada, &mail(&["d@example.com"]))
        .await
        .is(202, &[]);
    world
        .post("/v1/emails", &ada, &mail(&["e@example.com"]))
        .await
        .is(429, &[]);
    assert_eq!(world.mails_waiting().await, 4, "what was refused was enqueued");
}

#[actix_web::test]
async fn a_mail_to_more_than_may_ever_be_sent_at_once_is_refused_for_what_it_is() {
    let world = World::with(&[("LEGWORK_LIMITS__MAILS_BURST", "2")]);
    let ada = world.member("ada@example.org").await;
    let many = mail(&["a@example.com", "b@example.com", "c@example.com"]);
    world.post("/v1/emails", &ada, &many).await.is(422, &["/to"]);
    world
        .post("/v1/emails", &ada, &mail(&["a@example.com", "b@example.com"]))
        .await
        .is(202, &[]);
}

#[actix_web::test]
async fn a_mail_that_has_become_too_large_for_the_limit_is_refused_for_what_it_is_when_it_is_run_again() {
    let mut world = World::new();
    let ada = world.member("ada@example.org").await;
    let many = mail(&["a@example.com", "b@example.com", "c@example.com"]);
    let sent = world.post("/v1/emails", &ada, &many).await;
    let job = format!("/v1/jobs/{}", sent.body["id"].as_str().unwrap());
    let cancel = request(Method::POST, &format!("{job}/cancel"), &ada);
    world.send(cancel).await.is(200, &[]);
    let mut limits = world.state.config.limits;
    limits.mails_burst = 2;
    let mut state = Arc::into_inner(world.state.into_inner()).unwrap();
    state.throttle = Arc::new(Throttle::new(&limits, &state.depths, &world.clock));
    world.state = web::Data::new(state);
    let again = request(Method::POST, &format!("{job}/retry"), &ada);
    world.send(again).await.is(422, &["/to"]);
}

#[actix_web::test]
async fn running_mails_again_does_not_go_round_the_limit() {
    let world = World::with(&[
        ("LEGWORK_LIMITS__MAILS_BURST", "2"),
        ("LEGWORK_LIMITS__MAILS_PER_HOUR", "1"),
    ]);
    let ada = world.member("ada@example.org").await;
    let sent = world
        .post("/v1/emails", &ada, &mail(&["a@example.com", "b@example.com"]))
        .await;
    sent.is(202, &[]);
    let job = format!("/v1/jobs/{}", sent.body["id"].as_str().unwrap());
    world
        .post(&format!("{job}/cancel"), &ada, &json!({}))
        .await
        .is(200, &[]);
    let again = world.post(&format!("{job}/retry"), &ada, &json!({})).await;
    again.is(429, &[]);
    assert_eq!(world.get(&job, &ada).await.body["state"], "cancelled");
    let operator = world.operator().await;
    world
        .post(&format!("{job}/retry"), &operator, &json!({}))
        .await
        .is(202, &[]);
}

#[actix_web::test]
async fn asking_in_vain_for_a_job_to_run_again_costs_no_mails() {
    let world = World::with(&[
        ("LEGWORK_LIMITS__MAILS_BURST", "2"),
        ("LEGWORK_LIMITS__MAILS_PER_HOUR", "1"),
    ]);
    let ada = world.member("ada@example.org").await;
    let sent = world.post("/v1/emails", &ada, &mail(&["a@example.com"])).await;
    let job = format!("/v1/jobs/{}", sent.body["id"].as_str().unwrap());
    for _ in 0..3 {
        let refused = world.post(&format!("{job}/retry"), &ada, &json!({})).await;
        refused.is(409, &[]);
        assert!(refused.text.contains("the job is available"), "{}", refused.text);
    }
    world
        .post("/v1/emails", &ada, &mail(&["b@example.com"]))
        .await
        .is(202, &[]);
}

#[actix_web::test]
async fn jobs_are_counted_by_the_minute_and_operators_are_not() {
    let world = World::with(&[("LEGWORK_LIMITS__JOBS_PER_MINUTE", "3")]);
    let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
    for _ in 0..3 {
        world.probe(&ada).await;
    }
    let refused = world.post("/v1/probes", &ada, &json!({ "steps": 1 })).await;
    is_over(&refused, "20", "\"jobs\";q=3;w=60", "\"jobs\";r=0;t=20");
    world
        .post("/v1/emails", &ada, &mail(&["a@example.com"]))
        .await
        .is(429, &[]);
    for _ in 0..50 {
        world.probe(&operator).await;
    }
    world.advance(Duration::from_secs(20));
    world.probe(&ada).await;
}

#[actix_web::test]
async fn reports_are_jobs_that_count() {
    let order = json!({ "table": "jobs", "format": "csv" });
    for (variable, refusal) in [
        ("LEGWORK_LIMITS__JOBS_PER_MINUTE", "\"jobs\";r=0;t=60"),
        ("LEGWORK_LIMITS__JOBS_WAITING", "\"jobs_waiting\";r=0;t=60"),
    ] {
        let world = World::with(&[(variable, "1")]);
        let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
        world.post("/v1/reports", &ada, &order).await.is(202, &[]);
        let refused = world.post("/v1/reports", &ada, &order).await;
        refused.is(429, &[]);
        assert_eq!(refused.header("ratelimit"), refusal);
        let listed = world.get("/v1/reports", &ada).await;
        assert_eq!(listed.body["data"].as_array().unwrap().len(), 1, "{}", listed.text);
        for _ in 0..2 {
            world.post("/v1/reports", &operator, &order).await.is(202, &[]);
        }
    }
}

#[actix_web::test]
async fn whoever_is_refused_a_place_in_the_queue_loses_no_mails_by_it() {
    let world = World::with(&[
        ("LEGWORK_LIMITS__JOBS_WAITING", "1"),
        ("LEGWORK_LIMITS__MAILS_BURST", "2"),
        ("LEGWORK_LIMITS__MAILS_PER_HOUR", "1"),
    ]);
    let ada = world.member("ada@example.org").await;
    let first = world.post("/v1/emails", &ada, &mail(&["a@example.com"])).await;
    first.is(202, &[]);
    for _ in 0..3 {
        let refused = world.post("/v1/emails", &ada, &mail(&["b@example.com"])).await;
        is_over(&refused, "60", "\"jobs_waiting\";q=1", "\"jobs_waiting\";r=0;t=60");
        world.advance(Duration::from_secs(1));
    }
    let cancel = format!("/v1/jobs/{}/cancel", first.body["id"].as_str().unwrap());
    world.post(&cancel, &ada, &json!({})).await.is(200, &[]);
    world.advance(Duration::from_secs(1));
    world
        .post("/v1/emails", &ada, &mail(&["b@example.com"]))
        .await
        .is(202, &[]);
}

#[actix_web::test]
async fn a_workspace_at_its_depth_is_refused_until_something_is_done_and_operators_never() {
    let world = World::with(&[
        ("LEGWORK_LIMITS__JOBS_WAITING", "3"),
        ("LEGWORK_LIMITS__JOBS_PER_MINUTE", "0"),
    ]);
    let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
    let at_once = futures_util::future::join_all((0..10).map(|_| async {
        world
            .post(
                "/v1/probes",
                &ada,
                &json!({ "steps": 1, "run_at": "2030-01-01T00:00:00Z" }),
            )
            .await
            .status
    }));
    let statuses = at_once.await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 202).count(),
        3,
        "{statuses:?}"
    );
    world.advance(Duration::from_secs(2));
    let refused = world.post("/v1/probes", &ada, &json!({ "steps": 1 })).await;
    is_over(&refused, "60", "\"jobs_waiting\";q=3", "\"jobs_waiting\";r=0;t=60");
    for _ in 0..5 {
        world.probe(&operator).await;
    }
    let waiting = world.get("/v1/jobs", &ada).await.body["data"][0]["id"].clone();
    let cancel = format!("/v1/jobs/{}/cancel", waiting.as_str().unwrap());
    world.post(&cancel, &ada, &json!({})).await.is(200, &[]);
    world.advance(Duration::from_secs(1));
    world.probe(&ada).await;
    world
        .post("/v1/probes", &ada, &json!({ "steps": 1 }))
        .await
        .is(429, &[]);
}

#[actix_web::test]
async fn one_network_cannot_register_log_in_and_verify_without_end() {
    let world = World::with(&[("LEGWORK_LIMITS__ENTRIES_PER_MINUTE", "3")]);
    let here = "[2001:db8::1]:4000";
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    let account = json!({ "email": "ada@example.org", "password": PASSWORD, "name": "Ada" });
    world.send_by(here, "/v1/accounts", &account).await.is(202, &[]);
    world
        .send_by("[2001:db8::2]:1", "/v1/sessions", &login)
        .await
        .is(401, &[]);
    world
        .send_by(here, "/v1/accounts/verify", &json!({ "token": "x" }))
        .await
        .is(422, &["/token"]);
    for (uri, body) in [
        ("/v1/accounts", &account),
        ("/v1/sessions", &login),
        ("/v1/accounts/verify", &json!({ "token": "x" })),
        // Refused before the body is read.
        ("/v1/sessions", &json!({ "nonsense": [] })),
        ("/verify", &json!({})),
    ] {
        let refused = world.send_by(here, uri, body).await;
        is_over(&refused, "20", "\"entries\";q=3;w=60", "\"entries\";r=0;t=20");
    }
    world
        .send_by("[2001:db8:0:1::1]:4000", "/v1/sessions", &login)
        .await
        .is(401, &[]);
    world.advance(Duration::from_secs(20));
    world.send_by(here, "/v1/sessions", &login).await.is(401, &[]);
}

#[actix_web::test]
async fn one_network_cannot_have_mails_sent_to_strangers_by_registering_them() {
    let world = World::with(&[("LEGWORK_LIMITS__REGISTRATIONS_PER_HOUR", "2")]);
    world.account("ada@example.org", false).await;
    let account = |email: &str| json!({ "email": email, "password": PASSWORD, "name": "Ada" });
    let here = "192.0.2.1:1";
    world
        .send_by(here, "/v1/accounts", &account("no address"))
        .await
        .is(422, &["/email"]);
    for email in ["ada@example.org", "a@example.com"] {
        world.send_by(here, "/v1/accounts", &account(email)).await.is(202, &[]);
    }
    for email in ["ada@example.org", "b@example.com"] {
        let refused = world.send_by(here, "/v1/accounts", &account(email)).await;
        is_over(
            &refused,
            "1800",
            "\"registrations\";q=2;w=3600",
            "\"registrations\";r=0;t=1800",
        );
    }
    assert_eq!(world.mails_waiting().await, 2);
    world
        .send_by("198.51.100.7:1", "/v1/accounts", &account("b@example.com"))
        .await
        .is(202, &[]);
    world.advance(Duration::from_secs(1800));
    world
        .send_by(here, "/v1/accounts", &account("c@example.com"))
        .await
        .is(202, &[]);
}

#[actix_web::test]
async fn guessing_a_password_is_slow_and_does_not_lock_the_owner_out() {
    let world = World::with(&[("LEGWORK_LIMITS__LOGINS_PER_MINUTE", "3")]);
    world.account("ada@example.org", false).await;
    let guess = |email: &str| json!({ "email": email, "password": "not the password" });
    for email in ["ada@example.org", "nobody@example.org"] {
        for _ in 0..3 {
            world
                .send_by("192.0.2.1:1", "/v1/sessions", &guess(email))
                .await
                .is(401, &[]);
        }
        let refused = world
            .send_by("192.0.2.1:1", "/v1/sessions", &guess(&email.to_uppercase()))
            .await;
        refused.is(429, &[]);
        assert_eq!(
            refused.header("ratelimit-policy"),
            "\"logins\";q=3;w=60",
            "the same for both"
        );
    }
    let right = json!({ "email": "ada@example.org", "password": PASSWORD });
    world.send_by("192.0.2.1:1", "/v1/sessions", &right).await.is(429, &[]);
    world
        .send_by("198.51.100.7:1", "/v1/sessions", &right)
        .await
        .is(201, &[]);
    world.advance(Duration::from_secs(20));
    world.send_by("192.0.2.1:1", "/v1/sessions", &right).await.is(201, &[]);
}

#[actix_web::test]
async fn what_is_refused_for_its_body_costs_nothing_of_a_limit() {
    let world = World::with(&[("LEGWORK_LIMITS__JOBS_PER_MINUTE", "1")]);
    let ada = world.member("ada@example.org").await;
    for _ in 0..5 {
        world
            .post("/v1/probes", &ada, &json!({ "steps": -1 }))
            .await
            .is(422, &["/steps"]);
        world.send(request(Method::POST, "/v1/probes", &ada)).await;
    }
    world.probe(&ada).await;
}

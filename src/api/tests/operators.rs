//! Health and supervision.

use std::pin::Pin;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::http::Method;
use serde_json::json;

use super::{World, request};
use crate::supervision::{ChildSpec, Context, EventKind, Heard, supervised};

struct Idle;

impl actix::Actor for Idle {
    type Context = Context<Self>;
}

supervised!(Idle);

impl World {
    /// Starts an actor of that name and waits until it runs.
    pub(super) async fn start(&self, name: &str) {
        let mut events = self.state.tree.subscribe();
        self.state.tree.start(ChildSpec::new(name), || Idle);
        loop {
            match events.next().await {
                Some(Heard::Event(event)) if event.kind == EventKind::Started && event.child == name => break,
                Some(_) => {}
                None => panic!("the tree is gone"),
            }
        }
    }

    async fn stream(&self, token: &str, seen: Option<&str>) -> HttpResponse {
        let mut get = request(Method::GET, "/v1/supervision/events", token);
        if let Some(seen) = seen {
            get = get.insert_header(("last-event-id", seen));
        }
        self.begin(get).await
    }
}

/// The next piece of a stream; `None` at its end.
async fn next(body: &mut BoxBody) -> Option<String> {
    let piece = std::future::poll_fn(|context| Pin::new(&mut *body).poll_next(context));
    let piece = tokio::time::timeout(Duration::from_secs(60), piece)
        .await
        .expect("a piece within a minute")?;
    Some(String::from_utf8(piece.unwrap().to_vec()).unwrap())
}

#[actix_web::test]
async fn the_service_is_live_always_and_ready_until_it_shuts_down() {
    let world = World::new();
    assert_eq!(world.get("/health/live", "").await.body, json!({ "status": "ok" }));
    let token = world.member("ada@example.org").await;
    world.probe(&token).await;
    let ready = world.get("/health/ready", "").await;
    ready.is(200, &[]);
    assert_eq!(
        ready.body,
        json!({ "status": "degraded", "queues": [
            { "queue": "mail", "status": "degraded", "reason": "the mailer is stopped",
              "worker": "mailer", "state": "stopped", "paused": false,
              "waiting": 0, "capped": false },
            { "queue": "probes", "status": "degraded", "reason": "the prober is stopped",
              "worker": "prober", "state": "stopped", "paused": false,
              "waiting": 1, "capped": false },
        ]})
    );
    world.start("mailer").await;
    world.start("prober").await;
    let ready = world.get("/health/ready", "").await;
    assert_eq!(
        (&ready.body["status"], &ready.body["queues"][1]["state"]),
        (&"ok".into(), &"running".into())
    );
    world.state.shutdown.raise();
    let ready = world.get("/health/ready", "").await;
    ready.is(503, &[]);
    assert_eq!(ready.header("retry-after"), "5");
    world.get("/health/live", "").await.is(200, &[]);
}

#[actix_web::test]
async fn a_worker_that_does_not_work_degrades_its_queue_alone_and_readiness_says_why() {
    let world = World::new();
    world.start("mailer").await;
    world.start("prober").await;
    let queues = || async {
        let ready = world.get("/health/ready", "").await;
        ready.is(200, &[]);
        let queues = ready.body["queues"].as_array().unwrap().clone();
        let is_well = queues.iter().all(|queue| queue["status"] == "ok");
        assert_eq!(ready.body["status"], if is_well { "ok" } else { "degraded" });
        queues
    };
    assert!(queues().await.iter().all(|queue| queue.get("reason").is_none()));

    world.state.tree.suspend("mailer").unwrap();
    let [mail, probes] = <[_; 2]>::try_from(queues().await).unwrap();
    assert_eq!(
        (&mail["status"], &mail["state"]),
        (&"degraded".into(), &"suspended".into())
    );
    assert_eq!(mail["reason"], "the mailer was suspended by an operator");
    assert_eq!((&probes["status"], probes.get("reason")), (&"ok".into(), None));
    world.state.tree.resume("mailer").unwrap();
    assert!(queues().await.iter().all(|queue| queue["status"] == "ok"));

    world.start("dispatcher").await;
    world.state.tree.suspend("dispatcher").unwrap();
    for queue in queues().await {
        assert_eq!(queue["reason"], "the dispatcher was suspended by an operator");
        assert_eq!(queue["state"], "running", "its worker is well");
    }
}

#[actix_web::test]
async fn readiness_is_looked_up_once_a_second_however_many_ask() {
    let world = World::new();
    let waiting = || async { world.get("/health/ready", "").await.body["queues"][1]["waiting"].clone() };
    let asked = futures_util::future::join_all((0..50).map(|_| waiting())).await;
    assert!(asked.iter().all(|count| count == 0), "{asked:?}");
    world.fill(1).await;
    assert_eq!(waiting().await, 0, "the database was asked again within a second");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    assert_eq!(waiting().await, 1);
}

#[actix_web::test]
async fn a_service_without_its_database_is_live_and_not_ready() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    world.database.stop_child("writer").await.unwrap();
    world.get("/health/live", "").await.is(200, &[]);
    world.get("/health/ready", "").await.is(503, &[]);
    let refused = world.post("/v1/probes", &token, &json!({ "steps": 1 })).await;
    refused.is(503, &[]);
    assert_eq!(refused.header("retry-after"), "2");
    assert!(!refused.text.contains("closed"), "no internal text: {}", refused.text);
}

#[actix_web::test]
async fn an_operator_sees_the_tree_and_restarts_a_part_of_it() {
    let world = World::new();
    let token = world.operator().await;
    world.start("mailer").await;
    let tree = world.get("/v1/supervision", &token).await;
    tree.is(200, &[]);
    let root = &tree.body["root"];
    assert_eq!(
        (&root["name"], &root["strategy"]),
        (&"root".into(), &"one_for_one".into())
    );
    let mailer = &root["children"][0];
    assert_eq!(
        (&mailer["name"], &mailer["state"], &mailer["restarts"]),
        (&"mailer".into(), &"running".into(), &0.into())
    );
    assert_eq!(mailer["mailbox"]["capacity"], 16);
    let mut events = world.state.tree.subscribe();
    let answer = world.post("/v1/supervision/mailer/restart", &token, &json!({})).await;
    answer.is(202, &[]);
    assert_eq!(answer.body, json!({ "name": "mailer", "ordered": "restart" }));
    let Some(Heard::Event(event)) = events.next().await else {
        panic!("an event")
    };
    assert_eq!((event.child.as_str(), event.kind), ("mailer", EventKind::Restarted));
    for name in ["nobody", "%00", "a%2Fb"] {
        world
            .post(&format!("/v1/supervision/{name}/restart"), &token, &json!({}))
            .await
            .is(404, &[]);
    }
}

#[actix_web::test]
async fn events_are_streamed_from_where_a_client_left_off_and_end_with_the_service() {
    let world = World::new();
    let token = world.operator().await;
    world.start("mailer").await;
    world.start("prober").await;
    let answer = world.stream(&token, None).await;
    assert_eq!(answer.headers().get("content-type").unwrap(), "text/event-stream");
    let mut body = answer.into_body();
    let first = next(&mut body).await.unwrap();
    assert!(
        first.starts_with("id: 1\nevent: started\ndata: {") && first.ends_with("}\n\n"),
        "{first}"
    );
    assert!(first.contains("\"actor\":\"mailer\""), "{first}");
    assert!(next(&mut body).await.unwrap().starts_with("id: 2\n"));
    world.state.tree.restart("mailer").unwrap();
    assert!(next(&mut body).await.unwrap().starts_with("id: 3\nevent: restarted\n"));
    let mut resumed = world.stream(&token, Some("2")).await.into_body();
    assert!(next(&mut resumed).await.unwrap().starts_with("id: 3\n"));
    for not_ours in ["99", "-1", "x"] {
        let mut anew = world.stream(&token, Some(not_ours)).await.into_body();
        assert!(next(&mut anew).await.unwrap().starts_with("id: 1\n"), "{not_ours}");
    }
    world.state.shutdown.raise();
    for mut stream in [body, resumed] {
        assert!(next(&mut stream).await.unwrap().starts_with("event: end\n"));
        assert_eq!(next(&mut stream).await, None);
    }
}

#[actix_web::test]
async fn a_silent_stream_is_kept_open_by_a_comment() {
    let world = World::new();
    let token = world.operator().await;
    let mut body = world.stream(&token, None).await.into_body();
    tokio::time::pause();
    assert_eq!(next(&mut body).await.unwrap(), ": ping\n\n");
    assert_eq!(next(&mut body).await.unwrap(), ": ping\n\n");
}

#[actix_web::test]
async fn at_most_32_streams_are_open_and_one_that_ends_makes_room() {
    let world = World::new();
    let token = world.operator().await;
    let mut open = Vec::new();
    for _ in 0..32 {
        let answer = world.stream(&token, None).await;
        assert_eq!(answer.status(), 200);
        open.push(answer);
    }
    let refused = world.get("/v1/supervision/events", &token).await;
    refused.is(503, &[]);
    assert_eq!(refused.header("retry-after"), "10");
    open.pop();
    assert_eq!(world.stream(&token, None).await.status(), 200);
}

/// The pieces of a stream up to its end or to the time, which is paused.
async fn read_for(body: &mut BoxBody, time: Duration) -> Vec<String> {
    let (mut pieces, until) = (Vec::new(), tokio::time::Instant::now() + time);
    while tokio::time::Instant::now() < until {
        let piece = next(body).await.unwrap();
        let is_last = piece.starts_with("event: end\n");
        pieces.push(piece);
        if is_last {
            break;
        }
    }
    pieces
}

#[actix_web::test]
async fn a_stream_does_not_outlive_the_key_the_login_or_the_office_by_which_it_is_read() {
    let world = World::new();
    let login = world.operator().await;
    let other = world.login("operator@example.org").await;
    let key = world.api_key(&login).await;
    let keys = world.get("/v1/api-keys", &login).await;
    let key_uri = format!("/v1/api-keys/{}", keys.body["data"][0]["id"].as_str().unwrap());
    let mut by_key = world.stream(&key, None).await.into_body();
    let mut by_login = world.stream(&other, None).await.into_body();
    let mut by_office = world.stream(&login, None).await.into_body();
    world.delete(&key_uri, &login).await.is(204, &[]);
    world.delete("/v1/sessions/current", &other).await.is(204, &[]);
    tokio::time::pause();
    for stream in [&mut by_key, &mut by_login] {
        let pieces = read_for(stream, Duration::from_secs(60)).await;
        assert!(pieces.last().unwrap().starts_with("event: end\n"), "{pieces:?}");
        assert!(
            pieces.len() <= 3,
            "it was read for longer than half a minute: {pieces:?}"
        );
        assert_eq!(next(stream).await, None);
    }
    let pieces = read_for(&mut by_office, Duration::from_secs(70)).await;
    assert!(pieces.iter().all(|piece| piece == ": ping\n\n"), "{pieces:?}");
    let demote = crate::store::testing::demote(&world.state.store);
    assert_eq!(demote, 1);
    world.advance(Duration::from_secs(2));
    let pieces = read_for(&mut by_office, Duration::from_secs(60)).await;
    assert!(pieces.last().unwrap().starts_with("event: end\n"), "{pieces:?}");
}

//! Following jobs by server-sent events.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::Method;
use futures_util::future::poll_fn;
use serde_json::{Value, json};

use super::{World, request};
use crate::domain::job::AttemptEnd;

/// A stream that is read event by event.
struct Reading {
    body: BoxBody,
    text: String,
}

/// One event: its id, its name, its data.
type Event = (String, String, Value);

impl Reading {
    async fn open(world: &World, uri: &str, token: &str, last: Option<&str>) -> Self {
        let mut get = request(Method::GET, uri, token);
        if let Some(last) = last {
            get = get.insert_header(("last-event-id", last));
        }
        let answer: HttpResponse = world.begin(get).await;
        assert_eq!(answer.status(), 200, "{uri}");
        assert_eq!(answer.headers().get("content-type").unwrap(), "text/event-stream");
        let body = answer.into_body();
        assert_eq!(body.size(), BodySize::Stream);
        Self {
            body,
            text: String::new(),
        }
    }

    /// The next block; none at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let next = poll_fn(|cx| std::pin::Pin::new(&mut self.body).poll_next(cx));
            let chunk = tokio::time::timeout(Duration::from_secs(10), next)
                .await
                .expect("nothing came");
            self.text += std::str::from_utf8(&chunk?.unwrap()).unwrap();
        }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        let block = self.block().await?;
        let field = |name: &str| {
            let line = block
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_default().to_owned()
        };
        let data = serde_json::from_str(&field("data")).unwrap_or_default();
        Some((field("id"), field("event"), data))
    }

    /// The names of all events until the end.
    async fn names(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        while let Some((_, name, _)) = self.next().await {
            names.push(name);
        }
        names
    }
}

#[actix_web::test]
async fn the_stream_of_a_job_shows_it_tells_each_change_and_ends_with_it() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let id = world.probe(&token).await;
    let uri = format!("/v1/jobs/{id}/events");
    let mut reading = Reading::open(&world, &uri, &token, None).await;
    let (first_id, name, job) = reading.next().await.unwrap();
    assert_eq!(
        (name.as_str(), &job["id"], &job["state"]),
        ("snapshot", &json!(id), &json!("available"))
    );
    let held = world.claim().await;
    let (_, name, running) = reading.next().await.unwrap();
    assert_eq!(
        (name.as_str(), &running["attempt"], &running["kind"]),
        ("running", &json!(1), &json!("probe.run"))
    );
    world.finish(&held, AttemptEnd::Completed).await;
    let (last_id, name, _) = reading.next().await.unwrap();
    assert_eq!(name, "completed");
    assert!(reading.next().await.is_none(), "it goes on");
    let mut again = Reading::open(&world, &uri, &token, Some(&first_id)).await;
    assert_eq!(
        again.names().await,
        ["running", "completed"],
        "what came behind the snapshot"
    );
    let mut whole = Reading::open(&world, &uri, &token, None).await;
    assert_eq!(whole.names().await, ["snapshot"]);
    let get = request(Method::GET, &uri, &token).insert_header(("last-event-id", last_id));
    world.send(get).await.is(204, &[]);
}

#[actix_web::test]
async fn another_workspace_sees_neither_the_job_nor_its_changes_whatever_id_it_forges() {
    let world = World::new();
    let (ada, eve) = (
        world.member("ada@example.org").await,
        world.member("eve@example.org").await,
    );
    let id = world.probe(&ada).await;
    let hidden = world.get(&format!("/v1/jobs/{id}/events"), &eve).await;
    hidden.is(404, &[]);
    world.get("/v1/jobs/events?all=true", &eve).await.is(403, &[]);
    world.get("/v1/jobs/events", "").await.is(401, &[]);
    let mut forged = vec![Reading::open(&world, "/v1/jobs/events", &eve, Some("0-0-0")).await];
    forged.push(Reading::open(&world, "/v1/jobs/events", &eve, Some("0-1-0")).await);
    world.probe(&ada).await;
    let own = world.probe(&eve).await;
    for reading in &mut forged {
        let (_, name, change) = reading.next().await.unwrap();
        assert_eq!((name.as_str(), &change["id"]), ("available", &json!(own)));
    }
}

#[actix_web::test]
async fn an_id_that_is_gone_or_none_of_ours_is_answered_with_the_present_and_a_word_about_it() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let id = world.probe(&token).await;
    for forged in [
        "0-99",
        "7-1",
        "x",
        "-1",
        "0-9223372036854775807",
        "'; DROP TABLE events; --",
    ] {
        let mut one = Reading::open(&world, &format!("/v1/jobs/{id}/events"), &token, Some(forged)).await;
        let (_, name, job) = one.next().await.unwrap();
        assert_eq!(
            (name.as_str(), &job["state"]),
            ("history_gone", &json!("available")),
            "{forged}"
        );
        let mut all = Reading::open(&world, "/v1/jobs/events", &token, Some(forged)).await;
        let (_, name, told) = all.next().await.unwrap();
        assert_eq!(
            (name.as_str(), &told["jobs"]),
            ("history_gone", &json!("/v1/jobs")),
            "{forged}"
        );
    }
}

#[actix_web::test]
async fn operators_may_follow_everybody_and_are_otherwise_told_of_their_own() {
    let world = World::new();
    let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
    let mut all = Reading::open(&world, "/v1/jobs/events?all=true", &operator, None).await;
    let mut own = Reading::open(&world, "/v1/jobs/events", &operator, None).await;
    assert!(
        all.block().await.unwrap().contains("id: "),
        "a place to go on from comes first"
    );
    own.block().await.unwrap();
    let (theirs, mine) = (world.probe(&ada).await, world.probe(&operator).await);
    assert_eq!(all.next().await.unwrap().2["id"], json!(theirs));
    assert_eq!(all.next().await.unwrap().2["id"], json!(mine));
    assert_eq!(own.next().await.unwrap().2["id"], json!(mine));
}

#[actix_web::test]
async fn streams_end_with_a_last_event_at_a_shutdown_and_an_account_has_few() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let mut open = Vec::new();
    for _ in 0..crate::api::JobStreams::OF_ACCOUNT_MAX {
        open.push(Reading::open(&world, "/v1/jobs/events", &token, None).await);
    }
    let refused = world.get("/v1/jobs/events", &token).await;
    refused.is(429, &[]);
    assert_eq!(refused.header("retry-after"), "10");
    open.pop();
    open.push(Reading::open(&world, "/v1/jobs/events", &token, None).await);
    world.state.shutdown.raise();
    for reading in &mut open {
        reading.block().await.unwrap();
        let (id, name, _) = reading.next().await.unwrap();
        assert_eq!(
            (id.as_str(), name.as_str()),
            ("", "end"),
            "the last event leaves the id to go on from"
        );
        assert!(reading.next().await.is_none());
    }
}

#[actix_web::test]
async fn a_stream_in_which_much_happens_ends_with_the_login_by_which_it_is_read() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let other = world.login("ada@example.org").await;
    let mut reading = Reading::open(&world, "/v1/jobs/events", &other, None).await;
    reading.block().await.unwrap();
    world.delete("/v1/sessions/current", &other).await.is(204, &[]);
    let mut names = Vec::new();
    // There is never a silence in which to look.
    while names.last().is_none_or(|name| name != "end") && names.len() < 20 {
        world.probe(&token).await;
        names.push(reading.next().await.unwrap().1);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(2)).await;
        tokio::time::resume();
    }
    assert_eq!(names.last().unwrap(), "end", "{names:?}");
    assert!(reading.next().await.is_none());
}

#[actix_web::test]
async fn a_stream_that_was_asked_to_cancels_its_job_when_its_client_goes_away() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for (query, state) in [("", "available"), ("?cancel_when_gone=true", "cancelled")] {
        let id = world.probe(&token).await;
        let mut reading = Reading::open(&world, &format!("/v1/jobs/{id}/events{query}"), &token, None).await;
        reading.next().await.unwrap();
        drop(reading);
        let soon = tokio::time::timeout(Duration::from_secs(10), async {
            while world.get(&format!("/v1/jobs/{id}"), &token).await.body["state"] != state {
                tokio::task::yield_now().await;
            }
        });
        soon.await.expect("it is not as it should be");
    }
}

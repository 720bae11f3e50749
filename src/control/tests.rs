//! Conversations over the control socket, at first hostile ones, with a tree of one idle actor and without a file.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{Peer, converse};
use super::{ANSWER_MAX, Act, Controls, LINE_BYTES_MAX, REQUEST_MAX, Request};
use crate::clock::Clock;
use crate::supervision::{ChildSpec, Context, EventKind, Heard, Tree, supervised};
use crate::telemetry::checked_log::CheckedLog;

struct Idle;

impl actix::Actor for Idle {
    type Context = Context<Self>;
}

supervised!(Idle);

/// A connection by user 1000, and what it is connected to.
struct World {
    client: BufReader<DuplexStream>,
    tree: Tree,
    ending: CancellationToken,
    log: CheckedLog,
}

impl World {
    async fn new(fault_injection: bool) -> Self {
        let mut tree = Tree::new("root", Clock::System);
        if fault_injection {
            tree = tree.with_fault_injection();
        }
        let mut events = tree.subscribe();
        tree.start(ChildSpec::new("mailer"), || Idle);
        let is_up = |heard: Heard| matches!(heard, Heard::Event(event) if event.kind == EventKind::Started && event.child == "mailer");
        while !is_up(events.next().await.expect("the tree is there")) {}
        let ending = CancellationToken::new();
        let peer = Peer {
            controls: Controls::new(tree.clone()),
            desk: None,
            uid: 1000,
            ending: ending.clone(),
        };
        // Small, so that a client that does not read is felt.
        let (client, server) = tokio::io::duplex(1024);
        let (reader, writer) = tokio::io::split(server);
        actix::spawn(async move { converse(reader, writer, &peer).await });
        Self {
            client: BufReader::new(client),
            tree,
            ending,
            log: CheckedLog::begin(),
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.client.get_mut().write_all(bytes).await.unwrap();
    }

    async fn ask(&mut self, request: Request) -> Value {
        self.send(request.to_line().as_bytes()).await;
        self.next().await.expect("an answer")
    }

    /// The next answer, but for events of the root; `None` once the connection has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(Duration::from_secs(60), self.client.read_line(&mut line));
            if read.await.expect("an answer or the end").unwrap() == 0 {
                return None;
            }
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["event"]["actor"] != "root" {
                return Some(answer);
            }
        }
    }

    /// Asserts that the next answer is this error and the last.
    async fn is_refused_and_closed(&mut self, error: &str) {
        let answer = self.next().await.expect("an answer");
        assert_eq!((&answer["v"], &answer["error"]), (&1.into(), &error.into()), "{answer}");
        assert_eq!(self.next().await, None, "it goes on after {error}");
    }
}

fn order(act: Act, name: &str) -> Request {
    let name = name.to_owned();
    Request::Order { act, name }
}

#[actix::test]
async fn junk_is_answered_with_an_error_and_ends_the_connection() {
    for line in [
        "junk\n",
        "\n",
        "{}\n",
        "GET / HTTP/1.1\r\n",
        "{\"v\":1,\"do\":\"explode\"}\n",
    ] {
        let mut world = World::new(false).await;
        // What follows is not done.
        world.send(line.as_bytes()).await;
        world.send(order(Act::Restart, "mailer").to_line().as_bytes()).await;
        world.is_refused_and_closed("bad_request").await;
        assert_eq!(world.tree.snapshot().children[0].restarts, 0);
        assert_eq!(world.log.lines(), Vec::<Value>::new());
    }
    let mut world = World::new(false).await;
    world.send(b"{\"v\":2,\"do\":\"tree\"}\n").await;
    world.is_refused_and_closed("unsupported_version").await;
}

#[actix::test]
async fn a_line_over_its_bound_is_not_read_to_its_end() {
    let mut world = World::new(false).await;
    world.send(&vec![b'a'; LINE_BYTES_MAX]).await;
    world.is_refused_and_closed("bad_request").await;
}

#[actix::test]
async fn an_order_whose_line_is_cut_off_is_not_done() {
    let mut world = World::new(false).await;
    let line = order(Act::Restart, "mailer").to_line();
    world.send(line.trim_end().as_bytes()).await;
    world.client.get_mut().shutdown().await.unwrap();
    world.is_refused_and_closed("bad_request").await;
    assert_eq!(world.log.lines(), Vec::<Value>::new());
}

#[actix::test]
async fn whoever_says_nothing_or_is_slow_is_cut_off_in_time() {
    for begun in ["", "{\"v\":1,"] {
        let mut world = World::new(false).await;
        tokio::time::pause();
        let since = Instant::now();
        world.send(begun.as_bytes()).await;
        world.is_refused_and_closed("timed_out").await;
        assert!(
            since.elapsed() < REQUEST_MAX + Duration::from_secs(1),
            "{:?}",
            since.elapsed()
        );
        tokio::time::resume();
    }
}

#[actix::test]
async fn whoever_takes_no_answer_is_cut_off_in_time() {
    let mut world = World::new(false).await;
    // More answers than the connection holds.
    for _ in 0..8 {
        world.send(Request::Tree.to_line().as_bytes()).await;
    }
    tokio::time::pause();
    tokio::time::sleep(ANSWER_MAX + Duration::from_secs(1)).await;
    let mut rest = Vec::new();
    world.client.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() <= 2048, "{} bytes came", rest.len());
}

#[actix::test]
async fn a_tree_a_node_and_orders_are_answered_in_turn_on_one_connection() {
    let mut world = World::new(false).await;
    let tree = world.ask(Request::Tree).await;
    assert_eq!((&tree["v"], &tree["answer"]), (&1.into(), &"tree".into()));
    assert_eq!(tree["root"]["children"][0]["name"], "mailer");
    let name = "mailer".to_owned();
    let node = world.ask(Request::Inspect { name, backtrace: true }).await;
    assert_eq!(
        (&node["answer"], &node["node"]["state"]),
        (&"node".into(), &"running".into())
    );
    let name = "nobody".to_owned();
    let unknown = world.ask(Request::Inspect { name, backtrace: true }).await;
    assert_eq!(unknown["error"], "no_such_child");

    let mut events = world.tree.subscribe();
    let ordered = world.ask(order(Act::Restart, "mailer")).await;
    assert_eq!(
        ordered,
        serde_json::json!({ "v": 1, "answer": "ordered", "name": "mailer", "ordered": "restart" })
    );
    assert!(matches!(events.next().await, Some(Heard::Event(event)) if event.kind == EventKind::Restarted));
    for act in [Act::Restart, Act::Suspend, Act::Resume] {
        assert_eq!(world.ask(order(act, "nobody")).await["error"], "no_such_child");
    }
    let lines = world.log.lines();
    let line = lines
        .iter()
        .find(|line| line["event"] == "restart_ordered")
        .expect("a line");
    assert_eq!(
        (&line["actor"], &line["by"], &line["uid"], line.get("account")),
        (&"mailer".into(), &"control socket".into(), &1000.into(), None)
    );
    let orders = lines
        .iter()
        .filter(|line| line["event"].as_str().unwrap().ends_with("_ordered"));
    assert_eq!(orders.count(), 1, "what was refused is not logged as done");
}

#[actix::test]
async fn a_panic_is_refused_without_fault_injection() {
    let mut world = World::new(false).await;
    for name in ["mailer", "nobody"] {
        assert_eq!(world.ask(order(Act::Panic, name)).await["error"], "fault_injection_off");
    }
    assert_eq!(world.tree.snapshot().children[0].last_failure, None);
}

#[actix::test]
async fn a_child_is_suspended_and_resumed_and_what_it_cannot_do_is_refused() {
    let mut world = World::new(false).await;
    assert_eq!(world.ask(order(Act::Resume, "mailer")).await["error"], "not_now");
    assert_eq!(world.ask(order(Act::Suspend, "mailer")).await["ordered"], "suspend");
    assert_eq!(world.ask(order(Act::Resume, "mailer")).await["ordered"], "resume");
    let events: Vec<String> = world
        .log
        .lines()
        .iter()
        .map(|line| line["event"].as_str().unwrap().to_owned())
        .collect();
    for event in ["suspend_ordered", "resume_ordered"] {
        assert_eq!(
            events.iter().filter(|one| *one == event).count(),
            1,
            "{event} in {events:?}"
        );
    }
}

#[actix::test]
async fn a_panic_that_is_ordered_happens_and_is_in_the_log() {
    let mut world = World::new(true).await;
    let mut events = world.tree.subscribe();
    assert_eq!(world.ask(order(Act::Panic, "mailer")).await["ordered"], "panic");
    assert!(matches!(events.next().await, Some(Heard::Event(event)) if event.kind == EventKind::Panicked));
    assert!(world.log.lines().iter().any(|line| line["event"] == "panic_ordered"));
}

#[actix::test]
async fn events_are_told_and_followed_until_the_service_stops() {
    let mut world = World::new(false).await;
    world.send(Request::Events { follow: false }.to_line().as_bytes()).await;
    assert_eq!(world.next().await.unwrap()["event"]["kind"], "started");
    assert_eq!(world.next().await.unwrap()["answer"], "end");
    world.send(Request::Events { follow: true }.to_line().as_bytes()).await;
    assert_eq!(world.next().await.unwrap()["event"]["kind"], "started");
    world.tree.restart("mailer").unwrap();
    assert_eq!(world.next().await.unwrap()["event"]["kind"], "restarted");
    world.ending.cancel();
    assert_eq!(world.next().await.unwrap()["answer"], "end");
    assert_eq!(world.next().await, None);
}

#[actix::test]
async fn who_follows_and_goes_away_or_speaks_is_let_go() {
    let mut world = World::new(false).await;
    world.send(Request::Events { follow: true }.to_line().as_bytes()).await;
    assert_eq!(world.next().await.unwrap()["event"]["kind"], "started");
    world.client.get_mut().shutdown().await.unwrap();
    assert_eq!(world.next().await, None);
}

#[actix::test]
async fn a_connection_that_waits_ends_with_the_service() {
    let mut world = World::new(false).await;
    world.ending.cancel();
    assert_eq!(world.next().await, None);
}

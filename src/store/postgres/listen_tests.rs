//! Hearing of other nodes and telling them, over a real server that goes and comes back.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};

use super::*;
use crate::store::testing::TestTree;
use crate::store::testing::postgres_server::{self, PostgresServer};

/// The longest that a test waits for what comes from another thread.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is heard, as text.
struct Ear {
    heard: Receiver<String>,
    announcer: Announcer,
    tree: TestTree,
}

impl Ear {
    fn at(url: &str) -> Self {
        let (tell, heard) = mpsc::channel();
        let tree = TestTree::new();
        let on_heard: OnHeard = Arc::new(move |heard| {
            // The signs of life come all the time; and the test may be over.
            let is_message = !matches!(heard, Heard::UpTo(_));
            if is_message && tell.send(format!("{heard:?}")).is_err() {}
        });
        let announcer = start(&PostgresSettings::parse(url).unwrap(), on_heard, tree.root());
        Self { heard, announcer, tree }
    }

    fn next(&self) -> String {
        self.heard.recv_timeout(PATIENCE).unwrap()
    }

    /// Whatever comes until `last`, which is left out.
    fn until(&self, last: &str) -> Vec<String> {
        std::iter::from_fn(|| Some(self.next()).filter(|heard| heard != last)).collect()
    }
}

#[test]
fn a_node_hears_what_another_tells_and_not_what_it_told_itself() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let url = server.create_database();
    let (one, other) = (Ear::at(&url), Ear::at(&url));
    assert_eq!((one.next(), other.next()), ("Again".to_owned(), "Again".to_owned()));
    one.announcer.tell(Channel::Available, "mail");
    assert_eq!(other.next(), "Message(Available, \"mail\")");
    other.announcer.tell(Channel::Events, "job's \"name\"");
    assert_eq!(
        one.next(),
        "Message(Events, \"job's \\\"name\\\"\")",
        "and nothing of its own before"
    );
}

#[test]
fn what_is_said_often_is_told_seldom_and_not_forgotten() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let url = server.create_database();
    let (one, other) = (Ear::at(&url), Ear::at(&url));
    assert_eq!((one.next(), other.next()), ("Again".to_owned(), "Again".to_owned()));
    for _ in 0..10_000 {
        one.announcer.tell(Channel::Available, "probes");
    }
    one.announcer.tell(Channel::Events, "last");
    let before = other.until("Message(Events, \"last\")");
    assert!(!before.is_empty() && before.len() < 5_000, "{}", before.len());
}

#[test]
fn a_lost_connection_is_made_anew_and_the_listener_looks_again() {
    let Some(server) = PostgresServer::start_new(&[("fsync", "off")]) else {
        return;
    };
    let ear = Ear::at(&server.url("postgres"));
    assert_eq!(ear.next(), "Again");
    assert_eq!(server.kill_connections(), 1);
    assert_eq!(ear.next(), "Again");
    server.stop();
    // What is told meanwhile is told later, or lost; it is no reason to wait.
    ear.announcer.tell(Channel::Available, "mail");
    server.start();
    assert_eq!(ear.next(), "Again");
    server.kill();
    server.start();
    assert_eq!(ear.next(), "Again");
    server.psql("NOTIFY legwork_events, 'e'");
    assert_eq!(ear.next(), "Message(Events, \"e\")");
}

#[test]
fn a_server_that_falls_silent_is_noticed_and_left() {
    let Some(server) = PostgresServer::start_new(&[("fsync", "off")]) else {
        return;
    };
    let ear = Ear::at(&format!("{}?connect_timeout=1", server.url("postgres")));
    assert_eq!(ear.next(), "Again");
    let backend = server.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'legwork'");
    postgres_server::signal("STOP", backend.parse().unwrap());
    assert_eq!(ear.next(), "Again", "over another connection");
    postgres_server::signal("CONT", backend.parse().unwrap());
}

#[test]
fn a_listener_ends_at_once_also_while_the_server_is_gone() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for place in [closed, silent.local_addr().unwrap()] {
        let ear = Ear::at(&format!("postgres://u@{place}/d?connect_timeout=60"));
        let begun = std::time::Instant::now();
        drop(ear.tree);
        // The thread drops what it tells through when it ends.
        assert_eq!(ear.heard.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

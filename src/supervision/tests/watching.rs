//! What the outside sees: the snapshot, the events, the log.

use super::*;
use crate::telemetry::checked_log::CheckedLog;

use futures_util::StreamExt;

#[actix::test]
async fn the_snapshot_is_the_tree_in_json() {
    let (tree, world) = (tree(), World::default());
    let mut events = tree.subscribe();
    let scribe = tree.start(
        ChildSpec::new("scribe").mailbox(8).in_flight(Arc::new(|| 7)),
        world.factory(),
    );
    scribe.tell(Boom(1)).await.unwrap();
    next(&mut events, EventKind::Restarted).await;
    settle().await;
    tree.start(ChildSpec::new("quiet"), world.factory())
        .ask(Note(1))
        .await
        .unwrap();
    let mut shown = serde_json::to_value(tree.snapshot()).unwrap();
    for child in shown["children"].as_array_mut().unwrap() {
        // Measured by the machine's clock: that it is there is all that can be said.
        let time = child.as_object_mut().unwrap().remove("message_time");
        assert_eq!(
            time.is_some(),
            child["name"] == "quiet",
            "the other's one message ended in a panic"
        );
    }
    assert_eq!(
        shown,
        serde_json::json!({
            "name": "root", "kind": "supervisor", "state": "running", "restart": "permanent", "strategy": "one_for_one",
            "restarts": 0, "last_failure": null, "started_at": "2023-11-14T22:13:20.000000Z", "undelivered": 0,
            "stuck": false, "abandoned": 0, "children_count": 2,
            "children": [
                {
                    "name": "scribe", "kind": "actor", "state": "running", "restart": "permanent", "restarts": 1,
                    "last_failure": {"at": "2023-11-14T22:13:20.000000Z", "error": "boom 1"},
                    "started_at": "2023-11-14T22:13:20.000000Z", "in_flight": 7, "undelivered": 0,
                    "stuck": false, "abandoned": 0, "children_count": 0, "children": [],
                    "mailbox": {
                        "depth": 0, "capacity": 8, "handled": 1, "refused": 0, "evicted": 0, "wait_last_us": 0,
                        "wait_max_us": 0
                    },
                },
                {
                    "name": "quiet", "kind": "actor", "state": "running", "restart": "permanent", "restarts": 0,
                    "last_failure": null, "started_at": "2023-11-14T22:13:20.000000Z", "undelivered": 0,
                    "stuck": false, "abandoned": 0, "children_count": 0, "children": [],
                    "mailbox": {
                        "depth": 0, "capacity": 16, "handled": 1, "refused": 0, "evicted": 0, "wait_last_us": 0,
                        "wait_max_us": 0
                    },
                },
            ],
        })
    );
}

#[actix::test]
async fn events_come_in_order_and_a_late_subscriber_gets_the_recent_ones_without_a_gap() {
    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    assert_eq!(scribe.ask(Boom(1)).await, Err(AskError::Panicked));
    settle().await;
    let events = tree.subscribe();
    let before: Vec<_> = events.recent().iter().map(|event| (event.number, event.kind)).collect();
    assert_eq!(before, [(1, EventKind::Started), (2, EventKind::Panicked)]);
    scribe.ask(Note(2)).await.unwrap();
    tree.stop().await;
    let after: Vec<_> = events.into_stream().take(2).collect().await;
    let [Heard::Event(restarted), Heard::Event(stopped)] = &after[..] else {
        panic!("{after:?}")
    };
    assert_eq!(
        (restarted.number, restarted.kind, restarted.restarts),
        (3, EventKind::Restarted, 1)
    );
    assert_eq!(
        (stopped.number, stopped.kind, stopped.undelivered),
        (4, EventKind::Stopped, Some(0))
    );
    assert_eq!(
        serde_json::to_value(&**stopped).unwrap(),
        serde_json::json!({
            "number": 4, "at": "2023-11-14T22:13:20.000000Z", "actor": "scribe", "kind": "stopped", "restarts": 1,
            "undelivered": 0
        })
    );
}

#[actix::test]
async fn a_slow_subscriber_is_told_how_many_events_it_missed_and_the_tree_remembers_256() {
    let (tree, world) = (tree(), World::default());
    let mut slow = tree.subscribe();
    let mut quick = tree.subscribe();
    tree.start(ChildSpec::new("scribe"), world.factory());
    next(&mut quick, EventKind::Started).await;
    for _ in 0..1_100 {
        tree.restart("scribe").unwrap();
        next(&mut quick, EventKind::Restarted).await;
    }
    assert_eq!(slow.next().await, Some(Heard::Missed(1_101 - 1_024)));
    assert!(matches!(slow.next().await, Some(Heard::Event(event)) if event.number == 78));
    assert_eq!(tree.recent().len(), 256);
    assert_eq!(tree.recent().last().unwrap().number, 1_101);
}

#[actix::test]
async fn each_event_is_a_log_line_with_stable_fields() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .finish();
    let _log = tracing::subscriber::set_default(subscriber);
    // With one dispatcher only, tracing lets whichever thread comes first decide for all whether a line is wanted, and the
    // other tests' threads want none.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    assert_eq!(scribe.ask(Boom(1)).await, Err(AskError::Panicked));
    tree.stop().await;

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let seen: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["target"] == "legwork::supervision")
        .map(|line| (line["level"].clone(), line["fields"].clone()))
        .collect();
    let backoff_ms = tree.recent()[1].backoff_ms;
    assert_eq!(
        seen,
        [
            (
                "INFO",
                serde_json::json!({"event": "started", "actor": "scribe", "restarts": 0, "message": "actor started"})
            ),
            (
                "ERROR",
                serde_json::json!({
                    "event": "panicked", "actor": "scribe", "restarts": 0, "error": "boom 1",
                    "backoff_ms": backoff_ms, "message": "actor panicked"
                })
            ),
            (
                "INFO",
                serde_json::json!({
                    "event": "stopped", "actor": "scribe", "restarts": 0, "undelivered": 0, "message": "actor stopped"
                })
            ),
        ]
        .map(|(level, fields)| (serde_json::Value::from(level), fields))
    );
}

#[test]
fn every_kind_of_event_is_logged_as_the_table_of_the_log_says() {
    let failure = [
        EventKind::Panicked,
        EventKind::Ended,
        EventKind::Failed,
        EventKind::Replaced,
        EventKind::Escalated,
        EventKind::Degraded,
    ];
    let log = CheckedLog::begin();
    for kind in EventKind::ALL {
        Event {
            number: 1,
            at: Timestamp::from_micros(0),
            child: "scribe".into(),
            kind,
            restarts: 1,
            error: failure.contains(&kind).then(|| "boom".into()),
            backoff_ms: failure.contains(&kind).then_some(50),
            refused: (kind == EventKind::MailboxFull).then_some(3),
            undelivered: (kind == EventKind::Stopped).then_some(0),
            doing: None,
            silent_ms: (kind == EventKind::Stuck).then_some(1),
        }
        .log();
    }
    let lines = log.lines();
    let kinds: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, EventKind::ALL.map(EventKind::as_str));
}

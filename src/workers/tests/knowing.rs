//! What the keeper does for nodes of several versions: what it says of kinds that nobody knows, what a node that enters anew
//! tells, and contracting.

use super::keeping::keeper;
use super::*;
use crate::domain::roles::Roles;
use crate::store::testing::{KIND, NOW, job, request};
use crate::store::{Abort, KnownKind, nodes};
use crate::telemetry::checked_log::CheckedLog;
use crate::workers::beat::beat;
use crate::workers::contracting::contract;
use crate::workers::kinds::look_at_kinds;

/// The lines of an event, and their kinds.
fn told(log: &CheckedLog, event: &str) -> Vec<String> {
    let lines = log.lines();
    let of_event = lines.iter().filter(|line| line["event"] == event);
    of_event
        .map(|line| line["kinds"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_nobody_knows_is_logged_when_it_begins_to_wait_and_when_somebody_knows_it() {
    let log = CheckedLog::begin();
    let store = TestStore::new();
    let parts = keeper(&store, &Clock::manual(NOW), &eternal());
    store.enqueue(vec![job(), job(), probe(None, NOW)]).await.unwrap();
    for _ in 0..3 {
        look_at_kinds(&parts).await;
    }
    let unknown = format!("{KIND} version 1 in probes");
    assert_eq!(told(&log, "kinds_unknown"), [unknown.as_str()]);
    assert!(told(&log, "kinds_known").is_empty());
    let entered = store.write(|tx| {
        nodes::enter(tx.connection(), NODE, ("1", Roles::Work), NOW, LEASE)?;
        let kind = KnownKind { name: KIND, version: 1 };
        Ok::<_, Abort<()>>(nodes::publish(tx.connection(), NODE, &[kind])?)
    });
    entered.await.unwrap();
    for _ in 0..3 {
        look_at_kinds(&parts).await;
    }
    assert_eq!(told(&log, "kinds_known"), [unknown.as_str()]);
    // The last who knew it leaves while some wait.
    let left = store.write(|tx| Ok::<_, Abort<()>>(nodes::leave(tx.connection(), NODE)?));
    left.await.unwrap();
    look_at_kinds(&parts).await;
    assert_eq!(told(&log, "kinds_unknown").len(), 2);
    assert_eq!(store.claim(request(10, NOW)).await.unwrap().jobs.len(), 2);
    look_at_kinds(&parts).await;
    assert_eq!(told(&log, "kinds_known").len(), 2);
}

#[tokio::test]
async fn a_node_that_enters_anew_tells_again_what_it_performs() {
    let store = TestStore::new();
    let parts = keeper(&store, &Clock::manual(NOW), &eternal());
    // Its row went with its lease; the first beat finds that out.
    beat(&parts).await;
    let performed = store
        .read(|connection| nodes::performed(connection, NOW))
        .await
        .unwrap();
    let performed: Vec<_> = performed.iter().map(|one| (one.kind.as_str(), one.version)).collect();
    assert_eq!(performed, [("probe.run", 1)]);
}

#[tokio::test]
async fn a_keeper_that_finds_nothing_to_contract_does_not_look_again() {
    let store = TestStore::new();
    let parts = keeper(&store, &Clock::manual(NOW), &eternal());
    assert!(!parts.contracting.is_done());
    contract(&parts).await;
    assert!(parts.contracting.is_done());
}

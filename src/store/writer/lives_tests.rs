//! The writer as a child of the tree: told to end or to start anew, and failing.

use std::sync::Arc;

use crate::store::dialect::prelude::*;
use diesel::connection::SimpleConnection;

use super::tests::{SOON, enqueue, is_there, tell_connection};
use crate::store::testing::{NOW, TestStore, job, request};
use crate::store::{Abort, Store, StoreError, StoreOptions, schema};
use crate::supervision::{Fault, NodeKind, NodeSnapshot, NodeState, Universe};

#[tokio::test]
async fn closing_finishes_what_was_handed_over_and_refuses_what_comes_later() {
    let store = TestStore::new();
    let held = store.hold_writer().await;
    let mut accepted = futures_util::future::join_all([enqueue(&store, vec![job()]), enqueue(&store, vec![job()])]);
    assert!(futures_util::future::poll_immediate(&mut accepted).await.is_none());
    let tree = store.tree().clone();
    let stop = tokio::spawn(async move { tree.stop_child("writer").await });
    let closing = async {
        while store.tree().inspect("writer").unwrap().state != NodeState::Stopping {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, closing)
        .await
        .expect("it was not told to end");
    let late = job();
    let refused = store.enqueue(vec![late.clone()]).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    let answers = held.release_with(vec![accepted]).await.remove(0);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(stop.await.unwrap().unwrap().undelivered, 0);
    assert!(!is_there(&store, &late));
    assert_eq!(store.states(), ["available 2"]);
    assert!(matches!(store.enqueue(vec![job()]).await, Err(StoreError::Closed)));
    assert!(matches!(store.claim(request(1, NOW)).await, Err(StoreError::Closed)));
    assert!(matches!(store.ping(SOON).await, Err(StoreError::Closed)));
}

/// Looks until the writer's node is as `wanted`.
async fn writer_when(store: &TestStore, wanted: impl Fn(&NodeSnapshot) -> bool) -> NodeSnapshot {
    let reached = async {
        loop {
            let node = store.tree().inspect("writer").unwrap();
            if wanted(&node) {
                return node;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, reached)
        .await
        .expect("the writer is not as it should be")
}

#[tokio::test]
async fn a_writer_that_fails_is_started_anew_with_a_connection_of_its_own_and_what_waited_is_done() {
    let store = TestStore::new();
    tell_connection(&store, "CREATE TEMP TABLE mark (x)").await;
    let held = store.hold_writer().await;
    writer_when(&store, |writer| writer.state == NodeState::Running).await;
    store.tree().inject_panic("writer").unwrap();
    let writes = (0..1_000).map(|_| enqueue(&store, vec![job()])).collect();
    for answer in held.release_with(writes).await {
        answer.unwrap();
    }
    let node = writer_when(&store, |writer| writer.restarts == 1).await;
    assert_eq!(store.states(), ["available 1000"]);
    let marked = store.write(|tx| Ok::<_, Abort<()>>(tx.connection().batch_execute("SELECT * FROM mark")?));
    assert!(matches!(marked.await, Err(Abort::Store(StoreError::Statement(_)))));
    assert!(node.last_failure.is_some() && node.kind == NodeKind::Thread, "{node:?}");
    assert!(node.mailbox.unwrap().handled > 1_000);
}

/// What panics when it is thrown away.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_even_be_thrown_away_harms_neither_the_writer_nor_its_neighbours() {
    let store = TestStore::new();
    let held = store.hold_writer().await;
    let mut gone = Box::pin(store.write(|_| Ok::<_, Abort<()>>(Bomb)));
    assert!(futures_util::future::poll_immediate(&mut gone).await.is_none());
    drop(gone);
    let writes = (0..3).map(|_| enqueue(&store, vec![job()])).collect();
    for answer in held.release_with(writes).await {
        answer.unwrap();
    }
    assert_eq!(store.tree().inspect("writer").unwrap().restarts, 0);
}

#[tokio::test]
async fn a_writer_that_is_told_to_start_anew_under_load_does_and_loses_nothing() {
    let store = TestStore::new();
    let held = store.hold_writer().await;
    writer_when(&store, |writer| writer.state == NodeState::Running).await;
    store.tree().restart("writer").unwrap();
    let writes = (0..5_000).map(|_| enqueue(&store, vec![job()])).collect();
    for answer in held.release_with(writes).await {
        answer.unwrap();
    }
    writer_when(&store, |writer| writer.restarts == 1).await;
    assert_eq!(store.states(), ["available 5000"]);
}

#[actix::test]
async fn a_writer_that_fails_with_writes_in_its_hands_answers_each_of_them_and_claims_nothing_that_is_not_so() {
    let (universe, folder) = (Universe::new(), tempfile::tempdir().unwrap());
    let options = StoreOptions {
        database: crate::store::Database::Sqlite(folder.path().join("legwork.db")),
        writers: 1,
        readers: 1,
        on_available: Arc::new(|_| {}),
    };
    let store = Store::open(&options, universe.tree().root()).unwrap();
    // It has up to two others in its hands then.
    universe.inject("writer", Fault::PanicAt(3));
    let answers = futures_util::future::join_all((0..6).map(|_| store.enqueue(vec![job()]))).await;
    let done = answers.iter().filter(|answer| answer.is_ok()).count();
    let told_to_try_again = |answer: &Result<(), StoreError>| matches!(answer, Err(StoreError::Unavailable { .. }));
    let lost = answers.iter().filter(|answer| told_to_try_again(answer)).count();
    assert!((1..=3).contains(&lost) && done + lost == 6, "{answers:?}");
    let there = store.read(|connection| Ok(schema::jobs::table.count().get_result::<i64>(connection)?));
    assert_eq!(usize::try_from(there.await.unwrap()).unwrap(), done);
    drop(store);
    universe.finish().await;
}

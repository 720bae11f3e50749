//! When a schema is contracted and when it is not, and who is kept out by it.

use std::sync::mpsc;

use diesel::connection::SimpleConnection;

use super::*;
use crate::clock::Clock;
use crate::domain::id::NodeId;
use crate::domain::roles::Roles;
use crate::store::Abort;
use crate::store::migrate::tests::revert;
use crate::store::testing::{NODE, TestStore, on_each_database};

const LEASE: Duration = Duration::from_secs(15);

/// Undoes what the making of a new database contracted: as it is while older nodes may be about.
fn expand(store: &TestStore) {
    store.look(|other| revert(other, Migrations::Contracting));
    assert_eq!(oldest(store), Some(1));
}

fn oldest(store: &TestStore) -> Option<i64> {
    store.number("SELECT oldest_release AS value FROM schema_needs")
}

async fn enter(store: &TestStore, node: NodeId) -> Result<(), StoreError> {
    let now = Clock::System.now();
    let entered = store
        .write(move |tx| Ok::<_, Abort<()>>(nodes::enter(tx.connection(), node, ("0.1.0", Roles::Both), now, LEASE)?));
    match entered.await {
        Ok(entered) => {
            assert!(entered.is_some());
            Ok(())
        }
        Err(Abort::Store(error)) => Err(error),
        Err(Abort::Refused(())) => unreachable!(),
    }
}

async fn contracted(store: &TestStore) -> Result<Contracted, StoreError> {
    store.contract_if_free(Clock::System.now()).await
}

async fn a_living_node_of_an_older_release_puts_it_off_and_its_end_lets_it_be_done_once(store: TestStore) {
    expand(&store);
    let newer = NodeId::from_bits(2);
    enter(&store, NODE).await.unwrap();
    enter(&store, newer).await.unwrap();
    // As the first release enters itself: without a word of a release.
    store.look(|other| {
        let forget = format!("UPDATE nodes SET release = 1 WHERE id = '{NODE}'");
        other.batch_execute(&forget).unwrap();
    });
    let alive = OlderNode {
        id: NODE.to_string(),
        version: "0.1.0".to_owned(),
    };
    for _ in 0..2 {
        assert_eq!(
            contracted(&store).await.unwrap(),
            Contracted::WaitsFor(vec![alive.clone()])
        );
    }
    assert_eq!(oldest(&store), Some(1));
    store.look(|other| {
        let end = format!("UPDATE nodes SET lease_until = 1 WHERE id = '{NODE}'");
        other.batch_execute(&end).unwrap();
    });
    let done = contracted(&store).await.unwrap();
    assert!(
        matches!(&done, Contracted::Done(migrations) if !migrations.is_empty()),
        "{done:?}"
    );
    assert!(oldest(&store) > Some(1));
    assert_eq!(contracted(&store).await.unwrap(), Contracted::Nothing);
}

async fn a_new_database_needs_no_contracting_and_what_the_first_release_claimed_by_is_not_in_it(store: TestStore) {
    assert_eq!(contracted(&store).await.unwrap(), Contracted::Nothing);
    let catalogue = if store.file().is_some() {
        "SELECT count(*) AS value FROM sqlite_master WHERE name = 'jobs_to_claim'"
    } else {
        "SELECT count(*) AS value FROM pg_indexes WHERE indexname = 'jobs_to_claim'"
    };
    assert_eq!(store.number(catalogue), Some(0));
}

async fn whoever_is_too_old_for_the_schema_does_not_enter(store: TestStore) {
    store.look(|other| {
        let raise = format!("UPDATE schema_needs SET oldest_release = {}", release::RELEASE + 1);
        other.batch_execute(&raise).unwrap();
    });
    let refused = enter(&store, NODE).await;
    assert!(matches!(refused, Err(StoreError::ReleaseTooOld { .. })), "{refused:?}");
    assert_eq!(store.number("SELECT count(*) AS value FROM nodes"), Some(0));
}

async fn while_another_process_migrates_a_service_does_not_wait(store: TestStore) {
    expand(&store);
    let (begin, begun) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let source = store.source.clone();
    let migrating = std::thread::spawn(move || {
        let mut connection = source.connect(Access::Write).unwrap();
        let turn = source.turn_to_migrate(&mut connection, Turn::Awaited).unwrap();
        begin.send(()).unwrap();
        goes.recv().unwrap();
        drop(turn);
    });
    begun.recv().unwrap();
    assert_eq!(contracted(&store).await.unwrap(), Contracted::Busy);
    go.send(()).unwrap();
    migrating.join().unwrap();
    drop(contracted_once_free(&store).await);
    assert_eq!(contracted_once_free(&store).await, Contracted::Nothing);
}

/// A server may take a moment to see that a connection has ended: that of whoever migrated, and that of a contraction before.
async fn contracted_once_free(store: &TestStore) -> Contracted {
    loop {
        let contracted = contracted(store).await.unwrap();
        if contracted != Contracted::Busy {
            return contracted;
        }
    }
}

#[tokio::test]
async fn a_long_read_has_it_given_up_after_a_second_and_changes_nothing() {
    let Some(store) = TestStore::on_server() else { return };
    expand(&store);
    let (begin, begun) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let source = store.source.clone();
    let reading = std::thread::spawn(move || {
        let mut connection = source.connect(Access::Write).unwrap();
        connection
            .batch_execute("BEGIN; LOCK TABLE jobs IN ACCESS SHARE MODE")
            .unwrap();
        begin.send(()).unwrap();
        goes.recv().unwrap();
        connection.batch_execute("COMMIT").unwrap();
    });
    begun.recv().unwrap();
    let given_up = contracted(&store).await.unwrap_err();
    assert!(given_up.to_string().contains("lock timeout"), "{given_up}");
    assert_eq!(oldest(&store), Some(1));
    go.send(()).unwrap();
    reading.join().unwrap();
    assert!(matches!(contracted(&store).await.unwrap(), Contracted::Done(_)));
}

#[tokio::test]
async fn whoever_enters_while_the_schema_is_contracted_waits_for_it_and_is_then_refused() {
    let Some(store) = TestStore::on_server() else { return };
    let (begin, begun) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let source = store.source.clone();
    let contracting = std::thread::spawn(move || {
        let mut connection = source.connect(Access::Write).unwrap();
        let contracted: Result<(), StoreError> = connection.write_transaction(|connection| {
            release::hold(connection)?;
            connection.batch_execute("UPDATE schema_needs SET oldest_release = 1000")?;
            begin.send(()).unwrap();
            goes.recv().unwrap();
            Ok(())
        });
        contracted.unwrap();
    });
    begun.recv().unwrap();
    let entering = enter(&store, NODE);
    tokio::pin!(entering);
    let waits = "SELECT count(*) AS value FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                 AND datname = current_database() AND query LIKE '%schema_needs%'";
    while store.number(waits) == Some(0) {
        let early = futures_util::future::poll_immediate(&mut entering).await;
        assert!(early.is_none(), "it entered: {early:?}");
    }
    go.send(()).unwrap();
    let refused = entering.await;
    assert!(matches!(refused, Err(StoreError::ReleaseTooOld { .. })), "{refused:?}");
    contracting.join().unwrap();
}

on_each_database!(
    a_living_node_of_an_older_release_puts_it_off_and_its_end_lets_it_be_done_once,
    a_new_database_needs_no_contracting_and_what_the_first_release_claimed_by_is_not_in_it,
    whoever_is_too_old_for_the_schema_does_not_enter,
    while_another_process_migrates_a_service_does_not_wait,
);

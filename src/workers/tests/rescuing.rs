//! Taking back the work of dead nodes while others are alive.

use super::keeping::keeper;
use super::*;
use crate::domain::id::NodeId;
use crate::domain::roles::Roles;
use crate::store::jobs::RESCUED_MAX;
use crate::store::testing::{NOW, end, job, request};
use crate::store::{Abort, ClaimRequest, ClaimedJob, Finished, nodes};
use crate::workers::rescue::rescue;

const DEAD: NodeId = NodeId::from_bits(21);
const ALIVE: NodeId = NodeId::from_bits(22);

/// Enters a node whose lease began at `at`.
async fn enter(store: &TestStore, node: NodeId, at: Timestamp) {
    let entered =
        store.write(move |tx| Ok::<_, Abort<()>>(nodes::enter(tx.connection(), node, ("1", Roles::Work), at, LEASE)?));
    assert!(entered.await.unwrap().is_some());
}

/// So many jobs that this node runs.
async fn runs(store: &TestStore, node: NodeId, count: usize) -> Vec<ClaimedJob> {
    store.enqueue((0..count).map(|_| job()).collect()).await.unwrap();
    let mut all = Vec::new();
    while all.len() < count {
        let asked = ClaimRequest {
            node,
            ..request(count - all.len(), NOW)
        };
        all.extend(store.claim(asked).await.unwrap().jobs);
    }
    all
}

async fn alive_at(store: &TestStore, now: Timestamp) -> nodes::Alive {
    store
        .read(move |connection| nodes::alive(connection, now))
        .await
        .unwrap()
}

#[tokio::test]
async fn the_work_of_a_node_whose_lease_has_ended_is_taken_back_that_of_a_living_one_is_not_and_late_ends_are_refused()
{
    let store = TestStore::new();
    let clock = Clock::manual(NOW);
    let parts = keeper(&store, &clock, &eternal());
    enter(&store, NODE, NOW).await;
    enter(&store, DEAD, NOW).await;
    let held = runs(&store, DEAD, 3).await;
    clock.advance(LEASE);
    enter(&store, ALIVE, clock.now()).await;
    runs(&store, ALIVE, 2).await;
    rescue(&parts).await;
    assert_eq!(store.states(), ["running 5"], "a lease holds to its last moment");
    clock.advance(Duration::from_micros(1));
    assert_eq!(alive_at(&store, clock.now()).await, nodes::Alive { api: 0, work: 1 });
    rescue(&parts).await;
    assert_eq!(store.states(), ["available 3", "running 2"]);
    let left = store.words("SELECT id AS value FROM nodes ORDER BY id");
    // This node's own lease has ended as well, and is not for itself to take.
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!left.contains(&DEAD.to_string()));
    let late = end(held[0].id, held[0].fence, AttemptEnd::Completed, clock.now());
    assert_eq!(store.finish(late).await.unwrap(), Finished::LeaseLost);
    assert_eq!(store.states(), ["available 3", "running 2"]);
}

#[tokio::test]
async fn a_beat_that_came_first_keeps_its_node_alive_and_one_that_came_second_is_refused() {
    let store = TestStore::new();
    let late = NOW.plus(LEASE * 2);
    enter(&store, DEAD, NOW).await;
    let beaten = store.write(move |tx| Ok::<_, Abort<()>>(nodes::beat(tx.connection(), DEAD, late, LEASE)?));
    assert_eq!(
        beaten.await.unwrap(),
        Some(late),
        "one that ended is renewed while nobody has it"
    );
    let take = |at: Timestamp| store.write(move |tx| Ok::<_, Abort<()>>(nodes::take_over(tx.connection(), DEAD, at)?));
    assert!(!take(late).await.unwrap());
    assert!(take(late.plus(LEASE * 2)).await.unwrap());
    let beaten = store.write(move |tx| Ok::<_, Abort<()>>(nodes::beat(tx.connection(), DEAD, late, LEASE)?));
    assert_eq!(beaten.await.unwrap(), None);
    let entered = store
        .write(move |tx| Ok::<_, Abort<()>>(nodes::enter(tx.connection(), DEAD, ("1", Roles::Both), late, LEASE)?));
    assert_eq!(entered.await.unwrap(), None, "not before its work is taken back");
}

#[tokio::test]
async fn what_a_rescuer_left_undone_is_found_by_the_next_one() {
    let store = TestStore::new();
    let clock = Clock::manual(NOW.plus(LEASE * 2));
    enter(&store, DEAD, NOW).await;
    runs(&store, DEAD, RESCUED_MAX + 1).await;
    // The first portion of a rescuer that died after it.
    let now = clock.now();
    let half = store.write(move |tx| {
        assert!(nodes::take_over(tx.connection(), DEAD, now)?);
        Ok::<_, Abort<()>>(jobs::rescue_node(tx, DEAD, now)?)
    });
    assert_eq!(half.await.unwrap().len(), RESCUED_MAX);
    rescue(&keeper(&store, &clock, &eternal())).await;
    assert_eq!(store.states(), [format!("available {}", RESCUED_MAX + 1)]);
    assert_eq!(store.number("SELECT count(*) AS value FROM nodes"), Some(0));
}

#[tokio::test]
async fn work_whose_node_is_not_entered_is_taken_back_however_much_it_is() {
    let store = TestStore::new();
    let clock = Clock::manual(NOW);
    enter(&store, ALIVE, NOW).await;
    runs(&store, ALIVE, 1).await;
    runs(&store, DEAD, RESCUED_MAX + 1).await;
    rescue(&keeper(&store, &clock, &eternal())).await;
    assert_eq!(
        store.states(),
        [format!("available {}", RESCUED_MAX + 1), "running 1".to_owned()]
    );
}

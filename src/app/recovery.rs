//! What is done at the start, before anything is claimed.

use crate::clock::Clock;
use crate::domain::id::NodeId;
use crate::domain::roles::Roles;
use crate::jobs::PausedQueues;
use crate::store::{Abort, KnownKind, Store, StoreError, accounts, jobs, nodes, queues};
use crate::telemetry;
use crate::telemetry::names::event;
use crate::workers::{LEASE, Lease, Rescued, Sign};

/// Enters this node with what it performs, and answers its lease. On SQLite, which one process has to itself, it takes back at once what dead ones
/// left running; elsewhere others may be alive, and the keeper takes back only what their leases say.
pub(super) async fn enter_and_rescue(
    store: &Store,
    node: NodeId,
    roles: Roles,
    performs: &[KnownKind],
    clock: &Clock,
) -> Result<Lease, StoreError> {
    let performs = performs.to_vec();
    let version = env!("CARGO_PKG_VERSION");
    let asked = clock.clone();
    let entered = store.write(move |tx| {
        let sign = Sign::taken(&asked, |now| {
            let entered = nodes::enter(tx.connection(), node, (version, roles), now, LEASE)?;
            nodes::publish(tx.connection(), node, &performs)?;
            Ok(entered)
        });
        Ok(sign?)
    });
    // An id that is made anew is never entered already.
    let sign = only_store(entered.await)?.ok_or(StoreError::Closed)?;
    sign.set(clock);
    if store.is_alone() {
        rescue_all(store, node, clock).await?;
    }
    Ok(Lease::taken_at(sign.at))
}

async fn rescue_all(store: &Store, node: NodeId, clock: &Clock) -> Result<(), StoreError> {
    let mut rescued = Rescued::default();
    loop {
        let now = clock.now();
        let portion = only_store(store.write(move |tx| Ok(jobs::rescue(tx, node, now)?)).await)?;
        portion.iter().for_each(|finished| rescued.add(*finished));
        if portion.is_empty() {
            break;
        }
    }
    only_store(
        store
            .write(move |tx| Ok(nodes::leave_alone(tx.connection(), node)?))
            .await,
    )?;
    rescued.tell(node);
    Ok(())
}

/// The queues that are paused, which the log tells too: a queue that stands still should not surprise anybody.
pub(super) async fn paused_queues(store: &Store) -> Result<PausedQueues, StoreError> {
    let paused = store.read(queues::paused).await?;
    for pause in &paused {
        tracing::warn!(event = event::QUEUE_PAUSED, queue = %pause.queue, account = %pause.by, since = %pause.at, "a queue is paused");
    }
    let paused: Vec<_> = paused.into_iter().map(|pause| pause.queue).collect();
    Ok(PausedQueues::of(&paused))
}

/// For a closure that refuses nothing.
fn only_store<T>(written: Result<T, Abort<()>>) -> Result<T, StoreError> {
    match written {
        Ok(value) => Ok(value),
        Err(Abort::Store(error)) => Err(error),
        Err(Abort::Refused(())) => Err(StoreError::Closed),
    }
}

/// Says in the log what a new operator needs to know: how to become one.
pub(super) async fn say_what_is_missing(store: &Store) {
    match store.read(accounts::any_operator).await {
        Ok(true) => {}
        Ok(false) => tracing::info!(
            event = event::OPERATOR_MISSING,
            "there is no operator yet; make one with: \
             legwork account create --operator --email ADDRESS --password-stdin --api-key"
        ),
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::MISSING_UNSEEN,
                error,
                "what is missing could not be looked up"
            );
        }
    }
}

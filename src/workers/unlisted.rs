//! Taking back what the database says that this node runs, and of which this node knows nothing.
//!
//! That happens when the answer to a claim was lost with its connection while the claim was committed, and when the end of an
//! attempt could not be written at all. The node is alive, so that no other takes it for dead.
//!
//! Guarantees: what an attempt of this node holds is not touched, since the caller lets no claim be under way meanwhile and
//! each end is written under its fence. A commit that comes after the look is found by the next one.

use crate::clock::Clock;
use crate::domain::id::NodeId;
use crate::domain::job::Queue;
use crate::jobs::Attempts;
use crate::store::jobs::{RESCUED_MAX, rescue_unlisted, running_on};
use crate::store::{Abort, Store, StoreError};
use crate::telemetry;
use crate::telemetry::names::event;

use super::Rescued;

/// Looks once, and takes back up to [`RESCUED_MAX`] attempts; the next look finds the others.
pub(super) async fn take_back(store: &Store, attempts: &Attempts, node: NodeId, queue: Queue, clock: &Clock) {
    match look(store, attempts, node, queue, clock).await {
        Ok(rescued) => rescued.tell(node),
        Err(StoreError::Closed) => {}
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::UNLISTED_UNSEEN,
                %queue,
                error,
                "it could not be looked for work that this node does not have; the next look tries again"
            );
        }
    }
}

async fn look(
    store: &Store,
    attempts: &Attempts,
    node: NodeId,
    queue: Queue,
    clock: &Clock,
) -> Result<Rescued, StoreError> {
    let mut running = store
        .read(move |connection| running_on(connection, node, queue))
        .await?;
    running.retain(|(job, fence)| !attempts.has(*job, *fence));
    running.truncate(RESCUED_MAX);
    let mut rescued = Rescued::default();
    if running.is_empty() {
        return Ok(rescued);
    }
    let now = clock.now();
    let written = store.write(move |tx| Ok::<_, Abort<()>>(rescue_unlisted(tx, &running, now)?));
    match written.await {
        Ok(taken) => taken.into_iter().for_each(|finished| rescued.add(finished)),
        Err(Abort::Store(error)) => return Err(error),
        // The closure refuses nothing.
        Err(Abort::Refused(())) => {}
    }
    Ok(rescued)
}

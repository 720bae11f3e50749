//! Taking back what dead nodes left running, while others serve.
//!
//! Guarantees: the work of a node is taken only once its lease has ended by the clock that decides, which is looked at again
//! under the lock of the node's row, in the transaction that takes it; a transaction takes a bounded portion of it, and the
//! node's row goes with the last one. So one of several rescuers does it, and what a rescuer leaves undone the next one
//! finds. Whatever the old node still writes about it is refused by its fence.

use super::KeeperParts;
use crate::clock::Clock;
use crate::domain::id::NodeId;
use crate::domain::job::JobState;
use crate::store::jobs::RESCUED_MAX;
use crate::store::{Abort, Finished, Store, StoreError, Tx, jobs, nodes};
use crate::telemetry;
use crate::telemetry::names::event;

/// Nodes that one look finds: the next one finds the others.
const NODES_MAX: usize = 100;

/// What was taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rescued {
    /// Attempts.
    pub all: usize,
    /// Those whose jobs became uncertain.
    pub uncertain: usize,
    /// Those whose jobs were given up, as the last of too many deaths.
    pub quarantined: usize,
}

impl Rescued {
    /// Counts one more.
    pub fn add(&mut self, finished: Finished) {
        match finished {
            // It ended by itself before it was taken.
            Finished::LeaseLost => return,
            Finished::Written(JobState::Uncertain) => self.uncertain += 1,
            Finished::Written(JobState::Discarded) => self.quarantined += 1,
            Finished::Written(_) => {}
        }
        self.all += 1;
    }

    /// Says so in the log, if there were any.
    pub fn tell(&self, node: NodeId) {
        if self.all > 0 {
            tracing::warn!(
                event = event::JOB_RESCUED,
                %node,
                rescued = self.all,
                uncertain = self.uncertain,
                quarantined = self.quarantined,
                "jobs that nobody has any more were taken back"
            );
        }
    }
}

/// Looks once for nodes whose lease has ended, and for work whose node is not entered, and takes it back.
pub(super) async fn rescue(parts: &KeeperParts) {
    let mut rescued = Rescued::default();
    if let Err(error) = take_back(parts, &mut rescued).await {
        // On its way down there is nobody to try again.
        if !matches!(error, StoreError::Closed) {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::RESCUE_FAILED,
                error,
                "it could not be looked for dead nodes; the next look tries again"
            );
        }
    }
    rescued.tell(parts.node);
}

async fn take_back(parts: &KeeperParts, rescued: &mut Rescued) -> Result<(), StoreError> {
    let (store, clock, me) = (&parts.store, &parts.clock, parts.node);
    let now = clock.now();
    // One look by a reader: mostly there is nothing to do, and then no writer is bothered.
    let (ended, has_strays) = store
        .read(move |connection| Ok((nodes::ended(connection, now, NODES_MAX)?, jobs::any_stray(connection)?)))
        .await?;
    for node in ended.into_iter().filter(|node| *node != me) {
        tracing::warn!(
            event = event::NODE_DEAD,
            node = %me,
            dead = %node,
            "the lease of a node has ended; its work is taken back"
        );
        take_node(store, clock, node, rescued).await?;
    }
    if !has_strays {
        return Ok(());
    }
    loop {
        let portion = portion(store, clock, |tx, now| Ok(Some(jobs::rescue_strays(tx, now)?))).await?;
        if count(portion.as_deref().unwrap_or_default(), rescued) {
            return Ok(());
        }
    }
}

/// Takes all work of a node back, and then removes the node; nothing of a node whose lease has not ended.
///
/// # Errors
/// When a statement fails; then some of it may be taken, and the node is marked.
pub(super) async fn take_node(
    store: &Store,
    clock: &Clock,
    node: NodeId,
    rescued: &mut Rescued,
) -> Result<(), StoreError> {
    loop {
        let taken = portion(store, clock, move |tx, now| {
            if !nodes::take_over(tx.connection(), node, now)? {
                return Ok(None);
            }
            let taken = jobs::rescue_node(tx, node, now)?;
            if taken.len() < RESCUED_MAX {
                nodes::leave(tx.connection(), node)?;
            }
            Ok(Some(taken))
        });
        match taken.await? {
            Some(taken) if !count(&taken, rescued) => {}
            _ => return Ok(()),
        }
    }
}

/// Counts a portion, and answers whether it was the last.
fn count(portion: &[Finished], rescued: &mut Rescued) -> bool {
    portion.iter().for_each(|finished| rescued.add(*finished));
    portion.len() < RESCUED_MAX
}

async fn portion<F>(store: &Store, clock: &Clock, take: F) -> Result<Option<Vec<Finished>>, StoreError>
where
    F: Fn(&mut Tx<'_>, crate::clock::Timestamp) -> Result<Option<Vec<Finished>>, StoreError> + Send + 'static,
{
    let clock = clock.clone();
    let written = store.write(move |tx| Ok::<_, Abort<()>>(take(tx, clock.now())?));
    match written.await {
        Ok(taken) => Ok(taken),
        Err(Abort::Store(error)) => Err(error),
        // The closure refuses nothing.
        Err(Abort::Refused(())) => Ok(None),
    }
}

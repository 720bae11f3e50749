//! What is done at the start, before anything is claimed.

use crate::clock::Clock;
use crate::domain::id::NodeId;
use crate::domain::job::JobState;
use crate::jobs::{PausedQueues, Registry};
use crate::store::{Abort, Finished, Store, StoreError, accounts, jobs, nodes, queues};
use crate::telemetry;
use crate::telemetry::names::event;
use crate::workers::LEASE;

/// Enters this node, and takes back what dead ones left running.
pub(super) async fn enter_and_rescue(store: &Store, node: NodeId, clock: &Clock) -> Result<(), StoreError> {
    let now = clock.now();
    let version = env!("CARGO_PKG_VERSION");
    only_store(
        store
            .write(move |tx| Ok(nodes::enter(tx.connection(), node, version, now, LEASE)?))
            .await,
    )?;
    let mut counts = Counts::default();
    loop {
        let now = clock.now();
        let rescued = only_store(store.write(move |tx| Ok(jobs::rescue(tx, node, now)?)).await)?;
        if rescued.is_empty() {
            break;
        }
        rescued.iter().for_each(|finished| counts.add(*finished));
    }
    if counts.rescued > 0 {
        tracing::warn!(
            event = event::JOB_RESCUED,
            node = %node,
            rescued = counts.rescued,
            uncertain = counts.uncertain,
            quarantined = counts.quarantined,
            "jobs that a dead process left running were taken back"
        );
    }
    Ok(())
}

#[derive(Default)]
struct Counts {
    rescued: usize,
    uncertain: usize,
    quarantined: usize,
}

impl Counts {
    fn add(&mut self, finished: Finished) {
        self.rescued += 1;
        match finished {
            Finished::Written(JobState::Uncertain) => self.uncertain += 1,
            Finished::Written(JobState::Discarded) => self.quarantined += 1,
            Finished::Written(_) | Finished::LeaseLost => {}
        }
    }
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

/// Says in the log what a new operator needs to know: how to become one, and which jobs nobody here can perform.
pub(super) async fn say_what_is_missing(store: &Store, registry: &Registry) {
    let known = registry.names();
    let found = store
        .read(move |connection| {
            Ok((
                accounts::any_operator(connection)?,
                jobs::unknown_kinds(connection, &known)?,
            ))
        })
        .await;
    match found {
        Ok((has_operator, unknown)) => {
            if !has_operator {
                tracing::info!(
                    event = event::OPERATOR_MISSING,
                    "there is no operator yet; make one with: \
                     legwork account create --operator --email ADDRESS --password-stdin --api-key"
                );
            }
            if !unknown.is_empty() {
                let kinds = unknown.join(", ");
                tracing::warn!(
                    event = event::KINDS_UNKNOWN,
                    kinds,
                    "jobs of kinds that this version does not know wait for one that does"
                );
            }
        }
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

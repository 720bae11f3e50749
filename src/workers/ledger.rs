//! The ledger of an attempt that was claimed from a queue: the store, and what the depths have to know of its end.

use futures_util::future::BoxFuture;

use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{JobState, Queue};
use crate::jobs::{Depths, Ledger};
use crate::store::{AttemptFinish, AttemptProgress, Finished, Held, Store, StoreError};

/// Writes to the store, and tells the depths whether the job waits again or has ended.
pub(super) struct LaneLedger {
    pub(super) store: Store,
    pub(super) depths: Depths,
    pub(super) queue: Queue,
    pub(super) workspace: WorkspaceId,
}

impl Ledger for LaneLedger {
    fn progress(&self, progress: AttemptProgress) -> BoxFuture<'_, Result<Held, StoreError>> {
        Ledger::progress(&self.store, progress)
    }

    fn no_return(&self, job: JobId, fence: i64, now: Timestamp) -> BoxFuture<'_, Result<Held, StoreError>> {
        Ledger::no_return(&self.store, job, fence, now)
    }

    fn finish(&self, finish: AttemptFinish) -> BoxFuture<'_, Result<Finished, StoreError>> {
        Box::pin(async move {
            let finished = self.store.finish(finish).await?;
            match finished {
                Finished::Written(JobState::Available | JobState::Scheduled | JobState::Retryable) => {
                    self.depths.add(self.queue, self.workspace, 1);
                }
                Finished::Written(_) => self.depths.ended(self.queue),
                // Whoever took it has seen to that.
                Finished::LeaseLost => {}
            }
            Ok(finished)
        })
    }
}

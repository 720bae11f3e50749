//! The ledger of an attempt that was claimed from a queue: the store, and what the depths have to know of its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;

use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{AttemptEnd, JobState, Queue};
use crate::jobs::{Depths, Ledger};
use crate::store::{AttemptFinish, AttemptProgress, Finished, Held, Store, StoreError};

/// Writes to the store, and tells the depths whether the job waits again or has ended.
pub(super) struct LaneLedger {
    pub(super) store: Store,
    pub(super) depths: Depths,
    pub(super) queue: Queue,
    pub(super) workspace: WorkspaceId,
    /// The attempts of the lane that did what they were for, or failed at it. One that was put off says nothing of how fast the
    /// work is done.
    pub(super) ended: Arc<AtomicU64>,
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
            let is_put_off = matches!(finish.end, AttemptEnd::Snoozed(_) | AttemptEnd::Drained);
            let finished = self.store.finish(finish).await?;
            if !is_put_off {
                self.ended.fetch_add(1, Ordering::SeqCst);
            }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::job::Retry;
    use crate::jobs::DepthLimits;
    use crate::store::testing::{TestStore, end, job, request};

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[tokio::test]
    async fn what_was_put_off_is_not_counted_as_ended() {
        let later = NOW.plus(Duration::from_secs(3_600));
        for (how, counts) in [
            (AttemptEnd::Snoozed(later), 0),
            (AttemptEnd::Drained, 0),
            (AttemptEnd::Completed, 1),
            (AttemptEnd::Failed(Retry::At(later)), 1),
        ] {
            let (store, new) = (TestStore::new(), job());
            let ledger = LaneLedger {
                store: (*store).clone(),
                depths: Depths::new(&DepthLimits::default()),
                queue: new.queue,
                workspace: new.workspace,
                ended: Arc::default(),
            };
            store.enqueue(vec![new]).await.unwrap();
            let claimed = store.claim(request(1, NOW)).await.unwrap().jobs.remove(0);
            let written = Ledger::finish(&ledger, end(claimed.id, claimed.fence, how, NOW)).await;
            assert!(matches!(written.unwrap(), Finished::Written(_)));
            assert_eq!(ledger.ended.load(Ordering::SeqCst), counts, "{how:?}");
        }
    }
}

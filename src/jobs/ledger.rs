//! Where attempts write about themselves: the store, or memory in a test of a worker alone.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{BoxFuture, ready};

use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::{AttemptEnd, JobState, Retry, WhenUncertain};
use crate::store::{Abort, AttemptFinish, AttemptProgress, Finished, Held, Store, StoreError, jobs};

/// What an attempt writes about itself, each under its fence.
pub trait Ledger: Send + Sync + 'static {
    /// Stores progress.
    fn progress(&self, progress: AttemptProgress) -> BoxFuture<'_, Result<Held, StoreError>>;
    /// Notes that the effect may happen from now on; on disk before it answers.
    fn no_return(&self, job: JobId, fence: i64, now: Timestamp) -> BoxFuture<'_, Result<Held, StoreError>>;
    /// Stores how the attempt ended.
    fn finish(&self, finish: AttemptFinish) -> BoxFuture<'_, Result<Finished, StoreError>>;
}

impl Ledger for Store {
    fn progress(&self, progress: AttemptProgress) -> BoxFuture<'_, Result<Held, StoreError>> {
        Box::pin(self.progress(progress))
    }

    fn no_return(&self, job: JobId, fence: i64, now: Timestamp) -> BoxFuture<'_, Result<Held, StoreError>> {
        Box::pin(async move {
            let written = self.write(move |tx| Ok::<_, Abort<()>>(jobs::no_return(tx.connection(), job, fence, now)?));
            match written.await {
                Ok(held) => Ok(held),
                Err(Abort::Store(error)) => Err(error),
                // The closure refuses nothing.
                Err(Abort::Refused(())) => Ok(Held::No),
            }
        })
    }

    fn finish(&self, finish: AttemptFinish) -> BoxFuture<'_, Result<Finished, StoreError>> {
        Box::pin(self.finish(finish))
    }
}

/// A ledger in memory, with which a test starts a worker alone, sends it a message and reads what it wrote.
#[derive(Clone, Debug, Default)]
pub struct MemoryLedger {
    inner: Arc<Mutex<Written>>,
}

#[derive(Debug, Default)]
struct Written {
    progress: Vec<AttemptProgress>,
    no_returns: Vec<JobId>,
    finishes: Vec<AttemptFinish>,
    cancel_requested: bool,
}

impl MemoryLedger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has every later write answer that a cancel was asked for.
    pub fn request_cancel(&self) {
        self.with(|written| written.cancel_requested = true);
    }

    /// The ends written so far.
    #[must_use]
    pub fn finishes(&self) -> Vec<AttemptFinish> {
        self.with(|written| written.finishes.clone())
    }

    /// The progress written so far.
    #[must_use]
    pub fn progress(&self) -> Vec<AttemptProgress> {
        self.with(|written| written.progress.clone())
    }

    /// The jobs that noted their point of no return.
    #[must_use]
    pub fn no_returns(&self) -> Vec<JobId> {
        self.with(|written| written.no_returns.clone())
    }

    fn with<T>(&self, change: impl FnOnce(&mut Written) -> T) -> T {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ledger for MemoryLedger {
    fn progress(&self, progress: AttemptProgress) -> BoxFuture<'_, Result<Held, StoreError>> {
        let held = self.with(|written| {
            written.progress.push(progress);
            Held::Yes {
                cancel_requested: written.cancel_requested,
            }
        });
        Box::pin(ready(Ok(held)))
    }

    fn no_return(&self, job: JobId, _fence: i64, _now: Timestamp) -> BoxFuture<'_, Result<Held, StoreError>> {
        let held = self.with(|written| {
            if !written.cancel_requested {
                written.no_returns.push(job);
            }
            Held::Yes {
                cancel_requested: written.cancel_requested,
            }
        });
        Box::pin(ready(Ok(held)))
    }

    fn finish(&self, finish: AttemptFinish) -> BoxFuture<'_, Result<Finished, StoreError>> {
        // There is no row here to decide by, so this is the state that the end alone leads to while attempts are left.
        let state = match finish.end {
            AttemptEnd::Completed => JobState::Completed,
            AttemptEnd::Failed(Retry::Never) => JobState::Discarded,
            AttemptEnd::Cancelled => JobState::Cancelled,
            AttemptEnd::Uncertain(WhenUncertain::Hold, _) => JobState::Uncertain,
            AttemptEnd::Snoozed(_) | AttemptEnd::Uncertain(_, Retry::Unspent(_)) => JobState::Scheduled,
            AttemptEnd::Drained | AttemptEnd::Lost => JobState::Available,
            _ => JobState::Retryable,
        };
        self.with(|written| written.finishes.push(finish));
        Box::pin(ready(Ok(Finished::Written(state))))
    }
}

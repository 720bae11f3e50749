//! The attempts that this process holds, beside the workers that run them: a worker's restart does not end them.
//!
//! Guarantees: an attempt is listed from its claim until its end is written, however it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::stop::{StopCause, StopSignal};
use crate::domain::id::JobId;

/// All attempts of one worker; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    held: Mutex<HashMap<JobId, (i64, StopSignal)>>,
    /// Told whenever the last attempt ends.
    idle: Notify,
}

/// One listed attempt; dropping it strikes it off.
#[derive(Debug)]
pub struct AttemptHandle {
    attempts: Attempts,
    job: JobId,
    fence: i64,
    stop: StopSignal,
}

impl Attempts {
    /// A list of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists an attempt.
    #[must_use]
    pub fn begin(&self, job: JobId, fence: i64) -> AttemptHandle {
        let stop = StopSignal::default();
        self.with(|held| held.insert(job, (fence, stop.clone())));
        AttemptHandle {
            attempts: self.clone(),
            job,
            fence,
            stop,
        }
    }

    /// Tells the attempt of `job` to stop; answers whether there is one here.
    pub fn stop(&self, job: JobId, cause: StopCause) -> bool {
        let signal = self.with(|held| held.get(&job).map(|(_, stop)| stop.clone()));
        if let Some(signal) = &signal {
            signal.give(cause);
        }
        signal.is_some()
    }

    /// Tells all attempts to stop.
    pub fn stop_all(&self, cause: StopCause) {
        let signals: Vec<StopSignal> = self.with(|held| held.values().map(|(_, stop)| stop.clone()).collect());
        for signal in signals {
            signal.give(cause);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.with(|held| held.len())
    }

    /// Waits until there are none.
    pub async fn idle(&self) {
        loop {
            let told = self.inner.idle.notified();
            tokio::pin!(told);
            // Listed before the look, so that an end between the two is not missed.
            told.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            told.await;
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<JobId, (i64, StopSignal)>) -> T) -> T {
        change(&mut self.inner.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AttemptHandle {
    pub(super) fn stop(&self) -> &StopSignal {
        &self.stop
    }
}

impl Drop for AttemptHandle {
    fn drop(&mut self) {
        let is_last = self.attempts.with(|held| {
            // A later attempt of the same job may have taken the place.
            if held.get(&self.job).is_some_and(|(fence, _)| *fence == self.fence) {
                held.remove(&self.job);
            }
            held.is_empty()
        });
        if is_last {
            self.attempts.inner.idle.notify_waiters();
        }
    }
}

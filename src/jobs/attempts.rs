//! The attempts that this process holds, beside the workers that run them: a worker's restart does not end them.
//!
//! Guarantees: an attempt is listed from its claim until its end is written, however it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

use super::attempt::Waiting;
use super::stop::{StopCause, StopSignal};
use crate::domain::id::JobId;

/// All attempts of one worker; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    held: Mutex<HashMap<JobId, Held>>,
    /// Told whenever the last attempt ends.
    idle: Notify,
}

#[derive(Clone, Debug)]
struct Held {
    fence: i64,
    stop: StopSignal,
    /// Where the attempt is until it begins.
    waiting: Weak<Waiting>,
}

impl Held {
    /// Tells the attempt to stop, and ends it if it has not begun. Not to be called while the list is locked.
    fn end(&self, cause: StopCause) {
        self.stop.give(cause);
        if let Some(waiting) = self.waiting.upgrade() {
            // The first cause stays, also here.
            waiting.end(self.stop.cause().unwrap_or(cause));
        }
    }
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
        let held = Held {
            fence,
            stop: stop.clone(),
            waiting: Weak::new(),
        };
        self.with(|all| all.insert(job, held));
        AttemptHandle {
            attempts: self.clone(),
            job,
            fence,
            stop,
        }
    }

    /// Tells the attempt of `job` to stop; answers whether there is one here. One that has not begun, because its worker is
    /// down or busy, ends at once. To be called within a runtime.
    pub fn stop(&self, job: JobId, cause: StopCause) -> bool {
        let found = self.with(|held| held.get(&job).cloned());
        if let Some(held) = &found {
            held.end(cause);
        }
        found.is_some()
    }

    /// Tells all attempts to stop, as [`Attempts::stop`] does.
    pub fn stop_all(&self, cause: StopCause) {
        let all: Vec<Held> = self.with(|held| held.values().cloned().collect());
        for held in all {
            held.end(cause);
        }
    }

    /// Whether the attempt of `job` under this fence is listed.
    #[must_use]
    pub fn has(&self, job: JobId, fence: i64) -> bool {
        self.with(|held| held.get(&job).is_some_and(|held| held.fence == fence))
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

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<JobId, Held>) -> T) -> T {
        change(&mut self.inner.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AttemptHandle {
    pub(super) fn stop(&self) -> &StopSignal {
        &self.stop
    }

    /// Notes where the attempt is until it begins.
    pub(super) fn waits_in(&self, waiting: &Arc<Waiting>) {
        self.attempts.with(|held| {
            if let Some(held) = held.get_mut(&self.job).filter(|held| held.fence == self.fence) {
                held.waiting = Arc::downgrade(waiting);
            }
        });
    }
}

impl Drop for AttemptHandle {
    fn drop(&mut self) {
        let is_last = self.attempts.with(|held| {
            // A later attempt of the same job may have taken the place.
            if held.get(&self.job).is_some_and(|held| held.fence == self.fence) {
                held.remove(&self.job);
            }
            held.is_empty()
        });
        if is_last {
            self.attempts.inner.idle.notify_waiters();
        }
    }
}

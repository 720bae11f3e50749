//! The bounded pool on which passwords are hashed: slow work of a few tens of milliseconds and 19 MiB each.
//!
//! Guarantees: at most as many hashes run at once as the pool was made for, whatever the number of requests, so memory and
//! cores are bounded; at most a fixed number of callers wait; whoever comes beyond that is told [`HashingError::Busy`] at
//! once. A caller that goes away gives up its place, but a hash that runs keeps its slot until it ends.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Problem;

/// When whoever found the pool full may try again: about as long as the last of those that wait will wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a hash was not made.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// As many callers wait as may; try again later.
    #[error("the hashing pool is full")]
    Busy,
    /// The work panicked, or the runtime is shutting down.
    #[error("a hash was not finished")]
    Unfinished(#[source] Option<tokio::task::JoinError>),
}

impl From<HashingError> for Problem {
    /// 503 if the pool is full, else 500.
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy => Self::unavailable("too many people log in just now", RETRY_AFTER),
            HashingError::Unfinished(_) => Self::internal(error),
        }
    }
}

/// Runs blocking work, a bounded number at once. Clones share the bounds.
#[derive(Clone, Debug)]
pub struct HashingPool {
    /// One permit for each caller that runs or waits.
    places: Arc<Semaphore>,
    /// One permit for each that runs.
    slots: Arc<Semaphore>,
}

impl HashingPool {
    /// How many callers may wait unless told otherwise: with 2 cores and 30 ms a hash, the last of 64 waits for one second.
    pub const WAITING_DEFAULT: usize = 64;

    /// A pool that runs `running` pieces of work at once and lets `waiting` more callers wait.
    #[must_use]
    pub fn new(running: NonZeroUsize, waiting: usize) -> Self {
        let places = running.get().saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            slots: Arc::new(Semaphore::new(running.get())),
        }
    }

    /// A pool with one slot for each core and [`Self::WAITING_DEFAULT`] places to wait.
    #[must_use]
    pub fn for_this_machine() -> Self {
        Self::new(
            std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            Self::WAITING_DEFAULT,
        )
    }

    /// Runs `work` on a thread where it may block, inside the caller's span, and returns what it returns.
    ///
    /// # Errors
    ///
    /// [`HashingError::Busy`] if all places are taken; [`HashingError::Unfinished`] if `work` panicked.
    pub async fn run<T, F>(&self, work: F) -> Result<T, HashingError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .or(Err(HashingError::Busy))?;
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .or(Err(HashingError::Unfinished(None)))?;
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            // Both permits live as long as the thread is busy, not as long as someone waits for it.
            let _held = (place, slot);
            span.in_scope(work)
        });
        task.await.map_err(|error| HashingError::Unfinished(Some(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn pool(running: usize, waiting: usize) -> HashingPool {
        HashingPool::new(NonZeroUsize::new(running).unwrap(), waiting)
    }

    /// Waits for `condition`, within a bound.
    async fn until(condition: impl Fn() -> bool) {
        let wait = async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait)
            .await
            .expect("the condition holds in time");
    }

    #[tokio::test]
    async fn work_runs_and_its_answer_comes_back() {
        assert_eq!(pool(1, 0).run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn whoever_finds_no_place_is_told_at_once_and_places_are_given_back() {
        let pool = pool(1, 1);
        let (release, wait) = mpsc::channel::<()>();
        let running = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || wait.recv().is_ok()).await }
        });
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(|| true).await }
        });
        until(|| pool.places.available_permits() == 0).await;
        assert!(matches!(pool.run(|| true).await, Err(HashingError::Busy)));
        release.send(()).unwrap();
        assert!(running.await.unwrap().unwrap() && waiting.await.unwrap().unwrap());
        assert!(pool.run(|| true).await.unwrap());
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_does_not_free_the_slot_of_a_hash_that_runs() {
        let pool = pool(1, 0);
        let (release, wait) = mpsc::channel::<()>();
        let (started, has_started) = tokio::sync::oneshot::channel::<()>();
        let caller = tokio::spawn({
            let pool = pool.clone();
            async move {
                pool.run(move || {
                    started.send(()).unwrap();
                    wait.recv().is_ok()
                })
                .await
            }
        });
        has_started.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert!(matches!(pool.run(|| true).await, Err(HashingError::Busy)));
        release.send(()).unwrap();
        until(|| pool.places.available_permits() == 1).await;
        assert!(pool.run(|| true).await.unwrap());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_gives_its_place_back() {
        let pool = pool(1, 0);
        let outcome = pool.run(|| panic!("on purpose")).await;
        assert!(matches!(outcome, Err(HashingError::Unfinished(Some(error))) if error.is_panic()));
        assert_eq!(pool.run(|| 1).await.unwrap(), 1);
    }
}

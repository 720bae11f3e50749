//! Which queues are paused, as this process knows it: for what is shown of a job, without a look into the database.
//!
//! Guarantees: every claim brings its queue's flag up to date, so that it is wrong for a poll at most. No decision is made by
//! it: claims read the row itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::domain::job::Queue;

/// One flag a queue; clones share them.
#[derive(Clone, Debug)]
pub struct PausedQueues {
    flags: Arc<[(Queue, AtomicBool)]>,
}

impl PausedQueues {
    /// All run but those in `paused`.
    #[must_use]
    pub fn of(paused: &[Queue]) -> Self {
        let flags = Queue::ALL
            .iter()
            .map(|queue| (*queue, AtomicBool::new(paused.contains(queue))));
        Self { flags: flags.collect() }
    }

    /// Notes whether `queue` is paused.
    pub fn set(&self, queue: Queue, is_paused: bool) {
        if let Some(flag) = self.flag(queue) {
            flag.store(is_paused, Ordering::Relaxed);
        }
    }

    /// Whether `queue` is paused, as far as is known here.
    #[must_use]
    pub fn contains(&self, queue: Queue) -> bool {
        self.flag(queue).is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    fn flag(&self, queue: Queue) -> Option<&AtomicBool> {
        self.flags
            .iter()
            .find(|(known, _)| *known == queue)
            .map(|(_, flag)| flag)
    }
}

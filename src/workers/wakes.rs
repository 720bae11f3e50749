//! Waking the dispatcher: from the writer's commits, from slots that become free, and from people.
//!
//! Guarantees: waking never blocks; any number of wakes of one queue that were not yet heard are one message. A wake may be
//! lost (the dispatcher restarts, its mailbox is full), which costs one poll.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use actix::Message;

use crate::domain::job::Queue;
use crate::supervision::Recipient;

/// Jobs of this queue may be waiting.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Wake(pub Queue);

/// The way to the dispatcher, made before it; clones are the same way.
#[derive(Clone, Default)]
pub struct Wakes {
    inner: Arc<Inner>,
}

struct Inner {
    dispatcher: OnceLock<Recipient<Wake>>,
    /// For each queue whether a wake is on its way.
    pending: Vec<(Queue, AtomicBool)>,
}

impl Default for Inner {
    fn default() -> Self {
        let pending = Queue::ALL
            .iter()
            .map(|queue| (*queue, AtomicBool::new(false)))
            .collect();
        Self {
            dispatcher: OnceLock::new(),
            pending,
        }
    }
}

impl Wakes {
    /// A way that leads nowhere until [`Wakes::lead_to`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has wakes go to this dispatcher from now on; the first one stays.
    pub fn lead_to(&self, dispatcher: Recipient<Wake>) {
        if self.inner.dispatcher.set(dispatcher).is_err() {
            tracing::debug!("wakes lead to a dispatcher already");
        }
    }

    /// Wakes the dispatcher for `queue`.
    pub fn wake(&self, queue: Queue) {
        let Some(dispatcher) = self.inner.dispatcher.get() else {
            return;
        };
        let pending = self.pending(queue);
        if pending.is_some_and(|pending| pending.swap(true, Ordering::SeqCst)) {
            return;
        }
        if dispatcher.try_tell(Wake(queue)).is_err() {
            self.heard(queue);
        }
    }

    /// A wake of `queue` has arrived; a later one is a new message.
    pub fn heard(&self, queue: Queue) {
        if let Some(pending) = self.pending(queue) {
            pending.store(false, Ordering::SeqCst);
        }
    }

    fn pending(&self, queue: Queue) -> Option<&AtomicBool> {
        self.inner
            .pending
            .iter()
            .find(|(known, _)| *known == queue)
            .map(|(_, pending)| pending)
    }
}

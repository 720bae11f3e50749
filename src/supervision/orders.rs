//! Orders to a child: stop, end at once, restart. They go past its mailbox.
//!
//! Guarantees: an order given is seen by the child's future, whoever gives it from whatever thread; of several orders the
//! most final is seen first; that a stop was ordered is never forgotten.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::sync::Notify;

/// An order to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// End at once: the time to stop is over.
    Kill,
    /// Stop, in order.
    Stop,
    /// Leave the backoff, or the present life, and start anew now.
    Restart,
}

impl Order {
    const BY_WEIGHT: [Self; 3] = [Self::Kill, Self::Stop, Self::Restart];

    const fn bit(self) -> u8 {
        match self {
            Self::Kill => 1,
            Self::Stop => 2,
            Self::Restart => 4,
        }
    }
}

/// The orders given to one child and not yet seen by it.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pending: AtomicU8,
    stop_given: AtomicBool,
    bell: Notify,
}

impl Orders {
    pub(super) fn give(&self, order: Order) {
        if order != Order::Restart {
            self.stop_given.store(true, Ordering::SeqCst);
        }
        self.pending.fetch_or(order.bit(), Ordering::SeqCst);
        self.bell.notify_one();
    }

    /// The next order; waits for one. Only the child's own future calls this.
    pub(super) async fn next(&self) -> Order {
        loop {
            for order in Order::BY_WEIGHT {
                if self.pending.fetch_and(!order.bit(), Ordering::SeqCst) & order.bit() != 0 {
                    return order;
                }
            }
            self.bell.notified().await;
        }
    }

    /// Whether an order waits to be seen; cheap enough to ask after every message.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// Whether the child was ever told to stop.
    pub(super) fn stop_given(&self) -> bool {
        self.stop_given.load(Ordering::SeqCst)
    }
}

//! Orders to a child: rise, lie down, stop, end at once, restart, panic. They go past its mailbox.
//!
//! Guarantees: an order given is seen by the child's task, whoever gives it from whatever thread; of several orders the
//! most final is seen first; that a stop was ordered is never forgotten; an order to rise takes back those that would end
//! the life it begins; a task that was left behind on its thread takes no order from the one that took over.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::sync::Notify;

/// An order to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// End this life, or for good if a stop was ordered, at once: the time for it is over.
    Kill,
    /// Stop for good, in order.
    Stop,
    /// End this life in order, and wait to be told to rise.
    LieDown,
    /// End this life as a failed one: it makes no progress.
    Unstick,
    /// Panic, to see what comes of it.
    Panic,
    /// Leave the present life, if there is one, and start anew.
    Restart,
    /// Start a life.
    Rise,
}

impl Order {
    const BY_WEIGHT: [Self; 7] = [
        Self::Kill,
        Self::Stop,
        Self::LieDown,
        Self::Unstick,
        Self::Panic,
        Self::Restart,
        Self::Rise,
    ];

    const fn bit(self) -> u8 {
        match self {
            Self::Kill => 1,
            Self::Stop => 2,
            Self::LieDown => 4,
            Self::Unstick => 8,
            Self::Panic => 16,
            Self::Restart => 32,
            Self::Rise => 64,
        }
    }
}

/// What a rise takes back: orders about a life that is over. A kill stays if a stop was ordered.
const ABOUT_A_LIFE: u8 = Order::LieDown.bit() | Order::Unstick.bit() | Order::Panic.bit() | Order::Restart.bit();

/// The orders given to one child and not yet seen by it.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pending: AtomicU8,
    stop_given: AtomicBool,
    suspended: AtomicBool,
    bell: Notify,
}

impl Orders {
    pub(super) fn give(&self, order: Order) {
        match order {
            Order::Stop => self.stop_given.store(true, Ordering::SeqCst),
            Order::Rise => {
                let kill = if self.stop_given() { 0 } else { Order::Kill.bit() };
                self.pending.fetch_and(!(ABOUT_A_LIFE | kill), Ordering::SeqCst);
            }
            Order::Kill | Order::LieDown | Order::Unstick | Order::Panic | Order::Restart => {}
        }
        self.pending.fetch_or(order.bit(), Ordering::SeqCst);
        self.bell.notify_one();
    }

    /// The next order; waits for one. Only the child's own task calls this, which is the one that `is_present`: a task that
    /// was left behind takes none, and waits for ever.
    pub(super) async fn next(&self, is_present: impl Fn() -> bool) -> Order {
        while is_present() {
            // An actor's task asks at each of its turns, and mostly there is none.
            let orders = if self.is_pending() { &Order::BY_WEIGHT[..] } else { &[] };
            for order in orders {
                if self.take_back(*order) {
                    if is_present() {
                        return *order;
                    }
                    // Another task took over since the look, and the order is for that one.
                    self.pending.fetch_or(order.bit(), Ordering::SeqCst);
                    break;
                }
            }
            if is_present() {
                self.bell.notified().await;
            }
        }
        // The bell may have rung for the task that took over.
        self.bell.notify_one();
        std::future::pending().await
    }

    /// Takes an order back that was not seen yet; whether there was one.
    pub(super) fn take_back(&self, order: Order) -> bool {
        self.pending.fetch_and(!order.bit(), Ordering::SeqCst) & order.bit() != 0
    }

    /// Sets whether the child may work. True if that is a change.
    pub(super) fn suspend(&self, suspended: bool) -> bool {
        let changed = self.suspended.swap(suspended, Ordering::SeqCst) != suspended;
        if changed {
            self.bell.notify_one();
        }
        changed
    }

    /// Whether the child may not work.
    pub(super) fn is_suspended(&self) -> bool {
        self.suspended.load(Ordering::SeqCst)
    }

    /// Whether an order waits to be seen; cheap enough to ask after every message.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst) != 0
    }

    /// Whether the child was ever told to stop for good.
    pub(super) fn stop_given(&self) -> bool {
        self.stop_given.load(Ordering::SeqCst)
    }
}

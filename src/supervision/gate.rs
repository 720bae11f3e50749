//! The bound of a child's mailbox, and what is counted at it.
//!
//! Guarantees: never more accepted messages wait than the capacity says; who waits for room is admitted in the order of
//! asking; every accepted message is counted once, as begun, evicted or undelivered.
//!
//! The bound is a semaphore beside the queue, because it is fair to those who wait for room.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::address::TellError;
use super::undelivered::Undeliverable;

/// At most one report of a full mailbox in this time; an overload must not become an overload of the log.
const FULL_REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// How a mailbox stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MailboxGauge {
    /// Accepted messages whose handler has not begun.
    pub depth: usize,
    /// The most messages that may wait.
    pub capacity: usize,
    /// Messages whose handler has begun, since the child was first started.
    pub handled: u64,
    /// Messages refused because the mailbox was full, since the child was first started.
    pub refused: u64,
    /// Accepted messages that newer ones took the place of, if that is the rule, since the child was first started.
    pub evicted: u64,
    /// How long the message begun last had waited in the mailbox, in microseconds. While messages take less than 10 µs, one
    /// in 32 is timed; the others are passed over here.
    pub wait_last_us: u64,
    /// The longest that any message that was timed has waited in the mailbox, in microseconds.
    pub wait_max_us: u64,
}

/// The entrance of one mailbox.
#[derive(Debug)]
pub(super) struct Gate {
    room: Semaphore,
    capacity: usize,
    handled: AtomicU64,
    refused: AtomicU64,
    undelivered: AtomicU64,
    evicted: AtomicU64,
    wait_last_us: AtomicU64,
    wait_max_us: AtomicU64,
    /// A std mutex: held for a few instructions, and never across an await.
    full: Mutex<FullReport>,
}

#[derive(Debug, Default)]
struct FullReport {
    last: Option<Instant>,
    unreported: u64,
}

/// Why a message may not enter at once.
pub(super) enum Refusal {
    Full,
    Down,
    Closed,
}

impl Refusal {
    /// The refusal of this message.
    pub(super) fn of<M>(self, message: M) -> TellError<M> {
        match self {
            Self::Full => TellError::Full(message),
            Self::Down => TellError::Down(message),
            Self::Closed => TellError::Closed(message),
        }
    }
}

impl Gate {
    /// A gate for `capacity` messages, at least one, at most what a semaphore can count.
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            room: Semaphore::new(capacity),
            capacity,
            handled: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            undelivered: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            wait_last_us: AtomicU64::new(0),
            wait_max_us: AtomicU64::new(0),
            full: Mutex::default(),
        }
    }

    /// A place, if there is one: there is none while others wait for it.
    pub(super) fn try_enter(&self) -> Result<Slot<'_>, Refusal> {
        match self.room.try_acquire() {
            Ok(permit) => Ok(Slot::new(self, permit)),
            Err(TryAcquireError::NoPermits) => Err(Refusal::Full),
            Err(TryAcquireError::Closed) => Err(Refusal::Closed),
        }
    }

    /// A place, once there is one.
    pub(super) async fn enter(&self) -> Result<Slot<'_>, Refusal> {
        match self.room.acquire().await {
            Ok(permit) => Ok(Slot::new(self, permit)),
            // The semaphore's error says only that it was closed, which is what ours says.
            Err(_) => Err(Refusal::Closed),
        }
    }

    /// The handler of an accepted message begins, after a wait if that is known: its place is free for another.
    pub(super) fn begun(&self, waited: Option<Duration>) {
        self.handled.fetch_add(1, Ordering::Relaxed);
        if let Some(waited) = waited {
            let waited_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
            self.wait_last_us.store(waited_us, Ordering::Relaxed);
            self.wait_max_us.fetch_max(waited_us, Ordering::Relaxed);
        }
        self.room.add_permits(1);
    }

    /// An accepted message is dropped unhandled: its place is free for another.
    pub(super) fn dropped(&self, why: Undeliverable) {
        match why {
            Undeliverable::Stopped => self.undelivered.fetch_add(1, Ordering::SeqCst),
            Undeliverable::Evicted => self.evicted.fetch_add(1, Ordering::Relaxed),
        };
        self.room.add_permits(1);
    }

    /// Counts a message that was not let in because there was no room.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether nobody is let in any more.
    pub(super) fn is_closed(&self) -> bool {
        self.room.is_closed()
    }

    /// Lets nobody in any more; those who wait for room are told.
    pub(super) fn close(&self) {
        self.room.close();
    }

    /// Notes a refusal; gives the number to report, if it is time for a report.
    pub(super) fn report_full(&self) -> Option<u64> {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        full.unreported += 1;
        let now = Instant::now();
        if full
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < FULL_REPORT_INTERVAL)
        {
            return None;
        }
        full.last = Some(now);
        Some(std::mem::take(&mut full.unreported))
    }

    pub(super) fn undelivered(&self) -> u64 {
        self.undelivered.load(Ordering::SeqCst)
    }

    pub(super) fn gauge(&self) -> MailboxGauge {
        MailboxGauge {
            depth: self.capacity.saturating_sub(self.room.available_permits()),
            capacity: self.capacity,
            handled: self.handled.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            evicted: self.evicted.load(Ordering::Relaxed),
            wait_last_us: self.wait_last_us.load(Ordering::Relaxed),
            wait_max_us: self.wait_max_us.load(Ordering::Relaxed),
        }
    }
}

/// The place of a message that is about to be left; given back if it is dropped instead.
#[derive(Debug)]
pub(super) struct Slot<'a>(&'a Gate);

impl<'a> Slot<'a> {
    fn new(gate: &'a Gate, permit: SemaphorePermit<'_>) -> Self {
        permit.forget();
        Self(gate)
    }

    /// The message is in the queue, which gives the place back to the gate from now on.
    pub(super) fn taken(self) {
        std::mem::forget(self);
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.room.add_permits(1);
    }
}

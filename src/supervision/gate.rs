//! The bound of a child's mailbox, and what is counted at it.
//!
//! Guarantees: never more accepted messages wait than the capacity says; who waits for room is admitted in the order of
//! asking; every accepted message is counted once, as begun, evicted or undelivered.
//!
//! The bound is a semaphore beside the queue, because it is fair to those who wait for room.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::address::TellError;

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
    /// How long the message begun last had waited in the mailbox, in microseconds.
    pub wait_last_us: u64,
    /// The longest that any message has waited in the mailbox, in microseconds.
    pub wait_max_us: u64,
}

/// The entrance of one mailbox.
#[derive(Debug)]
pub(super) struct Gate {
    room: Arc<Semaphore>,
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
            room: Arc::new(Semaphore::new(capacity)),
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

    pub(super) fn try_enter(self: &Arc<Self>) -> Result<Slot, Refusal> {
        match Arc::clone(&self.room).try_acquire_owned() {
            Ok(permit) => Ok(Slot::new(self, permit)),
            Err(TryAcquireError::NoPermits) => Err(Refusal::Full),
            Err(TryAcquireError::Closed) => Err(Refusal::Closed),
        }
    }

    pub(super) async fn enter(self: &Arc<Self>) -> Result<Slot, Refusal> {
        match Arc::clone(&self.room).acquire_owned().await {
            Ok(permit) => Ok(Slot::new(self, permit)),
            // The semaphore's error says only that it was closed, which is what ours says.
            Err(_) => Err(Refusal::Closed),
        }
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

/// What became of an accepted message; one that is dropped otherwise was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    Begun,
    Evicted,
}

/// The place of one accepted message; given back when its handler begins, or when the message is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    gate: Arc<Gate>,
    accepted: Instant,
    fate: Fate,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    fn new(gate: &Arc<Gate>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            gate: Arc::clone(gate),
            accepted: Instant::now(),
            fate: Fate::Waiting,
            _permit: permit,
        }
    }

    /// When the message was accepted.
    pub(super) const fn accepted(&self) -> Instant {
        self.accepted
    }

    /// The handler begins: the place is free for another message.
    pub(super) fn begin(mut self, now: Instant) {
        self.fate = Fate::Begun;
        let waited = now.saturating_duration_since(self.accepted);
        let waited_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.gate.handled.fetch_add(1, Ordering::Relaxed);
        self.gate.wait_last_us.store(waited_us, Ordering::Relaxed);
        self.gate.wait_max_us.fetch_max(waited_us, Ordering::Relaxed);
    }

    /// A newer message takes the place.
    pub(super) fn evict(mut self) {
        self.fate = Fate::Evicted;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        match self.fate {
            Fate::Begun => {}
            Fate::Waiting => {
                self.gate.undelivered.fetch_add(1, Ordering::SeqCst);
            }
            Fate::Evicted => {
                self.gate.evicted.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

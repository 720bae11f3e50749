//! What happens in the tree, as messages and as log lines.
//!
//! Guarantees: events have one order, given by their number; a subscriber gets each of them once, or is told how many it
//! missed; each is also a `tracing` event with the target `legwork::supervision` and the fields `event`, `actor`,
//! `restarts`, `error`, `backoff_ms`, `refused`, `undelivered` (absent where they say nothing).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::Stream;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::clock::Timestamp;
use crate::telemetry::names::event;

/// How many events the tree remembers: enough for a page that is opened after something went wrong.
const RECENT_MAX: usize = 256;

/// How many events a subscriber may lag behind before it misses some: a burst of every child of a large tree failing.
const LAG_MAX: usize = 1_024;

/// What happened to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The child was built for the first time; its `started` hook runs next.
    Started,
    /// The actor, its factory or one of its hooks panicked.
    Panicked,
    /// The actor stopped by itself, which counts as a failure.
    Ended,
    /// The child ended by itself in order, and is done.
    Finished,
    /// The child ended by itself with an error.
    Failed,
    /// The child made no progress for longer than its spec allows.
    Stuck,
    /// A child that was stuck goes on.
    Unstuck,
    /// A child that was stuck was cut off, or left behind with its thread; it is built anew.
    Replaced,
    /// A supervisor ended its children and failed, because they failed more often than it may restart them.
    Escalated,
    /// An operator told the child to handle nothing until told to go on.
    Suspended,
    /// An operator told the child to go on.
    Resumed,
    /// The child was built anew, after a failure or by an operator's order; its `started` hook runs next.
    Restarted,
    /// The child failed too often and is now tried again at long intervals only.
    Degraded,
    /// A degraded child has run for a calm period.
    Recovered,
    /// The child is stopped for good.
    Stopped,
    /// Messages were refused because the mailbox was full; at most one such event a second for a child.
    MailboxFull,
}

impl EventKind {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 16] = [
        Self::Started,
        Self::Panicked,
        Self::Ended,
        Self::Finished,
        Self::Failed,
        Self::Stuck,
        Self::Unstuck,
        Self::Replaced,
        Self::Escalated,
        Self::Suspended,
        Self::Resumed,
        Self::Restarted,
        Self::Degraded,
        Self::Recovered,
        Self::Stopped,
        Self::MailboxFull,
    ];

    /// The stable name in logs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => event::STARTED,
            Self::Panicked => event::PANICKED,
            Self::Ended => event::ENDED,
            Self::Finished => event::FINISHED,
            Self::Failed => event::FAILED,
            Self::Stuck => event::STUCK,
            Self::Unstuck => event::UNSTUCK,
            Self::Replaced => event::REPLACED,
            Self::Escalated => event::ESCALATED,
            Self::Suspended => event::SUSPENDED,
            Self::Resumed => event::RESUMED,
            Self::Restarted => event::RESTARTED,
            Self::Degraded => event::DEGRADED,
            Self::Recovered => event::RECOVERED,
            Self::Stopped => event::STOPPED,
            Self::MailboxFull => event::MAILBOX_FULL,
        }
    }
}

/// Something that happened to a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// The event's number in its tree, from 1, without gaps.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The child's name; `actor` in JSON, as in the log.
    #[serde(rename = "actor")]
    pub child: String,
    /// What happened.
    pub kind: EventKind,
    /// How often the child had been restarted by then.
    pub restarts: u64,
    /// Why, for a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The wait before the next try, in milliseconds, for a failure that is met with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_ms: Option<u64>,
    /// How many messages were refused since the last such event, for a full mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<u64>,
    /// How many accepted messages were dropped unhandled, for a stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undelivered: Option<u64>,
    /// What the child was at, for one that is stuck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
    /// For how long it has made no progress, in milliseconds, for one that is stuck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_ms: Option<u64>,
}

impl Event {
    pub(super) fn log(&self) {
        // The level must be known at compile time, hence one call for each.
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "legwork::supervision",
                    event = self.kind.as_str(),
                    actor = self.child.as_str(),
                    restarts = self.restarts,
                    error = self.error.as_deref(),
                    backoff_ms = self.backoff_ms,
                    refused = self.refused,
                    undelivered = self.undelivered,
                    doing = self.doing.as_deref(),
                    silent_ms = self.silent_ms,
                    "actor {}",
                    self.kind.as_str()
                )
            };
        }
        match self.kind {
            EventKind::Panicked
            | EventKind::Ended
            | EventKind::Failed
            | EventKind::Stuck
            | EventKind::Replaced
            | EventKind::Escalated
            | EventKind::Degraded => line!(error),
            EventKind::MailboxFull | EventKind::Suspended => line!(warn),
            EventKind::Started
            | EventKind::Finished
            | EventKind::Restarted
            | EventKind::Recovered
            | EventKind::Unstuck
            | EventKind::Resumed
            | EventKind::Stopped => line!(info),
        }
    }
}

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The next event.
    Event(Arc<Event>),
    /// The subscriber was too slow and this many events passed it by.
    Missed(u64),
}

/// A subscription to the events of a tree.
#[derive(Debug)]
pub struct Events {
    recent: Vec<Arc<Event>>,
    receiver: broadcast::Receiver<Arc<Event>>,
}

impl Events {
    /// The last events before the subscription, at most 256, the oldest first; [`next`](Self::next) goes on without a gap.
    #[must_use]
    pub fn recent(&self) -> &[Arc<Event>] {
        &self.recent
    }

    /// The next event; `None` once the tree is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.receiver.recv().await {
            Ok(event) => Some(Heard::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The subscription as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Heard> + Send {
        futures_util::stream::unfold(self, |mut events| async move {
            let heard = events.next().await?;
            Some((heard, events))
        })
    }
}

/// Where the children of one tree report.
#[derive(Debug)]
pub(super) struct Journal {
    /// A std mutex, held while an event is numbered and sent, so that all subscribers see one order.
    recent: Mutex<Recent>,
    sender: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug, Default)]
struct Recent {
    last_number: u64,
    events: VecDeque<Arc<Event>>,
}

impl Journal {
    pub(super) fn new() -> Self {
        Self {
            recent: Mutex::default(),
            sender: broadcast::channel(LAG_MAX).0,
        }
    }

    /// Numbers the event, hands it to the subscribers and logs it.
    pub(super) fn publish(&self, mut event: Event) {
        let event = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.last_number += 1;
            event.number = recent.last_number;
            let event = Arc::new(event);
            if recent.events.len() >= RECENT_MAX {
                recent.events.pop_front();
            }
            recent.events.push_back(Arc::clone(&event));
            // An error says only that nobody listens.
            drop(self.sender.send(Arc::clone(&event)));
            event
        };
        event.log();
    }

    pub(super) fn recent(&self) -> Vec<Arc<Event>> {
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .events
            .iter()
            .cloned()
            .collect()
    }

    pub(super) fn subscribe(&self) -> Events {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        Events {
            recent: recent.events.iter().cloned().collect(),
            receiver: self.sender.subscribe(),
        }
    }
}

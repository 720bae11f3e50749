//! Rounds in which a supervisor looks for children that make no progress.
//!
//! Each round asks every actor for a sign of life through its mailbox, before any message: an actor that handles a message,
//! waits for something or shares the thread of another that blocks does not give one. A thread says itself when it is busy.
//! One that stays silent for its limit is reported; then it is told to end its life as a failed one, which one that merely
//! waits obeys; if that is not seen by the next round, its thread is blocked, and a child with a thread of its own is left
//! behind there. One that shares its thread has nowhere to go: it is shown as stuck until it goes on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::child::Child;
use super::event::EventKind;
use super::orders::Order;
use super::plan::Id;
use super::snapshot::{NodeKind, NodeState};

/// Rounds in the shortest limit of the children: what is stuck is found within a quarter more than its limit.
const ROUNDS: u32 = 4;

/// The shortest time between two rounds.
const ROUND_MIN: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
pub(super) struct Rounds {
    every: Option<Duration>,
    next: Option<Instant>,
    /// Those that were told to end for want of progress, and have not been seen to.
    told: BTreeSet<Id>,
}

impl Rounds {
    /// When the next is due.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// A child was added.
    pub(super) fn includes(&mut self, child: &Child, now: Instant) {
        let Some(limit) = child.liveness() else { return };
        let every = (limit / ROUNDS).max(ROUND_MIN);
        if self.every.is_none_or(|known| every < known) {
            self.every = Some(every);
            self.next = Some(now + every);
        }
    }

    /// Looks at all; gives those that were left behind on their threads, to be built anew.
    pub(super) fn look(&mut self, children: &[Arc<Child>], now: Instant) -> Vec<Arc<Child>> {
        let mut watched = false;
        let mut replaced = Vec::new();
        for child in children {
            if let Some(limit) = child.liveness() {
                watched |= !child.has_ended();
                if self.look_at(child, limit, now) {
                    replaced.push(Arc::clone(child));
                }
            }
        }
        // With nobody left to look at, no more rounds until another is added.
        if !watched {
            self.every = None;
        }
        self.next = self.every.map(|every| now + every);
        replaced
    }

    /// Looks at one; true if it was left behind.
    fn look_at(&mut self, child: &Arc<Child>, limit: Duration, now: Instant) -> bool {
        let Some(queue) = &child.queue else { return false };
        let state = child.status().state;
        if state != NodeState::Running || child.orders.is_suspended() {
            queue.forget_beat();
            self.told.remove(&child.id);
            return false;
        }
        let silence = if child.kind == NodeKind::Thread {
            queue.busy(now)
        } else {
            queue.silence(now)
        };
        if silence < limit {
            self.told.remove(&child.id);
            if std::mem::take(&mut child.status().is_stuck) {
                child.publish(EventKind::Unstuck, |_| {});
            }
            if child.kind == NodeKind::Actor {
                queue.ask_beat(now);
            }
            return false;
        }
        if !std::mem::replace(&mut child.status().is_stuck, true) {
            let doing = queue.doing();
            child.publish(EventKind::Stuck, |event| {
                event.doing = doing.map(|doing| doing.what.to_owned());
                event.silent_ms = Some(u64::try_from(silence.as_millis()).unwrap_or(u64::MAX));
            });
            if child.is_replaced_when_stuck() {
                child.orders.give(Order::Unstick);
                self.told.insert(child.id);
            }
            return false;
        }
        if !self.told.remove(&child.id) {
            return false;
        }
        // Told in an earlier round, and its task had no turn since.
        if child.relaunch.get().is_some_and(|relaunch| relaunch(child)) {
            return true;
        }
        // There is no other thread for it: should it go on after all, that is as good as it gets.
        child.orders.take_back(Order::Unstick);
        false
    }
}

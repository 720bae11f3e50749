//! Rounds in which a supervisor looks for children that make no progress.
//!
//! Each round asks every actor for a sign of life through its mailbox, before any message: an actor that handles a message,
//! waits for something or shares the thread of another that blocks does not give one. A thread says itself when it is busy,
//! and so does an actor whose factory is at work.
//! One that stays silent for its limit is reported; then it is told to end its life as a failed one, which one that merely
//! waits obeys; if that is not seen by the next round, its thread is blocked, and a child with a thread of its own is left
//! behind there. One that shares its thread has nowhere to go: it is shown as stuck until it goes on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::child::Child;
use super::event::EventKind;
use super::moment::after;
use super::orders::Order;
use super::plan::Id;
use super::snapshot::{NodeKind, NodeState};

/// Rounds in the shortest limit of the children: what is stuck is found within a quarter more than its limit.
const ROUNDS: u32 = 4;

/// The shortest time between two rounds.
const ROUND_MIN: Duration = Duration::from_millis(10);

/// The time between two rounds that a child needs, if it is looked at.
fn round_of(child: &Child) -> Option<Duration> {
    Some((child.liveness()? / ROUNDS).max(ROUND_MIN))
}

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
        let Some(every) = round_of(child) else { return };
        if self.every.is_none_or(|known| every < known) {
            self.every = Some(every);
            self.next = Some(after(now, every));
        }
    }

    /// Looks at all; gives those that were left behind on their threads, to be built anew.
    pub(super) fn look(&mut self, children: &[Arc<Child>], now: Instant) -> Vec<Arc<Child>> {
        let mut replaced = Vec::new();
        for child in children {
            if let Some(limit) = child.liveness()
                && self.look_at(child, limit, now)
            {
                replaced.push(Arc::clone(child));
            }
        }
        // As often as those need it who are left; with nobody left to look at, not until another is added.
        let left = || children.iter().filter(|child| !child.has_ended());
        self.told.retain(|id| left().any(|child| child.id == *id));
        self.every = left().filter_map(|child| round_of(child)).min();
        // From the end of this round: many children may take longer than the time between two.
        self.next = self.every.map(|every| after(Instant::now(), every));
        replaced
    }

    /// Looks at one; true if it was left behind.
    fn look_at(&mut self, child: &Arc<Child>, limit: Duration, now: Instant) -> bool {
        let Some(queue) = &child.queue else { return false };
        let state = child.status().state;
        let is_asked = state == NodeState::Running && child.kind == NodeKind::Actor;
        let silence = if is_asked { queue.silence(now) } else { queue.busy(now) };
        let is_at_work = match state {
            NodeState::Running => true,
            // Its factory may be.
            NodeState::Starting | NodeState::BackingOff | NodeState::Degraded => !silence.is_zero(),
            NodeState::Suspended | NodeState::Stopping | NodeState::Stopped => false,
        };
        if !is_at_work || child.orders.is_suspended() {
            queue.forget_beat();
            self.told.remove(&child.id);
            return false;
        }
        if silence < limit {
            self.told.remove(&child.id);
            if std::mem::take(&mut child.status().is_stuck) {
                child.publish(EventKind::Unstuck, |_| {});
            }
            if is_asked {
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

//! The ends of a child: of a life, and for good; and who is told of them.
//!
//! Guarantees: an end for good is told once, after the mailbox is empty and counted; a failure that comes after a stop was
//! ordered is told before that end.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use super::cause::{Cause, CauseKind};
use super::child::{Child, Notice};
use super::event::EventKind;
use super::orders::Order;
use super::policy::Verdict;
use super::snapshot::{Failure, NodeState};
use super::spec::Restart;
use super::watch::{Down, Watcher, Watchers};

/// The text of an end that was no panic and gave no reason.
const STOPPED_BY_ITSELF: &str = "stopped by itself";

impl Child {
    /// A life of that task is over. What follows is the supervisor's to say. False if the task was left behind.
    pub(super) fn went_down(&self, task: u64, cause: Cause, lived: Duration) -> bool {
        if !self.end_life(task) {
            return false;
        }
        let is_stopped = self.is_final();
        self.tell_watchers(&cause, is_stopped || self.leaves_after(&cause));
        self.status().last_cause = Some(cause.clone());
        if is_stopped {
            // Told here, since the end itself is what the child tells next.
            if cause.is_failure() {
                self.failed(&cause, None);
            }
        } else {
            self.tell(Notice::Down(self.id, cause, lived));
        }
        true
    }

    /// As [`went_down`](Self::went_down), for a life that was left behind and cannot tell.
    pub(super) fn went_down_unheard(&self, cause: &Cause) {
        {
            let mut status = self.status();
            status.goes_down();
            status.last_cause = Some(cause.clone());
        }
        self.tell_watchers(cause, self.leaves_after(cause));
    }

    fn leaves_after(&self, cause: &Cause) -> bool {
        match self.spec.restart {
            Restart::Permanent => false,
            Restart::Transient => cause.kind == CauseKind::Finished,
            Restart::Temporary => true,
        }
    }

    /// Makes an end known; `verdict` says what follows, or nothing does because the child is not restarted.
    pub(super) fn failed(&self, cause: &Cause, verdict: Option<Verdict>) {
        // Whatever was decided: nothing follows once the end is ordered.
        let verdict = verdict.filter(|_| !self.is_final());
        let is_over = verdict.is_none() && cause.kind == CauseKind::Finished;
        let now = self.around.clock.now();
        let error = if cause.text.is_empty() {
            STOPPED_BY_ITSELF.to_owned()
        } else {
            cause.text.to_string()
        };
        {
            let mut status = self.status();
            if !is_over {
                status.last_failure = Some(Failure {
                    at: now,
                    error: error.clone(),
                    location: cause.trace.as_ref().map(|trace| trace.location.clone()),
                });
                status.last_cause = Some(cause.clone());
            }
            if let Some(verdict) = verdict
                && status.state != NodeState::Stopping
            {
                status.retry_at = Some(now.plus(verdict.wait()));
                status.is_degraded = matches!(verdict, Verdict::Degraded(_));
                status.state = match verdict {
                    Verdict::Backoff(_) => NodeState::BackingOff,
                    Verdict::Degraded(_) => NodeState::Degraded,
                };
            }
        }
        let kind = match cause.kind {
            CauseKind::Finished if is_over => EventKind::Finished,
            CauseKind::Finished | CauseKind::Ordered => EventKind::Ended,
            CauseKind::Panicked => EventKind::Panicked,
            CauseKind::Failed => EventKind::Failed,
            CauseKind::Stuck => EventKind::Replaced,
            CauseKind::Escalated => EventKind::Escalated,
        };
        let backoff_ms = verdict.map(|verdict| u64::try_from(verdict.wait().as_millis()).unwrap_or(u64::MAX));
        self.publish(kind, |event| {
            event.error = (!is_over).then(|| error.clone());
            event.backoff_ms = backoff_ms;
        });
        if let Some(Verdict::Degraded(_)) = verdict {
            self.publish(EventKind::Degraded, |event| {
                event.error = Some(error);
                event.backoff_ms = backoff_ms;
            });
        }
    }

    /// The child has ended for good, its mailbox included. Further calls do nothing.
    pub(super) fn end(&self) {
        self.gate.close();
        {
            let mut status = self.status();
            if status.state == NodeState::Stopped {
                return;
            }
            status.state = NodeState::Stopped;
            status.retry_at = None;
        }
        if let Some(queue) = &self.queue {
            queue.close();
        }
        self.around.forget(&self.name, self.id);
        let last = self.status().last_cause.clone();
        self.tell_watchers(&last.unwrap_or_else(Cause::ordered), true);
        let undelivered = self.gate.undelivered();
        self.publish(EventKind::Stopped, |event| event.undelivered = Some(undelivered));
        self.settled.cancel();
        self.tell(Notice::Gone(self.id));
    }

    pub(super) fn watch(&self, watcher: Box<dyn Watcher>) {
        {
            let mut watchers = self.watchers();
            if !self.status().told_for_good {
                watchers.add(watcher);
                return;
            }
        }
        let cause = self.status().last_cause.clone().unwrap_or_else(Cause::ordered);
        watcher.tell(&self.down(cause, true));
    }

    fn tell_watchers(&self, cause: &Cause, for_good: bool) {
        let mut watchers = self.watchers();
        if std::mem::replace(&mut self.status().told_for_good, for_good) {
            return;
        }
        if !watchers.is_empty() {
            watchers.tell(&self.down(cause.clone(), for_good));
        }
    }

    pub(super) fn watchers(&self) -> MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn down(&self, cause: Cause, for_good: bool) -> Down {
        Down {
            child: self.name.clone(),
            cause,
            for_good,
            ends: 1,
        }
    }
}

/// Ends the child when dropped, so that it ends however its task does: in order, with its arbiter, or never started.
pub(super) struct EndGuard {
    pub(super) child: Arc<Child>,
    /// The task that holds it; one that was left behind ends nothing but itself.
    pub(super) task: u64,
}

impl EndGuard {
    /// Whether another task has taken over.
    pub(super) fn is_superseded(&self) -> bool {
        self.child.present_task() != self.task
    }

    /// A life of the child begins; none if another task has taken over.
    pub(super) fn begin_life(&self) -> Option<u64> {
        self.child.begin_life(self.task)
    }

    /// The child was built; false if another task has taken over.
    pub(super) fn came_up(&self) -> bool {
        self.child.came_up(self.task)
    }

    /// A life of the child is over; false if another task has taken over.
    pub(super) fn went_down(&self, cause: Cause, lived: Duration) -> bool {
        self.child.went_down(self.task, cause, lived)
    }

    /// The next order to the child; waits for one, and for ever if another task has taken over.
    pub(super) async fn order(&self) -> Order {
        self.child.orders.next(|| !self.is_superseded()).await
    }
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        if self.is_superseded() {
            self.child.abandoned.fetch_sub(1, Ordering::SeqCst);
            self.child.around.left_behind.fetch_sub(1, Ordering::SeqCst);
        } else {
            self.child.end();
        }
    }
}

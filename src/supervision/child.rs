//! What is known of one child, shared by its task, its addresses and its supervisor.
//!
//! It names neither the actor's type nor what kind of child it is, so that a supervisor can hold children of all. Everything
//! here may be used from any thread; the mutexes are held for a few instructions and never across an await.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::cause::{Cause, CauseKind};
use super::event::{Event, EventKind};
use super::faults::Faults;
use super::gate::Gate;
use super::nest::Nest;
use super::orders::{Order, Orders};
use super::plan::Id;
use super::policy::Verdict;
use super::queue::SharedQueue;
use super::snapshot::{Failure, NodeKind, NodeState};
use super::spec::{ChildSpec, LIVENESS, Restart, WhenStuck};
use super::stopped::{StopKind, Stopped};
use super::surroundings::Surroundings;
use super::watch::{Down, Watcher};
use crate::clock::Timestamp;

/// What a child tells its supervisor.
pub(super) enum Notice {
    /// A child was added.
    Added(Arc<Child>),
    /// A life began.
    Up(Id),
    /// A life is over.
    Down(Id, Cause, Duration),
    /// A calm period has passed.
    Calm(Id),
    /// The child has ended for good.
    Gone(Id),
    /// An operator wants it started anew.
    Restart(Id),
    /// It is to stop for good.
    Stop(Id),
}

/// Starts another task for a child whose task hangs on a thread that does not answer; false if there is no other thread.
pub(super) type Relaunch = Box<dyn Fn(&Arc<Child>) -> bool + Send + Sync>;

pub(super) struct Child {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) kind: NodeKind,
    pub(super) spec: ChildSpec,
    pub(super) gate: Arc<Gate>,
    /// None for a supervisor.
    pub(super) queue: Option<SharedQueue>,
    pub(super) orders: Orders,
    pub(super) faults: Faults,
    pub(super) around: Arc<Surroundings>,
    /// To its supervisor; none for the root.
    supervisor: Option<UnboundedSender<Notice>>,
    /// What it supervises, if it is a supervisor. Set once, when it is made.
    pub(super) nest: OnceLock<Weak<Nest>>,
    pub(super) relaunch: OnceLock<Relaunch>,
    pub(super) status: Mutex<Status>,
    watchers: Mutex<Vec<Watcher>>,
    /// The number of the present life; they only grow.
    life: AtomicU64,
    /// The number of the present task; another takes over when one hangs.
    task: AtomicU64,
    /// Tasks left behind on threads that do not answer.
    pub(super) abandoned: AtomicUsize,
    was_killed: AtomicBool,
    was_given_up: AtomicBool,
    /// Cancelled when nothing is awaited of the child any more: it has ended, or was given up.
    settled: CancellationToken,
}

pub(super) struct Status {
    pub(super) state: NodeState,
    pub(super) restarts: u64,
    pub(super) last_failure: Option<Failure>,
    pub(super) last_cause: Option<Cause>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) retry_at: Option<Timestamp>,
    pub(super) is_degraded: bool,
    pub(super) is_stuck: bool,
    /// Whether watchers were told that it has left.
    told_for_good: bool,
}

impl Child {
    pub(super) fn new(
        (id, name, kind): (Id, String, NodeKind),
        spec: ChildSpec,
        queue: Option<SharedQueue>,
        around: Arc<Surroundings>,
        supervisor: Option<UnboundedSender<Notice>>,
    ) -> Self {
        Self {
            id,
            name,
            kind,
            gate: Arc::new(Gate::new(spec.mailbox)),
            spec,
            queue,
            orders: Orders::default(),
            faults: Faults::default(),
            around,
            supervisor,
            nest: OnceLock::new(),
            relaunch: OnceLock::new(),
            status: Mutex::new(Status {
                state: NodeState::Starting,
                restarts: 0,
                last_failure: None,
                last_cause: None,
                started_at: None,
                retry_at: None,
                is_degraded: false,
                is_stuck: false,
                told_for_good: false,
            }),
            watchers: Mutex::default(),
            life: AtomicU64::new(0),
            task: AtomicU64::new(0),
            abandoned: AtomicUsize::new(0),
            was_killed: AtomicBool::new(false),
            was_given_up: AtomicBool::new(false),
            settled: CancellationToken::new(),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.status().state == NodeState::Running && !self.orders.is_suspended()
    }

    /// Whether it has a life, suspended or not.
    pub(super) fn is_up(&self) -> bool {
        self.status().state == NodeState::Running
    }

    /// Whether it is supervised by none.
    pub(super) fn is_root(&self) -> bool {
        self.supervisor.is_none()
    }

    /// Whether messages are refused because the child is down, by its spec.
    pub(super) fn refuses_while_down(&self) -> bool {
        self.spec.when_down == super::spec::WhenDown::Refuse && self.status().state != NodeState::Running
    }

    pub(super) fn has_ended(&self) -> bool {
        self.status().state == NodeState::Stopped
    }

    /// Whether no life of it may begin any more.
    pub(super) fn is_final(&self) -> bool {
        self.orders.stop_given() || self.around.stopping.load(Ordering::SeqCst)
    }

    pub(super) fn liveness(&self) -> Option<Duration> {
        let default = if self.kind == NodeKind::Actor {
            Some(LIVENESS)
        } else {
            None
        };
        self.spec.liveness.unwrap_or(default)
    }

    pub(super) fn is_replaced_when_stuck(&self) -> bool {
        let default = if self.kind == NodeKind::Actor {
            WhenStuck::Replace
        } else {
            WhenStuck::Report
        };
        self.spec.when_stuck.unwrap_or(default) == WhenStuck::Replace
    }

    /// Begins a life: its number.
    pub(super) fn begin_life(&self) -> u64 {
        let life = self.life.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(queue) = &self.queue {
            queue.begin_life(life);
        }
        life
    }

    pub(super) fn present_task(&self) -> u64 {
        self.task.load(Ordering::SeqCst)
    }

    /// Leaves the present task behind: it may do nothing in the child's name any more. The number of the next.
    pub(super) fn leave_task_behind(&self) -> u64 {
        self.begin_life();
        self.abandoned.fetch_add(1, Ordering::SeqCst);
        self.task.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Tells the child to stop for good, and closes its mailbox.
    pub(super) fn order_stop(&self) {
        self.gate.close();
        {
            let mut status = self.status();
            if status.state != NodeState::Stopped {
                status.state = NodeState::Stopping;
                status.retry_at = None;
            }
        }
        self.orders.give(Order::Stop);
    }

    /// Its time to end is over.
    pub(super) fn order_kill(&self) {
        self.was_killed.store(true, Ordering::SeqCst);
        self.orders.give(Order::Kill);
    }

    /// It is not waited for any more.
    pub(super) fn give_up(&self) {
        self.was_given_up.store(true, Ordering::SeqCst);
        self.settled.cancel();
    }

    /// A life began: the child was built, for the first time or anew.
    pub(super) fn came_up(&self) {
        let kind = {
            let mut status = self.status();
            let first = status.started_at.is_none();
            status.started_at = Some(self.around.clock.now());
            status.retry_at = None;
            status.is_stuck = false;
            if status.state != NodeState::Stopping {
                status.state = NodeState::Running;
            }
            if first {
                EventKind::Started
            } else {
                status.restarts += 1;
                EventKind::Restarted
            }
        };
        self.publish(kind, |_| {});
        self.tell(Notice::Up(self.id));
    }

    /// A life is over. What follows is the supervisor's to say.
    pub(super) fn went_down(&self, cause: Cause, lived: Duration) {
        {
            let mut status = self.status();
            status.is_stuck = false;
            if status.state != NodeState::Stopping {
                status.state = NodeState::BackingOff;
            }
        }
        if let Some(queue) = &self.queue {
            queue.end_life();
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
    }

    /// As [`went_down`](Self::went_down), for a life that was left behind and cannot tell.
    pub(super) fn went_down_unheard(&self, cause: &Cause) {
        {
            let mut status = self.status();
            status.is_stuck = false;
            status.last_cause = Some(cause.clone());
            if status.state != NodeState::Stopping {
                status.state = NodeState::BackingOff;
            }
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

    pub(super) fn is_degraded(&self) -> bool {
        self.status().is_degraded
    }

    /// The child was degraded and has run for a calm period.
    pub(super) fn recovered(&self) {
        self.status().is_degraded = false;
        self.publish(EventKind::Recovered, |_| {});
    }

    /// A message was refused because the mailbox was full.
    pub(super) fn mailbox_full(&self) {
        if let Some(refused) = self.gate.report_full() {
            self.publish(EventKind::MailboxFull, |event| event.refused = Some(refused));
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

    /// Ready once nothing is awaited of the child any more, with what became of it.
    pub(super) async fn settled(&self) -> Stopped {
        self.settled.cancelled().await;
        self.stopped()
    }

    pub(super) fn stopped(&self) -> Stopped {
        let how = if !self.has_ended() && self.was_given_up.load(Ordering::SeqCst) {
            StopKind::Abandoned
        } else if self.was_killed.load(Ordering::SeqCst) {
            StopKind::CutOff
        } else {
            StopKind::Clean
        };
        Stopped {
            name: self.name.clone(),
            how,
            undelivered: self.gate.undelivered(),
        }
    }

    /// Tells whoever supervises it.
    pub(super) fn tell(&self, notice: Notice) {
        if let Some(supervisor) = &self.supervisor {
            // A supervisor that is gone has ended its children, or its arbiter ended with theirs.
            drop(supervisor.send(notice));
        }
    }

    pub(super) fn watch(&self, watcher: Watcher) {
        let late = {
            let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
            if self.status().told_for_good {
                true
            } else {
                watchers.push(watcher);
                return;
            }
        };
        if late {
            let cause = self.status().last_cause.clone().unwrap_or_else(Cause::ordered);
            watcher(&self.down(cause, true));
        }
    }

    fn tell_watchers(&self, cause: &Cause, for_good: bool) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut self.status().told_for_good, for_good) {
            return;
        }
        if watchers.is_empty() {
            return;
        }
        let down = self.down(cause.clone(), for_good);
        watchers.retain(|watcher| watcher(&down) && !for_good);
    }

    fn down(&self, cause: Cause, for_good: bool) -> Down {
        Down {
            child: self.name.clone(),
            cause,
            for_good,
            ends: 1,
        }
    }

    pub(super) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, kind: EventKind, fill: impl FnOnce(&mut Event)) {
        // The root comes and goes with the tree; only its failure is news.
        if self.is_root() && matches!(kind, EventKind::Started | EventKind::Stopped) {
            return;
        }
        let mut event = Event {
            number: 0,
            at: self.around.clock.now(),
            child: self.name.clone(),
            kind,
            restarts: self.status().restarts,
            error: None,
            backoff_ms: None,
            refused: None,
            undelivered: None,
            doing: None,
            silent_ms: None,
        };
        fill(&mut event);
        self.around.journal.publish(event);
    }
}

/// The text of an end that was no panic and gave no reason.
const STOPPED_BY_ITSELF: &str = "stopped by itself";

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
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        if self.is_superseded() {
            self.child.abandoned.fetch_sub(1, Ordering::SeqCst);
        } else {
            self.child.end();
        }
    }
}

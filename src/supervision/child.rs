//! What is known of one child, shared by its task, its addresses and its supervisor.
//!
//! It names neither the actor's type nor what kind of child it is, so that a supervisor can hold children of all. Everything
//! here may be used from any thread; the mutexes are held for a few instructions and never across an await.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::cause::Cause;
use super::event::{Event, EventKind};
use super::faults::Faults;
use super::gate::Gate;
use super::nest::Nest;
use super::orders::{Order, Orders};
use super::plan::Id;
use super::queue::SharedQueue;
use super::snapshot::{Failure, NodeKind, NodeState};
use super::spec::{ChildSpec, LIVENESS, WhenStuck};
use super::stopped::{StopKind, Stopped};
use super::surroundings::Surroundings;
use super::watch::Watchers;
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
    pub(super) watchers: Mutex<Watchers>,
    /// The number of the present life; they only grow.
    pub(super) life: AtomicU64,
    /// The number of the present task; another takes over when one hangs.
    pub(super) task: AtomicU64,
    /// Tasks left behind on threads that do not answer.
    pub(super) abandoned: AtomicUsize,
    was_killed: AtomicBool,
    was_given_up: AtomicBool,
    was_noted: AtomicBool,
    /// Cancelled when nothing is awaited of the child any more: it has ended, or was given up.
    pub(super) settled: CancellationToken,
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
    /// Whether a life is under way, from the call of the factory to its end. Under one lock with the change of tasks, so
    /// that the end of a life is told either by the task that lived it or for one that was left behind in it.
    pub(super) has_life: bool,
    /// Whether watchers were told that it has left.
    pub(super) told_for_good: bool,
}

impl Status {
    /// A life is over.
    pub(super) fn goes_down(&mut self) {
        self.is_stuck = false;
        if self.state != NodeState::Stopping {
            self.state = NodeState::BackingOff;
        }
    }
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
            gate: queue
                .as_ref()
                .map_or_else(|| Arc::new(Gate::new(spec.mailbox)), |queue| queue.gate()),
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
                has_life: false,
                told_for_good: false,
            }),
            watchers: Mutex::default(),
            life: AtomicU64::new(0),
            task: AtomicU64::new(0),
            abandoned: AtomicUsize::new(0),
            was_killed: AtomicBool::new(false),
            was_given_up: AtomicBool::new(false),
            was_noted: AtomicBool::new(false),
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
        self.spec.when_down == super::spec::WhenDown::Refuse
            && matches!(self.status().state, NodeState::BackingOff | NodeState::Degraded)
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

    /// Whether what became of it has not been noted yet; from now on it has.
    pub(super) fn is_first_note(&self) -> bool {
        !self.was_noted.swap(true, Ordering::SeqCst)
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

//! What is known of one child, shared by its future, its addresses and the tree.
//!
//! It does not name the actor's type, so that the tree can hold children of all types. Everything here may be used from
//! any thread; the mutex is held for a few instructions and never across an await.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::event::{Event, EventKind, Journal};
use super::mailbox::Gate;
use super::orders::{Order, Orders};
use super::policy::{RestartPolicy, Verdict};
use super::snapshot::{Failure, NodeSnapshot, NodeState};
use super::spec::{ChildSpec, InFlight};
use crate::clock::{Clock, Timestamp};

/// What the children of one tree share.
pub(super) struct Surroundings {
    pub(super) clock: Clock,
    pub(super) journal: Journal,
    /// Set when the stop of the whole tree begins; nothing is restarted from then on.
    pub(super) stopping: AtomicBool,
}

pub(super) struct Child {
    name: String,
    gate: Arc<Gate>,
    orders: Orders,
    policy: RestartPolicy,
    shutdown: Duration,
    in_flight: Option<InFlight>,
    around: Arc<Surroundings>,
    status: Mutex<Status>,
    ended: CancellationToken,
}

struct Status {
    state: NodeState,
    restarts: u64,
    last_failure: Option<Failure>,
    started_at: Option<Timestamp>,
    retry_at: Option<Timestamp>,
}

impl Child {
    pub(super) fn new(name: String, spec: ChildSpec, around: Arc<Surroundings>) -> Self {
        Self {
            name,
            gate: Arc::new(Gate::new(spec.mailbox)),
            orders: Orders::default(),
            policy: spec.policy,
            shutdown: spec.shutdown,
            in_flight: spec.in_flight,
            around,
            status: Mutex::new(Status {
                state: NodeState::Starting,
                restarts: 0,
                last_failure: None,
                started_at: None,
                retry_at: None,
            }),
            ended: CancellationToken::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    pub(super) fn orders(&self) -> &Orders {
        &self.orders
    }

    pub(super) fn policy(&self) -> &RestartPolicy {
        &self.policy
    }

    /// How long the child may take to stop.
    pub(super) fn shutdown(&self) -> Duration {
        self.shutdown
    }

    pub(super) fn is_running(&self) -> bool {
        self.status().state == NodeState::Running
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Ready once the child has ended for good.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Whether the child must not be built again.
    pub(super) fn is_final(&self) -> bool {
        self.orders.stop_given() || self.around.stopping.load(Ordering::SeqCst)
    }

    /// Closes the mailbox and tells the child to stop.
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

    /// The actor was built, for the first time or anew.
    pub(super) fn came_up(&self) {
        let kind = {
            let mut status = self.status();
            let first = status.started_at.is_none();
            status.started_at = Some(self.around.clock.now());
            status.retry_at = None;
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
    }

    /// The actor failed; `verdict` says what follows, or nothing does because the child is about to end.
    pub(super) fn failed(&self, kind: EventKind, error: String, verdict: Option<Verdict>) {
        let now = self.around.clock.now();
        {
            let mut status = self.status();
            status.last_failure = Some(Failure {
                at: now,
                error: error.clone(),
            });
            if let Some(verdict) = verdict
                && status.state != NodeState::Stopping
            {
                status.retry_at = Some(now.plus(verdict.wait()));
                status.state = match verdict {
                    Verdict::Backoff(_) => NodeState::BackingOff,
                    Verdict::Degraded(_) => NodeState::Degraded,
                };
            }
        }
        let backoff_ms = verdict.map(|verdict| u64::try_from(verdict.wait().as_millis()).unwrap_or(u64::MAX));
        self.publish(kind, |event| {
            event.error = Some(error.clone());
            event.backoff_ms = backoff_ms;
        });
        if let Some(Verdict::Degraded(_)) = verdict {
            self.publish(EventKind::Degraded, |event| {
                event.error = Some(error);
                event.backoff_ms = backoff_ms;
            });
        }
    }

    /// The child was degraded and has run for a calm period.
    pub(super) fn recovered(&self) {
        self.publish(EventKind::Recovered, |_| {});
    }

    /// A message was refused because the mailbox was full.
    pub(super) fn mailbox_full(&self) {
        if let Some(refused) = self.gate.report_full() {
            self.publish(EventKind::MailboxFull, |event| event.refused = Some(refused));
        }
    }

    /// The child has ended for good, its mailbox included. Further calls do nothing.
    fn end(&self) {
        self.gate.close();
        {
            let mut status = self.status();
            if status.state == NodeState::Stopped {
                return;
            }
            status.state = NodeState::Stopped;
            status.retry_at = None;
        }
        let undelivered = self.gate.undelivered();
        self.publish(EventKind::Stopped, |event| event.undelivered = Some(undelivered));
        self.ended.cancel();
    }

    pub(super) fn snapshot(&self) -> NodeSnapshot {
        // The gauge is the application's code: it is not called under our lock.
        let in_flight = self.in_flight.as_ref().map(|gauge| gauge());
        let status = self.status();
        NodeSnapshot {
            name: self.name.clone(),
            state: status.state,
            strategy: None,
            restarts: status.restarts,
            last_failure: status.last_failure.clone(),
            started_at: status.started_at,
            retry_at: status.retry_at,
            mailbox: Some(self.gate.gauge()),
            in_flight,
            undelivered: self.gate.undelivered(),
            children: Vec::new(),
        }
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, kind: EventKind, fill: impl FnOnce(&mut Event)) {
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
        };
        fill(&mut event);
        self.around.journal.publish(event);
    }
}

/// Ends the child when dropped, so that it ends however its future does: in order, with its arbiter, or never started.
pub(super) struct EndGuard(pub(super) Arc<Child>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

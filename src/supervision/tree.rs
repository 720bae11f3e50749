//! The handle of a whole tree: its root supervisor, and the operator's hand on every node by its name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{Arbiter, ArbiterHandle};

use super::address::{Address, Supervised};
use super::cause::Cause;
use super::child::{Child, Notice};
use super::ends::EndGuard;
use super::event::{Event, EventKind, Events};
#[cfg(feature = "testing")]
use super::faults::Fault;
use super::nest::Nest;
use super::orders::Order;
use super::policy::{Beyond, RestartPolicy};
use super::snapshot::{NodeKind, NodeSnapshot};
use super::spec::ChildSpec;
use super::stopped::Stopped;
use super::strategy::SupervisorSpec;
use super::supervisor::Supervisor;
use super::surroundings::Surroundings;
use super::watchman;
use crate::clock::Clock;

/// No child of that name that still runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no running child is called {name:?}")]
pub struct NoSuchChild {
    /// The name that was given.
    pub name: String,
}

/// Why an order to a child was not passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// No such child.
    #[error(transparent)]
    NoSuchChild(#[from] NoSuchChild),
    /// The child cannot do that now, or by its nature.
    #[error("{name:?} {why}")]
    NotNow {
        /// The child's name.
        name: String,
        /// Why not, as the rest of a sentence about the child.
        why: &'static str,
    },
    /// A panic was asked for, and the tree was made without fault injection.
    #[error("the service runs without fault injection")]
    FaultInjectionOff,
}

/// The handle of a supervision tree. Cheap to clone; may be used from any thread. Dropping the last handle stops nothing.
#[derive(Clone)]
pub struct Tree {
    root: Supervisor,
}

impl Tree {
    /// A tree without children, whose root is shown as `root`, restarts its children one for one, runs on the current
    /// arbiter, and whose times are `clock`'s. Without an arbiter nothing can be started in it.
    #[must_use]
    pub fn new(root: &'static str, clock: Clock) -> Self {
        Self::with(SupervisorSpec::new(root), Arbiter::try_current(), clock)
    }

    /// A tree whose root is of that spec, and runs on that arbiter. The root has no parent: should it fail, it is stopped
    /// for good, and [`failed`](Self::failed) tells.
    #[must_use]
    pub fn with(spec: SupervisorSpec, arbiter: Option<ArbiterHandle>, clock: Clock) -> Self {
        let around = Arc::new(Surroundings::new(clock));
        let SupervisorSpec { child: spec, rules } = spec;
        // What escalates to the root can go no further, so that its policy is never asked.
        let spec = spec.policy(RestartPolicy {
            beyond: Beyond::Escalate,
            ..RestartPolicy::default()
        });
        let name = spec.name.clone();
        let (child, ()) = around.enter(&name, |id, name| {
            let kind = NodeKind::Supervisor;
            let child = Child::new((id, name, kind), spec, None, Arc::clone(&around), None);
            (Arc::new(child), ())
        });
        let (nest, receiver) = Nest::of(&child, rules, arbiter.clone());
        let guard = EndGuard {
            task: child.present_task(),
            child,
        };
        if let Some(arbiter) = arbiter {
            guard.child.orders.give(Order::Rise);
            watchman::launch(Arc::clone(&nest), receiver, guard, &arbiter);
        }
        Self {
            root: Supervisor::new(nest),
        }
    }

    /// Lets operators ask for a panic of any child: see [`inject_panic`](Self::inject_panic).
    #[must_use]
    pub fn with_fault_injection(self) -> Self {
        self.around().fault_injection.store(true, Ordering::SeqCst);
        self
    }

    /// The supervisor at the root.
    #[must_use]
    pub fn root(&self) -> &Supervisor {
        &self.root
    }

    /// Starts a child of the root: [`Supervisor::start`].
    pub fn start<A: Supervised>(&self, spec: ChildSpec, factory: impl Fn() -> A + Send + Sync + 'static) -> Address<A> {
        self.root.start(spec, factory)
    }

    /// Starts a supervisor under the root: [`Supervisor::supervisor`].
    pub fn supervisor(&self, spec: SupervisorSpec) -> Supervisor {
        self.root.supervisor(spec)
    }

    /// The tree as it is now.
    #[must_use]
    pub fn snapshot(&self) -> NodeSnapshot {
        self.root.nest().child.snapshot()
    }

    /// One child, or supervisor, with all beneath it.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no running child has that name.
    pub fn inspect(&self, name: &str) -> Result<NodeSnapshot, NoSuchChild> {
        Ok(self.find(name)?.snapshot())
    }

    /// The backtrace of the child's last failure, if it was a panic and
    /// [`capture_backtraces`](super::capture_backtraces) was called. Resolving its names takes some milliseconds, and
    /// more the first time.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no running child has that name.
    pub fn backtrace(&self, name: &str) -> Result<Option<String>, NoSuchChild> {
        let child = self.find(name)?;
        let cause = child.status().last_cause.clone();
        Ok(cause
            .and_then(|cause| cause.trace)
            .map(|trace| trace.backtrace.to_string()))
    }

    /// An operator's order: start anew, now. It ends a backoff, the wait of a degraded child and a suspension (of a
    /// supervisor, that of all beneath it), and restarts a running child, its `stopped` hook called; it counts as a
    /// restart and not as a failure. Messages in the mailbox stay. Of a group, only this child is restarted; of a
    /// supervisor, all children.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no child of that name is there to be restarted.
    pub fn restart(&self, name: &str) -> Result<(), NoSuchChild> {
        let child = self.find(name)?;
        if child.is_final() {
            return Err(NoSuchChild { name: name.to_owned() });
        }
        suspend_all(&child, false);
        if child.is_root() || child.is_up() {
            child.orders.give(Order::Restart);
        } else {
            child.tell(Notice::Restart(child.id));
        }
        Ok(())
    }

    /// An operator's order: do nothing until resumed. An actor handles no message, and its timers and futures stand still;
    /// a thread gets no message; a supervisor passes the order to all beneath it and goes on supervising. Messages wait in
    /// the mailbox. What a handler has begun, and tasks beside the actor, go on.
    ///
    /// # Errors
    /// [`OrderError`] if there is no such child, or it is suspended already.
    pub fn suspend(&self, name: &str) -> Result<(), OrderError> {
        self.set_suspended(name, true, "is suspended already, or about to stop")
    }

    /// An operator's order: go on after a suspension.
    ///
    /// # Errors
    /// [`OrderError`] if there is no such child, or it is not suspended.
    pub fn resume(&self, name: &str) -> Result<(), OrderError> {
        self.set_suspended(name, false, "is not suspended")
    }

    fn set_suspended(&self, name: &str, to: bool, why: &'static str) -> Result<(), OrderError> {
        if suspend_all(&self.find(name)?, to) {
            return Ok(());
        }
        Err(OrderError::NotNow {
            name: name.to_owned(),
            why,
        })
    }

    /// An operator's order: panic at the next turn, to see what a failure of this child does. An actor panics between two
    /// messages, a thread when it next asks for a message or gives a sign of life; a supervisor ends its children first.
    ///
    /// # Errors
    /// [`OrderError`] if there is no such child, or it is not up, or the tree was made without
    /// [fault injection](Self::with_fault_injection).
    pub fn inject_panic(&self, name: &str) -> Result<(), OrderError> {
        if !self.around().fault_injection.load(Ordering::SeqCst) {
            return Err(OrderError::FaultInjectionOff);
        }
        let child = self.find(name)?;
        if !child.is_up() {
            return Err(OrderError::NotNow {
                name: name.to_owned(),
                why: "is not up",
            });
        }
        child.orders.give(Order::Panic);
        if let Some(queue) = &child.queue {
            queue.wake();
        }
        Ok(())
    }

    /// Has a child show a fault, for tests.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no running child has that name.
    #[cfg(feature = "testing")]
    pub(super) fn inject(&self, name: &str, fault: Fault) -> Result<(), NoSuchChild> {
        self.find(name)?.faults.add(fault);
        Ok(())
    }

    /// A subscription to what happens from now on, with the last events before.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        self.around().journal.subscribe()
    }

    /// The last events, at most 256, the oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<Event>> {
        self.around().journal.recent()
    }

    /// Stops all children for good, the last started first, each within its shutdown time, those of a phase together; tells
    /// what became of those that were not stopped before. From the first moment nothing is started or restarted.
    ///
    /// Dropped midway, the stop goes on.
    pub async fn stop(&self) -> Vec<Stopped> {
        let root = &self.root.nest().child;
        self.around().stopping.store(true, Ordering::SeqCst);
        root.order_stop();
        root.settled().await;
        std::mem::take(&mut *self.around().ends())
    }

    /// Stops one child for good, within its shutdown time.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no running child has that name.
    pub async fn stop_child(&self, name: &str) -> Result<Stopped, NoSuchChild> {
        let child = self.find(name)?;
        if child.is_root() {
            child.order_stop();
        } else {
            child.tell(Notice::Stop(child.id));
        }
        Ok(child.settled().await)
    }

    /// Stops one child, or supervisor, for good as [`stop_child`](Self::stop_child) does, and tells what became of each actor
    /// and thread in it, the last started first.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no running child has that name.
    pub async fn stop_branch(&self, name: &str) -> Result<Vec<Stopped>, NoSuchChild> {
        let leaves = self.find(name)?.leaves();
        self.stop_child(name).await?;
        Ok(leaves.iter().rev().map(|leaf| leaf.stopped()).collect())
    }

    /// Ready once the root itself has failed, and all beneath it has ended: its children failed more often than it bears,
    /// or its significant children are done. Never ready while it runs, or after an ordered stop.
    pub async fn failed(&self) -> Cause {
        let root = &self.root.nest().child;
        root.settled().await;
        let cause = root.status().last_cause.clone();
        match cause {
            Some(cause) => cause,
            None => std::future::pending().await,
        }
    }

    fn find(&self, name: &str) -> Result<Arc<Child>, NoSuchChild> {
        let found = self.around().find(name).filter(|child| !child.has_ended());
        found.ok_or_else(|| NoSuchChild { name: name.to_owned() })
    }

    pub(super) fn around(&self) -> &Arc<Surroundings> {
        &self.root.nest().child.around
    }
}

/// Suspends the child, or all beneath it, or lets them go on; false if that is no change for any.
fn suspend_all(child: &Arc<Child>, to: bool) -> bool {
    let mut any = false;
    for leaf in child.leaves() {
        if (!to || !leaf.is_final()) && leaf.orders.suspend(to) {
            any = true;
            if let Some(queue) = &leaf.queue {
                queue.forget_beat();
                // A thread that waits for a message looks again.
                queue.wake();
            }
            leaf.publish(if to { EventKind::Suspended } else { EventKind::Resumed }, |_| {});
        }
    }
    any
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("name", &self.root.name())
            .finish_non_exhaustive()
    }
}

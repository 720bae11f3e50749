//! The root supervisor: starts, lists, restarts and stops its children.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::dev::Mailbox;
use actix::dev::channel::channel;
use actix::{Addr, Arbiter};
use serde::Serialize;
use tokio::time::timeout;

use super::address::{Address, Supervised};
use super::child::{Child, EndGuard, Surroundings};
use super::context::Context;
use super::event::{Event, EventKind, Events, Journal};
use super::life::Life;
use super::orders::Order;
use super::snapshot::{NodeSnapshot, NodeState};
use super::spec::ChildSpec;
use super::vessel::{Factory, Vessel};
use crate::clock::Clock;

/// How long a child that is cut off may take to notice. One that takes longer blocks its thread.
const CUT_OFF_GRACE: Duration = Duration::from_millis(500);

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

/// How a child came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopKind {
    /// Within its time; also if it failed before its turn came and was not restarted any more.
    Clean,
    /// Its time was over; it was ended, with its `stopped` hook.
    CutOff,
    /// Its time was over and its thread did not answer: the actor blocks it, and may still be at work.
    Abandoned,
}

/// What became of a child that was told to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// The child's name.
    pub name: String,
    /// How it ended.
    pub how: StopKind,
    /// Accepted messages that were dropped unhandled.
    pub undelivered: u64,
}

/// The handle of a supervision tree: a root and its children, each of which is restarted alone (`one_for_one`).
///
/// Cheap to clone; may be used from any thread. Dropping the last handle does not stop the children.
#[derive(Clone)]
pub struct Tree {
    root: Arc<Root>,
}

struct Root {
    name: &'static str,
    around: Arc<Surroundings>,
    /// In the order of start. A std mutex: held for a few instructions, and never across an await.
    children: Mutex<Vec<Arc<Child>>>,
}

impl Tree {
    /// A tree without children, whose root is shown as `root` and whose times are `clock`'s.
    #[must_use]
    pub fn new(root: &'static str, clock: Clock) -> Self {
        let around = Surroundings {
            clock,
            journal: Journal::new(),
            stopping: AtomicBool::new(false),
        };
        Self {
            root: Arc::new(Root {
                name: root,
                around: Arc::new(around),
                children: Mutex::default(),
            }),
        }
    }

    /// Starts a child and returns at once; messages may be sent to it from now on.
    ///
    /// `factory` builds the actor, now and at every restart, on the thread of the spec's arbiter, or of the current one if
    /// the spec names none. Should it panic, that is a failure of the child and it is tried again.
    ///
    /// A name that a running child already has gets a number added (`mailer#2`); that of a stopped child is free again.
    ///
    /// Without an arbiter that runs, and after [`stop`](Self::stop) began, nothing is started: the address is closed.
    pub fn start<A: Supervised>(&self, spec: ChildSpec, factory: impl Fn() -> A + Send + Sync + 'static) -> Address<A> {
        let arbiter = spec.arbiter.clone().or_else(Arbiter::try_current);
        let (child, admitted) = self.admit(spec);
        // Capacity 0 is actix's word for no bound; ours is the gate's.
        let (sender, receiver) = channel(0);
        let address = Address::new(Arc::clone(&child), Addr::new(sender));
        let guard = EndGuard(Arc::clone(&child));
        // On both ways out the guard ends the child.
        if !admitted {
            return address;
        }
        let Some(arbiter) = arbiter else {
            child.failed(EventKind::Ended, "there is no arbiter to start it on".to_owned(), None);
            return address;
        };
        let factory: Factory<A> = Arc::new(factory);
        let launch = {
            let address = address.clone();
            move || {
                let mailbox = Mailbox::new(receiver);
                let context = Context::new(&mailbox, child, address);
                let life = Life {
                    vessel: Vessel::new(factory, context, mailbox),
                    guard,
                };
                actix::spawn(life.run());
            }
        };
        // A refusal drops the guard, which ends the child.
        arbiter.spawn_fn(launch);
        address
    }

    /// The tree as it is now.
    #[must_use]
    pub fn snapshot(&self) -> NodeSnapshot {
        let children: Vec<NodeSnapshot> = self.children().iter().map(|child| child.snapshot()).collect();
        let state = if self.root.around.stopping.load(Ordering::SeqCst) {
            let stopped = children.iter().all(|child| child.state == NodeState::Stopped);
            if stopped {
                NodeState::Stopped
            } else {
                NodeState::Stopping
            }
        } else if children.iter().any(|child| child.state == NodeState::Degraded) {
            NodeState::Degraded
        } else {
            NodeState::Running
        };
        NodeSnapshot {
            name: self.root.name.to_owned(),
            state,
            strategy: Some("one_for_one"),
            restarts: 0,
            last_failure: None,
            started_at: None,
            retry_at: None,
            mailbox: None,
            in_flight: None,
            undelivered: children.iter().map(|child| child.undelivered).sum(),
            children,
        }
    }

    /// An operator's order: try now. It ends a backoff or the wait of a degraded child, and restarts a running one; it
    /// counts as a restart and not as a failure. Messages in the mailbox stay.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no child of that name is there to be restarted.
    pub fn restart(&self, name: &str) -> Result<(), NoSuchChild> {
        let child = self.find(name).filter(|child| !child.is_final());
        let child = child.ok_or_else(|| NoSuchChild { name: name.to_owned() })?;
        child.orders().give(Order::Restart);
        Ok(())
    }

    /// One child, or supervisor, with all beneath it.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no running child has that name.
    pub fn inspect(&self, name: &str) -> Result<NodeSnapshot, NoSuchChild> {
        let child = self.find(name).ok_or_else(|| NoSuchChild { name: name.to_owned() })?;
        Ok(child.snapshot())
    }

    /// The backtrace of the child's last failure, if one was caught; resolving its names takes some milliseconds.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no running child has that name.
    pub fn backtrace(&self, name: &str) -> Result<Option<String>, NoSuchChild> {
        self.inspect(name).map(|_| None)
    }

    /// An operator's order: handle no further message until resumed. Messages wait in the mailbox.
    ///
    /// # Errors
    /// [`OrderError`] if there is no such child, or it cannot be suspended.
    pub fn suspend(&self, name: &str) -> Result<(), OrderError> {
        self.inspect(name)?;
        Err(OrderError::FaultInjectionOff)
    }

    /// An operator's order: go on after a suspension.
    ///
    /// # Errors
    /// [`OrderError`] if there is no such child, or it is not suspended.
    pub fn resume(&self, name: &str) -> Result<(), OrderError> {
        self.inspect(name)?;
        Err(OrderError::FaultInjectionOff)
    }

    /// An operator's order: panic at the next turn, to see what a failure of this child does.
    ///
    /// # Errors
    /// [`OrderError`] if there is no such child, or the tree was made without fault injection.
    pub fn inject_panic(&self, name: &str) -> Result<(), OrderError> {
        self.inspect(name)?;
        Err(OrderError::FaultInjectionOff)
    }

    /// A subscription to what happens from now on, with the last events before.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        self.root.around.journal.subscribe()
    }

    /// The last events, at most 256, the oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<Event>> {
        self.root.around.journal.recent()
    }

    /// Stops all children, the last started first, each within its shutdown time; tells what became of those that were not
    /// stopped before. From the first moment nothing is started or restarted.
    ///
    /// Dropped midway, it leaves the children it has not come to running, unsupervised.
    pub async fn stop(&self) -> Vec<Stopped> {
        let children = {
            let children = self.root.children.lock().unwrap_or_else(PoisonError::into_inner);
            self.root.around.stopping.store(true, Ordering::SeqCst);
            children
                .iter()
                .rev()
                .filter(|child| !child.has_ended())
                .cloned()
                .collect::<Vec<_>>()
        };
        let mut stopped = Vec::with_capacity(children.len());
        for child in &children {
            stopped.push(stop(child).await);
        }
        stopped
    }

    /// Stops one child for good, within its shutdown time.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no running child has that name.
    pub async fn stop_child(&self, name: &str) -> Result<Stopped, NoSuchChild> {
        let child = self.find(name).ok_or_else(|| NoSuchChild { name: name.to_owned() })?;
        Ok(stop(&child).await)
    }

    /// Adds a child under a free name, and says whether it may start.
    fn admit(&self, spec: ChildSpec) -> (Arc<Child>, bool) {
        let mut children = self.root.children.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = !self.root.around.stopping.load(Ordering::SeqCst);
        let taken = |name: &str| children.iter().any(|child| child.name() == name && !child.has_ended());
        let mut name = spec.name.clone();
        let mut number = 2_u32;
        while taken(&name) {
            name = format!("{}#{number}", spec.name);
            number += 1;
        }
        children.retain(|child| child.name() != name);
        let child = Arc::new(Child::new(name, spec, Arc::clone(&self.root.around)));
        if admitted {
            children.push(Arc::clone(&child));
        }
        (child, admitted)
    }

    fn children(&self) -> Vec<Arc<Child>> {
        self.root
            .children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn find(&self, name: &str) -> Option<Arc<Child>> {
        self.children()
            .into_iter()
            .find(|child| child.name() == name && !child.has_ended())
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("name", &self.root.name)
            .finish_non_exhaustive()
    }
}

/// Stops one child: an order, its time, a harder order, a last moment.
async fn stop(child: &Child) -> Stopped {
    child.order_stop();
    let how = if timeout(child.shutdown(), child.ended()).await.is_ok() {
        StopKind::Clean
    } else {
        child.orders().give(Order::Kill);
        if timeout(CUT_OFF_GRACE, child.ended()).await.is_ok() {
            StopKind::CutOff
        } else {
            StopKind::Abandoned
        }
    };
    Stopped {
        name: child.name().to_owned(),
        how,
        undelivered: child.gate().undelivered(),
    }
}

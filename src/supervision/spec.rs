//! What the tree is told about a child.

use std::sync::Arc;
use std::time::Duration;

use actix::ArbiterHandle;

use super::policy::RestartPolicy;

/// How many messages may wait for an actor if its spec does not say; actix's own default.
const MAILBOX_CAPACITY: usize = 16;

/// How long a child may take to stop if its spec does not say; OTP's default for workers.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Counts the work that a child has in flight.
pub(super) type InFlight = Arc<dyn Fn() -> usize + Send + Sync>;

/// How a child is started, restarted and stopped. Children are permanent: only a stop order ends them.
#[derive(Clone)]
pub struct ChildSpec {
    pub(super) name: String,
    pub(super) mailbox: usize,
    pub(super) shutdown: Duration,
    pub(super) policy: RestartPolicy,
    pub(super) arbiter: Option<ArbiterHandle>,
    pub(super) in_flight: Option<InFlight>,
}

impl ChildSpec {
    /// A child called `name`, with a mailbox of 16, 5 s to stop and the default [`RestartPolicy`].
    ///
    /// Names are what operators see and use, so they should be unique: see [`Tree::start`](super::Tree::start).
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            mailbox: MAILBOX_CAPACITY,
            shutdown: SHUTDOWN,
            policy: RestartPolicy::default(),
            arbiter: None,
            in_flight: None,
        }
    }

    /// How many accepted messages may wait for the actor; 0 is taken as 1.
    #[must_use]
    pub fn mailbox(mut self, capacity: usize) -> Self {
        self.mailbox = capacity;
        self
    }

    /// How long the child may take to stop before it is cut off.
    #[must_use]
    pub fn shutdown(mut self, limit: Duration) -> Self {
        self.shutdown = limit;
        self
    }

    /// How the child is tried again after failures.
    #[must_use]
    pub fn policy(mut self, policy: RestartPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The arbiter, and so the thread, on which the child is built and runs.
    #[must_use]
    pub fn on(mut self, arbiter: ArbiterHandle) -> Self {
        self.arbiter = Some(arbiter);
        self
    }

    /// A gauge of the work the child has in flight, shown in the snapshot. It is called on the thread that asks for the
    /// snapshot, and must be quick.
    #[must_use]
    pub fn in_flight(mut self, gauge: Arc<dyn Fn() -> usize + Send + Sync>) -> Self {
        self.in_flight = Some(gauge);
        self
    }
}

impl std::fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChildSpec")
            .field("name", &self.name)
            .field("mailbox", &self.mailbox)
            .field("shutdown", &self.shutdown)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

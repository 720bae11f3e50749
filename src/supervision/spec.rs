//! What a supervisor is told about a child: the same for actors, threads and supervisors.

use std::sync::Arc;
use std::time::Duration;

use actix::ArbiterHandle;
use serde::Serialize;
use utoipa::ToSchema;

use super::policy::RestartPolicy;
use super::undelivered::{Hook, Undelivered};

/// How many messages may wait for an actor if its spec does not say; actix's own default.
const MAILBOX_CAPACITY: usize = 16;

/// How long a child may take to stop if its spec does not say; OTP's default for workers.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// How long an actor may make no progress if its spec does not say: far beyond any handler that only receives, and well
/// within what an operator waits before looking.
pub(super) const LIVENESS: Duration = Duration::from_secs(10);

/// Counts the work that a child has in flight.
pub(super) type InFlight = Arc<dyn Fn() -> usize + Send + Sync>;

/// Which ends of a child are followed by a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Every end but an ordered one: the child is always there.
    #[default]
    Permanent,
    /// Failures only: a child that ends by itself in order is done, and leaves the tree.
    Transient,
    /// None: however it ends, it leaves the tree. It does not come back with its group or its supervisor either.
    Temporary,
}

/// How long a child may take to end when it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// None: it is cut off at once. Its `stopped` hook still runs.
    Kill,
    /// This long; then it is cut off.
    Within(Duration),
    /// As long as it takes. For supervisors, whose children have their own times; and for whoever must never be cut off.
    Unbounded,
}

/// What is done about a child that makes no progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhenStuck {
    /// It is reported, and shown until it goes on.
    Report,
    /// It is reported and replaced: cut off if its thread still answers; else, if it has an arbiter or thread of its own,
    /// left behind there and built anew on another, with its mailbox. What was left behind can do nothing more through
    /// its mailbox, but may finish what it is at; it is counted as abandoned until it does.
    Replace,
}

/// What `tell` and `ask` do when the mailbox is full. `try_tell` never waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// The message is refused at once.
    Refuse,
    /// The sender waits for room, in the order of asking, for as long as that takes.
    #[default]
    Wait,
    /// The sender waits this long at most, then the message is refused.
    WaitUpTo(Duration),
    /// The oldest waiting message is dropped, counted and handed to the hook. For telemetry only, where the newest is worth
    /// the most; `try_tell` does it too.
    DropOldest,
}

/// What sending does while the child is down, between a failure and the next life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenDown {
    /// The message waits in the mailbox for the next life.
    #[default]
    Wait,
    /// The message is refused.
    Refuse,
}

/// On which thread a child is built and runs.
#[derive(Clone, Default)]
pub(super) enum Placement {
    /// That of whoever starts it.
    #[default]
    Current,
    /// This one, with others.
    On(ArbiterHandle),
    /// One of its own, made for it and ended with it.
    Own,
}

/// How a child is started, restarted, watched and stopped.
#[derive(Clone)]
pub struct ChildSpec {
    pub(super) name: String,
    pub(super) restart: Restart,
    pub(super) significant: bool,
    pub(super) shutdown: Shutdown,
    pub(super) phase: Option<&'static str>,
    pub(super) policy: RestartPolicy,
    pub(super) placement: Placement,
    pub(super) liveness: Option<Option<Duration>>,
    pub(super) when_stuck: Option<WhenStuck>,
    pub(super) mailbox: usize,
    pub(super) when_full: WhenFull,
    pub(super) when_down: WhenDown,
    pub(super) hook: Option<Hook>,
    pub(super) in_flight: Option<InFlight>,
}

impl ChildSpec {
    /// A permanent child called `name`, with a mailbox of 16, 5 s to stop and the default [`RestartPolicy`].
    ///
    /// Names are what operators see and use, so they should be unique: see [`Supervisor::start`](super::Supervisor::start).
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            restart: Restart::default(),
            significant: false,
            shutdown: Shutdown::Within(SHUTDOWN),
            phase: None,
            policy: RestartPolicy::default(),
            placement: Placement::default(),
            liveness: None,
            when_stuck: None,
            mailbox: MAILBOX_CAPACITY,
            when_full: WhenFull::default(),
            when_down: WhenDown::default(),
            hook: None,
            in_flight: None,
        }
    }

    /// Which ends are followed by a restart.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// The supervisor's [`AutoShutdown`](super::AutoShutdown) looks at this child's end. Means nothing for a permanent one.
    #[must_use]
    pub fn significant(mut self) -> Self {
        self.significant = true;
        self
    }

    /// How long the child may take to end before it is cut off.
    #[must_use]
    pub fn shutdown(mut self, limit: Duration) -> Self {
        self.shutdown = Shutdown::Within(limit);
        self
    }

    /// How the child is ended: at once, within a time, or without limit.
    #[must_use]
    pub fn ending(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// Neighbours of one phase are ended together: told in the reverse order of their start, and awaited in parallel.
    /// Without a phase, a child is ended alone.
    #[must_use]
    pub fn phase(mut self, phase: &'static str) -> Self {
        self.phase = Some(phase);
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
        self.placement = Placement::On(arbiter);
        self
    }

    /// An arbiter of its own, made for the child. It ends when the child has ended there, and the tasks that were spawned
    /// beside it with `tokio::spawn` too. Only such an actor can be replaced while it blocks.
    #[must_use]
    pub fn own_arbiter(mut self) -> Self {
        self.placement = Placement::Own;
        self
    }

    /// How long the child may make no progress before it is reported as stuck; none for no limit. It is found within a
    /// quarter more. Default 10 s for actors, none for threads and supervisors.
    #[must_use]
    pub fn liveness(mut self, limit: Option<Duration>) -> Self {
        self.liveness = Some(limit);
        self
    }

    /// What is done when it is stuck. Default: actors are replaced, threads are reported.
    #[must_use]
    pub fn when_stuck(mut self, answer: WhenStuck) -> Self {
        self.when_stuck = Some(answer);
        self
    }

    /// How many accepted messages may wait for the child; 0 is taken as 1.
    #[must_use]
    pub fn mailbox(mut self, capacity: usize) -> Self {
        self.mailbox = capacity;
        self
    }

    /// What sending does when the mailbox is full.
    #[must_use]
    pub fn when_full(mut self, rule: WhenFull) -> Self {
        self.when_full = rule;
        self
    }

    /// What sending does while the child is down.
    #[must_use]
    pub fn when_down(mut self, rule: WhenDown) -> Self {
        self.when_down = rule;
        self
    }

    /// Called with each accepted message that is dropped unhandled, on whatever thread drops it; must be quick.
    #[must_use]
    pub fn undelivered(mut self, hook: impl Fn(Undelivered) + Send + Sync + 'static) -> Self {
        self.hook = Some(Arc::new(hook));
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
            .field("restart", &self.restart)
            .field("mailbox", &self.mailbox)
            .field("shutdown", &self.shutdown)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

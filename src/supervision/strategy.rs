//! What a supervisor is told about itself.

use std::time::Duration;

use actix::ArbiterHandle;
use serde::Serialize;
use utoipa::ToSchema;

use super::policy::{Intensity, RestartPolicy};
use super::spec::{ChildSpec, Restart, Shutdown};

/// Who is restarted when a child fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The child alone.
    #[default]
    OneForOne,
    /// All children of the supervisor: the others are ended from the last to the first, then all start from the first.
    OneForAll,
    /// The child and those that were started after it.
    RestForOne,
    /// Children of one spec, started on demand, each restarted alone and all ended together.
    Dynamic,
}

/// Whether a supervisor ends by itself when its [significant](ChildSpec::significant) children are done. A transient child
/// is done when it ends in order, a temporary one when it ends. The supervisor's own end is one in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AutoShutdown {
    /// Never.
    #[default]
    Never,
    /// When one of them is done.
    AnySignificant,
    /// When the last of them is done.
    AllSignificant,
}

/// How a supervisor treats its children.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) strategy: Strategy,
    pub(super) intensity: Intensity,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) children_max: usize,
}

/// A supervisor as a child of another.
#[derive(Clone, Debug)]
pub struct SupervisorSpec {
    pub(super) child: ChildSpec,
    pub(super) rules: Rules,
}

impl SupervisorSpec {
    /// A permanent supervisor called `name`: one for one, the default [`Intensity`], no automatic end, and no limit on the
    /// time that it takes to end its children.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            child: ChildSpec::new(name).ending(Shutdown::Unbounded).liveness(None),
            rules: Rules {
                strategy: Strategy::default(),
                intensity: Intensity::default(),
                auto_shutdown: AutoShutdown::default(),
                children_max: usize::MAX,
            },
        }
    }

    /// Who is restarted when a child fails. [`Strategy::Dynamic`] is chosen by
    /// [`Supervisor::dynamic`](super::Supervisor::dynamic).
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.rules.strategy = strategy;
        self
    }

    /// How many failures of escalating children it bears.
    #[must_use]
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.rules.intensity = Intensity { restarts, period };
        self
    }

    /// Whether it ends when its significant children are done.
    #[must_use]
    pub fn auto_shutdown(mut self, rule: AutoShutdown) -> Self {
        self.rules.auto_shutdown = rule;
        self
    }

    /// The most children it has at once; one more is not started.
    #[must_use]
    pub fn children_max(mut self, max: usize) -> Self {
        self.rules.children_max = max;
        self
    }

    /// Which of its own ends its parent answers with a restart.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.child = self.child.restart(restart);
        self
    }

    /// As [`ChildSpec::significant`].
    #[must_use]
    pub fn significant(mut self) -> Self {
        self.child = self.child.significant();
        self
    }

    /// How its parent tries it again after it failed, or who bears that.
    #[must_use]
    pub fn policy(mut self, policy: RestartPolicy) -> Self {
        self.child = self.child.policy(policy);
        self
    }

    /// How long it may take to end; then its children are cut off, each with what is left of its own time taken away.
    #[must_use]
    pub fn ending(mut self, shutdown: Shutdown) -> Self {
        self.child = self.child.ending(shutdown);
        self
    }

    /// As [`ChildSpec::phase`].
    #[must_use]
    pub fn phase(mut self, phase: &'static str) -> Self {
        self.child = self.child.phase(phase);
        self
    }

    /// The arbiter on which it runs, and the threads and supervisors beneath it whose specs do not say. If this does not
    /// say either, that is its parent's.
    #[must_use]
    pub fn on(mut self, arbiter: ArbiterHandle) -> Self {
        self.child = self.child.on(arbiter);
        self
    }
}

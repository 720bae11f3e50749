//! What a plan knows of one child.

use std::time::Duration;

use tokio::time::Instant;

use super::{CUT_OFF_GRACE, SUPERVISOR_GRACE};
use crate::supervision::child::Child;
use crate::supervision::policy::{Record, RestartPolicy};
use crate::supervision::snapshot::NodeKind;
use crate::supervision::spec::{Restart, Shutdown};

/// What a plan needs of a child's spec.
#[derive(Clone, Debug)]
pub(in crate::supervision) struct Facts {
    pub(in crate::supervision) restart: Restart,
    pub(in crate::supervision) significant: bool,
    pub(in crate::supervision) shutdown: Shutdown,
    pub(in crate::supervision) phase: Option<&'static str>,
    pub(in crate::supervision) policy: RestartPolicy,
    /// How long it may take to notice that it is cut off.
    pub(in crate::supervision) grace: Duration,
}

impl From<&Child> for Facts {
    fn from(child: &Child) -> Self {
        let spec = &child.spec;
        Self {
            grace: if child.kind == NodeKind::Supervisor {
                SUPERVISOR_GRACE
            } else {
                CUT_OFF_GRACE
            },
            restart: spec.restart,
            // One that is always restarted is never done, and must not be waited for.
            significant: spec.significant && spec.restart != Restart::Permanent,
            shutdown: spec.shutdown,
            phase: spec.phase,
            policy: spec.policy.clone(),
        }
    }
}

/// Where a child is, as its supervisor knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not up, and not to be raised by itself: its group or its supervisor raises it.
    Down,
    /// Not up; raised when its backoff is over.
    Waiting,
    /// Told to rise.
    Raising,
    Up,
    /// Told to end.
    Falling {
        /// Whether it is not to rise again.
        for_good: bool,
    },
}

#[derive(Debug)]
pub(super) struct Post {
    pub(super) facts: Facts,
    pub(super) stage: Stage,
    pub(super) record: Record,
    pub(super) deadline: Option<Instant>,
    /// Whether it was killed already.
    pub(super) is_killed: bool,
    /// Whether it ended by itself, and is not restarted.
    pub(super) is_done: bool,
    /// Whether its wait stops the clock of the supervisor's intensity.
    pub(super) is_strained: bool,
}

impl Post {
    pub(super) fn new(facts: Facts) -> Self {
        Self {
            facts,
            stage: Stage::Down,
            record: Record::default(),
            deadline: None,
            is_killed: false,
            is_done: false,
            is_strained: false,
        }
    }
}

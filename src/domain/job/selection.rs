//! Which of many jobs an operator means, and what is to be done with them.

use serde::{Deserialize, Serialize};

use super::state::{Cause, JobState, Queue};
use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::named::named;

named! {
    /// What is done with many jobs.
    BulkAction {
        /// They run again, each with its history kept.
        Retry = "retry",
        /// They are cancelled; those that run are asked to end.
        Cancel = "cancel",
    }
}

/// What jobs must be like to be meant; all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// In this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Of this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of this tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    /// With this cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Whose latest attempt told of this fault, as [`crate::domain::fault::fault_of`] words it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Accepted before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_before: Option<Timestamp>,
    /// Accepted at this or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_after: Option<Timestamp>,
    /// One of these; empty for any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<JobId>,
}

/// In which states jobs are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateSet {
    /// In this one.
    Only(JobState),
    /// In all in which they have not ended.
    Unfinished,
    /// In any: those that cannot be done with are refused one by one.
    Any,
}

impl Selection {
    /// The most ids that can be named.
    pub const IDS_MAX: usize = 500;

    /// Whether nothing is said, so that every job would be meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// In which states jobs are meant for `action`. Unless one is given: of jobs that are named, any; else, to be cancelled,
    /// what has not ended, and to run again, what was discarded (what is uncertain may have happened, what was cancelled was
    /// not wanted, and what completed is done).
    #[must_use]
    pub fn states(&self, action: BulkAction) -> StateSet {
        match (self.state, action) {
            (Some(state), _) => StateSet::Only(state),
            (None, _) if !self.ids.is_empty() => StateSet::Any,
            (None, BulkAction::Cancel) => StateSet::Unfinished,
            (None, BulkAction::Retry) => StateSet::Only(JobState::Discarded),
        }
    }
}

impl BulkAction {
    /// Whether it can be done with a job in this state.
    #[must_use]
    pub const fn fits(self, state: JobState) -> bool {
        match self {
            Self::Retry => state.can_run_again(),
            Self::Cancel => !state.is_final(),
        }
    }
}

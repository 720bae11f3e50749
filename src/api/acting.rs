//! What operators do over HTTP, as it is written down.
//!
//! Guarantees: the row is written in the transaction of the act; a member's own orders for what is their own workspace's are no
//! acts of an operator, and neither are an operator's for theirs.

use serde_json::Value;

use super::auth::Member;
use super::http::RequestId;
use super::jobs::JobView;
use crate::clock::Timestamp;
use crate::domain::act::Action;
use crate::domain::id::WorkspaceId;
use crate::store::acts::{self, ActBy, NewAct};
use crate::store::batches::BatchRecord;
use crate::store::reports::ReportRecord;
use crate::store::schedules::Schedule;
use crate::store::{JobRecord, StoreError, Tx};

/// Who acts, and for which request.
pub(super) fn by(member: &Member, request: &RequestId) -> ActBy {
    ActBy::Account {
        account: member.account.id,
        workspace: member.account.workspace,
        request_id: request.as_str().to_owned(),
    }
}

/// What an order is about, and whose that is.
pub(super) struct Subject {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) workspace: WorkspaceId,
}

impl From<&JobRecord> for Subject {
    fn from(job: &JobRecord) -> Self {
        Self {
            kind: "job",
            id: job.id.to_string(),
            workspace: job.workspace,
        }
    }
}

impl From<&BatchRecord> for Subject {
    fn from(batch: &BatchRecord) -> Self {
        Self {
            kind: "batch",
            id: batch.id.to_string(),
            workspace: batch.workspace,
        }
    }
}

impl From<&Schedule> for Subject {
    fn from(schedule: &Schedule) -> Self {
        Self {
            kind: "schedule",
            id: schedule.id.to_string(),
            workspace: schedule.workspace,
        }
    }
}

impl From<&JobView> for Subject {
    fn from(job: &JobView) -> Self {
        Self {
            kind: "job",
            id: job.id().to_string(),
            workspace: job.owner(),
        }
    }
}

impl From<&ReportRecord> for Subject {
    fn from(report: &ReportRecord) -> Self {
        Self {
            kind: "report",
            id: report.id.to_string(),
            workspace: report.workspace,
        }
    }
}

/// Whoever may give orders for what is other workspaces', which are written down.
#[derive(Clone, Debug)]
pub(super) struct Acting {
    own: WorkspaceId,
    by: ActBy,
}

impl Acting {
    /// An operator; none for others, who find nothing of another workspace.
    pub(super) fn of(member: &Member, request: &RequestId) -> Option<Self> {
        let acting = || Self {
            own: member.account.workspace,
            by: by(member, request),
        };
        member.account.is_operator.then(acting)
    }

    /// Writes down what was done with something, if it is another workspace's.
    ///
    /// # Errors
    /// When the statement fails.
    pub(super) fn note(
        &self,
        tx: &mut Tx<'_>,
        action: Action,
        subject: impl Into<Subject>,
        detail: Value,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let subject = subject.into();
        if subject.workspace == self.own {
            return Ok(());
        }
        let act = NewAct {
            at,
            by: self.by.clone(),
            action,
            subject_kind: subject.kind,
            subject: subject.id,
            detail,
        };
        acts::record(tx, &act)
    }
}

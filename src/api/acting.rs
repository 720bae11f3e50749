//! What operators do over HTTP, as it is written down.
//!
//! Guarantees: the row is written in the transaction of the act; a member's own orders for jobs of their own workspace are no
//! acts of an operator, and neither are an operator's for theirs.

use serde_json::Value;

use super::auth::Member;
use super::http::RequestId;
use crate::clock::Timestamp;
use crate::domain::act::Action;
use crate::domain::id::WorkspaceId;
use crate::store::acts::{self, ActBy, NewAct};
use crate::store::{JobRecord, StoreError, Tx};

/// Who acts, and for which request.
pub(super) fn by(member: &Member, request: &RequestId) -> ActBy {
    ActBy::Account {
        account: member.account.id,
        workspace: member.account.workspace,
        request_id: request.as_str().to_owned(),
    }
}

/// Whoever may give orders for jobs of other workspaces, which are written down.
#[derive(Clone, Debug)]
pub(super) struct Acting {
    own: WorkspaceId,
    by: ActBy,
}

impl Acting {
    /// An operator; none for others, who have no such jobs.
    pub(super) fn of(member: &Member, request: &RequestId) -> Option<Self> {
        let acting = || Self {
            own: member.account.workspace,
            by: by(member, request),
        };
        member.account.is_operator.then(acting)
    }

    /// Writes down what was done with a job, if it is another workspace's.
    ///
    /// # Errors
    /// When the statement fails.
    pub(super) fn note(
        &self,
        tx: &mut Tx<'_>,
        action: Action,
        job: &JobRecord,
        detail: Value,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        if job.workspace == self.own {
            return Ok(());
        }
        let act = NewAct {
            at,
            by: self.by.clone(),
            action,
            subject_kind: "job",
            subject: job.id.to_string(),
            detail,
        };
        acts::record(tx, &act)
    }
}

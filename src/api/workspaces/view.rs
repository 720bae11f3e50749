//! A workspace as operators and its members see it: with what it may use and what it uses.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::State;
use crate::clock::Timestamp;
use crate::domain::id::WorkspaceId;
use crate::store::reports::{self, StoredBytes};
use crate::store::workspaces::{self, WorkspaceRecord};
use crate::store::{Connection, StoreError};

/// A workspace.
#[derive(Serialize, ToSchema)]
#[schema(as = Workspace)]
pub(super) struct WorkspaceView {
    id: WorkspaceId,
    name: String,
    created_at: Timestamp,
    /// Its share in each queue, against those of the others that have something waiting there; 1 unless set.
    weight: u32,
    /// The domains from which it may send mails besides the service's own address.
    sender_domains: Vec<String>,
    /// What it may use, and what it uses; where one workspace is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    quotas: Option<QuotasView>,
}

/// What a workspace may use, and what it uses.
#[derive(Serialize, ToSchema)]
#[schema(as = Quotas)]
struct QuotasView {
    /// Jobs that wait: for their time, for a slot, or for their next attempt.
    jobs_waiting: QuotaView,
    /// Mails that were sent in this hour and the 23 before it, one a recipient.
    mails_per_day: QuotaView,
    /// Bytes of the files that are kept.
    bytes_stored: QuotaView,
}

/// One quota.
#[derive(Serialize, ToSchema)]
#[schema(as = Quota)]
struct QuotaView {
    /// How much is used, as far as it is counted; null where nothing is, since there is no quota.
    used: Option<u64>,
    /// How much may be; null where there is no quota, as for an operator's workspace.
    max: Option<u64>,
    /// What was set for this workspace, 0 for no quota; null where the service's settings say it.
    own: Option<u64>,
    /// From when less is used without anybody doing anything, where that is known.
    less_at: Option<Timestamp>,
}

/// A workspace with what the database knows of its use.
pub(super) struct Known {
    record: WorkspaceRecord,
    is_operators: bool,
    stored: StoredBytes,
}

impl Known {
    /// What is known of it.
    ///
    /// # Errors
    /// When a statement fails.
    pub(super) fn of(connection: &mut Connection, record: WorkspaceRecord) -> Result<Self, StoreError> {
        Ok(Self {
            is_operators: workspaces::is_operators(connection, record.id)?,
            stored: reports::stored(connection, record.id)?,
            record,
        })
    }

    /// The same of the workspace with this id, if there is one.
    ///
    /// # Errors
    /// When a statement fails.
    pub(super) fn by_id(connection: &mut Connection, id: WorkspaceId) -> Result<Option<Self>, StoreError> {
        let record = workspaces::one(connection, id)?;
        record.map(|record| Self::of(connection, record)).transpose()
    }
}

impl WorkspaceView {
    /// As a list shows it.
    pub(super) fn listed(record: WorkspaceRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            created_at: record.created_at,
            weight: record.weight,
            sender_domains: record.sender_domains,
            quotas: None,
        }
    }

    /// With its quotas.
    pub(super) fn of(known: Known, state: &State) -> Self {
        let Known {
            record,
            is_operators,
            stored,
        } = known;
        let (id, own, limits) = (record.id, record.quotas, &state.config.limits);
        let quota = |used, own: Option<u64>, set: u64, less_at| QuotaView {
            used,
            max: Some(own.unwrap_or(set)).filter(|max| *max > 0 && !is_operators),
            own,
            less_at,
        };
        let (mails, fewer_at) = state.mail_counts.used(id, state.clock.now());
        let waiting = u64::try_from(limits.jobs_waiting).unwrap_or(u64::MAX);
        let quotas = QuotasView {
            jobs_waiting: quota(state.depths.waiting_of(id), own.jobs_waiting_max, waiting, None),
            mails_per_day: quota(Some(mails), own.mails_per_day, limits.mails_per_day.into(), fewer_at),
            bytes_stored: quota(
                Some(stored.bytes),
                own.bytes_stored_max,
                limits.bytes_stored_max,
                stored.less_at,
            ),
        };
        Self {
            quotas: Some(quotas),
            ..Self::listed(record)
        }
    }
}

//! Batches: groups of jobs that are counted, finished and cancelled together.
//!
//! Guarantees: a batch has ended once it is sealed and all of its jobs have; that is found in the transaction in which the last
//! of them ends, and once, and its finishing job is let go in it. No job's end but that of one of the last waits for the batch's row,
//! and none writes to it but the last.
//!
//! Left out: telling of ends, which is `jobs::waited`'s, and what the jobs are.

mod cancel;
mod end;
mod make;
mod overlooked;
mod read;
#[cfg(test)]
mod tests;

use super::StoreError;
use super::dialect::Literally;
use super::dialect::prelude::*;
use super::schema::batches;
use super::text::{parsed, time, unsigned};
use crate::clock::Timestamp;
use crate::domain::id::{BatchId, JobId, WorkspaceId};

pub use cancel::{CancelledMembers, PORTION_MAX, ask_cancel, cancel_members};
pub(super) use end::look;
pub use make::{MemberRefused, NewBatch, add, create, seal};
pub use overlooked::{Overlooked, look_again, overlooked};
pub use read::{counts, forget, list, one};

/// The most jobs of a batch: so many are counted in some tens of milliseconds.
pub const JOBS_MAX: usize = 100_000;

/// Has not ended.
const UNFINISHED: Literally = Literally("jobs.state IN ('scheduled', 'available', 'running', 'retryable')");

/// Why an order about a batch is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchRefused {
    /// No such batch, or not the asker's.
    #[error("there is no such batch")]
    NoSuchBatch,
    /// It takes no more jobs.
    #[error("the batch is sealed, and takes no more jobs")]
    Sealed,
    /// It would have too many jobs.
    #[error("a batch has at most {JOBS_MAX} jobs")]
    TooMany,
    /// It has ended.
    #[error("the batch has ended")]
    Finished,
    /// One of its new jobs cannot be accepted.
    #[error(transparent)]
    Member(#[from] MemberRefused),
}

/// A batch as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRecord {
    /// Its id.
    pub id: BatchId,
    /// Its tenant.
    pub workspace: WorkspaceId,
    /// What whoever made it calls it.
    pub name: Option<String>,
    /// How many jobs were put into it, those included that were cleared away since.
    pub job_count: u64,
    /// The job that waits for its end.
    pub finishing_job: Option<JobId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on no job was added any more.
    pub sealed_at: Option<Timestamp>,
    /// When its cancel was asked for.
    pub cancel_requested_at: Option<Timestamp>,
    /// When it had ended for the first time.
    pub finished_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = batches)]
struct BatchRow {
    id: String,
    workspace_id: String,
    name: Option<String>,
    job_count: i64,
    finishing_job_id: Option<String>,
    created_at: i64,
    sealed_at: Option<i64>,
    cancel_requested_at: Option<i64>,
    finished_at: Option<i64>,
}

impl TryFrom<BatchRow> for BatchRecord {
    type Error = StoreError;

    fn try_from(row: BatchRow) -> Result<Self, StoreError> {
        let finishing = row.finishing_job_id.as_deref();
        let finishing = finishing.map(|id| parsed(id, "batches", "finishing_job_id"));
        Ok(Self {
            id: parsed(&row.id, "batches", "id")?,
            workspace: parsed(&row.workspace_id, "batches", "workspace_id")?,
            name: row.name,
            job_count: unsigned(row.job_count, "batches", "job_count")?,
            finishing_job: finishing.transpose()?,
            created_at: time(row.created_at),
            sealed_at: row.sealed_at.map(time),
            cancel_requested_at: row.cancel_requested_at.map(time),
            finished_at: row.finished_at.map(time),
        })
    }
}

//! Pages of jobs, the newest first.
//!
//! Guarantees: what a page costs is bounded by [`SCANNED_MAX`] rows, however rare what is looked for: a page that has looked
//! at so many ends there, perhaps short or empty, and says where the next one goes on. So a list needs no index for each
//! thing that one may look for, which every job would pay for. Rows that this version cannot read, since a newer one wrote
//! them or they are broken, are left out, so that one of them does not keep all others from being seen.

use crate::store::dialect::prelude::*;

use super::awaited;
use super::read::JobScope;
use super::record::{JobRecord, RecordRow};
use crate::domain::id::{BatchId, JobId};
use crate::domain::job::{JobState, Queue};
use crate::store::dialect::Optional;
use crate::store::schema::jobs;
use crate::store::text::{number, parsed};
use crate::store::{Connection, StoreError};

/// Rows that one page looks at: a few tens of milliseconds of a reader's time.
pub const SCANNED_MAX: usize = 10_000;

/// Which jobs a page shows.
#[derive(Clone, Debug)]
pub struct JobFilter {
    /// Whose.
    pub scope: JobScope,
    /// In this state.
    pub state: Option<JobState>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this queue.
    pub queue: Option<Queue>,
    /// Of this batch.
    pub batch: Option<BatchId>,
    /// Accepted before this one.
    pub before: Option<JobId>,
    /// At most this many.
    pub limit: usize,
}

impl JobFilter {
    /// Whether rows are looked at that are not shown.
    fn is_narrowed(&self) -> bool {
        self.state.is_some() || self.kind.is_some() || self.queue.is_some() || self.batch.is_some()
    }
}

/// A page of jobs.
#[derive(Clone, Debug)]
pub struct JobPage {
    /// The jobs, the newest first.
    pub jobs: Vec<JobRecord>,
    /// Where the next page begins, for [`JobFilter::before`]; none if there is none.
    pub next: Option<JobId>,
}

/// A page of jobs.
///
/// # Errors
/// When a statement fails.
pub fn list(connection: &mut Connection, filter: &JobFilter) -> Result<JobPage, StoreError> {
    list_scanning(connection, filter, SCANNED_MAX)
}

/// The same, looking at so many rows at most.
pub(super) fn list_scanning(
    connection: &mut Connection,
    filter: &JobFilter,
    scanned_max: usize,
) -> Result<JobPage, StoreError> {
    let last_scanned = if filter.is_narrowed() {
        let nth = jobs::table
            .filter(filter.scope.of_jobs())
            .filter(Optional::new("jobs.id <", filter.before))
            .order(jobs::id.desc())
            .select(jobs::id);
        let nth = nth.offset(number(scanned_max.saturating_sub(1))).limit(1);
        nth.get_result::<String>(connection).optional()?
    } else {
        None
    };
    // One more than is shown tells whether there are more.
    let limit = number(filter.limit).saturating_add(1);
    let rows: Vec<RecordRow> = jobs::table
        .filter(filter.scope.of_jobs())
        .filter(Optional::new("jobs.id <", filter.before))
        .filter(Optional::new("jobs.id >=", last_scanned.as_ref()))
        .filter(Optional::new("jobs.state =", filter.state))
        .filter(Optional::new("jobs.kind =", filter.kind.as_ref()))
        .filter(Optional::new("jobs.queue =", filter.queue))
        .filter(Optional::new("jobs.batch_id =", filter.batch))
        .order(jobs::id.desc())
        .limit(limit)
        .select(RecordRow::columns())
        .load(connection)?;
    let next = if rows.len() > filter.limit {
        let last = filter.limit.checked_sub(1).and_then(|last| rows.get(last));
        last.map(|row| parsed(row.id(), "jobs", "id")).transpose()?
    } else {
        last_scanned.map(|id| parsed(&id, "jobs", "id")).transpose()?
    };
    let shown = rows.into_iter().take(filter.limit);
    let mut found: Vec<JobRecord> = shown.filter_map(|row| JobRecord::try_from(row).ok()).collect();
    awaited::show(connection, &mut found)?;
    Ok(JobPage { jobs: found, next })
}

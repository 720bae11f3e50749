//! Pages of jobs, the newest first.
//!
//! Guarantees: what a page costs is bounded by [`SCANNED_MAX`] rows, however rare what is looked for: a page that has looked
//! at so many ends there, perhaps short or empty, and says where the next one goes on. So a list needs no index for each
//! thing that one may look for, which every job would pay for.

use diesel::prelude::*;

use super::read::JobScope;
use super::record::{JobRecord, RecordRow};
use crate::domain::id::JobId;
use crate::domain::job::{JobState, Queue};
use crate::store::dialect::Backing;
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
    /// Accepted before this one.
    pub before: Option<JobId>,
    /// At most this many.
    pub limit: usize,
}

impl JobFilter {
    /// Whether rows are looked at that are not shown.
    fn is_narrowed(&self) -> bool {
        self.state.is_some() || self.kind.is_some() || self.queue.is_some()
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
        let nth = in_scope(filter).order(jobs::id.desc()).select(jobs::id);
        let nth = nth.offset(number(scanned_max.saturating_sub(1))).limit(1);
        nth.first::<String>(connection).optional()?
    } else {
        None
    };
    let mut query = in_scope(filter).select(RecordRow::as_select());
    if let Some(last) = &last_scanned {
        query = query.filter(jobs::id.ge(last));
    }
    if let Some(state) = filter.state {
        query = query.filter(jobs::state.eq(state.as_str()));
    }
    if let Some(kind) = &filter.kind {
        query = query.filter(jobs::kind.eq(kind));
    }
    if let Some(queue) = filter.queue {
        query = query.filter(jobs::queue.eq(queue.as_str()));
    }
    // One more than is shown tells whether there are more.
    let limit = number(filter.limit).saturating_add(1);
    let rows: Vec<RecordRow> = query.order(jobs::id.desc()).limit(limit).load(connection)?;
    let mut found = rows
        .into_iter()
        .map(JobRecord::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    let next = if found.len() > filter.limit {
        found.truncate(filter.limit);
        found.last().map(|job| job.id)
    } else {
        last_scanned.map(|id| parsed(&id, "jobs", "id")).transpose()?
    };
    Ok(JobPage { jobs: found, next })
}

/// The jobs of the scope, behind the place where the page begins.
fn in_scope(filter: &JobFilter) -> jobs::BoxedQuery<'_, Backing> {
    let mut query = jobs::table.into_boxed();
    if let JobScope::Workspace(workspace) = filter.scope {
        query = query.filter(jobs::workspace_id.eq(workspace.to_string()));
    }
    if let Some(before) = filter.before {
        query = query.filter(jobs::id.lt(before.to_string()));
    }
    query
}

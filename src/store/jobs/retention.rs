//! Deleting jobs that ended long ago.
//!
//! Guarantees: only finished jobs are deleted, with their attempts, their arguments and their unique key, a page at a time; one
//! that a person ran again meanwhile has not finished any more and stays, and so does one whose unique key still holds, and one
//! that did not complete and whose batch has not ended, which is told by it what becomes of its finishing job.
//!
//! No index tells when jobs finished, since every job would pay for it. Jobs are walked by their ids instead, which sort by
//! the time at which they were made: none can have finished before that, and so the walk ends where those begin that were
//! made too late to be old enough.

use crate::store::dialect::prelude::*;

use super::{STATEMENT_ROWS_MAX, arguments};
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::JobState;
use crate::store::dialect::{AnyOf, Literally, Locked};
use crate::store::schema::{attempts, jobs, unique_keys};
use crate::store::text::{number, parsed};
use crate::store::{Connection, StoreError};

/// The most jobs of one page.
pub const PAGE_MAX: usize = STATEMENT_ROWS_MAX;

/// Up to when a job must have finished to be deleted, by the state in which it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinishedUntil {
    /// Those that completed.
    pub completed: Timestamp,
    /// Those that were discarded.
    pub discarded: Timestamp,
    /// Those that were cancelled.
    pub cancelled: Timestamp,
    /// Those whose effect is uncertain.
    pub uncertain: Timestamp,
}

impl FinishedUntil {
    /// None for a state that is not final.
    fn of(&self, state: JobState) -> Option<Timestamp> {
        match state {
            JobState::Completed => Some(self.completed),
            JobState::Discarded => Some(self.discarded),
            JobState::Cancelled => Some(self.cancelled),
            JobState::Uncertain => Some(self.uncertain),
            JobState::Scheduled | JobState::Available | JobState::Running | JobState::Retryable => None,
        }
    }

    /// The latest of them: who was made after it is kept in whatever state.
    fn latest(&self) -> Timestamp {
        self.completed
            .max(self.discarded)
            .max(self.cancelled)
            .max(self.uncertain)
    }
}

/// What a page of the walk found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldJobs {
    /// Those that may be deleted.
    pub ids: Vec<JobId>,
    /// How many were looked at.
    pub looked_at: usize,
    /// Where the next page begins; none where the walk has come to its end.
    pub next: Option<JobId>,
}

/// The jobs that may be deleted among the first `limit`, at most [`PAGE_MAX`], behind `after`.
///
/// # Errors
/// When a statement fails.
pub fn old_jobs(
    connection: &mut Connection,
    after: Option<JobId>,
    until: &FinishedUntil,
    limit: usize,
) -> Result<OldJobs, StoreError> {
    let limit = limit.clamp(1, PAGE_MAX);
    // Every id sorts behind the empty one.
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let rows: Vec<(String, String, i64, Option<i64>)> = jobs::table
        .filter(jobs::id.gt(after))
        .order(jobs::id.asc())
        .limit(number(limit))
        .select((jobs::id, jobs::state, jobs::created_at, jobs::finished_at))
        .load(connection)?;
    let mut old = OldJobs {
        ids: Vec::new(),
        looked_at: rows.len(),
        next: None,
    };
    if rows.len() == limit
        && let Some((last, _, created_at, _)) = rows.last()
        && *created_at <= until.latest().as_micros()
    {
        old.next = Some(parsed(last, "jobs", "id")?);
    }
    for (id, state, _, finished_at) in rows {
        // A state that cannot be read has no time for which it is kept.
        let until = state.parse::<JobState>().ok().and_then(|state| until.of(state));
        if let (Some(until), Some(finished_at)) = (until, finished_at)
            && finished_at <= until.as_micros()
        {
            old.ids.push(parsed(&id, "jobs", "id")?);
        }
    }
    Ok(old)
}

/// What no batch that has not ended is to learn any more.
const TOLD: Literally = Literally(
    "(jobs.state = 'completed' OR NOT EXISTS (SELECT 1 FROM batches WHERE batches.id = jobs.batch_id \
     AND batches.finished_at IS NULL))",
);

/// Deletes those of at most [`PAGE_MAX`] jobs that have finished until then still, of which no batch is to learn any more, and
/// whose unique key does not hold; with all that is theirs. Answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget(
    connection: &mut Connection,
    ids: &[JobId],
    until: &FinishedUntil,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let ids: Vec<String> = ids.iter().take(PAGE_MAX).map(ToString::to_string).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    // One that ended anew since it was looked at ended later than any of these times.
    let old = jobs::table
        .filter(AnyOf {
            column: "jobs.id",
            texts: &ids,
        })
        .filter(jobs::finished_at.le(until.latest().as_micros()))
        .filter(TOLD)
        .order(jobs::id.asc())
        .select((jobs::id, jobs::workspace_id, jobs::unique_key));
    let old: Vec<(String, String, Option<String>)> = Locked(old).load(connection)?;
    let mut gone = Vec::with_capacity(old.len());
    for (id, workspace, key) in old {
        if let Some(key) = key
            && !forget_key(connection, &id, &workspace, &key, now)?
        {
            continue;
        }
        gone.push(id);
    }
    if gone.is_empty() {
        return Ok(0);
    }
    let texts = gone.as_slice();
    let column = "jobs.id";
    diesel::delete(jobs::table.filter(AnyOf { column, texts })).execute(connection)?;
    arguments::delete(connection, texts)?;
    let column = "attempts.job_id";
    diesel::delete(attempts::table.filter(AnyOf { column, texts })).execute(connection)?;
    Ok(gone.len())
}

/// Deletes the key of a job that is to be deleted, unless its time is not over, since without the job it would hold no longer;
/// answers whether the job may go.
fn forget_key(
    connection: &mut Connection,
    id: &str,
    workspace: &str,
    key: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let own = unique_keys::table
        .filter(unique_keys::workspace_id.eq(workspace))
        .filter(unique_keys::unique_key.eq(key))
        .filter(unique_keys::job_id.eq(id));
    let until: Option<Option<i64>> = own.select(unique_keys::held_until).first(connection).optional()?;
    let holds = until.flatten().is_some_and(|until| until > now.as_micros());
    if !holds {
        diesel::delete(own).execute(connection)?;
    }
    Ok(!holds)
}

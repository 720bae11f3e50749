//! Reading jobs: one, a page of them, and what operators ask about them.

use std::collections::HashMap;

use crate::store::dialect::prelude::*;

use super::arguments::Arguments;
use diesel::dsl::sql;
use diesel::sql_types::Integer;

use super::awaited;
use super::record::{AttemptRecord, AttemptRow, JobRecord, RecordRow};
use crate::domain::id::{JobId, NodeId, WorkspaceId};
use crate::domain::job::{AttemptOutcome, JobState, Queue};
use crate::store::bounded::{Count, Counted};
use crate::store::dialect::{Literally, Optional};
use crate::store::schema::{attempts, jobs};
use crate::store::text::{number, parsed};
use crate::store::{Connection, StoreError};

/// Ended attempts that are shown of a job: as many as a client may ask for, so that only a job that snoozes for ever, or whose
/// process dies again and again, has more.
pub const ATTEMPTS_SHOWN_MAX: usize = 100;

/// Attempts of which a job shows what was said in them: each may be some KiB.
pub const TRANSCRIPTS_SHOWN_MAX: usize = 20;

/// Whose jobs are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobScope {
    /// Those of one tenant.
    Workspace(WorkspaceId),
    /// Everybody's, for operators.
    All,
}

impl JobScope {
    /// That a job is in it.
    pub(in crate::store) fn of_jobs(self) -> Optional {
        self.of("jobs.workspace_id =")
    }

    /// That a row is in it, by its column of the workspace.
    pub(in crate::store) fn of(self, column: &'static str) -> Optional {
        let workspace = match self {
            Self::Workspace(workspace) => Some(workspace),
            Self::All => None,
        };
        Optional::new(column, workspace)
    }
}

/// One job.
///
/// # Errors
/// When the statement fails.
pub fn one(connection: &mut Connection, id: JobId, scope: JobScope) -> Result<Option<JobRecord>, StoreError> {
    let query = jobs::table
        .filter(jobs::id.eq(id.to_string()))
        .filter(scope.of_jobs())
        .select(RecordRow::columns());
    let row: Option<RecordRow> = query.first(connection).optional()?;
    let mut job = row.map(JobRecord::try_from).transpose()?;
    awaited::show(connection, job.as_mut_slice())?;
    Ok(job)
}

/// The newest attempts of a job, oldest first, the running one last: at most [`ATTEMPTS_SHOWN_MAX`] and that one. Their numbers
/// have no gaps, so the first one's number tells how many are left out; but for those that a newer version wrote with an
/// outcome that this one does not know, which are left out too.
///
/// # Errors
/// When the statement fails.
pub fn attempts_of(connection: &mut Connection, job: &JobRecord) -> Result<Vec<AttemptRecord>, StoreError> {
    let rows: Vec<AttemptRow> = attempts::table
        .filter(attempts::job_id.eq(job.id.to_string()))
        .order(attempts::number.desc())
        .limit(number(ATTEMPTS_SHOWN_MAX))
        .select(AttemptRow::columns())
        .load(connection)?;
    let newest = rows.first().map(AttemptRow::number);
    let readable = rows.into_iter().rev().map(AttemptRecord::try_from);
    let mut all: Vec<AttemptRecord> = readable.filter_map(Result::ok).collect();
    // The running attempt has no row of its own yet, and one that completed its job may have none.
    let outcome = match job.state {
        JobState::Running => None,
        JobState::Completed if newest.is_none_or(|newest| newest < job.fence) => Some(AttemptOutcome::Completed),
        _ => return Ok(all),
    };
    if let (Some(started_at), Some(node)) = (job.started_at, &job.node) {
        all.push(AttemptRecord {
            number: job.fence,
            started_at,
            finished_at: job.finished_at,
            outcome,
            error: None,
            node: node.clone(),
            transcript: None,
        });
    }
    Ok(all)
}

/// Adds what was said in these attempts of a job, for the newest [`TRANSCRIPTS_SHOWN_MAX`] that spoke with anybody.
///
/// # Errors
/// When the statement fails.
pub fn add_transcripts(
    connection: &mut Connection,
    job: JobId,
    attempts: &mut [AttemptRecord],
) -> Result<(), StoreError> {
    let rows: Vec<(i64, Option<String>)> = attempts::table
        .filter(attempts::job_id.eq(job.to_string()))
        .filter(attempts::transcript.is_not_null())
        .order(attempts::number.desc())
        .limit(number(TRANSCRIPTS_SHOWN_MAX))
        .select((attempts::number, attempts::transcript))
        .load(connection)?;
    for (number, transcript) in rows {
        if let Some(attempt) = attempts.iter_mut().find(|attempt| attempt.number == number) {
            attempt.transcript = transcript;
        }
    }
    Ok(())
}

/// How many attempts of a job ended with this outcome; `shown` are its newest, which mostly are all.
///
/// # Errors
/// When the statement fails.
pub fn count_ended_as(
    connection: &mut Connection,
    job: JobId,
    shown: &[AttemptRecord],
    outcome: AttemptOutcome,
) -> Result<usize, StoreError> {
    if shown.first().is_none_or(|first| first.number <= 1) {
        return Ok(shown.iter().filter(|attempt| attempt.outcome == Some(outcome)).count());
    }
    let count: i64 = attempts::table
        .filter(attempts::job_id.eq(job.to_string()))
        .filter(attempts::outcome.eq(outcome.as_str()))
        .select(diesel::dsl::count_star())
        .get_result(connection)?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The jobs that `node` runs and whose cancel was asked for.
///
/// # Errors
/// When the statement fails.
pub fn cancel_requested(connection: &mut Connection, node: NodeId) -> Result<Vec<JobId>, StoreError> {
    let ids: Vec<String> = jobs::table
        .filter(Literally("jobs.state = 'running'"))
        .filter(jobs::node.eq(node.to_string()))
        .filter(jobs::cancel_requested_at.is_not_null())
        .select(jobs::id)
        .load(connection)?;
    ids.iter().map(|id| parsed(id, "jobs", "id")).collect()
}

/// How many jobs of a queue could be claimed now, counted up to `max`.
///
/// # Errors
/// When the statement fails.
pub fn available(connection: &mut Connection, queue: Queue, max: usize) -> Result<Count, StoreError> {
    let rows = jobs::table
        .filter(jobs::queue.eq(queue.as_str()))
        .filter(Literally("jobs.state = 'available'"))
        .select(sql::<Integer>("1"))
        .limit(number(max).saturating_add(1));
    Ok(Count::of(Counted(rows).get_result(connection)?, max))
}

/// What a job is about, and where it is.
///
/// # Errors
/// When the statement fails.
pub fn arguments(connection: &mut Connection, id: JobId, scope: JobScope) -> Result<Option<JobArguments>, StoreError> {
    let query = jobs::table
        .filter(jobs::id.eq(id.to_string()))
        .filter(scope.of_jobs())
        .select((jobs::workspace_id, jobs::kind, jobs::queue, Arguments, jobs::state));
    let found: Option<(String, String, String, String, String)> = query.first(connection).optional()?;
    let read = |(workspace, kind, queue, args, state): (String, String, String, String, String)| {
        Ok(JobArguments {
            workspace: parsed(&workspace, "jobs", "workspace_id")?,
            kind,
            queue,
            args,
            state: parsed(&state, "jobs", "state")?,
        })
    };
    found.map(read).transpose()
}

/// What a job is about, and where it is.
#[derive(Clone, Debug)]
pub struct JobArguments {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Its kind, possibly one that this version does not know.
    pub kind: String,
    /// Its queue, likewise.
    pub queue: String,
    /// Its arguments, as JSON.
    pub args: String,
    /// Where it is.
    pub state: JobState,
}

/// How many attempts run in each queue, over all nodes; queues without any are left out. As many rows are read as run.
///
/// # Errors
/// When the statement fails.
pub fn running(connection: &mut Connection) -> Result<Vec<(Queue, i64)>, StoreError> {
    let counts: Vec<(String, i64)> = jobs::table
        .filter(Literally("jobs.state = 'running'"))
        .group_by(jobs::queue)
        .select((jobs::queue, diesel::dsl::count_star()))
        .load(connection)?;
    let known = counts
        .into_iter()
        .filter_map(|(queue, count)| Some((queue.parse().ok()?, count)));
    Ok(known.collect())
}

/// How many attempts run on each node that has any. As many rows are read as run.
///
/// # Errors
/// When the statement fails.
pub fn running_by_node(connection: &mut Connection) -> Result<HashMap<String, i64>, StoreError> {
    let counts: Vec<(Option<String>, i64)> = jobs::table
        .filter(Literally("jobs.state = 'running'"))
        .group_by(jobs::node)
        .select((jobs::node, diesel::dsl::count_star()))
        .load(connection)?;
    Ok(counts
        .into_iter()
        .filter_map(|(node, count)| Some((node?, count)))
        .collect())
}

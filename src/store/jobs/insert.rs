//! New jobs.

use std::time::Duration;

use diesel::prelude::*;

use super::STATEMENT_ROWS_MAX;
use super::row::JobRow;
use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{JobState, Queue, rank};
use crate::store::Connection;
use crate::store::schema::jobs;
use crate::store::text::number;

/// A job that is to be inserted. Made by `jobs::enqueue`, which knows the kinds.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id, made by the caller so that it can answer with it.
    pub id: JobId,
    /// The tenant that it belongs to.
    pub workspace: WorkspaceId,
    /// What sort of work.
    pub kind: &'static str,
    /// The lane in which it waits.
    pub queue: Queue,
    /// From [`crate::domain::job::PRIORITY_MIN`] to [`crate::domain::job::PRIORITY_MAX`]; higher goes first.
    pub priority: i32,
    /// The arguments, as JSON.
    pub args: String,
    /// The version of the arguments' shape.
    pub args_version: u32,
    /// Attempts that it may spend; at least one.
    pub max_attempts: u32,
    /// How long one attempt may run.
    pub timeout: Duration,
    /// From when it may run.
    pub run_at: Timestamp,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The request that caused it.
    pub request_id: Option<String>,
}

impl NewJob {
    /// Where it begins.
    #[must_use]
    pub fn state(&self) -> JobState {
        if self.run_at > self.created_at {
            JobState::Scheduled
        } else {
            JobState::Available
        }
    }
}

impl From<&NewJob> for JobRow {
    fn from(job: &NewJob) -> Self {
        Self {
            id: job.id.to_string(),
            workspace_id: job.workspace.to_string(),
            kind: job.kind.to_owned(),
            queue: job.queue.to_string(),
            state: job.state().to_string(),
            priority: i64::from(job.priority),
            rank: rank(job.run_at, job.priority),
            args: job.args.clone(),
            args_version: i64::from(job.args_version),
            attempt: 0,
            max_attempts: i64::from(job.max_attempts),
            timeout_ms: number(job.timeout.as_millis()),
            run_at: job.run_at.as_micros(),
            created_at: job.created_at.as_micros(),
            started_at: None,
            finished_at: None,
            fence: 0,
            node: None,
            cancel_requested_at: None,
            no_return_at: None,
            cause: None,
            result: None,
            progress_done: None,
            progress_total: None,
            progress_note: None,
            worker_panics: 0,
            deaths: 0,
            request_id: job.request_id.clone(),
        }
    }
}

/// Inserts all jobs, many in one statement.
pub(in crate::store) fn insert(connection: &mut Connection, new: &[&NewJob]) -> QueryResult<()> {
    for chunk in new.chunks(STATEMENT_ROWS_MAX) {
        let rows: Vec<JobRow> = chunk.iter().map(|job| JobRow::from(*job)).collect();
        diesel::insert_into(jobs::table).values(&rows).execute(connection)?;
    }
    Ok(())
}

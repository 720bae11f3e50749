//! A job's row as the table has it, and what the transition function needs of it.

use crate::store::dialect::prelude::*;

use crate::clock::Timestamp;
use crate::domain::job::{Cause, JobState, Next, Progress, Standing};
use crate::store::StoreError;
use crate::store::events::{Effects, Written};
use crate::store::schema::jobs;
use crate::store::text::{parsed, time, unsigned};

/// The columns that decide what becomes of a job, without its arguments.
#[derive(Queryable, Selectable, Debug)]
#[diesel(table_name = jobs)]
pub(super) struct StandingRow {
    pub(super) id: String,
    pub(super) workspace_id: String,
    pub(super) kind: String,
    pub(super) queue: String,
    pub(super) state: String,
    pub(super) priority: i64,
    pub(super) attempt: i64,
    pub(super) max_attempts: i64,
    pub(super) run_at: i64,
    pub(super) started_at: Option<i64>,
    pub(super) finished_at: Option<i64>,
    pub(super) fence: i64,
    pub(super) node: Option<String>,
    pub(super) cancel_requested_at: Option<i64>,
    pub(super) no_return_at: Option<i64>,
    pub(super) deadline_at: Option<i64>,
    pub(super) result: Option<String>,
    pub(super) progress_done: Option<i64>,
    pub(super) progress_total: Option<i64>,
    pub(super) progress_note: Option<String>,
    pub(super) progress_at: Option<i64>,
    pub(super) worker_panics: i64,
    pub(super) deaths: i64,
}

impl StandingRow {
    /// What the transition function is asked about.
    pub(super) fn standing(&self) -> Result<Standing, StoreError> {
        Ok(Standing {
            state: parsed(&self.state, "jobs", "state")?,
            attempt: unsigned(self.attempt, "jobs", "attempt")?,
            max_attempts: unsigned(self.max_attempts, "jobs", "max_attempts")?,
            run_at: time(self.run_at),
            cancel_requested: self.cancel_requested_at.is_some(),
            past_no_return: self.no_return_at.is_some(),
            worker_panics: unsigned(self.worker_panics, "jobs", "worker_panics")?,
            deaths: unsigned(self.deaths, "jobs", "deaths")?,
            deadline: self.deadline_at.map(time),
        })
    }

    /// Tells of what becomes of the job.
    ///
    /// # Errors
    /// When its ids cannot be read.
    pub(super) fn tell(
        &self,
        effects: &mut Effects,
        (state, attempt, fence): (JobState, i64, i64),
        cause: Option<&str>,
        progress: Option<&Progress>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let change = Written {
            job: parsed(&self.id, "jobs", "id")?,
            kind: &self.kind,
            queue: &self.queue,
            state,
            attempt,
            fence,
            cause,
            at,
            progress,
        };
        effects.changed(parsed(&self.workspace_id, "jobs", "workspace_id")?, &change);
        Ok(())
    }

    /// The same, where what becomes of it was decided by an event that leaves its fence.
    ///
    /// # Errors
    /// When its ids cannot be read.
    pub(super) fn tell_next(&self, effects: &mut Effects, next: &Next, at: Timestamp) -> Result<(), StoreError> {
        let standing = (next.state, i64::from(next.attempt), self.fence);
        self.tell(effects, standing, next.cause.map(Cause::as_str), None, at)
    }

    /// The priority, as the rank is computed from.
    pub(super) fn priority(&self) -> Result<i32, StoreError> {
        i32::try_from(self.priority).map_err(|_out_of_range| StoreError::Corrupt {
            table: "jobs",
            what: "priority",
        })
    }
}

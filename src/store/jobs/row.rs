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
pub(in crate::store) struct StandingRow {
    pub(in crate::store) id: String,
    pub(in crate::store) workspace_id: String,
    pub(in crate::store) kind: String,
    pub(in crate::store) queue: String,
    pub(in crate::store) state: String,
    pub(in crate::store) priority: i64,
    pub(in crate::store) attempt: i64,
    pub(in crate::store) max_attempts: i64,
    pub(in crate::store) run_at: i64,
    pub(in crate::store) started_at: Option<i64>,
    pub(in crate::store) finished_at: Option<i64>,
    pub(in crate::store) fence: i64,
    pub(in crate::store) node: Option<String>,
    pub(in crate::store) cancel_requested_at: Option<i64>,
    pub(in crate::store) no_return_at: Option<i64>,
    pub(in crate::store) deadline_at: Option<i64>,
    pub(in crate::store) result: Option<String>,
    pub(in crate::store) progress_done: Option<i64>,
    pub(in crate::store) progress_total: Option<i64>,
    pub(in crate::store) progress_note: Option<String>,
    pub(in crate::store) progress_at: Option<i64>,
    pub(in crate::store) worker_panics: i64,
    pub(in crate::store) deaths: i64,
    pub(in crate::store) batch_id: Option<String>,
    pub(in crate::store) is_waited_for: i64,
}

impl StandingRow {
    /// What the transition function is asked about.
    pub(in crate::store) fn standing(&self) -> Result<Standing, StoreError> {
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
    pub(in crate::store) fn tell(
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
    pub(in crate::store) fn tell_next(
        &self,
        effects: &mut Effects,
        next: &Next,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let standing = (next.state, i64::from(next.attempt), self.fence);
        self.tell(effects, standing, next.cause.map(Cause::as_str), None, at)
    }

    /// The priority, as the rank is computed from.
    pub(in crate::store) fn priority(&self) -> Result<i32, StoreError> {
        i32::try_from(self.priority).map_err(|_out_of_range| StoreError::Corrupt {
            table: "jobs",
            what: "priority",
        })
    }
}

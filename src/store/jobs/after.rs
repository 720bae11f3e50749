//! New jobs that wait for others.
//!
//! Guarantees: a job is accepted only if all that it is to wait for are there, in its own workspace; each of them is locked
//! while it is looked at, so that one that has not ended will tell of its end, and one that has counts as what it ended as.

use std::collections::{BTreeSet, HashMap};

use crate::store::dialect::prelude::*;

use super::insert::NewJob;
use super::release::settle;
use super::unique::Enqueued;
use super::waited::tell;
use crate::domain::id::BatchId;
use crate::domain::job::{After, JobState, OnFailure};
use crate::store::dialect::{AnyOf, InsertMany, Locked, Value};
use crate::store::schema::{jobs, waiters};
use crate::store::text::parsed;
use crate::store::{Abort, Connection, StoreError, Tx};

/// A job that is to be waited for is not there, or not the asker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such job to wait for")]
pub struct NoSuchJob {
    /// Its place among those that are to be waited for.
    pub index: usize,
}

impl Tx<'_> {
    /// Inserts a job that waits until those have ended that it names: it may run, or is cancelled, in the transaction in which
    /// the last one ends, or in this one if all have ended. One that names none is inserted as by [`Tx::enqueue_unique`].
    ///
    /// # Errors
    /// [`NoSuchJob`] for the first that is not there; when a statement fails.
    pub fn enqueue_after(&mut self, job: &NewJob) -> Result<Enqueued, Abort<NoSuchJob>> {
        let Some(after) = &job.after else {
            return Ok(self.enqueue_unique(job)?);
        };
        let states = lock_awaited(self.connection(), job, after)?;
        if let Some(index) = after.jobs.iter().position(|id| !states.contains_key(&id.to_string())) {
            return Err(Abort::Refused(NoSuchJob { index }));
        }
        let held = NewJob {
            run_at: After::HELD,
            ..job.clone()
        };
        let enqueued = self.enqueue_unique(&held)?;
        if enqueued == Enqueued::New {
            enter(self.connection(), job, after.on_failure, None)?;
            let is_left = depend(self.connection(), job, &states)?;
            if !is_left {
                let (connection, effects) = self.parts();
                let ended = settle(connection, &[job.id.to_string()], job.created_at, effects)?;
                tell(connection, ended, job.created_at, effects)?;
            }
        }
        Ok(enqueued)
    }
}

/// Inserts the finishing job of a batch, which waits for the batch's end.
///
/// # Errors
/// When a statement fails.
pub(in crate::store) fn hold_for_batch(
    tx: &mut Tx<'_>,
    job: &NewJob,
    batch: BatchId,
    on_failure: OnFailure,
) -> Result<(), StoreError> {
    let held = NewJob {
        run_at: After::HELD,
        ..job.clone()
    };
    tx.enqueue(&held)?;
    Ok(enter(tx.connection(), job, on_failure, Some(batch))?)
}

/// The state of each job that is to be waited for and is there; nobody ends one of them before this transaction does.
fn lock_awaited(
    connection: &mut Connection,
    job: &NewJob,
    after: &After,
) -> Result<HashMap<String, JobState>, StoreError> {
    let ids: BTreeSet<String> = after.jobs.iter().map(ToString::to_string).collect();
    let ids: Vec<String> = ids.into_iter().collect();
    let (column, texts) = ("jobs.id", ids.as_slice());
    let rows = jobs::table
        .filter(AnyOf { column, texts })
        .filter(jobs::workspace_id.eq(job.workspace.to_string()))
        // All who lock several rows lock them in this order, so that no two wait for each other.
        .order(jobs::id.asc())
        .select((jobs::id, jobs::state));
    let rows: Vec<(String, String)> = Locked(rows).load(connection)?;
    let states = rows
        .into_iter()
        .map(|(id, state)| Ok((id, parsed(&state, "jobs", "state")?)));
    states.collect()
}

/// Enters the row of a job that waits, with the time that was asked for.
fn enter(connection: &mut Connection, job: &NewJob, on_failure: OnFailure, batch: Option<BatchId>) -> QueryResult<()> {
    diesel::insert_into(waiters::table)
        .values((
            waiters::job_id.eq(job.id.to_string()),
            waiters::workspace_id.eq(job.workspace.to_string()),
            waiters::run_at.eq(job.run_at.as_micros()),
            waiters::on_failure.eq(on_failure.as_str()),
            waiters::batch_id.eq(batch.map(|batch| batch.to_string())),
        ))
        .execute(connection)?;
    Ok(())
}

/// Enters whom it waits for, and has those who have not ended tell of their end; answers whether there are any.
fn depend(connection: &mut Connection, job: &NewJob, states: &HashMap<String, JobState>) -> QueryResult<bool> {
    let row = |(id, state): (&String, &JobState)| {
        let ended = state.is_final().then(|| state.to_string());
        vec![
            Value::Text(Some(job.id.to_string())),
            Value::Text(Some(id.clone())),
            Value::Text(Some(job.workspace.to_string())),
            Value::Text(ended),
        ]
    };
    InsertMany {
        on_conflict: "",
        table: "dependencies",
        columns: &["job_id", "waits_for", "workspace_id", "ended_state"],
        rows: states.iter().map(row).collect(),
    }
    .execute(connection)?;
    let left = states.iter().filter(|(_, state)| !state.is_final());
    let left: Vec<String> = left.map(|(id, _)| id.clone()).collect();
    if left.is_empty() {
        return Ok(false);
    }
    let (column, texts) = ("jobs.id", left.as_slice());
    let untold = jobs::table
        .filter(AnyOf { column, texts })
        .filter(jobs::is_waited_for.eq(0));
    diesel::update(untold)
        .set(jobs::is_waited_for.eq(1))
        .execute(connection)?;
    Ok(true)
}

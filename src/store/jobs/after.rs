//! New jobs that wait for others.
//!
//! Guarantees: a job is accepted only if all that it is to wait for are there, in its own workspace; each of them is locked
//! while it is looked at, so that one that has not ended will tell of its end, and one that has counts as what it ended as.

use std::collections::{BTreeSet, HashMap};

use crate::store::dialect::prelude::*;

use super::STATEMENT_ROWS_MAX;
use super::insert::{NewJob, insert};
use super::release::settle;
use super::unique::Enqueued;
use super::waited::tell;
use crate::domain::id::{BatchId, JobId};
use crate::domain::job::{After, JobState, OnFailure};
use crate::store::dialect::{AnyOf, InsertMany, Locked, Value};
use crate::store::schema::jobs;
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
        if job.after.is_none() {
            return Ok(self.enqueue_unique(job)?);
        }
        let states = lock_awaited(self.connection(), &[job])?;
        all_there(job, &states).map_err(Abort::Refused)?;
        let enqueued = self.enqueue_unique(&held(job))?;
        if enqueued == Enqueued::New {
            begin_to_wait(self, &[job], &states)?;
        }
        Ok(enqueued)
    }
}

/// Inserts jobs of one workspace that wait for others, as [`Tx::enqueue_after`] does, in few statements however many they are.
/// None of them may have a unique key.
///
/// # Errors
/// [`NoSuchJob`] for the first that waits for one that is not there, with its place in `new`; when a statement fails.
pub(in crate::store) fn insert_after(tx: &mut Tx<'_>, new: &[&NewJob]) -> Result<(), Abort<(usize, NoSuchJob)>> {
    let states = lock_awaited(tx.connection(), new)?;
    for (place, job) in new.iter().enumerate() {
        all_there(job, &states).map_err(|missing| Abort::Refused((place, missing)))?;
    }
    let held: Vec<NewJob> = new.iter().map(|job| held(job)).collect();
    let (connection, effects) = tx.parts();
    insert(connection, &held.iter().collect::<Vec<_>>(), effects)?;
    Ok(begin_to_wait(tx, new, &states)?)
}

/// The job as its row says it while it waits.
fn held(job: &NewJob) -> NewJob {
    NewJob {
        run_at: After::HELD,
        ..job.clone()
    }
}

/// Whom these jobs wait for, each once.
fn awaited_by(jobs: &[&NewJob]) -> BTreeSet<JobId> {
    let after = jobs.iter().filter_map(|job| job.after.as_ref());
    after.flat_map(|after| &after.jobs).copied().collect()
}

fn all_there(job: &NewJob, states: &HashMap<JobId, JobState>) -> Result<(), NoSuchJob> {
    let after = job.after.iter().flat_map(|after| &after.jobs);
    let missing = after.enumerate().find(|(_, id)| !states.contains_key(id));
    missing.map_or(Ok(()), |(index, _)| Err(NoSuchJob { index }))
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
    tx.enqueue(&held(job))?;
    Ok(enter(tx.connection(), &[(job, on_failure, Some(batch))])?)
}

/// The state of each job that these are to wait for and that is there; nobody ends one of them before this transaction does.
fn lock_awaited(connection: &mut Connection, jobs: &[&NewJob]) -> Result<HashMap<JobId, JobState>, StoreError> {
    let mut states = HashMap::new();
    let Some(workspace) = jobs.first().map(|job| job.workspace.to_string()) else {
        return Ok(states);
    };
    let ids: Vec<String> = awaited_by(jobs).iter().map(ToString::to_string).collect();
    for ids in ids.chunks(STATEMENT_ROWS_MAX) {
        let (column, texts) = ("jobs.id", ids);
        let rows = jobs::table
            .filter(AnyOf { column, texts })
            .filter(jobs::workspace_id.eq(&workspace))
            // All who lock several rows lock them in this order, so that no two wait for each other.
            .order(jobs::id.asc())
            .select((jobs::id, jobs::state));
        let rows: Vec<(String, String)> = Locked(rows).load(connection)?;
        for (id, state) in rows {
            states.insert(parsed(&id, "jobs", "id")?, parsed(&state, "jobs", "state")?);
        }
    }
    Ok(states)
}

/// Enters the rows of jobs that wait, with the times that were asked for.
fn enter(connection: &mut Connection, waiting: &[(&NewJob, OnFailure, Option<BatchId>)]) -> QueryResult<()> {
    let row = |(job, on_failure, batch): &(&NewJob, OnFailure, Option<BatchId>)| {
        vec![
            Value::Text(Some(job.id.to_string())),
            Value::Text(Some(job.workspace.to_string())),
            Value::Number(Some(job.run_at.as_micros())),
            Value::Text(Some(on_failure.to_string())),
            Value::Text(batch.map(|batch| batch.to_string())),
        ]
    };
    InsertMany {
        on_conflict: "",
        table: "waiters",
        columns: &["job_id", "workspace_id", "run_at", "on_failure", "batch_id"],
        rows: waiting.iter().map(row).collect(),
    }
    .execute(connection)
}

/// Has jobs that are inserted wait for those that have not ended, and lets those go that have nobody to wait for.
fn begin_to_wait(tx: &mut Tx<'_>, new: &[&NewJob], states: &HashMap<JobId, JobState>) -> Result<(), StoreError> {
    let (connection, effects) = tx.parts();
    let on_failure = |job: &&NewJob| job.after.as_ref().map(|after| after.on_failure);
    let waiting: Vec<_> = new
        .iter()
        .filter_map(|job| Some((*job, on_failure(job)?, None)))
        .collect();
    enter(connection, &waiting)?;
    depend(connection, new, states)?;
    let waits = |job: &NewJob| awaited_by(&[job]).iter().any(|id| has_not_ended(states, id));
    let free = new.iter().filter(|job| !waits(job));
    let free: Vec<String> = free.map(|job| job.id.to_string()).collect();
    let Some(now) = new.iter().map(|job| job.created_at).max() else {
        return Ok(());
    };
    for ids in free.chunks(STATEMENT_ROWS_MAX) {
        let ended = settle(connection, ids, now, effects)?;
        tell(connection, ended, now, effects)?;
    }
    Ok(())
}

fn has_not_ended(states: &HashMap<JobId, JobState>, id: &JobId) -> bool {
    states.get(id).is_some_and(|state| !state.is_final())
}

/// Enters whom they wait for, and has those who have not ended tell of their end.
fn depend(connection: &mut Connection, new: &[&NewJob], states: &HashMap<JobId, JobState>) -> QueryResult<()> {
    let mut rows = Vec::new();
    for job in new {
        for id in awaited_by(&[job]) {
            let ended = states.get(&id).filter(|state| state.is_final());
            rows.push(vec![
                Value::Text(Some(job.id.to_string())),
                Value::Text(Some(id.to_string())),
                Value::Text(Some(job.workspace.to_string())),
                Value::Text(ended.map(ToString::to_string)),
            ]);
        }
    }
    InsertMany {
        on_conflict: "",
        table: "dependencies",
        columns: &["job_id", "waits_for", "workspace_id", "ended_state"],
        rows,
    }
    .execute(connection)?;
    let left = awaited_by(new).into_iter().filter(|id| has_not_ended(states, id));
    let left: Vec<String> = left.map(|id| id.to_string()).collect();
    for ids in left.chunks(STATEMENT_ROWS_MAX) {
        let (column, texts) = ("jobs.id", ids);
        let untold = jobs::table
            .filter(AnyOf { column, texts })
            .filter(jobs::is_waited_for.eq(0));
        diesel::update(untold)
            .set(jobs::is_waited_for.eq(1))
            .execute(connection)?;
    }
    Ok(())
}

//! What people order: to cancel a job, to run a finished one again, and to take their word for what became of an uncertain one.

use crate::store::dialect::prelude::*;

use super::arguments;
use super::finish::write_down_last_attempt;
use super::read::{JobScope, one};
use super::record::JobRecord;
use super::row::StandingRow;
use super::unique::take_again;
use super::waited::{Ended, tell};
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::{Cause, Event, JobState, Next, Queue, Refused, Resolution, rank, transition};
use crate::store::dialect::Locked;
use crate::store::schema::jobs;
use crate::store::{Abort, Connection, StoreError, Tx};

/// Why an order is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefused {
    /// No such job, or not the asker's.
    #[error("there is no such job")]
    NoSuchJob,
    /// Its state does not allow it.
    #[error(transparent)]
    State(#[from] Refused),
    /// It has ended, and another job has its unique key now.
    #[error("its unique key is now that of {0}; wait until that one has ended, or cancel it")]
    KeyTaken(JobId),
}

/// Cancels a waiting job, or asks the attempt of a running one to end. Answers the job as it is then.
///
/// # Errors
/// [`OrderRefused`] when there is no such job in the scope, or it has ended otherwise.
pub fn cancel(tx: &mut Tx<'_>, id: JobId, scope: JobScope, now: Timestamp) -> Result<JobRecord, Abort<OrderRefused>> {
    let (connection, effects) = tx.parts();
    let (row, next) = ordered(connection, id, scope, Event::CancelRequested, now)?;
    // The first request's time stays, so that asking again shows when it was asked; and a job that ended as cancelled by
    // itself stays as it ended.
    if row.cancel_requested_at.is_none() && !row.standing()?.state.is_final() {
        let changed = jobs::table
            .filter(jobs::id.eq(id.to_string()))
            .filter(jobs::state.eq(&row.state));
        diesel::update(changed)
            .set((
                jobs::state.eq(next.state.as_str()),
                jobs::cancel_requested_at.eq(now.as_micros()),
                jobs::cause.eq(next.cause.map(|cause| cause.to_string())),
                jobs::finished_at.eq(next.state.is_final().then_some(now.as_micros())),
            ))
            .execute(connection)?;
        let standing = (next.state, i64::from(next.attempt), row.fence);
        row.tell(effects, standing, Some(Cause::Requested.as_str()), None, now)?;
        tell(
            connection,
            Ended::of(&row, next.state).into_iter().collect(),
            now,
            effects,
        )?;
    }
    found(connection, id, scope)
}

/// Makes an uncertain job what a person knows it to be; from then on it is kept as long as others of that state. Whoever
/// waited for its end heard of that before. Answers the job as it is then.
///
/// # Errors
/// [`OrderRefused`] when there is no such job in the scope, or it is not uncertain.
pub fn resolve(
    tx: &mut Tx<'_>,
    id: JobId,
    scope: JobScope,
    resolution: Resolution,
    now: Timestamp,
) -> Result<JobRecord, Abort<OrderRefused>> {
    let (connection, effects) = tx.parts();
    let (row, next) = ordered(connection, id, scope, Event::Resolved(resolution), now)?;
    let changed = jobs::table
        .filter(jobs::id.eq(id.to_string()))
        .filter(jobs::state.eq(&row.state));
    diesel::update(changed)
        .set((
            jobs::state.eq(next.state.as_str()),
            jobs::cause.eq(next.cause.map(|cause| cause.to_string())),
            jobs::finished_at.eq(now.as_micros()),
        ))
        .execute(connection)?;
    row.tell_next(effects, &next, now)?;
    found(connection, id, scope)
}

/// Makes a finished job available again, with one attempt more, or a retryable one due at once. Its result stays, since
/// the next attempt may go on from it. Answers the job as it is then.
///
/// # Errors
/// [`OrderRefused`] when there is no such job in the scope, it waits or runs anyway, or another job has its unique key.
pub fn retry(tx: &mut Tx<'_>, id: JobId, scope: JobScope, now: Timestamp) -> Result<JobRecord, Abort<OrderRefused>> {
    retry_with(tx, id, scope, now, None)
}

/// Arguments that replace a job's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedArgs {
    /// As JSON.
    pub args: String,
    /// The version of their shape.
    pub version: u32,
}

/// The same, with other arguments if there are some: what earlier attempts did is then no part of the work, and their result
/// is forgotten.
///
/// # Errors
/// As [`retry`].
pub fn retry_with(
    tx: &mut Tx<'_>,
    id: JobId,
    scope: JobScope,
    now: Timestamp,
    changed_args: Option<&ChangedArgs>,
) -> Result<JobRecord, Abort<OrderRefused>> {
    let (row, next) = ordered(tx.connection(), id, scope, Event::RetryRequested, now)?;
    write_down_last_attempt(tx.connection(), &row)?;
    again(tx.connection(), &row, &next)?;
    row.tell_next(tx.parts().1, &next, now)?;
    run_again(tx, id, &row, scope, now, changed_args)
}

/// Writes that the job waits again.
fn again(connection: &mut Connection, row: &StandingRow, next: &Next) -> Result<(), StoreError> {
    let changed = jobs::table
        .filter(jobs::id.eq(&row.id))
        .filter(jobs::state.eq(&row.state));
    diesel::update(changed)
        .set((
            jobs::state.eq(next.state.as_str()),
            jobs::max_attempts.eq(i64::from(next.max_attempts)),
            jobs::run_at.eq(next.run_at.as_micros()),
            jobs::rank.eq(rank(next.run_at, row.priority()?)),
            jobs::cancel_requested_at.eq(None::<i64>),
            jobs::no_return_at.eq(None::<i64>),
            jobs::finished_at.eq(None::<i64>),
            jobs::cause.eq(None::<String>),
            jobs::deadline_at.eq(next.deadline.map(Timestamp::as_micros)),
            jobs::worker_panics.eq(i64::from(next.worker_panics)),
            jobs::deaths.eq(i64::from(next.deaths)),
        ))
        .execute(connection)?;
    Ok(())
}

/// What else belongs to a retry, once the job's row says that it waits.
fn run_again(
    tx: &mut Tx<'_>,
    id: JobId,
    row: &StandingRow,
    scope: JobScope,
    now: Timestamp,
    changed_args: Option<&ChangedArgs>,
) -> Result<JobRecord, Abort<OrderRefused>> {
    let connection = tx.connection();
    if let Some(changed) = changed_args {
        diesel::update(jobs::table.filter(jobs::id.eq(id.to_string())))
            .set((
                jobs::args.eq(&changed.args),
                jobs::args_version.eq(i64::from(changed.version)),
                jobs::result.eq(None::<String>),
                jobs::progress_done.eq(None::<i64>),
                jobs::progress_total.eq(None::<i64>),
                jobs::progress_note.eq(None::<String>),
                jobs::progress_at.eq(None::<i64>),
            ))
            .execute(connection)?;
        arguments::delete(connection, &[id.to_string()])?;
    }
    if row.standing()?.state.is_final()
        && let Some(holder) = take_again(connection, id, &row.workspace_id, now)?
    {
        return Err(Abort::Refused(OrderRefused::KeyTaken(holder)));
    }
    let record = found(connection, id, scope)?;
    if let (JobState::Available, Ok(queue)) = (record.state, row.queue.parse::<Queue>()) {
        tx.became_available(queue);
    }
    Ok(record)
}

fn ordered(
    connection: &mut Connection,
    id: JobId,
    scope: JobScope,
    event: Event,
    now: Timestamp,
) -> Result<(StandingRow, Next), Abort<OrderRefused>> {
    let query = jobs::table
        .filter(jobs::id.eq(id.to_string()))
        .filter(scope.of_jobs())
        .select(StandingRow::columns());
    let row: StandingRow = Locked(query)
        .get_result(connection)
        .optional()?
        .ok_or(Abort::Refused(OrderRefused::NoSuchJob))?;
    let standing = row.standing()?;
    let next = transition(&standing, event, now).map_err(|refused| Abort::Refused(OrderRefused::State(refused)))?;
    Ok((row, next))
}

fn found(connection: &mut Connection, id: JobId, scope: JobScope) -> Result<JobRecord, Abort<OrderRefused>> {
    let job = one(connection, id, scope).map_err(Abort::<OrderRefused>::Store)?;
    job.ok_or(Abort::Store(StoreError::Corrupt {
        table: "jobs",
        what: "id",
    }))
}

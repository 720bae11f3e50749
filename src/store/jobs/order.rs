//! What people order: to cancel a job, and to run a finished one again.

use crate::store::dialect::prelude::*;

use super::finish::write_down_last_attempt;
use super::read::{JobScope, one};
use super::record::JobRecord;
use super::row::StandingRow;
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::{Event, JobState, Next, Queue, Refused, rank, transition};
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
}

/// Cancels a waiting job, or asks the attempt of a running one to end. Answers the job as it is then.
///
/// # Errors
/// [`OrderRefused`] when there is no such job in the scope, or it has ended otherwise.
pub fn cancel(
    connection: &mut Connection,
    id: JobId,
    scope: JobScope,
    now: Timestamp,
) -> Result<JobRecord, Abort<OrderRefused>> {
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
    }
    found(connection, id, scope)
}

/// Makes a finished job available again, with one attempt more, or a retryable one due at once. Its result stays, since
/// the next attempt may go on from it. Answers the job as it is then.
///
/// # Errors
/// [`OrderRefused`] when there is no such job in the scope, or it waits or runs anyway.
pub fn retry(tx: &mut Tx<'_>, id: JobId, scope: JobScope, now: Timestamp) -> Result<JobRecord, Abort<OrderRefused>> {
    let connection = tx.connection();
    let (row, next) = ordered(connection, id, scope, Event::RetryRequested, now)?;
    write_down_last_attempt(connection, &row)?;
    let changed = jobs::table
        .filter(jobs::id.eq(id.to_string()))
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
            jobs::worker_panics.eq(i64::from(next.worker_panics)),
            jobs::deaths.eq(i64::from(next.deaths)),
        ))
        .execute(connection)?;
    let record = found(connection, id, scope)?;
    if let (JobState::Available, Ok(queue)) = (next.state, row.queue.parse::<Queue>()) {
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

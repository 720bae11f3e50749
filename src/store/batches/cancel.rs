//! Cancelling a whole batch.
//!
//! Guarantees: that it was asked for is a row first, which also seals the batch, so that a crash in the middle leaves nothing
//! undone: the keeper goes on (see `overlooked`). Jobs are cancelled a portion at a time, so that no transaction is long.

use std::collections::BTreeMap;

use crate::store::dialect::prelude::*;

use super::make::{found, locked};
use super::{BatchRecord, BatchRefused, UNFINISHED};
use crate::clock::Timestamp;
use crate::domain::id::{BatchId, JobId};
use crate::domain::job::{Cause, Event, JobState, Queue, transition};
use crate::store::dialect::{AnyOf, Locked, LockedFree};
use crate::store::jobs::{self as job_rows, Ended, JobScope, STATEMENT_ROWS_MAX, StandingRow};
use crate::store::schema::{batches, jobs};
use crate::store::text::{number, parsed};
use crate::store::{Abort, Connection, StoreError, Tx};

/// Jobs that one transaction cancels.
pub const PORTION_MAX: usize = STATEMENT_ROWS_MAX;

/// What one transaction cancelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelledMembers {
    /// How many of each queue waited, and wait no more.
    pub waiting: BTreeMap<Queue, usize>,
    /// Those whose attempts were asked to end.
    pub running: Vec<JobId>,
    /// How many rows it was about.
    pub rows: usize,
}

/// Notes that the batch is to be cancelled, and seals it. One of which that is noted already stays as it is.
///
/// # Errors
/// [`BatchRefused`] when there is no such batch in the scope, or it has ended without that.
pub fn ask_cancel(
    tx: &mut Tx<'_>,
    batch: BatchId,
    scope: JobScope,
    now: Timestamp,
) -> Result<BatchRecord, Abort<BatchRefused>> {
    let record = locked(tx.connection(), batch, scope)?;
    if record.cancel_requested_at.is_some() {
        return Ok(record);
    }
    if record.finished_at.is_some() {
        return Err(Abort::Refused(BatchRefused::Finished));
    }
    let id = batch.to_string();
    let sealed_at = record.sealed_at.unwrap_or(now).as_micros();
    diesel::update(batches::table.filter(batches::id.eq(&id)))
        .set((
            batches::cancel_requested_at.eq(now.as_micros()),
            batches::sealed_at.eq(sealed_at),
        ))
        .execute(tx.connection())?;
    let (connection, effects) = tx.parts();
    // Sealed by this, it may have nothing left.
    job_rows::look_at_batch(connection, &id, now, effects)?;
    found(tx.connection(), batch)
}

/// Cancels up to [`PORTION_MAX`] jobs of a batch that wait, and asks those that run to end; none that were asked already. Where
/// it `waits` for jobs that other transactions hold, fewer mean that none are left.
///
/// # Errors
/// When a statement fails.
pub fn cancel_members(
    tx: &mut Tx<'_>,
    batch: BatchId,
    now: Timestamp,
    waits: bool,
) -> Result<CancelledMembers, StoreError> {
    let (connection, effects) = tx.parts();
    let rows = to_cancel(connection, batch, waits)?;
    let mut done = CancelledMembers {
        rows: rows.len(),
        ..CancelledMembers::default()
    };
    let (mut waited, mut running, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let next = match row.standing() {
            Ok(standing) => transition(&standing, Event::CancelRequested, now),
            Err(error) => {
                job_rows::set_aside(connection, row, &error, now, effects)?;
                continue;
            }
        };
        let Ok(next) = next else { continue };
        let standing = (next.state, i64::from(next.attempt), row.fence);
        row.tell(effects, standing, Some(Cause::Requested.as_str()), None, now)?;
        if next.state == JobState::Running {
            running.push(row.id.clone());
            done.running.push(parsed(&row.id, "jobs", "id")?);
            continue;
        }
        waited.push(row.id.clone());
        ended.extend(Ended::of(row, next.state));
        if let Ok(queue) = row.queue.parse::<Queue>() {
            *done.waiting.entry(queue).or_default() += 1;
        }
    }
    let column = "jobs.id";
    if !waited.is_empty() {
        let texts = waited.as_slice();
        diesel::update(jobs::table.filter(AnyOf { column, texts }))
            .set((
                jobs::state.eq(JobState::Cancelled.as_str()),
                jobs::cancel_requested_at.eq(now.as_micros()),
                jobs::cause.eq(Cause::Requested.as_str()),
                jobs::finished_at.eq(now.as_micros()),
            ))
            .execute(connection)?;
    }
    if !running.is_empty() {
        let texts = running.as_slice();
        diesel::update(jobs::table.filter(AnyOf { column, texts }))
            .set(jobs::cancel_requested_at.eq(now.as_micros()))
            .execute(connection)?;
    }
    job_rows::tell(connection, ended, now, effects)?;
    Ok(done)
}

fn to_cancel(connection: &mut Connection, batch: BatchId, waits: bool) -> QueryResult<Vec<StandingRow>> {
    let rows = jobs::table
        .filter(jobs::batch_id.eq(batch.to_string()))
        .filter(UNFINISHED)
        .filter(jobs::cancel_requested_at.is_null())
        .limit(number(PORTION_MAX))
        .select(StandingRow::columns());
    if waits {
        // All who wait for the locks of several rows lock them in this order, so that no two wait for each other.
        Locked(rows.order(jobs::id.asc())).load(connection)
    } else {
        // In the order of the index, since there may be many.
        LockedFree(rows).load(connection)
    }
}

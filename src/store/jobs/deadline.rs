//! Ending jobs whose deadline has passed.
//!
//! Guarantees: what waits is cancelled, in whatever queue it waits and whether or not anybody knows its kind; a running job is
//! only named, so that its attempt is told to stop, and its own end decides; a claim never starts one.

use crate::store::dialect::prelude::*;

use super::STATEMENT_ROWS_MAX;
use super::row::StandingRow;
use super::waited::{Ended, tell};
use crate::clock::Timestamp;
use crate::domain::id::{JobId, NodeId};
use crate::domain::job::{Cause, Event, JobState, Next, transition};
use crate::store::dialect::{AnyOf, Literally, LockedFree};
use crate::store::events::Effects;
use crate::store::schema::jobs;
use crate::store::text::{number, parsed};
use crate::store::{Connection, StoreError, Tx};

/// Has a deadline, and has not ended: the words of the index by which such jobs are found.
const WITH_DEADLINE: Literally = Literally("jobs.deadline_at IS NOT NULL AND jobs.finished_at IS NULL");
const WAITING: Literally = Literally("jobs.state IN ('scheduled', 'available', 'retryable')");

/// Whether any job waits although its deadline has passed.
///
/// # Errors
/// When the statement fails.
pub fn any_overdue(connection: &mut Connection, now: Timestamp) -> Result<bool, StoreError> {
    let first: Option<String> = jobs::table
        .filter(WITH_DEADLINE)
        .filter(WAITING)
        .filter(jobs::deadline_at.le(now.as_micros()))
        .select(jobs::id)
        .first(connection)
        .optional()?;
    Ok(first.is_some())
}

/// Cancels up to one statement's worth of jobs that wait although their deadline has passed, and answers how many; fewer than
/// that means that none are left.
///
/// # Errors
/// When a statement fails.
pub fn end_overdue(tx: &mut Tx<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let (connection, effects) = tx.parts();
    let rows = waiting_overdue(connection, now)?;
    cancel_overdue(connection, rows.iter(), now, effects)
}

/// The next of those that wait although their deadline has passed.
pub(super) fn waiting_overdue(connection: &mut Connection, now: Timestamp) -> QueryResult<Vec<StandingRow>> {
    let rows = jobs::table
        .filter(WITH_DEADLINE)
        .filter(WAITING)
        .filter(jobs::deadline_at.le(now.as_micros()))
        .order(jobs::deadline_at.asc())
        .limit(number(OVERDUE_MAX))
        .select(StandingRow::columns());
    // What others have locked they are changing: the next look finds what is left of it.
    LockedFree(rows).load(connection)
}

/// The most jobs that [`end_overdue`] ends at once.
pub const OVERDUE_MAX: usize = STATEMENT_ROWS_MAX;

/// Cancels those of `rows` that wait although their deadline has passed, and answers how many.
pub(super) fn cancel_overdue<'a>(
    connection: &mut Connection,
    rows: impl Iterator<Item = &'a StandingRow>,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<usize, StoreError> {
    let overdue: Vec<(&StandingRow, Next)> = rows
        .filter(|row| row.deadline_at.is_some_and(|at| at <= now.as_micros()))
        .filter_map(|row| {
            // A row that cannot be read is set aside by whoever claims it.
            let next = transition(&row.standing().ok()?, Event::DeadlinePassed, now).ok()?;
            (next.state == JobState::Cancelled).then_some((row, next))
        })
        .collect();
    if overdue.is_empty() {
        return Ok(0);
    }
    for (row, next) in &overdue {
        row.tell_next(effects, next, now)?;
    }
    let ids: Vec<String> = overdue.iter().map(|(row, _)| row.id.clone()).collect();
    let (column, texts) = ("jobs.id", ids.as_slice());
    // What was decided on is asked again, since others may have changed the rows: one that a person ran again lost its deadline.
    let still = jobs::table
        .filter(AnyOf { column, texts })
        .filter(WAITING)
        .filter(jobs::deadline_at.le(now.as_micros()));
    let count = diesel::update(still)
        .set((
            jobs::state.eq(JobState::Cancelled.as_str()),
            jobs::cause.eq(Cause::Deadline.as_str()),
            jobs::finished_at.eq(now.as_micros()),
        ))
        .execute(connection)?;
    let ended = overdue.iter().filter_map(|(row, next)| Ended::of(row, next.state));
    tell(connection, ended.collect(), now, effects)?;
    Ok(count)
}

/// The jobs that `node` runs although their deadline has passed.
///
/// # Errors
/// When the statement fails.
pub fn running_overdue(connection: &mut Connection, node: NodeId, now: Timestamp) -> Result<Vec<JobId>, StoreError> {
    let ids: Vec<String> = jobs::table
        .filter(Literally("jobs.state = 'running'"))
        .filter(jobs::node.eq(node.to_string()))
        .filter(jobs::deadline_at.le(now.as_micros()))
        .select(jobs::id)
        .load(connection)?;
    ids.iter().map(|id| parsed(id, "jobs", "id")).collect()
}

//! What was to wait until now.
//!
//! Guarantees: whichever queue is claimed from, jobs of all queues whose time has come are made available, and their workers
//! are told; a row that cannot be read is set aside.

use crate::store::dialect::prelude::*;

use super::ClaimRequest;
use crate::domain::job::{Event, JobState, Queue, transition};
use crate::store::dialect::{Limited, Literally, LockedFree};
use crate::store::events::Effects;
use crate::store::jobs::aside::set_aside;
use crate::store::jobs::row::StandingRow;
use crate::store::schema::jobs;
use crate::store::{Connection, StoreError};

/// Jobs whose time has come are made available at most this many at a time, so that a flood of them does not make one
/// claim slow; the next claim follows at once.
const DUE_MAX: i64 = 500;

/// When the next of them is due.
pub(super) fn next_due(connection: &mut Connection) -> QueryResult<Option<i64>> {
    jobs::table
        .filter(Literally("jobs.state IN ('scheduled', 'retryable')"))
        .select(diesel::dsl::min(jobs::run_at))
        .get_result(connection)
}

/// Makes available what was to wait until now.
pub(super) fn make_due_available(
    connection: &mut Connection,
    request: &ClaimRequest,
    effects: &mut Effects,
) -> Result<(), StoreError> {
    let now = request.now;
    let due = jobs::table
        .filter(Literally("jobs.state IN ('scheduled', 'retryable')"))
        .filter(jobs::run_at.le(now.as_micros()))
        .order(jobs::run_at.asc())
        .select(StandingRow::columns());
    // What others hold they make available themselves, or what they do with it is seen the next time.
    let due: Vec<StandingRow> = LockedFree(Limited(due, DUE_MAX)).load(connection)?;
    if due.is_empty() {
        return Ok(());
    }
    let mut ids = Vec::with_capacity(due.len());
    for row in &due {
        let next = row.standing().map(|standing| transition(&standing, Event::Due, now));
        let told = match next {
            Ok(Ok(next)) => row.tell_next(effects, &next, now),
            Ok(Err(_)) => continue,
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            set_aside(connection, row, &error, now, effects)?;
            continue;
        }
        ids.push(row.id.as_str());
        // Jobs of other queues that came due are theirs to claim.
        let queue = row.queue.parse::<Queue>().ok();
        if let Some(queue) = queue.filter(|queue| *queue != request.queue) {
            effects.became_available(queue);
        }
    }
    diesel::update(jobs::table.filter(jobs::id.eq_any(ids)))
        .set(jobs::state.eq(JobState::Available.as_str()))
        .execute(connection)?;
    Ok(())
}

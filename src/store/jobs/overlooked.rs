//! Ends that those were not told of who wait for them.
//!
//! Guarantees: a look reads a bounded number of rows, and the next one goes on behind them, so that all are seen in turn.
//!
//! There are such ends where a node of an earlier version wrote them, which knows of nobody who waits, and where more jobs
//! waited for one than a transaction tells.

use crate::store::dialect::prelude::*;

use super::STATEMENT_ROWS_MAX;
use super::release::let_go;
use super::waited::{Ended, tell};
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::{After, JobState};
use crate::store::dialect::{AnyOf, Literally};
use crate::store::schema::{dependencies, jobs, waiters};
use crate::store::text::{number, parsed};
use crate::store::{Connection, StoreError, Tx};

/// What one look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlooked {
    /// Jobs that have ended, or are gone, and that somebody waits for.
    pub awaited: Vec<JobId>,
    /// Jobs that wait for nobody any more, and whose row among those who wait is still there.
    pub waiters: Vec<JobId>,
    /// Behind which jobs that are waited for, and behind which that wait, the next look goes on; none for the first.
    pub next: (Option<JobId>, Option<JobId>),
}

impl Overlooked {
    /// Whether nobody was overlooked here.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.awaited.is_empty() && self.waiters.is_empty()
    }
}

/// Looks at the next rows behind `place`, a bounded number of each sort.
///
/// # Errors
/// When a statement fails, or a row cannot be read.
pub fn overlooked(
    connection: &mut Connection,
    place: (Option<JobId>, Option<JobId>),
) -> Result<Overlooked, StoreError> {
    let (awaited, next_awaited) = awaited(connection, place.0)?;
    let (waiters, next_waiter) = waiters(connection, place.1)?;
    Ok(Overlooked {
        awaited,
        waiters,
        next: (next_awaited, next_waiter),
    })
}

/// Every id sorts behind the empty one.
fn behind(place: Option<JobId>) -> String {
    place.map(|id| id.to_string()).unwrap_or_default()
}

/// The id of the last of as many rows as were asked for.
fn last_of(ids: &[String]) -> Result<Option<JobId>, StoreError> {
    let last = ids.last().filter(|_| ids.len() == STATEMENT_ROWS_MAX);
    last.map(|id| parsed(id, "waiters", "job_id")).transpose()
}

fn awaited(connection: &mut Connection, place: Option<JobId>) -> Result<(Vec<JobId>, Option<JobId>), StoreError> {
    let ids: Vec<String> = dependencies::table
        .filter(Literally("dependencies.ended_state IS NULL"))
        .filter(dependencies::waits_for.gt(behind(place)))
        .order(dependencies::waits_for.asc())
        .select(dependencies::waits_for)
        .distinct()
        .limit(number(STATEMENT_ROWS_MAX))
        .load(connection)?;
    if ids.is_empty() {
        return Ok((Vec::new(), None));
    }
    let (column, texts) = ("jobs.id", ids.as_slice());
    let unfinished: Vec<String> = jobs::table
        .filter(AnyOf { column, texts })
        .filter(jobs::finished_at.is_null())
        .select(jobs::id)
        .load(connection)?;
    let ended = ids.iter().filter(|id| !unfinished.contains(id));
    let ended: Result<Vec<JobId>, _> = ended.map(|id| parsed(id, "dependencies", "waits_for")).collect();
    Ok((ended?, last_of(&ids)?))
}

fn waiters(connection: &mut Connection, place: Option<JobId>) -> Result<(Vec<JobId>, Option<JobId>), StoreError> {
    let ids: Vec<String> = waiters::table
        .filter(waiters::job_id.gt(behind(place)))
        .order(waiters::job_id.asc())
        .limit(number(STATEMENT_ROWS_MAX))
        .select(waiters::job_id)
        .load(connection)?;
    if ids.is_empty() {
        return Ok((Vec::new(), None));
    }
    let (column, texts) = ("jobs.id", ids.as_slice());
    let waiting: Vec<String> = jobs::table
        .filter(AnyOf { column, texts })
        .filter(jobs::run_at.eq(After::HELD.as_micros()))
        .filter(jobs::finished_at.is_null())
        .select(jobs::id)
        .load(connection)?;
    let others = ids.iter().filter(|id| !waiting.contains(id));
    let others: Result<Vec<JobId>, _> = others.map(|id| parsed(id, "waiters", "job_id")).collect();
    Ok((others?, last_of(&ids)?))
}

/// Has those hear of it who were overlooked; what is not so any more is left as it is.
///
/// # Errors
/// When a statement fails, or a row cannot be read.
pub fn settle_overlooked(tx: &mut Tx<'_>, found: &Overlooked, now: Timestamp) -> Result<(), StoreError> {
    let (connection, effects) = tx.parts();
    let mut ended = Vec::new();
    for (id, state) in states(connection, &found.awaited)? {
        match state {
            Some(state) if state.is_final() => ended.push(Ended::overlooked(id, state)),
            Some(_) => {}
            // Nobody knows any more as what it ended.
            None => ended.push(Ended::overlooked(id, JobState::Uncertain)),
        }
    }
    // A job that does not wait for others never begins to.
    let_go(
        connection,
        &found.waiters.iter().map(ToString::to_string).collect::<Vec<_>>(),
    )?;
    tell(connection, ended, now, effects)
}

/// Where each of these jobs is; none for one that is gone.
fn states(connection: &mut Connection, ids: &[JobId]) -> Result<Vec<(String, Option<JobState>)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let (column, texts) = ("jobs.id", ids.as_slice());
    let rows: Vec<(String, String)> = jobs::table
        .filter(AnyOf { column, texts })
        .select((jobs::id, jobs::state))
        .load(connection)?;
    let state_of = |id: String| {
        let state = rows.iter().find(|(known, _)| *known == id);
        let state = state.map(|(_, state)| parsed(state, "jobs", "state")).transpose()?;
        Ok((id, state))
    };
    ids.into_iter().map(state_of).collect()
}

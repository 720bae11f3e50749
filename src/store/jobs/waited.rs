//! Telling of the ends of jobs that somebody waits for: other jobs, and batches.
//!
//! Guarantees: whatever writes that jobs have ended calls [`tell`] in the same transaction, once their rows say so, with those
//! of them whose rows say that somebody waits; the ends of all others cost nothing. A job that is cancelled by that is told of
//! in turn, and so is a batch that ends by it.
//!
//! A transaction has at most [`TOLD_MAX`] waiting jobs hear of ends; should more wait for one job, the keeper's next look has
//! the rest hear of it (see `overlooked`).

use std::collections::BTreeSet;

use crate::store::dialect::prelude::*;

use super::STATEMENT_ROWS_MAX;
use super::release::{let_go, settle};
use super::row::StandingRow;
use crate::clock::Timestamp;
use crate::domain::job::{After, JobState};
use crate::store::dialect::{AnyOf, Literally};
use crate::store::events::Effects;
use crate::store::schema::dependencies;
use crate::store::text::number;
use crate::store::{Connection, StoreError, batches};

/// Waiting jobs that hear of ends in one transaction.
const TOLD_MAX: usize = STATEMENT_ROWS_MAX;

/// A job that has ended, of which somebody is to be told.
#[derive(Debug)]
pub(in crate::store) struct Ended {
    id: String,
    state: JobState,
    is_waited_for: bool,
    batch: Option<String>,
    /// Whether it waited for others itself until it ended.
    waited: bool,
}

impl Ended {
    /// The job of this row, as it stood before, if it ended in this state and somebody is to be told of that.
    pub(in crate::store) fn of(row: &StandingRow, state: JobState) -> Option<Self> {
        let is_waited_for = row.is_waited_for != 0;
        let waited = row.run_at == After::HELD.as_micros();
        (state.is_final() && (is_waited_for || waited)).then(|| Self {
            id: row.id.clone(),
            state,
            is_waited_for,
            batch: row.batch_id.clone(),
            waited,
        })
    }

    /// A job that ended some time ago, of which those were not told who wait for it.
    pub(super) fn overlooked(id: String, state: JobState) -> Self {
        Self {
            id,
            state,
            is_waited_for: true,
            batch: None,
            waited: false,
        }
    }

    /// The same, where its row among those who wait is gone already.
    pub(super) fn that_waits_no_more(self) -> Self {
        Self { waited: false, ..self }
    }
}

/// Has everybody hear of these ends who waits for them.
///
/// # Errors
/// When a statement fails, or a row cannot be read.
pub(in crate::store) fn tell(
    connection: &mut Connection,
    ended: Vec<Ended>,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<(), StoreError> {
    tell_all(connection, ended, BTreeSet::new(), now, effects)
}

/// Looks whether a batch has ended, and has everybody hear of what ends by that.
///
/// # Errors
/// As [`tell`].
pub(in crate::store) fn look_at_batch(
    connection: &mut Connection,
    batch: &str,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<(), StoreError> {
    let batches = BTreeSet::from([batch.to_owned()]);
    tell_all(connection, Vec::new(), batches, now, effects)
}

fn tell_all(
    connection: &mut Connection,
    mut ended: Vec<Ended>,
    mut batches: BTreeSet<String>,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<(), StoreError> {
    let mut places = TOLD_MAX;
    // It comes to an end, since a job waits only for jobs that were there before it.
    loop {
        while !ended.is_empty() {
            let waited = ended.iter().filter(|one| one.waited);
            let_go(connection, &waited.map(|one| one.id.clone()).collect::<Vec<_>>())?;
            batches.extend(ended.iter().filter_map(|one| one.batch.clone()));
            let waiting = note(connection, &ended, &mut places)?;
            ended = settle(connection, &waiting, now, effects)?;
        }
        // Last, since it may hold a job of the batch without having waited for it.
        let Some(batch) = batches.pop_first() else {
            return Ok(());
        };
        ended = batches::look(connection, &batch, now, effects)?;
    }
}

/// Notes these ends with those who wait for them, for as many as there are places; answers who they are.
fn note(connection: &mut Connection, ended: &[Ended], places: &mut usize) -> QueryResult<Vec<String>> {
    let awaited = ended.iter().filter(|one| one.is_waited_for);
    let ids: Vec<String> = awaited.map(|one| one.id.clone()).collect();
    if ids.is_empty() || *places == 0 {
        return Ok(Vec::new());
    }
    let (column, texts) = ("dependencies.waits_for", ids.as_slice());
    let waiting: Vec<String> = dependencies::table
        .filter(AnyOf { column, texts })
        .filter(Literally("dependencies.ended_state IS NULL"))
        .order((dependencies::waits_for.asc(), dependencies::job_id.asc()))
        .limit(number(*places))
        .select(dependencies::job_id)
        .load(connection)?;
    *places = places.saturating_sub(waiting.len());
    let waiting: BTreeSet<String> = waiting.into_iter().collect();
    let waiting: Vec<String> = waiting.into_iter().collect();
    if waiting.is_empty() {
        return Ok(waiting);
    }
    for state in JobState::ALL.iter().filter(|state| state.is_final()) {
        let so = ended.iter().filter(|one| one.is_waited_for && one.state == *state);
        let ids: Vec<String> = so.map(|one| one.id.clone()).collect();
        if ids.is_empty() {
            continue;
        }
        let who = AnyOf {
            column: "dependencies.job_id",
            texts: &waiting,
        };
        let (column, texts) = ("dependencies.waits_for", ids.as_slice());
        let told = dependencies::table
            .filter(AnyOf { column, texts })
            .filter(who)
            .filter(Literally("dependencies.ended_state IS NULL"));
        diesel::update(told)
            .set(dependencies::ended_state.eq(state.as_str()))
            .execute(connection)?;
    }
    Ok(waiting)
}

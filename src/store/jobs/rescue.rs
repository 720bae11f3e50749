//! Taking back what dead nodes left running.

use crate::store::dialect::prelude::*;

use super::STATEMENT_ROWS_MAX;
use super::aside::set_aside;
use super::finish::{AttemptFinish, Finished, finish};
use super::row::StandingRow;
use crate::clock::Timestamp;
use crate::domain::id::NodeId;
use crate::domain::job::{AttemptEnd, JobState};
use crate::store::dialect::Literally;
use crate::store::events::Effects;
use crate::store::schema::jobs;
use crate::store::text::{number, parsed};
use crate::store::{Connection, StoreError, Tx};

/// Attempts that one rescue takes back at most: one statement's worth.
pub const RESCUED_MAX: usize = STATEMENT_ROWS_MAX;

/// Ends, as lost, up to [`RESCUED_MAX`] attempts that run under another node than `me`, and answers what became of them; none
/// are left when it answers fewer. For a database that only one node can have, where every other is dead.
///
/// # Errors
/// When a statement fails.
pub fn rescue(tx: &mut Tx<'_>, me: NodeId, now: Timestamp) -> Result<Vec<Finished>, StoreError> {
    let left: Vec<(String, i64)> = jobs::table
        .filter(Literally("jobs.state = 'running'"))
        .filter(jobs::node.ne(me.to_string()))
        .order(jobs::id.asc())
        .limit(number(RESCUED_MAX))
        .select((jobs::id, jobs::fence))
        .load(tx.connection())?;
    end_as_lost(tx, left, now)
}

/// The same of the attempts of one node, whose lease the caller has taken over in this transaction.
///
/// # Errors
/// When a statement fails.
pub fn rescue_node(tx: &mut Tx<'_>, node: NodeId, now: Timestamp) -> Result<Vec<Finished>, StoreError> {
    let left: Vec<(String, i64)> = jobs::table
        .filter(Literally("jobs.state = 'running'"))
        .filter(jobs::node.eq(node.to_string()))
        .limit(number(RESCUED_MAX))
        .select((jobs::id, jobs::fence))
        .load(tx.connection())?;
    end_as_lost(tx, left, now)
}

/// The same of attempts whose node is not entered: one that was stopped for long claimed them with its first breath, when
/// its lease was taken over already.
///
/// # Errors
/// When a statement fails.
pub fn rescue_strays(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Finished>, StoreError> {
    let left: Vec<(String, i64)> = jobs::table
        .filter(Literally("jobs.state = 'running'"))
        .filter(Literally("NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = jobs.node)"))
        .limit(number(RESCUED_MAX))
        .select((jobs::id, jobs::fence))
        .load(tx.connection())?;
    end_as_lost(tx, left, now)
}

/// Whether there are attempts whose node is not entered: as many rows are read as run.
///
/// # Errors
/// When the statement fails.
pub fn any_stray(connection: &mut Connection) -> Result<bool, StoreError> {
    let stray = jobs::table
        .filter(Literally("jobs.state = 'running'"))
        .filter(Literally("NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = jobs.node)"));
    Ok(diesel::select(diesel::dsl::exists(stray)).get_result(connection)?)
}

fn end_as_lost(tx: &mut Tx<'_>, left: Vec<(String, i64)>, now: Timestamp) -> Result<Vec<Finished>, StoreError> {
    let (connection, effects) = tx.parts();
    let mut ends = Vec::with_capacity(left.len());
    for (id, fence) in left {
        ends.push(AttemptFinish {
            job: parsed(&id, "jobs", "id")?,
            fence,
            end: AttemptEnd::Lost,
            error: Some("the process that ran it ended".to_owned()),
            result: None,
            progress: None,
            at: now,
        });
    }
    let together: Vec<&AttemptFinish> = ends.iter().collect();
    // Kept apart, since nothing is written of a statement's worth in which one row cannot be read.
    let mut own = Effects::default();
    match finish(connection, &together, &mut own) {
        Err(StoreError::Corrupt { .. }) => one_by_one(connection, &ends, now, effects),
        other => {
            effects.append(own);
            other
        }
    }
}

/// Ends each attempt for itself, and sets those aside whose row cannot be read: a start must not fail by them.
fn one_by_one(
    connection: &mut Connection,
    ends: &[AttemptFinish],
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Vec<Finished>, StoreError> {
    let mut all = Vec::with_capacity(ends.len());
    for end in ends {
        let mut own = Effects::default();
        match finish(connection, &[end], &mut own) {
            Ok(finished) => {
                effects.append(own);
                all.extend(finished);
            }
            Err(error @ StoreError::Corrupt { .. }) => {
                let row = jobs::table.filter(jobs::id.eq(end.job.to_string()));
                let row: StandingRow = row.select(StandingRow::columns()).first(connection)?;
                set_aside(connection, &row, &error, now, effects)?;
                all.push(Finished::Written(JobState::Discarded));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

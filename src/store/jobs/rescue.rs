//! Taking back what dead nodes left running, and what a living one does not know that it runs.

use crate::store::dialect::prelude::*;

use super::STATEMENT_ROWS_MAX;
use super::aside::set_aside;
use super::finish::{AttemptFinish, Finished, finish};
use super::row::StandingRow;
use crate::clock::Timestamp;
use crate::domain::id::{JobId, NodeId};
use crate::domain::job::{AttemptEnd, JobState, Queue};
use crate::store::dialect::Literally;
use crate::store::events::Effects;
use crate::store::schema::jobs;
use crate::store::text::{number, parsed};
use crate::store::{Connection, StoreError, Tx};

/// Attempts that one rescue takes back at most: one statement's worth.
pub const RESCUED_MAX: usize = STATEMENT_ROWS_MAX;

/// Why an attempt of a dead node is lost.
const DEAD: &str = "the process that ran it ended";
/// Why an attempt is lost of which its living node knows nothing.
const UNLISTED: &str = "its process lost the database's answer, and with it the attempt";

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
    end_as_lost(tx, left, DEAD, now)
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
    end_as_lost(tx, left, DEAD, now)
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
    end_as_lost(tx, left, DEAD, now)
}

/// The job and the fence of each attempt that `node` runs of `queue`.
///
/// # Errors
/// When the statement fails.
pub fn running_on(connection: &mut Connection, node: NodeId, queue: Queue) -> Result<Vec<(JobId, i64)>, StoreError> {
    let rows: Vec<(String, i64)> = jobs::table
        .filter(Literally("jobs.state = 'running'"))
        .filter(jobs::node.eq(node.to_string()))
        .filter(jobs::queue.eq(queue.as_str()))
        .select((jobs::id, jobs::fence))
        .load(connection)?;
    rows.into_iter()
        .map(|(id, fence)| Ok((parsed(&id, "jobs", "id")?, fence)))
        .collect()
}

/// Ends, as lost, attempts that their own node does not have, each by its job and fence; at most [`RESCUED_MAX`].
///
/// # Errors
/// When a statement fails.
pub fn rescue_unlisted(tx: &mut Tx<'_>, left: &[(JobId, i64)], now: Timestamp) -> Result<Vec<Finished>, StoreError> {
    let left = left.iter().take(RESCUED_MAX);
    let left = left.map(|(id, fence)| (id.to_string(), *fence)).collect();
    end_as_lost(tx, left, UNLISTED, now)
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

fn end_as_lost(
    tx: &mut Tx<'_>,
    left: Vec<(String, i64)>,
    why: &str,
    now: Timestamp,
) -> Result<Vec<Finished>, StoreError> {
    let (connection, effects) = tx.parts();
    let mut ends = Vec::with_capacity(left.len());
    for (id, fence) in left {
        ends.push(AttemptFinish {
            job: parsed(&id, "jobs", "id")?,
            fence,
            end: AttemptEnd::Lost,
            error: Some(why.to_owned()),
            result: None,
            progress: None,
            transcript: None,
            suppress: Vec::new(),
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

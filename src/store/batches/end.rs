//! Finding that a batch has ended.
//!
//! Guarantees: of the transactions that end jobs of a sealed batch, one finds that nothing is left, whichever commits when, and
//! no other does. Each looks, once its own ends are written, for a job of the batch that has not ended and that nobody else
//! holds, and holds it itself until it is committed. If there is one, its end is still to come, and whoever writes it waits
//! for this commit and looks after it. If there is none, it locks the batch's row, until it is committed, and looks again.
//!
//! Suppose that nobody found the end, and take the look that read last. It found no such job, whose end would have looked later;
//! so it read under the lock of the batch's row. What it took for unfinished had been ended by a transaction that had looked and
//! was not committed: not under that lock, then, but one that had found a job, and held it; and that job's end looked later.
//!
//! So only those who end one of the last jobs wait for one another, however large the batch is, and what a look costs does not
//! grow with it.

use crate::store::dialect::prelude::*;

use super::{BatchRow, UNFINISHED};
use crate::clock::Timestamp;
use crate::store::dialect::{Literally, Locked, LockedFree};
use crate::store::events::Effects;
use crate::store::jobs::{Ended, release_finishing};
use crate::store::schema::{batches, jobs};
use crate::store::{Connection, StoreError};

/// Looks whether the batch has ended, once the ends of this transaction are written; answers its finishing job if that ended
/// by it.
///
/// # Errors
/// When a statement fails, or a row cannot be read.
pub(in crate::store) fn look(
    connection: &mut Connection,
    batch: &str,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Vec<Ended>, StoreError> {
    if has_free_job(connection, batch)? {
        return Ok(Vec::new());
    }
    let row = batches::table.filter(batches::id.eq(batch)).select(BatchRow::columns());
    let row: Option<BatchRow> = Locked(row).get_result(connection).optional()?;
    let Some(row) = row.filter(|row| row.sealed_at.is_some() && row.finished_at.is_none()) else {
        return Ok(Vec::new());
    };
    if has_job(connection, batch, UNFINISHED)? {
        return Ok(Vec::new());
    }
    diesel::update(batches::table.filter(batches::id.eq(batch)))
        .set(batches::finished_at.eq(now.as_micros()))
        .execute(connection)?;
    let Some(finishing) = row.finishing_job_id else {
        return Ok(Vec::new());
    };
    let is_failed = has_job(connection, batch, FAILED)?;
    let is_cancelled = row.cancel_requested_at.is_some();
    release_finishing(connection, &finishing, (is_failed, is_cancelled), now, effects)
}

/// Has ended, and did not complete.
const FAILED: Literally = Literally("jobs.state IN ('discarded', 'cancelled', 'uncertain')");

/// Whether the batch has a job that has not ended and that no other transaction holds; it is held by this one from then on.
fn has_free_job(connection: &mut Connection, batch: &str) -> QueryResult<bool> {
    let first = jobs::table
        .filter(jobs::batch_id.eq(batch))
        .filter(UNFINISHED)
        .select(jobs::id)
        .limit(1);
    let first: Vec<String> = LockedFree(first).load(connection)?;
    Ok(!first.is_empty())
}

fn has_job(connection: &mut Connection, batch: &str, so: Literally) -> QueryResult<bool> {
    let rows = jobs::table.filter(jobs::batch_id.eq(batch)).filter(so);
    diesel::select(diesel::dsl::exists(rows)).get_result(connection)
}

//! Batches whose end nobody found, and those whose cancel was cut short.
//!
//! Guarantees: a look reads a bounded number of batches, and the next one goes on behind them.
//!
//! There are such batches where a node of an earlier version ended the last job, or a process died in the middle of a cancel.

use crate::store::dialect::prelude::*;

use super::BatchRow;
use crate::clock::Timestamp;
use crate::domain::id::BatchId;
use crate::store::dialect::Literally;
use crate::store::jobs::look_at_batch;
use crate::store::schema::batches;
use crate::store::text::{number, parsed};
use crate::store::{Connection, StoreError, Tx};

/// Batches that one look reads.
const LOOKED_AT_MAX: usize = 500;

/// What one look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlooked {
    /// Those that have nothing left.
    pub ended: Vec<BatchId>,
    /// Those that are to be cancelled and have jobs that were not asked to end.
    pub to_cancel: Vec<BatchId>,
    /// Behind which the next look goes on; none for the first.
    pub next: Option<BatchId>,
}

/// Looks at the next batches behind `place` that have not ended.
///
/// # Errors
/// When a statement fails, or a row cannot be read.
pub fn overlooked(connection: &mut Connection, place: Option<BatchId>) -> Result<Overlooked, StoreError> {
    // Every id sorts behind the empty one.
    let place = place.map(|id| id.to_string()).unwrap_or_default();
    let rows: Vec<BatchRow> = batches::table
        .filter(Literally("batches.finished_at IS NULL"))
        .filter(batches::id.gt(&place))
        .order(batches::id.asc())
        .limit(number(LOOKED_AT_MAX))
        .select(BatchRow::columns())
        .load(connection)?;
    let Some(last) = rows.last() else {
        return Ok(Overlooked::default());
    };
    let mut among = |condition: &'static str| -> Result<Vec<BatchId>, StoreError> {
        let found: Vec<String> = batches::table
            .filter(Literally(
                "batches.finished_at IS NULL AND batches.sealed_at IS NOT NULL",
            ))
            .filter(batches::id.gt(&place))
            .filter(batches::id.le(&last.id))
            .filter(Literally(condition))
            .order(batches::id.asc())
            .select(batches::id)
            .load(connection)?;
        found.iter().map(|id| parsed(id, "batches", "id")).collect()
    };
    let next = (rows.len() == LOOKED_AT_MAX).then_some(&last.id);
    Ok(Overlooked {
        ended: among(NOTHING_LEFT)?,
        to_cancel: among(NOT_ASKED)?,
        next: next.map(|id| parsed(id, "batches", "id")).transpose()?,
    })
}

const NOTHING_LEFT: &str = "NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.batch_id = batches.id \
     AND jobs.state IN ('scheduled', 'available', 'running', 'retryable'))";
const NOT_ASKED: &str = "batches.cancel_requested_at IS NOT NULL AND EXISTS (SELECT 1 FROM jobs WHERE jobs.batch_id = batches.id \
     AND jobs.state IN ('scheduled', 'available', 'running', 'retryable') AND jobs.cancel_requested_at IS NULL)";

/// Looks whether a batch has ended; to be called for one that was found.
///
/// # Errors
/// When a statement fails, or a row cannot be read.
pub fn look_again(tx: &mut Tx<'_>, batch: BatchId, now: Timestamp) -> Result<(), StoreError> {
    let (connection, effects) = tx.parts();
    look_at_batch(connection, &batch.to_string(), now, effects)
}

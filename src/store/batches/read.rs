//! Reading batches, and deleting old ones.

use std::collections::BTreeMap;

use crate::store::dialect::prelude::*;
use diesel::dsl::count_star;

use super::{BatchRecord, BatchRow};
use crate::clock::Timestamp;
use crate::domain::id::BatchId;
use crate::domain::job::JobState;
use crate::store::dialect::{AnyOf, Literally, Optional};
use crate::store::jobs::JobScope;
use crate::store::schema::{batches, jobs};
use crate::store::text::{number, parsed, unsigned};
use crate::store::{Connection, StoreError};

/// One batch.
///
/// # Errors
/// When the statement fails.
pub fn one(connection: &mut Connection, id: BatchId, scope: JobScope) -> Result<Option<BatchRecord>, StoreError> {
    let row = batches::table
        .filter(batches::id.eq(id.to_string()))
        .filter(scope.of("batches.workspace_id ="))
        .select(BatchRow::columns());
    let row: Option<BatchRow> = row.first(connection).optional()?;
    row.map(BatchRecord::try_from).transpose()
}

/// A page of batches, the newest first: at most `limit` that were made before `before`.
///
/// # Errors
/// When the statement fails.
pub fn list(
    connection: &mut Connection,
    scope: JobScope,
    before: Option<BatchId>,
    limit: usize,
) -> Result<Vec<BatchRecord>, StoreError> {
    let rows: Vec<BatchRow> = batches::table
        .filter(scope.of("batches.workspace_id ="))
        .filter(Optional::new("batches.id <", before))
        .order(batches::id.desc())
        .limit(number(limit))
        .select(BatchRow::columns())
        .load(connection)?;
    rows.into_iter().map(BatchRecord::try_from).collect()
}

/// How many jobs of a batch are in each state, from an index alone; those that were cleared away are in none.
///
/// # Errors
/// When the statement fails.
pub fn counts(connection: &mut Connection, id: BatchId) -> Result<BTreeMap<JobState, u64>, StoreError> {
    let rows: Vec<(String, i64)> = jobs::table
        .filter(jobs::batch_id.eq(id.to_string()))
        .group_by(jobs::state)
        .select((jobs::state, count_star()))
        .load(connection)?;
    rows.into_iter()
        .map(|(state, count)| Ok((parsed(&state, "jobs", "state")?, unsigned(count, "jobs", "state")?)))
        .collect()
}

/// Deletes up to `limit` batches that had ended until then and none of whose jobs is left. Answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget(connection: &mut Connection, until: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let old: Vec<String> = batches::table
        .filter(batches::finished_at.le(until.as_micros()))
        .filter(Literally(
            "NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.batch_id = batches.id)",
        ))
        .order(batches::finished_at.asc())
        .limit(number(limit))
        .select(batches::id)
        .load(connection)?;
    if old.is_empty() {
        return Ok(0);
    }
    let (column, texts) = ("batches.id", old.as_slice());
    Ok(diesel::delete(batches::table.filter(AnyOf { column, texts })).execute(connection)?)
}

//! Deleting jobs that ended long ago.
//!
//! Guarantees: only finished jobs are deleted, with their attempts, and at most as many at once as the caller says; one that
//! a person ran again meanwhile has not finished any more and stays.

use crate::store::dialect::prelude::*;

use crate::clock::Timestamp;
use crate::domain::job::JobState;
use crate::store::schema::jobs;
use crate::store::text::number;
use crate::store::{Connection, StoreError};

/// Deletes up to `limit` jobs that ended in `state` at `until` or before, the oldest first; answers how many. A state that
/// is not final has none.
///
/// # Errors
/// When a statement fails.
pub fn forget_finished(
    connection: &mut Connection,
    state: JobState,
    until: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let oldest: Vec<String> = jobs::table
        .filter(jobs::state.eq(state.as_str()))
        .filter(jobs::finished_at.le(until.as_micros()))
        .order(jobs::finished_at.asc())
        .limit(number(limit))
        .select(jobs::id)
        .load(connection)?;
    if oldest.is_empty() {
        return Ok(0);
    }
    // The attempts go by their foreign key.
    Ok(diesel::delete(jobs::table.filter(jobs::id.eq_any(oldest))).execute(connection)?)
}

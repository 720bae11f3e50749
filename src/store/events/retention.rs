//! Clearing away events that are old enough.

use crate::clock::Timestamp;
use crate::store::dialect::prelude::*;
use crate::store::schema::events;
use crate::store::text::number;
use crate::store::{Connection, StoreError};

/// Deletes, of the oldest `limit` rows, those from before `before`; answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget(connection: &mut Connection, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
    // The oldest by number, so that no index on their time is needed, which every transaction would pay for.
    let oldest: Vec<i64> = events::table
        .order(events::seq.asc())
        .limit(number(limit))
        .select(events::seq)
        .load(connection)?;
    let Some(last) = oldest.last() else { return Ok(0) };
    let expired = events::table
        .filter(events::seq.le(last))
        .filter(events::at.lt(before.as_micros()));
    Ok(diesel::delete(expired).execute(connection)?)
}

//! Forgetting what requests with an `Idempotency-Key` were answered, once nobody is promised it any more.

use super::dialect::prelude::*;
use super::schema::idempotency_keys;
use super::text::number;
use super::{Connection, StoreError};
use crate::clock::Timestamp;

/// Deletes about `limit` answers that were kept until `now` or before, the oldest first; those that expire in the same
/// microsecond go together. Answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget(connection: &mut Connection, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let last: Vec<i64> = idempotency_keys::table
        .filter(idempotency_keys::expires_at.le(now.as_micros()))
        .order(idempotency_keys::expires_at.asc())
        .offset(number(limit).saturating_sub(1))
        .limit(1)
        .select(idempotency_keys::expires_at)
        .load(connection)?;
    let until = last.first().copied().unwrap_or(now.as_micros());
    Ok(diesel::delete(idempotency_keys::table.filter(idempotency_keys::expires_at.le(until))).execute(connection)?)
}

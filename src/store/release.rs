//! Releases: the number of this one, and the oldest that can work with the schema as it is.
//!
//! Guarantees: nobody enters the database whose release is too old for its schema, also while the schema is being contracted:
//! who enters and who contracts hold the same row until they have committed.

use super::dialect::Locked;
use super::dialect::prelude::*;
use super::schema::schema_needs;
use super::{Connection, StoreError};

/// The number of this release: what nodes tell each other of theirs, and what schemas ask for. Each release raises it by one,
/// whether or not it changes the schema; 0.1.0, which tells none, counts as 1.
pub const RELEASE: i64 = 2;

/// Fails if the schema has been contracted beyond what this release can work with.
///
/// # Errors
/// [`StoreError::ReleaseTooOld`], or when the statement fails.
pub(super) fn check(connection: &mut Connection) -> Result<(), StoreError> {
    let oldest: i64 = schema_needs::table
        .select(schema_needs::oldest_release)
        .get_result(connection)?;
    allow(oldest)
}

/// The same, and keeps the schema from being contracted, or others from entering, until the transaction ends.
///
/// # Errors
/// As [`check`].
pub(super) fn hold(connection: &mut Connection) -> Result<(), StoreError> {
    let row = schema_needs::table.select(schema_needs::oldest_release);
    let oldest: i64 = Locked(row).get_result(connection)?;
    allow(oldest)
}

fn allow(oldest: i64) -> Result<(), StoreError> {
    if oldest > RELEASE {
        return Err(StoreError::ReleaseTooOld { oldest });
    }
    Ok(())
}

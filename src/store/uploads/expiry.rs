//! The end of uploads.

use crate::store::dialect::prelude::*;
use diesel::dsl::{exists, not};

use super::remove;
use crate::clock::Timestamp;
use crate::store::schema::{jobs, upload_uses, uploads};
use crate::store::text::number;
use crate::store::{Connection, StoreError};

/// Removes up to `limit` files whose time passed by `now` and that no job needs which has not ended, and what of files never
/// became whole. Answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget_expired(connection: &mut Connection, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let needed = || {
        upload_uses::table
            .inner_join(jobs::table.on(jobs::id.eq(upload_uses::job_id)))
            .filter(upload_uses::upload_id.eq(uploads::id))
            .filter(jobs::finished_at.is_null())
    };
    let due: Vec<String> = uploads::table
        .filter(uploads::expires_at.le(now.as_micros()))
        .filter(not(exists(needed())))
        .order(uploads::expires_at.asc())
        .limit(number(limit))
        .select(uploads::id)
        .load(connection)?;
    let mut gone = Vec::new();
    for id in due {
        // Once more, and held: a mail that needs it may have been accepted meanwhile, which has prolonged it.
        let still = uploads::table
            .filter(uploads::id.eq(&id))
            .filter(uploads::expires_at.le(now.as_micros()));
        let held = diesel::update(still)
            .set(uploads::expires_at.eq(uploads::expires_at))
            .execute(connection)?;
        if held == 1 {
            gone.push(id);
        }
    }
    if !gone.is_empty() {
        remove(connection, &gone)?;
    }
    Ok(gone.len())
}

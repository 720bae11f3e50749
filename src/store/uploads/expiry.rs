//! The end of uploads.

use crate::store::dialect::prelude::*;

use super::remove;
use crate::clock::Timestamp;
use crate::store::dialect::Literally;
use crate::store::schema::uploads;
use crate::store::text::number;
use crate::store::{Connection, StoreError};

/// That no job needs an upload which has not ended, or of which a person may still say that it is to run again.
const UNNEEDED: &str = "NOT EXISTS (SELECT 1 FROM upload_uses JOIN jobs ON jobs.id = upload_uses.job_id \
                        WHERE upload_uses.upload_id = uploads.id AND \
                        (jobs.finished_at IS NULL OR jobs.state = 'uncertain'))";

/// Removes up to `limit` files whose time passed by `now` and that no job needs which has not ended or is uncertain, and what of files never
/// became whole. Answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget_expired(connection: &mut Connection, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let due: Vec<String> = uploads::table
        .filter(uploads::expires_at.le(now.as_micros()))
        .filter(Literally(UNNEEDED))
        .order(uploads::expires_at.asc())
        .limit(number(limit))
        .select(uploads::id)
        .load(connection)?;
    let mut gone = Vec::new();
    for id in due {
        // Once more, and held: a mail that needs it may have been accepted meanwhile, or have been told to run again.
        let still = uploads::table
            .filter(uploads::id.eq(&id))
            .filter(uploads::expires_at.le(now.as_micros()))
            .filter(Literally(UNNEEDED));
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

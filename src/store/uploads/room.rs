//! Whether a workspace may keep more uploads.
//!
//! Guarantees: what it keeps is counted where more is entered, in its transaction and held against others, so that files that
//! come together do not pass a bound together; once for all that one transaction enters. An operator's workspace has no bound.

use crate::store::dialect::prelude::*;
use diesel::dsl::sql;
use diesel::sql_types::Integer;

use super::UploadRefused;
use crate::domain::id::WorkspaceId;
use crate::store::bounded::{Count, Counted};
use crate::store::reports::bytes_left_held;
use crate::store::schema::uploads;
use crate::store::text::number;
use crate::store::workspaces::is_operators;
use crate::store::{Abort, Connection};

/// The most uploads of a workspace: their bytes are summed up whenever one comes. Three days of the mails that a workspace may
/// send unless it is given a quota of its own, with a file each, are fewer.
pub const UPLOADS_MAX: usize = 20_000;

/// Asks for room for `bytes` more, `stored_max` being how many a workspace may keep that has no quota of its own, 0 for no
/// bound; and for `files` more, if any.
///
/// # Errors
/// [`UploadRefused`] where there is none; when a statement fails.
pub(super) fn take(
    connection: &mut Connection,
    workspace: WorkspaceId,
    (files, bytes): (usize, u64),
    stored_max: u64,
) -> Result<(), Abort<UploadRefused>> {
    let kept = bytes_left_held(connection, workspace, stored_max)?;
    if let Some(kept) = kept.filter(|kept| bytes > kept.left()) {
        return Err(Abort::Refused(UploadRefused::NoRoom(kept)));
    }
    if files == 0 {
        return Ok(());
    }
    let others = UPLOADS_MAX.saturating_sub(files);
    let rows = uploads::table
        .filter(uploads::workspace_id.eq(workspace.to_string()))
        .select(sql::<Integer>("1"))
        .limit(number(others).saturating_add(1));
    let found = Count::of(Counted(rows).get_result(connection)?, others);
    if found.is_capped && !is_operators(connection, workspace)? {
        return Err(Abort::Refused(UploadRefused::TooMany));
    }
    Ok(())
}

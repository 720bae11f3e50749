//! The end of reports: files that have been kept long enough, rows that say nothing any more, and whose a file is.

use std::collections::HashMap;

use crate::store::dialect::prelude::*;
use diesel::dsl::{exists, not};

use crate::clock::Timestamp;
use crate::domain::id::{ReportId, WorkspaceId};
use crate::domain::job::JobState;
use crate::domain::report::ReportFormat;
use crate::store::schema::{jobs, reports};
use crate::store::text::{number, parsed};
use crate::store::{Connection, StoreError};

/// A report whose file was kept long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The report.
    pub report: ReportId,
    /// How it was written.
    pub format: ReportFormat,
    /// The fence in the name of the file, which is nobody's now.
    pub fence: i64,
}

/// Which of a report's files may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    /// How it is written.
    pub format: ReportFormat,
    /// The fence in the name of its file, if it has one.
    pub fence: Option<i64>,
    /// The fence of the attempt that is building it, if one is.
    pub running: Option<i64>,
}

/// Takes their files from up to `limit` reports that have expired, and answers them: the files are then to be removed.
///
/// # Errors
/// When a statement fails.
pub fn expire(connection: &mut Connection, now: Timestamp, limit: usize) -> Result<Vec<Expired>, StoreError> {
    let due: Vec<(String, String, Option<i64>)> = reports::table
        .filter(reports::fence.is_not_null())
        .filter(reports::expires_at.le(now.as_micros()))
        .order(reports::expires_at.asc())
        .limit(number(limit))
        .select((reports::id, reports::format, reports::fence))
        .load(connection)?;
    let ids: Vec<&String> = due.iter().map(|(id, ..)| id).collect();
    diesel::update(reports::table.filter(reports::id.eq_any(ids)))
        .set(reports::fence.eq(None::<i64>))
        .execute(connection)?;
    let expired = due.iter().map(|(id, format, fence)| {
        Ok(Expired {
            report: parsed(id, "reports", "id")?,
            format: parsed(format, "reports", "format")?,
            fence: fence.unwrap_or_default(),
        })
    });
    expired.collect()
}

/// Forgets up to `limit` reports whose file expired before `before`, and as many that were ordered before it and will never
/// be built, since their job has ended or is gone. Answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget(connection: &mut Connection, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let expired: Vec<String> = reports::table
        .filter(reports::fence.is_null())
        .filter(reports::built_at.is_not_null())
        .filter(reports::expires_at.lt(before.as_micros()))
        .order(reports::expires_at.asc())
        .limit(number(limit))
        .select(reports::id)
        .load(connection)?;
    let to_come = jobs::table
        .filter(jobs::id.eq(reports::job_id))
        .filter(jobs::finished_at.is_null());
    let unbuilt: Vec<String> = reports::table
        .filter(reports::built_at.is_null())
        .filter(reports::created_at.lt(before.as_micros()))
        .filter(not(exists(to_come)))
        .order(reports::created_at.asc())
        .limit(number(limit))
        .select(reports::id)
        .load(connection)?;
    let ids: Vec<String> = expired.into_iter().chain(unbuilt).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(diesel::delete(reports::table.filter(reports::id.eq_any(ids))).execute(connection)?)
}

/// Which of these reports' files may be there; a report that is not answered does not exist.
///
/// # Errors
/// When the statement fails.
pub fn owned(connection: &mut Connection, ids: &[ReportId]) -> Result<HashMap<ReportId, Owned>, StoreError> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let running = JobState::Running.as_str();
    let rows: Vec<(String, String, Option<i64>, Option<i64>)> = reports::table
        .left_join(jobs::table.on(jobs::id.eq(reports::job_id).and(jobs::state.eq(running))))
        .filter(reports::id.eq_any(ids))
        .select((reports::id, reports::format, reports::fence, jobs::fence.nullable()))
        .load(connection)?;
    let owned = rows.into_iter().map(|(id, format, fence, running)| {
        let format = parsed(&format, "reports", "format")?;
        Ok((parsed(&id, "reports", "id")?, Owned { format, fence, running }))
    });
    owned.collect()
}

/// Deletes these reports of a workspace, whose files are gone; answers how many there were.
///
/// # Errors
/// When the statement fails.
pub fn remove(connection: &mut Connection, ids: &[ReportId], workspace: WorkspaceId) -> Result<usize, StoreError> {
    if ids.is_empty() {
        return Ok(0);
    }
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let of_workspace = reports::table.filter(reports::workspace_id.eq(workspace.to_string()));
    Ok(diesel::delete(of_workspace.filter(reports::id.eq_any(ids))).execute(connection)?)
}

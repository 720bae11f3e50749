//! Reports: what was ordered, where it stands, and the pages of rows that it is made of.
//!
//! Guarantees: that a report's file is built is written only under the fence that its job still has, and not once a cancel
//! was asked for; a file is named by a row before anybody is told of it, and by none before it is removed; rows are read in
//! short reads, each bounded by the rows that it looks at and not by those that it finds ([`pages`]).
//!
//! Left out: the files themselves (`reports`).

mod expiry;
mod pages;
mod record;
mod room;
#[cfg(test)]
mod tests;

use crate::store::dialect::prelude::*;
use diesel::dsl::sql;
use diesel::sql_types::Integer;

pub use expiry::{Expired, Owned, expire, forget, owned, remove};
pub use pages::{JobLine, MailLine, RowPage, Span, job_page, mail_page};
pub use record::{ReportFile, ReportRecord};
pub(in crate::store) use room::bytes_left_held;
pub use room::{BytesKept, KeptMax, NoRoom, StoredBytes, bytes_for, room, stored};

use super::bounded::{Count, Counted};
use super::dialect::Optional;
use super::schema::{jobs, reports};
use super::text::{number, parsed};
use super::{Abort, Connection, Held, JobScope, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::id::{JobId, ReportId, WorkspaceId};
use crate::domain::report::{ReportFormat, ReportTable};
use record::ReportRow;

/// A report that is ordered.
#[derive(Clone, Debug)]
pub struct NewReport {
    /// Its id.
    pub id: ReportId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The job that builds it.
    pub job: JobId,
    /// What it is of.
    pub table: ReportTable,
    /// How it is written.
    pub format: ReportFormat,
    /// Rows accepted at or after this; from the first on where there is none.
    pub from: Option<Timestamp>,
    /// Rows accepted before this.
    pub to: Timestamp,
    /// When it was ordered.
    pub created_at: Timestamp,
}

/// A file that an attempt has built.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// The report.
    pub report: ReportId,
    /// The attempt's job.
    pub job: JobId,
    /// The attempt's fence, which is part of the file's name.
    pub fence: i64,
    /// Its rows.
    pub rows: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// When it was built.
    pub built_at: Timestamp,
    /// Until when it is kept.
    pub expires_at: Timestamp,
    /// How many bytes a workspace may keep that has no quota of its own; 0 is no bound.
    pub stored_max: u64,
}

/// Whether a report's new file is now the report's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEntered {
    /// It is; the file of an earlier attempt, if there was one, is nobody's any more.
    Yes {
        /// The fence of that attempt.
        replaced: Option<i64>,
    },
    /// It is not, since the attempt no longer holds the job, or a cancel was asked for.
    NotHeld,
    /// It is not, since there is no such report any more.
    NoReport,
    /// It is not, since its workspace would keep more bytes than it may.
    NoRoom(BytesKept),
}

/// A report that was deleted.
#[derive(Clone, Copy, Debug)]
pub struct Deleted {
    /// Whose it was.
    pub workspace: WorkspaceId,
    /// What is to be removed, if it was built and not expired: the fence in its file's name.
    pub fence: Option<i64>,
    /// How it was written.
    pub format: ReportFormat,
    /// The job that builds it, if it was to end because of this.
    pub cancelled: Option<JobId>,
}

/// Enters a report.
///
/// # Errors
/// When the statement fails.
pub fn insert(connection: &mut Connection, new: &NewReport) -> Result<(), StoreError> {
    diesel::insert_into(reports::table)
        .values((
            reports::id.eq(new.id.to_string()),
            reports::workspace_id.eq(new.workspace.to_string()),
            reports::job_id.eq(new.job.to_string()),
            reports::table_name.eq(new.table.as_str()),
            reports::format.eq(new.format.as_str()),
            reports::from_at.eq(new.from.map(Timestamp::as_micros)),
            reports::to_at.eq(new.to.as_micros()),
            reports::created_at.eq(new.created_at.as_micros()),
        ))
        .execute(connection)?;
    Ok(())
}

/// How many reports of a workspace have a file, or may still get their first, counted up to `max`.
///
/// # Errors
/// When the statement fails.
pub fn kept_of(connection: &mut Connection, workspace: WorkspaceId, max: usize) -> Result<Count, StoreError> {
    let rows = reports::table
        .filter(reports::workspace_id.eq(workspace.to_string()))
        // In the words of the partial index.
        .filter(reports::fence.is_not_null().or(reports::built_at.is_null()))
        .select(sql::<Integer>("1"))
        .limit(number(max).saturating_add(1));
    Ok(Count::of(Counted(rows).get_result(connection)?, max))
}

/// One report.
///
/// # Errors
/// When the statement fails.
pub fn one(connection: &mut Connection, id: ReportId, scope: JobScope) -> Result<Option<ReportRecord>, StoreError> {
    let query = reports::table
        .left_join(jobs::table.on(jobs::id.eq(reports::job_id)))
        .filter(reports::id.eq(id.to_string()))
        .filter(scope.of("reports.workspace_id ="))
        .select((ReportRow::columns(), jobs::state.nullable()));
    let row: Option<(ReportRow, Option<String>)> = query.first(connection).optional()?;
    row.map(ReportRecord::try_from).transpose()
}

/// A page of reports, the newest first: at most `limit` that were ordered before `before`.
///
/// # Errors
/// When the statement fails.
pub fn list(
    connection: &mut Connection,
    scope: JobScope,
    before: Option<ReportId>,
    limit: usize,
) -> Result<Vec<ReportRecord>, StoreError> {
    let query = reports::table
        .left_join(jobs::table.on(jobs::id.eq(reports::job_id)))
        .filter(scope.of("reports.workspace_id ="))
        .filter(Optional::new("reports.id <", before))
        .select((ReportRow::columns(), jobs::state.nullable()));
    let rows: Vec<(ReportRow, Option<String>)> =
        query.order(reports::id.desc()).limit(number(limit)).load(connection)?;
    rows.into_iter().map(ReportRecord::try_from).collect()
}

/// Makes a file the report's, if its attempt still holds the job.
///
/// # Errors
/// When a statement fails.
pub fn enter_file(connection: &mut Connection, new: &NewFile) -> Result<FileEntered, StoreError> {
    let id = new.report.to_string();
    let known: Option<(String, Option<i64>)> = reports::table
        .filter(reports::id.eq(&id))
        .filter(reports::job_id.eq(new.job.to_string()))
        .select((reports::workspace_id, reports::fence))
        .first(connection)
        .optional()?;
    let Some((workspace, replaced)) = known else {
        return Ok(FileEntered::NoReport);
    };
    let may_write = Held::Yes {
        cancel_requested: false,
    };
    if super::jobs::hold(connection, new.job, new.fence)? != may_write {
        return Ok(FileEntered::NotHeld);
    }
    let workspace = parsed(&workspace, "reports", "workspace_id")?;
    let kept = room::bytes_for_held(connection, new.report, workspace, new.stored_max)?;
    if let Some(kept) = kept.filter(|kept| new.bytes > kept.left()) {
        return Ok(FileEntered::NoRoom(kept));
    }
    diesel::update(reports::table.filter(reports::id.eq(&id)))
        .set((
            reports::built_at.eq(new.built_at.as_micros()),
            reports::expires_at.eq(new.expires_at.as_micros()),
            reports::fence.eq(new.fence),
            reports::row_count.eq(number(new.rows)),
            reports::byte_count.eq(number(new.bytes)),
            reports::sha256.eq(&new.sha256),
        ))
        .execute(connection)?;
    Ok(FileEntered::Yes { replaced })
}

/// Deletes a report and cancels the job that is to build it; none if there is no such report in the scope.
///
/// # Errors
/// When a statement fails.
pub fn delete(tx: &mut Tx<'_>, id: ReportId, scope: JobScope, now: Timestamp) -> Result<Option<Deleted>, StoreError> {
    let connection = tx.connection();
    let Some(report) = one(connection, id, scope)? else {
        return Ok(None);
    };
    diesel::delete(reports::table.filter(reports::id.eq(id.to_string()))).execute(connection)?;
    let is_to_come = report.job_state.is_some_and(|state| !state.is_final());
    if is_to_come {
        match super::jobs::cancel(tx, report.job, scope, now) {
            Ok(_) | Err(Abort::Refused(_)) => {}
            Err(Abort::Store(error)) => return Err(error),
        }
    }
    Ok(Some(Deleted {
        workspace: report.workspace,
        fence: report.file.as_ref().and_then(|file| file.fence),
        format: report.format,
        cancelled: is_to_come.then_some(report.job),
    }))
}

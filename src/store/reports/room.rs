//! Whether a workspace may keep another report, and how large it may be.
//!
//! Guarantees: what is kept is counted where a report is entered, in its transaction, and once more where its file is, so that
//! orders and builds that come together do not pass a bound together. An operator's workspace has no bound.

use crate::store::dialect::prelude::*;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Nullable};

use super::kept_of;
use crate::clock::Timestamp;
use crate::domain::id::{ReportId, WorkspaceId};
use crate::store::schema::{reports, uploads, workspaces};
use crate::store::text::{time, unsigned};
use crate::store::workspaces::is_operators;
use crate::store::{Connection, StoreError};

/// How much a workspace may keep, as the settings say; 0 is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptMax {
    /// Reports that wait, run or have a file.
    pub reports: usize,
    /// Bytes of their files; a workspace's own quota goes before it.
    pub bytes: u64,
}

/// Why a workspace may not keep another report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// It has as many as it may.
    #[error("this workspace has {max} reports, which is as many as it may; delete some, or wait until they expire")]
    Reports {
        /// How many that is.
        max: usize,
    },
    /// It keeps as many bytes as it may.
    #[error(
        "the quota bytes_stored of this workspace is used up: its reports and uploads have {} of {} bytes; delete some, or wait until they \
         expire", .0.used, .0.max
    )]
    Bytes(BytesKept),
}

/// How many bytes a workspace keeps, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BytesKept {
    /// How many.
    pub used: u64,
    /// How many it may.
    pub max: u64,
    /// When the first of its files expires, if it has any.
    pub less_at: Option<Timestamp>,
}

impl BytesKept {
    /// How many more there may be.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.max.saturating_sub(self.used)
    }
}

/// The files that a workspace keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBytes {
    /// How many bytes they have.
    pub bytes: u64,
    /// When the first of them expires, if there is one.
    pub less_at: Option<Timestamp>,
}

/// The files that a workspace keeps.
///
/// # Errors
/// When the statement fails.
pub fn stored(connection: &mut Connection, workspace: WorkspaceId) -> Result<StoredBytes, StoreError> {
    stored_beside(connection, workspace, None)
}

/// The same without that of one report, whose place another takes.
fn stored_beside(
    connection: &mut Connection,
    workspace: WorkspaceId,
    report: Option<ReportId>,
) -> Result<StoredBytes, StoreError> {
    let (bytes, expires_at): (i64, Option<i64>) = reports::table
        .filter(reports::workspace_id.eq(workspace.to_string()))
        // In the words of the partial index.
        .filter(reports::fence.is_not_null().or(reports::built_at.is_null()))
        .filter(reports::fence.is_not_null())
        .filter(reports::id.ne(report.map(|id| id.to_string()).unwrap_or_default()))
        .select((
            sql::<BigInt>("CAST(coalesce(sum(reports.byte_count), 0) AS BIGINT)"),
            sql::<Nullable<BigInt>>("min(reports.expires_at)"),
        ))
        .get_result(connection)?;
    let (uploaded, uploads_expire_at): (i64, Option<i64>) = uploads::table
        .filter(uploads::workspace_id.eq(workspace.to_string()))
        .select((
            sql::<BigInt>("CAST(coalesce(sum(uploads.byte_count), 0) AS BIGINT)"),
            sql::<Nullable<BigInt>>("min(uploads.expires_at)"),
        ))
        .get_result(connection)?;
    let bytes: u64 = unsigned(bytes, "reports", "byte_count")?;
    let expires_at = expires_at.into_iter().chain(uploads_expire_at).min();
    Ok(StoredBytes {
        bytes: bytes.saturating_add(unsigned(uploaded, "uploads", "byte_count")?),
        less_at: expires_at.map(time),
    })
}

/// Why a workspace may not keep another report; none if it may. It is not an operator's.
///
/// # Errors
/// When a statement fails.
pub fn room(connection: &mut Connection, workspace: WorkspaceId, max: KeptMax) -> Result<Option<NoRoom>, StoreError> {
    if let Some(others) = max.reports.checked_sub(1)
        && kept_of(connection, workspace, others)?.is_capped
    {
        return Ok(Some(NoRoom::Reports { max: max.reports }));
    }
    let kept = bytes_kept(connection, workspace, max.bytes, None)?;
    Ok(kept.filter(|kept| kept.left() == 0).map(NoRoom::Bytes))
}

/// How many bytes a report's file may have, beside the others of its workspace; none if there is no bound.
///
/// # Errors
/// When a statement fails.
pub fn bytes_for(
    connection: &mut Connection,
    report: ReportId,
    workspace: WorkspaceId,
    max: u64,
) -> Result<Option<BytesKept>, StoreError> {
    let kept = bytes_kept(connection, workspace, max, Some(report))?;
    if kept.is_some() && is_operators(connection, workspace)? {
        return Ok(None);
    }
    Ok(kept)
}

/// How many bytes a workspace keeps, of how many, held against others until the transaction ends; none if there is no bound.
///
/// # Errors
/// When a statement fails.
pub(in crate::store) fn bytes_left_held(
    connection: &mut Connection,
    workspace: WorkspaceId,
    max: u64,
) -> Result<Option<BytesKept>, StoreError> {
    hold(connection, workspace)?;
    let kept = bytes_kept(connection, workspace, max, None)?;
    if kept.is_some() && is_operators(connection, workspace)? {
        return Ok(None);
    }
    Ok(kept)
}

/// Has others wait that count what this workspace keeps.
fn hold(connection: &mut Connection, workspace: WorkspaceId) -> Result<(), StoreError> {
    // Its row is written as it is: a lock that is read for would wait for all who insert what is the workspace's, and have them
    // wait, so that two transactions of several workspaces' work could each hold up the other.
    diesel::update(workspaces::table.filter(workspaces::id.eq(workspace.to_string())))
        .set(workspaces::weight.eq(workspaces::weight))
        .execute(connection)?;
    Ok(())
}

/// The same as [`bytes_for`], held against others until the transaction ends.
pub(super) fn bytes_for_held(
    connection: &mut Connection,
    report: ReportId,
    workspace: WorkspaceId,
    max: u64,
) -> Result<Option<BytesKept>, StoreError> {
    hold(connection, workspace)?;
    bytes_for(connection, report, workspace, max)
}

fn bytes_kept(
    connection: &mut Connection,
    workspace: WorkspaceId,
    max: u64,
    beside: Option<ReportId>,
) -> Result<Option<BytesKept>, StoreError> {
    let own: Option<Option<i64>> = workspaces::table
        .filter(workspaces::id.eq(workspace.to_string()))
        .select(workspaces::bytes_stored_max)
        .first(connection)
        .optional()?;
    let own = own.flatten().map(|own| unsigned(own, "workspaces", "bytes_stored_max"));
    let max = own.transpose()?.unwrap_or(max);
    if max == 0 {
        return Ok(None);
    }
    let StoredBytes { bytes: used, less_at } = stored_beside(connection, workspace, beside)?;
    Ok(Some(BytesKept { used, max, less_at }))
}

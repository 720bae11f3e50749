//! Uploads: files that mails need, in pieces in the database, where every node finds them.
//!
//! Guarantees: a file counts into its workspace's quota from its first piece on; it is there for mails only once it is whole;
//! whoever accepts a mail that needs it prolongs it in the same transaction, so that it cannot expire in between; one that a
//! mail needs which has not ended, or is uncertain, stays, also when its time has passed.
//!
//! Left out: sharing one file's bytes among several uploads.

mod expiry;
mod room;
#[cfg(test)]
mod tests;
mod whole;

use std::collections::BTreeSet;

use crate::store::dialect::prelude::*;

pub use expiry::forget_expired;
pub use room::UPLOADS_MAX;
pub use whole::{WholeUpload, add_whole};

use super::dialect::{AnyOf, InsertMany, Optional, Value};
use super::jobs::JobScope;
use super::reports::BytesKept;
use super::schema::{jobs, upload_chunks, upload_uses, uploads};
use super::text::{number, parsed, time, unsigned};
use super::{Abort, Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::{JobId, UploadId, WorkspaceId};
use crate::domain::job::JobState;

/// The most bytes of one piece.
pub const CHUNK_BYTES_MAX: usize = 1024 * 1024;

/// The most files that one statement asks for: a statement has a limited number of values.
const IDS_A_STATEMENT: usize = 500;

/// A file that begins to arrive.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// Its id.
    pub id: UploadId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub content_type: String,
    /// When it began to arrive.
    pub created_at: Timestamp,
    /// Until when it is kept if it never becomes whole.
    pub expires_at: Timestamp,
}

/// A file that is there as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRecord {
    /// Its id.
    pub id: UploadId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub content_type: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// When it began to arrive.
    pub created_at: Timestamp,
    /// Until when it is kept, unless a mail needs it that has not ended by then, or is uncertain.
    pub expires_at: Timestamp,
}

/// Why nothing was written of a file, or nothing of a mail that needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadRefused {
    /// There is no such file, or none that is whole.
    Gone(UploadId),
    /// The workspace would keep more bytes than it may.
    NoRoom(BytesKept),
    /// The workspace would keep more than [`UPLOADS_MAX`] files.
    TooMany,
    /// A mail needs it that has not ended.
    InUse,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = uploads)]
struct UploadRow {
    id: String,
    workspace_id: String,
    name: String,
    content_type: String,
    byte_count: i64,
    sha256: Option<String>,
    created_at: i64,
    expires_at: i64,
}

impl TryFrom<UploadRow> for UploadRecord {
    type Error = StoreError;

    fn try_from(row: UploadRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "uploads", "id")?,
            workspace: parsed(&row.workspace_id, "uploads", "workspace_id")?,
            name: row.name,
            content_type: row.content_type,
            bytes: unsigned(row.byte_count, "uploads", "byte_count")?,
            sha256: row.sha256.unwrap_or_default(),
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
        })
    }
}

/// Begins a file, which has no bytes yet; `stored_max` as of [`add`].
///
/// # Errors
/// [`UploadRefused`] where there is no room; when a statement fails.
pub fn begin(connection: &mut Connection, new: &NewUpload, stored_max: u64) -> Result<(), Abort<UploadRefused>> {
    room::take(connection, new.workspace, (1, 0), stored_max)?;
    diesel::insert_into(uploads::table)
        .values((
            uploads::id.eq(new.id.to_string()),
            uploads::workspace_id.eq(new.workspace.to_string()),
            uploads::name.eq(&new.name),
            uploads::content_type.eq(&new.content_type),
            uploads::byte_count.eq(0),
            uploads::created_at.eq(new.created_at.as_micros()),
            uploads::expires_at.eq(new.expires_at.as_micros()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Adds the piece with this number, from 0, of at most [`CHUNK_BYTES_MAX`], to a file that is not whole; `stored_max` is how
/// many bytes a workspace may keep that has no quota of its own, 0 for no bound.
///
/// # Errors
/// [`UploadRefused`] where there is no room, or the file is gone; when a statement fails.
pub fn add(
    connection: &mut Connection,
    (id, workspace): (UploadId, WorkspaceId),
    piece: usize,
    data: &[u8],
    stored_max: u64,
) -> Result<(), Abort<UploadRefused>> {
    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
    room::take(connection, workspace, (0, bytes), stored_max)?;
    let grown = diesel::update(
        uploads::table
            .filter(uploads::id.eq(id.to_string()))
            .filter(uploads::sha256.is_null()),
    )
    .set(uploads::byte_count.eq(uploads::byte_count + number(data.len())))
    .execute(connection)?;
    if grown == 0 {
        return Err(Abort::Refused(UploadRefused::Gone(id)));
    }
    Ok(whole::add_piece(connection, (id, workspace), piece, data)?)
}

/// Says that a file is whole.
///
/// # Errors
/// [`UploadRefused::Gone`] where it is gone; when a statement fails.
pub fn finish(
    connection: &mut Connection,
    id: UploadId,
    sha256: &str,
    expires_at: Timestamp,
) -> Result<UploadRecord, Abort<UploadRefused>> {
    let unfinished = uploads::table
        .filter(uploads::id.eq(id.to_string()))
        .filter(uploads::sha256.is_null());
    let finished = diesel::update(unfinished)
        .set((
            uploads::sha256.eq(sha256),
            uploads::expires_at.eq(expires_at.as_micros()),
        ))
        .execute(connection)?;
    let found = if finished == 0 {
        None
    } else {
        one(connection, id, JobScope::All)?
    };
    found.ok_or(Abort::Refused(UploadRefused::Gone(id)))
}

/// One file that is whole.
///
/// # Errors
/// When the statement fails.
pub fn one(connection: &mut Connection, id: UploadId, scope: JobScope) -> Result<Option<UploadRecord>, StoreError> {
    let row: Option<UploadRow> = uploads::table
        .filter(uploads::id.eq(id.to_string()))
        .filter(scope.of("uploads.workspace_id ="))
        .filter(uploads::sha256.is_not_null())
        .select(UploadRow::columns())
        .first(connection)
        .optional()?;
    row.map(UploadRecord::try_from).transpose()
}

/// Those of these files that are whole and of this workspace.
///
/// # Errors
/// When the statement fails.
pub fn several(
    connection: &mut Connection,
    workspace: WorkspaceId,
    ids: &[UploadId],
) -> Result<Vec<UploadRecord>, StoreError> {
    let mut rows: Vec<UploadRow> = Vec::new();
    for ids in ids.chunks(IDS_A_STATEMENT) {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let (column, texts) = ("uploads.id", ids.as_slice());
        let some: Vec<UploadRow> = uploads::table
            .filter(AnyOf { column, texts })
            .filter(uploads::workspace_id.eq(workspace.to_string()))
            .filter(uploads::sha256.is_not_null())
            .select(UploadRow::columns())
            .load(connection)?;
        rows.extend(some);
    }
    rows.into_iter().map(UploadRecord::try_from).collect()
}

/// A page of files that are whole, the newest first: at most `limit` that came before `before`.
///
/// # Errors
/// When the statement fails.
pub fn list(
    connection: &mut Connection,
    workspace: WorkspaceId,
    before: Option<UploadId>,
    limit: usize,
) -> Result<Vec<UploadRecord>, StoreError> {
    let rows: Vec<UploadRow> = uploads::table
        .filter(uploads::workspace_id.eq(workspace.to_string()))
        .filter(uploads::sha256.is_not_null())
        .filter(Optional::new("uploads.id <", before))
        .order(uploads::id.desc())
        .limit(number(limit))
        .select(UploadRow::columns())
        .load(connection)?;
    rows.into_iter().map(UploadRecord::try_from).collect()
}

/// The bytes of a file of this workspace; none where it is gone or not whole.
///
/// # Errors
/// When a statement fails, or the pieces are not all there.
pub fn content(
    connection: &mut Connection,
    id: UploadId,
    workspace: WorkspaceId,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(record) = one(connection, id, JobScope::Workspace(workspace))? else {
        return Ok(None);
    };
    let size = usize::try_from(record.bytes).unwrap_or_default();
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        let piece = bytes.len().div_ceil(CHUNK_BYTES_MAX);
        let chunk: Option<Vec<u8>> = upload_chunks::table
            .filter(upload_chunks::upload_id.eq(id.to_string()))
            .filter(upload_chunks::number.eq(number(piece)))
            .select(upload_chunks::data)
            .first(connection)
            .optional()?;
        let corrupt = StoreError::Corrupt {
            table: "upload_chunks",
            what: "data",
        };
        bytes.extend(chunk.filter(|chunk| !chunk.is_empty()).ok_or(corrupt)?);
    }
    Ok(Some(bytes))
}

/// Notes which jobs of a workspace need which of its files, each pair once, and keeps these until `until` at least; to be called
/// in the transaction in which the jobs are accepted.
///
/// # Errors
/// [`UploadRefused::Gone`] with the first that is not there; when a statement fails.
pub fn need(
    connection: &mut Connection,
    workspace: WorkspaceId,
    uses: &[(UploadId, JobId)],
    until: Timestamp,
) -> Result<(), Abort<UploadRefused>> {
    // In an order, so that two who need the same do not wait for each other.
    let ids: BTreeSet<UploadId> = uses.iter().map(|(upload, _)| *upload).collect();
    for id in ids {
        let there = || {
            uploads::table
                .filter(uploads::id.eq(id.to_string()))
                .filter(uploads::workspace_id.eq(workspace.to_string()))
                .filter(uploads::sha256.is_not_null())
        };
        let current: Option<i64> = there().select(uploads::expires_at).first(connection).optional()?;
        let until = current.map_or(until.as_micros(), |current| current.max(until.as_micros()));
        // Written even where it stays as it is: whoever is clearing it away at this moment waits, or has done so.
        let kept = diesel::update(there())
            .set(uploads::expires_at.eq(until))
            .execute(connection)?;
        if kept == 0 {
            return Err(Abort::Refused(UploadRefused::Gone(id)));
        }
    }
    let text = |text: String| Value::Text(Some(text));
    let rows = uses.iter().map(|(upload, job)| {
        let (upload, workspace, job) = (upload.to_string(), workspace.to_string(), job.to_string());
        vec![text(upload), text(workspace), text(job)]
    });
    let many = InsertMany {
        table: "upload_uses",
        columns: &["upload_id", "workspace_id", "job_id"],
        rows: rows.collect(),
        on_conflict: "",
    };
    Ok(many.execute(connection)?)
}

/// Deletes a file of this workspace.
///
/// # Errors
/// [`UploadRefused`] where there is none, or a mail needs it that has not ended or is uncertain; when a statement fails.
pub fn delete(connection: &mut Connection, id: UploadId, workspace: WorkspaceId) -> Result<(), Abort<UploadRefused>> {
    if one(connection, id, JobScope::Workspace(workspace))?.is_none() {
        return Err(Abort::Refused(UploadRefused::Gone(id)));
    }
    let text = id.to_string();
    // Before it is looked at who needs it, so that whoever is about to need it waits, and then finds it gone.
    diesel::update(uploads::table.filter(uploads::id.eq(&text)))
        .set(uploads::expires_at.eq(uploads::expires_at))
        .execute(connection)?;
    let needed: Option<String> = upload_uses::table
        .inner_join(jobs::table.on(jobs::id.eq(upload_uses::job_id)))
        .filter(upload_uses::upload_id.eq(&text))
        .filter(
            jobs::finished_at
                .is_null()
                .or(jobs::state.eq(JobState::Uncertain.as_str())),
        )
        .select(upload_uses::job_id)
        .first(connection)
        .optional()?;
    if needed.is_some() {
        return Err(Abort::Refused(UploadRefused::InUse));
    }
    Ok(remove(connection, &[text])?)
}

/// Removes what has arrived of a file that will not become whole.
///
/// # Errors
/// When a statement fails.
pub fn drop_unfinished(connection: &mut Connection, id: UploadId) -> Result<(), StoreError> {
    let unfinished: Option<String> = uploads::table
        .filter(uploads::id.eq(id.to_string()))
        .filter(uploads::sha256.is_null())
        .select(uploads::id)
        .first(connection)
        .optional()?;
    unfinished.map_or(Ok(()), |id| remove(connection, &[id]))
}

/// Removes files with all that is theirs.
pub(in crate::store) fn remove(connection: &mut Connection, ids: &[String]) -> Result<(), StoreError> {
    diesel::delete(upload_chunks::table.filter(upload_chunks::upload_id.eq_any(ids))).execute(connection)?;
    diesel::delete(upload_uses::table.filter(upload_uses::upload_id.eq_any(ids))).execute(connection)?;
    diesel::delete(uploads::table.filter(uploads::id.eq_any(ids))).execute(connection)?;
    Ok(())
}

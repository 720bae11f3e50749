//! Files that are there as a whole when they are entered.

use crate::store::dialect::prelude::*;

use super::{CHUNK_BYTES_MAX, NewUpload, UploadRefused, room};
use crate::domain::id::{UploadId, WorkspaceId};
use crate::store::schema::{upload_chunks, uploads};
use crate::store::text::number;
use crate::store::{Abort, Connection, StoreError};

/// A file with all of its bytes.
#[derive(Clone, Copy, Debug)]
pub struct WholeUpload<'a> {
    /// What it is; it is kept until it says.
    pub new: &'a NewUpload,
    /// Its bytes.
    pub data: &'a [u8],
    /// Their SHA-256, in lower-case hexadecimal digits.
    pub sha256: &'a str,
}

/// Enters files of one workspace, whose room is asked for once; `stored_max` as of [`super::add`].
///
/// # Errors
/// [`UploadRefused`] where there is no room; when a statement fails.
pub fn add_whole(
    connection: &mut Connection,
    workspace: WorkspaceId,
    files: &[WholeUpload<'_>],
    stored_max: u64,
) -> Result<(), Abort<UploadRefused>> {
    if files.is_empty() {
        return Ok(());
    }
    let bytes: usize = files.iter().map(|file| file.data.len()).sum();
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    room::take(connection, workspace, (files.len(), bytes), stored_max)?;
    for file in files {
        let new = file.new;
        diesel::insert_into(uploads::table)
            .values((
                uploads::id.eq(new.id.to_string()),
                uploads::workspace_id.eq(workspace.to_string()),
                uploads::name.eq(&new.name),
                uploads::content_type.eq(&new.content_type),
                uploads::byte_count.eq(number(file.data.len())),
                uploads::sha256.eq(file.sha256),
                uploads::created_at.eq(new.created_at.as_micros()),
                uploads::expires_at.eq(new.expires_at.as_micros()),
            ))
            .execute(connection)?;
        for (piece, data) in file.data.chunks(CHUNK_BYTES_MAX).enumerate() {
            add_piece(connection, (new.id, workspace), piece, data)?;
        }
    }
    Ok(())
}

/// Writes a piece of a file.
pub(super) fn add_piece(
    connection: &mut Connection,
    (id, workspace): (UploadId, WorkspaceId),
    piece: usize,
    data: &[u8],
) -> Result<(), StoreError> {
    diesel::insert_into(upload_chunks::table)
        .values((
            upload_chunks::upload_id.eq(id.to_string()),
            upload_chunks::workspace_id.eq(workspace.to_string()),
            upload_chunks::number.eq(number(piece)),
            upload_chunks::data.eq(data),
        ))
        .execute(connection)?;
    Ok(())
}

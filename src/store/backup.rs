//! A copy of the database while the service runs.
//!
//! Guarantees: the copy is one moment's state, complete, and on disk when the call returns; a file that exists is never
//! written over. It is made by `VACUUM INTO`, a reader's transaction, so that writers go on meanwhile.

use std::fs::File;
use std::path::Path;

use crate::store::dialect::prelude::*;
use diesel::sql_types::Text;

use super::StoreError;
use super::dialect::sqlite;
use crate::private;

/// Copies the database at `path` to `target` and answers the copy's size in bytes.
pub(super) fn copy(path: &Path, target: &Path) -> Result<u64, StoreError> {
    let io = |what| move |source| StoreError::Io { what, source };
    if !path.exists() {
        return Err(StoreError::Copy {
            text: format!("there is no database at {}", path.display()),
        });
    }
    if target.exists() {
        return Err(StoreError::Copy {
            text: format!("{} exists already; name another file", target.display()),
        });
    }
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(StoreError::Copy {
            text: format!("there is no folder {}", folder.display()),
        });
    }
    // Written beside the target and renamed, so that a copy that was interrupted is never taken for a whole one.
    let mut partial = target.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    if partial.exists() {
        std::fs::remove_file(partial).map_err(io("removing an unfinished copy"))?;
    }
    // Made empty first, which SQLite takes, so that nobody else can read it while it grows.
    private::make_file(partial).map_err(io("making the copy's file"))?;
    let mut connection = sqlite::connect(path, false)?;
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(sqlite::url(partial))
        .execute(&mut connection)?;
    File::open(partial)
        .and_then(|file| file.sync_all())
        .map_err(io("writing the copy to disk"))?;
    std::fs::rename(partial, target).map_err(io("naming the copy"))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io("writing the copy's name to disk"))?;
    Ok(std::fs::metadata(target).map_err(io("reading the copy's size"))?.len())
}

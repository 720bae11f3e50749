//! Connections to SQLite.
//!
//! Guarantees: whatever connects has the same settings, of which `synchronous = FULL` is the one that answered writes rest on.

use std::path::Path;
use std::time::Duration;

use diesel::connection::{Connection as _, SimpleConnection};
use diesel::{QueryResult, SqliteConnection};

use super::Connection;
use crate::store::StoreError;

/// How long a statement waits for another process that writes (a command line beside the service), before it is `Busy`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What every connection is told first. One statement each: SQLite reports only the first failure of a batch.
/// `busy_timeout` comes first, since switching to WAL may itself have to wait.
fn pragmas(read_only: bool) -> Vec<String> {
    let mut all = vec![
        format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis()),
        "PRAGMA journal_mode = WAL".to_owned(),
        // FULL: the log is on disk before a commit is answered. NORMAL would lose answered writes in a power cut.
        "PRAGMA synchronous = FULL".to_owned(),
        "PRAGMA foreign_keys = ON".to_owned(),
        // Page cache (negative: in KiB). The writer's default of 2 MiB would make the claim index spill; of readers there are
        // several, and they find in the system's cache what is not in theirs.
        format!("PRAGMA cache_size = -{}", if read_only { 8192 } else { 16384 }),
        "PRAGMA temp_store = MEMORY".to_owned(),
        // Pages of the log before it is written into the file: 16 MiB, four times the default. The ends of the indexes are in
        // nearly every commit, and are copied once for all of them.
        "PRAGMA wal_autocheckpoint = 4000".to_owned(),
    ];
    if read_only {
        all.push("PRAGMA query_only = ON".to_owned());
    }
    all
}

/// Prepares a fresh connection.
fn prepare(connection: &mut SqliteConnection, read_only: bool) -> QueryResult<()> {
    for pragma in pragmas(read_only) {
        connection.batch_execute(&pragma)?;
    }
    Ok(())
}

/// A connection to the file at `path`.
pub(in crate::store) fn connect(path: &Path, read_only: bool) -> Result<Connection, StoreError> {
    let mut connection = SqliteConnection::establish(&url(path)).map_err(|error| StoreError::Open {
        text: error.to_string(),
    })?;
    prepare(&mut connection, read_only)?;
    Ok(Connection::Sqlite(connection))
}

/// The name by which diesel opens the file.
pub(in crate::store) fn url(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

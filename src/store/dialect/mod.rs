//! Where databases differ: opening a connection, beginning a transaction, telling errors apart, and statements that
//! diesel's own language cannot say.
//!
//! Everything else in `store` is written once, for every database.

mod condition;
mod many;
mod merged;
mod present;

use std::path::Path;
use std::time::Duration;

use diesel::connection::{Connection as _, SimpleConnection};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

pub(super) use condition::{AnyOf, Literally};
pub(super) use many::{InsertMany, UpdateMany, Value};
pub(super) use merged::{BoxedSelect, Merged};
pub(super) use present::Present;

use super::StoreError;

/// A connection to the database.
pub type Connection = SqliteConnection;

/// The database's own kind of SQL.
pub(super) type Backing = diesel::sqlite::Sqlite;

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
        // 16 MiB of page cache a connection (negative: in KiB); the default of 2 MiB makes the claim index spill.
        "PRAGMA cache_size = -16384".to_owned(),
        "PRAGMA temp_store = MEMORY".to_owned(),
    ];
    if read_only {
        all.push("PRAGMA query_only = ON".to_owned());
    }
    all
}

/// Prepares a fresh connection.
pub(super) fn prepare(connection: &mut Connection, read_only: bool) -> QueryResult<()> {
    for pragma in pragmas(read_only) {
        connection.batch_execute(&pragma)?;
    }
    Ok(())
}

/// A connection that may write.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::establish(&url(path)).map_err(|error| StoreError::Open {
        text: error.to_string(),
    })?;
    prepare(&mut connection, false)?;
    Ok(connection)
}

/// The name by which diesel opens the file.
pub(super) fn url(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Runs `work` in a transaction that holds the right to write from its start, so that it never fails half-way with
/// "locked" after having read.
pub(super) fn transaction<T, E, F>(connection: &mut Connection, work: F) -> Result<T, E>
where
    F: FnOnce(&mut Connection) -> Result<T, E>,
    E: From<DieselError>,
{
    connection.immediate_transaction(work)
}

/// SQLite's words for a lock that somebody else holds.
const LOCKED: &str = "database is locked";

/// Whether the database may take the same statement a little later. On a full disk or one that cannot be read SQLite ends the
/// transaction by itself, and the rollback that finds none is all that is heard of it. diesel passes on SQLite's words but not its codes, so
/// the words are compared: they are constants of SQLite's source (`sqlite3ErrStr`).
pub(super) fn is_transient(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => true,
        DieselError::DatabaseError(_, details) => matches!(
            details.message(),
            LOCKED
                | "database table is locked"
                | "database or disk is full"
                | "disk I/O error"
                | "cannot rollback - no transaction is active"
        ),
        // Seen by what rolls back a transaction that SQLite has ended by itself; the second below says the same.
        DieselError::BrokenTransactionManager | DieselError::NotInTransaction => true,
        _ => false,
    }
}

/// Whether the same statement would fail again for as long as its values and the file are what they are.
pub(super) fn is_permanent(error: &DieselError) -> bool {
    use DatabaseErrorKind::{CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation};
    match error {
        DieselError::DatabaseError(kind, details) => {
            matches!(
                kind,
                CheckViolation | ForeignKeyViolation | NotNullViolation | UniqueViolation
            ) || matches!(
                details.message(),
                "database disk image is malformed" | "file is not a database"
            )
        }
        DieselError::DeserializationError(_) | DieselError::SerializationError(_) => true,
        _ => false,
    }
}

/// Whether somebody else held the database for longer than a statement waits.
pub(super) fn is_locked(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, details) if details.message() == LOCKED)
}

/// The text at `path` in a column of JSON; null where there is none, or the column holds something else.
pub(super) fn json_text(column: &str, path: &[&str]) -> String {
    // SQLite parses a text once for both.
    format!(
        "CASE WHEN json_valid({column}) THEN json_extract({column}, '$.{}') END",
        path.join(".")
    )
}

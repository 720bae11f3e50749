//! Where databases differ: opening a connection, beginning a transaction, telling errors apart, and statements that
//! diesel's own language cannot say.
//!
//! Everything else in `store` is written once, for every database.

mod arrays;
mod behind;
mod condition;
mod connection;
mod differs;
#[cfg(test)]
mod explained;
mod horizon;
mod lanes;
mod limited;
mod limits;
mod listed;
mod many;
mod merged;
mod noted;
mod optional;
pub(super) mod postgres;
pub(super) mod prelude;
mod present;
pub(super) mod sqlite;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

pub(super) use behind::BehindKind;
pub(super) use condition::{AnyOf, Literally, expression};
pub use connection::Connection;
pub(super) use connection::on_either;
pub(super) use differs::{Complete, JsonText, Locked, LockedFree};
pub(super) use horizon::AtOrBehind;
pub(super) use lanes::{Circle, Firsts, Keys, Oldest, Range, Step};
pub(super) use limited::Limited;
pub(super) use limits::LimitsOf;
pub(super) use listed::{Listed, ListedLane};
pub(super) use many::{InsertMany, UpdateMany, Value};
pub(super) use merged::Merged;
pub(super) use noted::NotedHere;
pub(super) use optional::{Optional, OptionalAnyOf};
pub(super) use present::Present;

/// SQLite's words for a lock that somebody else holds.
const LOCKED: &str = "database is locked";

/// What SQLite says of what may pass. diesel passes on SQLite's words but not its codes; they are constants of SQLite's source
/// (`sqlite3ErrStr`). On a full disk or one that cannot be read SQLite ends the transaction by itself, and the rollback that
/// finds none is all that is heard of it.
const SQLITE_PASSING: &[&str] = &[
    LOCKED,
    "database table is locked",
    "database or disk is full",
    "disk I/O error",
    "cannot rollback - no transaction is active",
];

/// How what PostgreSQL says of what may pass begins. diesel-async has kinds for the codes of what a statement does wrong, but
/// none for these. A server that speaks another language than English has them taken for faults of the statement, which are
/// tried again all the same where something would be lost otherwise.
const POSTGRES_PASSING: &[&str] = &[
    "canceling statement due to",
    "could not extend file",
    "could not write",
    "deadlock detected",
    "out of memory",
    "out of shared memory",
    "remaining connection slots",
    "sorry, too many clients",
    "terminating connection",
    "the database system is",
];

/// How what PostgreSQL says of a value begins that it will never take.
const POSTGRES_REFUSED: &[&str] = &[
    "invalid byte sequence for encoding",
    "unsupported Unicode escape sequence",
];

/// Whether the database may take the same statement a little later.
pub(super) fn is_transient(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        // The server has become a standby: another one takes writes, to which a new connection leads.
        DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => true,
        error if is_cut_off(error) => true,
        DieselError::DatabaseError(_, details) => {
            let words = details.message();
            SQLITE_PASSING.contains(&words) || POSTGRES_PASSING.iter().any(|begin| words.starts_with(begin))
        }
        // Seen by what rolls back a transaction that the database has ended by itself; the second says the same.
        DieselError::BrokenTransactionManager | DieselError::NotInTransaction => true,
        _ => false,
    }
}

/// Whether the connection was lost, so that nobody knows whether what was being committed is committed.
pub(super) fn is_cut_off(error: &DieselError) -> bool {
    use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
    matches!(
        error,
        DieselError::DatabaseError(ClosedConnection | UnableToSendCommand, _)
    )
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
            ) || POSTGRES_REFUSED
                .iter()
                .any(|begin| details.message().starts_with(begin))
        }
        DieselError::DeserializationError(_) | DieselError::SerializationError(_) => true,
        _ => false,
    }
}

/// Whether somebody else held the database for longer than a statement waits.
pub(super) fn is_locked(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, details) if details.message() == LOCKED)
}

//! One connection type for all databases, and queries that run on whichever it is.
//!
//! Guarantees: a query is written once and compiled for each database, so that neither pays for the other; what a query
//! answers has one type.
//!
//! [`Run`] takes the place of diesel's `RunQueryDsl`, with the same names. What diesel ties to one database is left out:
//! boxed queries ([`super::Optional`] stands for a condition that may be missing) and `as_select` ([`Columns`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::limited::Limited;
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::query_builder::QueryId;
use diesel::query_dsl::LoadQuery;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::result::Error as DieselError;
use diesel::sqlite::Sqlite;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;

/// A connection to PostgreSQL that waits for each answer; not to be used on a reactor's thread.
pub(in crate::store) type PostgresConnection = AsyncConnectionWrapper<AsyncPgConnection>;

/// A connection to a server, and whether it still stands.
pub struct Session {
    pub(super) inner: PostgresConnection,
    is_open: Arc<AtomicBool>,
}

impl Session {
    pub(super) fn new(inner: PostgresConnection, is_open: Arc<AtomicBool>) -> Self {
        Self { inner, is_open }
    }

    /// The connection itself.
    pub(in crate::store) fn connection(&mut self) -> &mut PostgresConnection {
        &mut self.inner
    }
}

/// A connection to the database, whichever it is.
pub enum Connection {
    /// To a file.
    Sqlite(SqliteConnection),
    /// To a server.
    Postgres(Box<Session>),
}

/// Does the same on whichever database it is.
macro_rules! on_either {
    ($connection:expr, $inner:ident => $act:expr) => {
        match $connection {
            $crate::store::dialect::Connection::Sqlite($inner) => $act,
            $crate::store::dialect::Connection::Postgres(session) => {
                let $inner = session.connection();
                $act
            }
        }
    };
}
pub(in crate::store) use on_either;

type SqliteTransactions = <SqliteConnection as diesel::Connection>::TransactionManager;
type PostgresTransactions = <PostgresConnection as diesel::Connection>::TransactionManager;

impl Connection {
    /// Runs `work` in a transaction, or in a savepoint if there is one already.
    pub(in crate::store) fn transaction<T, E, F>(&mut self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Self) -> Result<T, E>,
        E: From<DieselError>,
    {
        self.begin()?;
        self.end_of(work)
    }

    /// The same, holding the right to write from its start where only one may have it, so that it never fails half-way with
    /// "locked" after having read.
    pub(in crate::store) fn write_transaction<T, E, F>(&mut self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Self) -> Result<T, E>,
        E: From<DieselError>,
    {
        match self {
            Self::Sqlite(connection) => AnsiTransactionManager::begin_transaction_sql(connection, "BEGIN IMMEDIATE")?,
            Self::Postgres(_) => self.begin()?,
        }
        self.end_of(work)
    }

    /// Whether it has no open transaction and, as far as is known, still stands.
    pub(in crate::store) fn is_sound(&mut self) -> bool {
        let status = match self {
            Self::Sqlite(connection) => SqliteTransactions::transaction_manager_status_mut(connection),
            Self::Postgres(session) if !session.is_open.load(Ordering::SeqCst) => return false,
            Self::Postgres(session) => PostgresTransactions::transaction_manager_status_mut(&mut session.inner),
        };
        matches!(status.transaction_depth(), Ok(None))
    }

    fn begin(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(connection) => SqliteTransactions::begin_transaction(connection),
            Self::Postgres(session) => PostgresTransactions::begin_transaction(&mut session.inner),
        }
    }

    fn end_of<T, E, F>(&mut self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Self) -> Result<T, E>,
        E: From<DieselError>,
    {
        match work(self) {
            Ok(value) => {
                self.commit()?;
                Ok(value)
            }
            Err(error) => match self.rollback() {
                // What broke it is the more telling of the two.
                Ok(()) | Err(DieselError::BrokenTransactionManager) => Err(error),
                Err(rollback) => Err(rollback.into()),
            },
        }
    }

    fn commit(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(connection) => SqliteTransactions::commit_transaction(connection),
            Self::Postgres(session) => PostgresTransactions::commit_transaction(&mut session.inner),
        }
    }

    fn rollback(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(connection) => SqliteTransactions::rollback_transaction(connection),
            Self::Postgres(session) => PostgresTransactions::rollback_transaction(&mut session.inner),
        }
    }
}

impl SimpleConnection for Connection {
    fn batch_execute(&mut self, statements: &str) -> QueryResult<()> {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(statements),
            Self::Postgres(session) => session.inner.batch_execute(statements),
        }
    }
}

/// Running a query on whichever database it is.
pub(in crate::store) trait Run: Sized {
    /// Runs it and answers how many rows it changed.
    fn execute(self, connection: &mut Connection) -> QueryResult<usize>
    where
        Self: ExecuteDsl<SqliteConnection> + ExecuteDsl<PostgresConnection>,
    {
        match connection {
            Connection::Sqlite(connection) => ExecuteDsl::execute(self, connection),
            Connection::Postgres(session) => ExecuteDsl::execute(self, &mut session.inner),
        }
    }

    /// All rows.
    fn load<'query, U>(self, connection: &mut Connection) -> QueryResult<Vec<U>>
    where
        Self: LoadQuery<'query, SqliteConnection, U> + LoadQuery<'query, PostgresConnection, U>,
    {
        match connection {
            Connection::Sqlite(connection) => self.internal_load(connection)?.collect(),
            Connection::Postgres(session) => self.internal_load(&mut session.inner)?.collect(),
        }
    }

    /// The first of its rows.
    fn get_result<'query, U>(self, connection: &mut Connection) -> QueryResult<U>
    where
        Self: LoadQuery<'query, SqliteConnection, U> + LoadQuery<'query, PostgresConnection, U>,
    {
        let first = match connection {
            Connection::Sqlite(connection) => self.internal_load(connection)?.next(),
            Connection::Postgres(session) => self.internal_load(&mut session.inner)?.next(),
        };
        first.unwrap_or(Err(DieselError::NotFound))
    }

    /// The first row, of which no more than one is asked for; not for a query with a limit or an offset of its own.
    fn first<'query, U>(self, connection: &mut Connection) -> QueryResult<U>
    where
        Limited<Self>: LoadQuery<'query, SqliteConnection, U> + LoadQuery<'query, PostgresConnection, U>,
    {
        Run::get_result(Limited(self, 1), connection)
    }
}

// All queries have an id, and nothing else has: a method of these names on other types stays theirs.
impl<T: QueryId> Run for T {}

/// The columns of a row by its derived `Selectable`, for all databases alike.
pub(in crate::store) trait Columns: Selectable<Sqlite> {
    /// To be given to `select` and `returning`.
    fn columns() -> Self::SelectExpression {
        Self::construct_selection()
    }
}

impl<T: Selectable<Sqlite>> Columns for T {}

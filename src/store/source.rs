//! Where the database is, and connecting to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use diesel::r2d2::ManageConnection;

use super::dialect::postgres::{self, PostgresRuntime};
use super::dialect::{Connection, prelude::*, sqlite};
use super::{StoreError, lock};
use crate::config::{DatabaseUrl, PostgresSettings};
use crate::private;

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Database {
    /// In this file. Its folder is made if it is missing.
    Sqlite(PathBuf),
    /// On a server.
    Postgres(PostgresSettings),
}

impl From<&DatabaseUrl> for Database {
    fn from(url: &DatabaseUrl) -> Self {
        match url {
            DatabaseUrl::Sqlite(path) => Self::Sqlite(path.clone()),
            DatabaseUrl::Postgres(settings) => Self::Postgres(settings.clone()),
        }
    }
}

/// A database that can be connected to; clones share what that takes.
#[derive(Clone)]
pub(super) enum Source {
    /// A file.
    Sqlite(Arc<Path>),
    /// A server, and the runtime that drives the connections to it.
    Postgres(Arc<PostgresSettings>, Arc<PostgresRuntime>),
}

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read and write.
    Write,
    /// Read only, which the database itself holds it to.
    Read,
}

/// How long to wait for the turn to migrate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// As long as it takes.
    Awaited,
    /// Not at all.
    IfFree,
}

/// The turn to migrate: others are kept from it until this and the connection are dropped.
pub(super) struct HeldTurn {
    _file: Option<std::fs::File>,
}

impl Source {
    /// The source that `database` names.
    pub(super) fn of(database: &Database) -> Result<Self, StoreError> {
        Ok(match database {
            Database::Sqlite(path) => Self::Sqlite(Arc::from(path.as_path())),
            Database::Postgres(settings) => {
                Self::Postgres(Arc::new(settings.clone()), Arc::new(PostgresRuntime::start()?))
            }
        })
    }

    /// Connects. To be called where waiting is allowed.
    pub(super) fn connect(&self, access: Access) -> Result<Connection, StoreError> {
        match self {
            Self::Sqlite(path) => sqlite::connect(path, access == Access::Read),
            Self::Postgres(settings, runtime) => postgres::connect(settings, runtime, access == Access::Read),
        }
    }

    /// Makes what must be there before anybody can connect.
    pub(super) fn prepare(&self) -> Result<(), StoreError> {
        let Self::Sqlite(path) = self else { return Ok(()) };
        let io = |what| move |source| StoreError::Io { what, source };
        if let Some(folder) = path.parent() {
            private::make_folder(folder).map_err(io("making the folder"))?;
        }
        private::make_file(path).map_err(io("making the database's file"))
    }

    /// Takes the turn to migrate, which keeps others from it; none if another process has it and that is not waited for.
    pub(super) fn turn_to_migrate(
        &self,
        connection: &mut Connection,
        turn: Turn,
    ) -> Result<Option<HeldTurn>, StoreError> {
        match self {
            Self::Sqlite(path) => {
                let taken = match turn {
                    Turn::Awaited => lock::wait_for(path).map(Some),
                    Turn::IfFree => lock::if_free(path),
                };
                let taken = taken.map_err(|source| StoreError::Io {
                    what: "taking the turn to migrate",
                    source,
                })?;
                Ok(taken.map(|file| HeldTurn { _file: Some(file) }))
            }
            Self::Postgres(..) => {
                let is_taken = postgres::turn_to_migrate(connection, turn == Turn::Awaited)?;
                Ok(is_taken.then_some(HeldTurn { _file: None }))
            }
        }
    }

    /// Runs what may wait for the database where that is allowed, wherever it is called.
    pub(super) fn off_reactor<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        match self {
            // As quick as the disk, and done before anything else is.
            Self::Sqlite(_) => work(),
            Self::Postgres(..) => std::thread::scope(|scope| {
                let done = scope.spawn(work).join();
                done.unwrap_or_else(|payload| {
                    Err(StoreError::Panicked {
                        text: super::writer::panic_text(payload.as_ref()),
                    })
                })
            }),
        }
    }

    /// The file, if it is one.
    pub(super) fn file(&self) -> Option<&Arc<Path>> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(..) => None,
        }
    }
}

/// Makes the readers' connections for their pool.
pub(super) struct ReadOnly(pub(super) Source);

impl ManageConnection for ReadOnly {
    type Connection = Connection;
    type Error = StoreError;

    fn connect(&self) -> Result<Connection, StoreError> {
        self.0.connect(Access::Read)
    }

    fn is_valid(&self, connection: &mut Connection) -> Result<(), StoreError> {
        diesel::select(diesel::dsl::sql::<diesel::sql_types::Bool>("1 = 1"))
            .get_result::<bool>(connection)
            .map(|_| ())
            .map_err(StoreError::from)
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        !connection.is_sound()
    }
}

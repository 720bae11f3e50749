//! What can go wrong with the database, as its callers need to tell it apart.
//!
//! Guarantees: the text never repeats its source, and nothing in it comes from a row's contents.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::dialect;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot serve now; trying again later is of use.
    #[error("the database is not available: {what}")]
    Unavailable {
        /// What is not available.
        what: &'static str,
    },
    /// The database is locked, full or cannot be read; trying again later is of use.
    #[error("the database cannot take the write now")]
    Busy(#[source] DieselError),
    /// A statement failed.
    #[error("a statement failed")]
    Statement(#[source] DieselError),
    /// A row holds what it should not.
    #[error("a row of {table} holds {what} that is not valid")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column or part.
        what: &'static str,
    },
    /// A write panicked; its transaction was rolled back.
    #[error("a write panicked: {text}")]
    Panicked {
        /// What the panic said.
        text: String,
    },
    /// The writer has been closed.
    #[error("the database is closed")]
    Closed,
    /// The connection could not be made.
    #[error("the database could not be opened: {text}")]
    Open {
        /// What the driver said.
        text: String,
    },
    /// No copy was made, for a reason that the asker can mend.
    #[error("no copy was made: {text}")]
    Copy {
        /// What is in the way.
        text: String,
    },
    /// A migration failed.
    #[error("the schema could not be brought up to date: {text}")]
    Migration {
        /// What the migration said.
        text: String,
    },
    /// The schema was made by a newer version.
    #[error("the database has migrations this version does not know ({versions}); it was used by a newer version")]
    SchemaNewer {
        /// The migrations that are not known.
        versions: String,
    },
    /// The schema was contracted by a newer release, beyond what this one can work with.
    #[error(
        "the database was changed for newer versions and no longer serves this one: it takes releases from number {oldest} on, \
         and this is number {own}",
        own = super::release::RELEASE
    )]
    ReleaseTooOld {
        /// The number of the oldest release that can work with the schema.
        oldest: i64,
    },
    /// The schema was made by an older version, and may not be changed by who asks.
    #[error(
        "the database has the schema of an older version, which may be serving with it: \
         bring it up to date first, by starting this version or with `legwork migrate`"
    )]
    SchemaOlder,
    /// A file operation failed.
    #[error("{what} failed")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether the same request may well succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Busy(_) | Self::Closed)
    }

    /// Whether the same write would fail again however often it is tried: because of what it writes, or of what is there.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Statement(error) => dialect::is_permanent(error),
            Self::Corrupt { .. } | Self::Panicked { .. } => true,
            _ => false,
        }
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        if dialect::is_transient(&error) {
            Self::Busy(error)
        } else {
            Self::Statement(error)
        }
    }
}

/// Why a closure's transaction was rolled back.
#[derive(Debug)]
pub enum Abort<E> {
    /// The closure refused to go on, for a reason of its own.
    Refused(E),
    /// The database failed.
    Store(StoreError),
}

impl<E> From<StoreError> for Abort<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<E> From<DieselError> for Abort<E> {
    fn from(error: DieselError) -> Self {
        Self::Store(error.into())
    }
}

/// Whether `error` says that a row with the same unique value exists.
pub(super) fn is_unique_violation(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
}

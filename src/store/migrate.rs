//! Bringing the schema up to date, from migrations that are part of the binary.
//!
//! They are of two sorts. Those that **expand** the schema are run at the start, while nodes of the release before serve: they
//! add, and take nothing away that those use. Those that **contract** it are run once none of those is left (`contract`).
//!
//! Guarantees: only one process migrates at a time; a schema that this release cannot work with is refused before anything is
//! written to it, one that a newer release has only expanded is taken; one that an older release made, and may be serving
//! with, is brought up to date only by who may do that.

use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::dialect::{Connection, on_either};
use super::source::{Access, Source, Turn};
use super::{StoreError, contract, release};
use crate::clock::Timestamp;
use crate::telemetry::names::event;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE_CONTRACTING: EmbeddedMigrations = embed_migrations!("migrations/contract/sqlite");
const POSTGRES_CONTRACTING: EmbeddedMigrations = embed_migrations!("migrations/contract/postgres");

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Version = MigrationVersion<'static>;

/// What is done with a schema that an older version made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OlderSchema {
    /// It is brought up to date.
    Migrate,
    /// It is refused, unless the database is new: a running service of that version may be using it.
    Refuse,
}

/// A sort of migrations; the database keeps one list of those that were run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Migrations {
    /// What older releases can work with.
    Expanding,
    /// What they cannot.
    Contracting,
}

/// Runs the migrations that expand the database and that it has not had yet, if `older` allows it. A new database, which
/// nobody older can be using, is contracted too.
pub(super) fn bring_up_to_date(source: &Source, older: OlderSchema) -> Result<(), StoreError> {
    source.prepare()?;
    let mut connection = source.connect(Access::Write)?;
    let _turn = source.turn_to_migrate(&mut connection, Turn::Awaited)?;
    let applied = applied(&mut connection)?;
    let (expanding, contracting) = (
        known(&connection, Migrations::Expanding)?,
        known(&connection, Migrations::Contracting)?,
    );
    let is_ours = |version: &&Version| expanding.contains(version) || contracting.contains(version);
    let unknown: Vec<String> = applied
        .iter()
        .filter(|version| !is_ours(version))
        .map(ToString::to_string)
        .collect();
    let is_complete = !are_pending(&mut connection, Migrations::Expanding)?;
    if !unknown.is_empty() {
        let versions = unknown.join(", ");
        // Whoever is newer runs all of ours before its own.
        if !is_complete {
            return Err(StoreError::SchemaNewer { versions });
        }
        release::check(&mut connection)?;
        tracing::info!(
            event = event::SCHEMA_NEWER,
            versions,
            "a newer version has expanded the schema, with which this one works still"
        );
        return Ok(());
    }
    if older == OlderSchema::Refuse && !applied.is_empty() && !is_complete {
        return Err(StoreError::SchemaOlder);
    }
    run_pending(&mut connection, Migrations::Expanding)?;
    if applied.is_empty() {
        // Nobody has entered it, so that no time is asked for.
        contract::run(&mut connection, Timestamp::from_micros(0))?;
    }
    release::check(&mut connection)
}

/// Whether there are migrations of this sort that the database has not had.
pub(super) fn are_pending(connection: &mut Connection, sort: Migrations) -> Result<bool, StoreError> {
    let applied = applied(connection)?;
    Ok(known(connection, sort)?
        .iter()
        .any(|version| !applied.contains(version)))
}

/// Runs those migrations of this sort that the database has not had, and answers which.
pub(super) fn run_pending(connection: &mut Connection, sort: Migrations) -> Result<Vec<String>, StoreError> {
    let run = match connection {
        Connection::Sqlite(connection) => connection.run_pending_migrations(sort.of_sqlite()),
        Connection::Postgres(session) => session.connection().run_pending_migrations(sort.of_postgres()),
    };
    Ok(run.map_err(failed)?.iter().map(ToString::to_string).collect())
}

fn applied(connection: &mut Connection) -> Result<Vec<Version>, StoreError> {
    on_either!(connection, inner => inner.applied_migrations()).map_err(failed)
}

fn known(connection: &Connection, sort: Migrations) -> Result<Vec<Version>, StoreError> {
    let versions = match connection {
        Connection::Sqlite(_) => versions::<Sqlite>(&sort.of_sqlite()),
        Connection::Postgres(_) => versions::<Pg>(&sort.of_postgres()),
    };
    versions.map_err(failed)
}

fn versions<DB: diesel::backend::Backend>(source: &EmbeddedMigrations) -> Result<Vec<Version>, Failure> {
    let migrations = MigrationSource::<DB>::migrations(source)?;
    Ok(migrations.iter().map(|one| one.name().version().as_owned()).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "given to `map_err`")]
fn failed(error: Failure) -> StoreError {
    StoreError::Migration {
        text: error.to_string(),
    }
}

impl Migrations {
    fn of_sqlite(self) -> EmbeddedMigrations {
        match self {
            Self::Expanding => SQLITE,
            Self::Contracting => SQLITE_CONTRACTING,
        }
    }

    fn of_postgres(self) -> EmbeddedMigrations {
        match self {
            Self::Expanding => POSTGRES,
            Self::Contracting => POSTGRES_CONTRACTING,
        }
    }
}

#[cfg(test)]
#[path = "migrate_tests.rs"]
pub(super) mod tests;

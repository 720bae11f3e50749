//! Bringing the schema up to date, from migrations that are part of the binary.
//!
//! Guarantees: only one process migrates at a time; a schema that a newer version made is refused before anything is
//! written to it; one that an older version made, and may be serving with, is brought up to date only by who may do that.

use std::path::Path;

use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{StoreError, dialect, lock};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// What is done with a schema that an older version made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OlderSchema {
    /// It is brought up to date.
    Migrate,
    /// It is refused, unless the database is new: a running service of that version may be using it.
    Refuse,
}

/// Runs the migrations that the database has not had yet, if `older` allows it.
pub(super) fn bring_up_to_date(path: &Path, older: OlderSchema) -> Result<(), StoreError> {
    let _turn = lock::wait_for(path).map_err(|source| StoreError::Io {
        what: "waiting to migrate",
        source,
    })?;
    let mut connection = dialect::connect(path)?;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| StoreError::Migration {
        text: error.to_string(),
    };
    let applied = connection.applied_migrations().map_err(failed)?;
    let known = known_versions().map_err(failed)?;
    let newer: Vec<String> = applied
        .iter()
        .filter(|version| !known.contains(version))
        .map(ToString::to_string)
        .collect();
    if !newer.is_empty() {
        return Err(StoreError::SchemaNewer {
            versions: newer.join(", "),
        });
    }
    if older == OlderSchema::Refuse && is_older(applied.len(), known.len()) {
        return Err(StoreError::SchemaOlder);
    }
    connection.run_pending_migrations(MIGRATIONS).map_err(failed)?;
    Ok(())
}

/// Whether a database that had so many of the known migrations is an older version's: it lacks some, and is not new.
const fn is_older(applied: usize, known: usize) -> bool {
    applied > 0 && applied < known
}

fn known_versions() -> diesel::migration::Result<Vec<MigrationVersion<'static>>> {
    let migrations = MigrationSource::<Sqlite>::migrations(&MIGRATIONS)?;
    Ok(migrations
        .iter()
        .map(|migration| migration.name().version().as_owned())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;
    use diesel::sql_types::Text;

    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = Text)]
        name: String,
    }

    #[test]
    fn migrations_run_up_and_down_and_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        bring_up_to_date(&path, OlderSchema::Migrate).unwrap();
        bring_up_to_date(&path, OlderSchema::Migrate).unwrap();
        let mut connection = dialect::connect(&path).unwrap();
        connection.revert_all_migrations(MIGRATIONS).unwrap();
        let left: Vec<Name> = diesel::sql_query(
            "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_\\_%' ESCAPE '\\'",
        )
        .load(&mut connection)
        .unwrap();
        assert!(
            left.is_empty(),
            "left over: {:?}",
            left.iter().map(|row| &row.name).collect::<Vec<_>>()
        );
        bring_up_to_date(&path, OlderSchema::Migrate).unwrap();
    }

    #[test]
    fn a_new_database_and_one_that_is_up_to_date_are_no_older_versions() {
        assert!(!is_older(0, 3) && !is_older(3, 3) && is_older(1, 3) && is_older(2, 3));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        for _ in 0..2 {
            bring_up_to_date(&path, OlderSchema::Refuse).unwrap();
        }
        let versions = known_versions().unwrap();
        if let [_, .., last] = versions.as_slice() {
            // As soon as there are two, a database that lacks the last one stands for an older version's.
            let mut connection = dialect::connect(&path).unwrap();
            connection.revert_last_migration(MIGRATIONS).unwrap();
            let refused = bring_up_to_date(&path, OlderSchema::Refuse).unwrap_err();
            assert!(matches!(refused, StoreError::SchemaOlder), "{refused}: {last}");
            bring_up_to_date(&path, OlderSchema::Migrate).unwrap();
        }
    }

    #[test]
    fn a_schema_of_a_newer_version_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        bring_up_to_date(&path, OlderSchema::Migrate).unwrap();
        let mut connection = dialect::connect(&path).unwrap();
        connection
            .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')")
            .unwrap();
        let error = bring_up_to_date(&path, OlderSchema::Migrate).unwrap_err();
        assert!(
            matches!(&error, StoreError::SchemaNewer { versions } if versions == "29990101000000"),
            "{error}"
        );
    }
}

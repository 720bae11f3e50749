//! Bringing the schema up to date, from migrations that are part of the binary.
//!
//! Guarantees: only one process migrates at a time; a schema that a newer version made is refused before anything is
//! written to it.

use std::path::Path;

use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{StoreError, dialect, lock};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Runs the migrations that the database has not had yet.
pub(super) fn bring_up_to_date(path: &Path) -> Result<(), StoreError> {
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
    connection.run_pending_migrations(MIGRATIONS).map_err(failed)?;
    Ok(())
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
        bring_up_to_date(&path).unwrap();
        bring_up_to_date(&path).unwrap();
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
        bring_up_to_date(&path).unwrap();
    }

    #[test]
    fn a_schema_of_a_newer_version_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        bring_up_to_date(&path).unwrap();
        let mut connection = dialect::connect(&path).unwrap();
        connection
            .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')")
            .unwrap();
        let error = bring_up_to_date(&path).unwrap_err();
        assert!(
            matches!(&error, StoreError::SchemaNewer { versions } if versions == "29990101000000"),
            "{error}"
        );
    }
}

//! Bringing the schema up to date, from migrations that are part of the binary.
//!
//! Guarantees: only one process migrates at a time; a schema that a newer version made is refused before anything is
//! written to it; one that an older version made, and may be serving with, is brought up to date only by who may do that.

use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::StoreError;
use super::dialect::{Connection, on_either};
use super::source::{Access, Source};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is done with a schema that an older version made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OlderSchema {
    /// It is brought up to date.
    Migrate,
    /// It is refused, unless the database is new: a running service of that version may be using it.
    Refuse,
}

/// Runs the migrations that the database has not had yet, if `older` allows it.
pub(super) fn bring_up_to_date(source: &Source, older: OlderSchema) -> Result<(), StoreError> {
    source.prepare()?;
    let mut connection = source.connect(Access::Write)?;
    let _turn = source.turn_to_migrate(&mut connection)?;
    let failed = |error: Failure| StoreError::Migration {
        text: error.to_string(),
    };
    let applied = on_either!(&mut connection, inner => inner.applied_migrations()).map_err(failed)?;
    let known = known_versions(&connection).map_err(failed)?;
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
    run_pending(&mut connection).map_err(failed)
}

fn run_pending(connection: &mut Connection) -> Result<(), Failure> {
    match connection {
        Connection::Sqlite(connection) => connection.run_pending_migrations(SQLITE).map(drop),
        Connection::Postgres(session) => session.connection().run_pending_migrations(POSTGRES).map(drop),
    }
}

/// Whether a database that had so many of the known migrations is an older version's: it lacks some, and is not new.
const fn is_older(applied: usize, known: usize) -> bool {
    applied > 0 && applied < known
}

fn known_versions(connection: &Connection) -> diesel::migration::Result<Vec<MigrationVersion<'static>>> {
    let names: Vec<_> = match connection {
        Connection::Sqlite(_) => {
            let migrations = MigrationSource::<Sqlite>::migrations(&SQLITE)?;
            migrations.iter().map(|one| one.name().version().as_owned()).collect()
        }
        Connection::Postgres(_) => {
            let migrations = MigrationSource::<Pg>::migrations(&POSTGRES)?;
            migrations.iter().map(|one| one.name().version().as_owned()).collect()
        }
    };
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::id::{JobId, NodeId};
    use crate::domain::job::{JobState, Queue};
    use crate::store::Database;
    use crate::store::dialect::prelude::*;
    use crate::store::dialect::sqlite;
    use crate::store::testing::TestTree;
    use crate::store::{Abort, ClaimRequest, Finished, KnownKind, Store, StoreOptions, jobs};
    use diesel::QueryableByName;
    use diesel::SqliteConnection;
    use diesel::connection::SimpleConnection;
    use diesel::sql_types::Text;

    fn source(path: &Path) -> Source {
        Source::of(&Database::Sqlite(path.to_owned())).unwrap()
    }

    fn inner(connection: &mut Connection) -> &mut SqliteConnection {
        match connection {
            Connection::Sqlite(connection) => connection,
            Connection::Postgres(_) => panic!("not asked for"),
        }
    }

    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = Text)]
        name: String,
    }

    #[test]
    fn migrations_run_up_and_down_and_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        bring_up_to_date(&source(&path), OlderSchema::Migrate).unwrap();
        bring_up_to_date(&source(&path), OlderSchema::Migrate).unwrap();
        let mut connection = sqlite::connect(&path, false).unwrap();
        inner(&mut connection).revert_all_migrations(SQLITE).unwrap();
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
        bring_up_to_date(&source(&path), OlderSchema::Migrate).unwrap();
    }

    #[tokio::test]
    async fn a_database_of_the_first_version_goes_on_with_the_jobs_that_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let mut connection = sqlite::connect(&path, false).unwrap();
        inner(&mut connection).run_next_migration(SQLITE).unwrap();
        let ids: Vec<JobId> = (1..=6).map(JobId::from_bits).collect();
        let standing = [
            ("available", "NULL", "NULL", "NULL", 0),
            ("scheduled", "NULL", "NULL", "NULL", 0),
            ("retryable", "1", "NULL", "NULL", 1),
            ("available", "NULL", "NULL", "NULL", 0),
            ("running", "2", "NULL", "'nod_00000000000000000000000000000009'", 1),
            ("completed", "3", "4", "NULL", 1),
        ];
        for (id, (state, started, finished, node, fence)) in ids.iter().zip(standing) {
            let kind = if *id == JobId::from_bits(4) {
                "later.kind"
            } else {
                "email.send"
            };
            inner(&mut connection)
                .batch_execute(&format!(
                    "INSERT INTO jobs (id, workspace_id, kind, queue, state, priority, rank, args, args_version, attempt, \
                     max_attempts, timeout_ms, run_at, created_at, started_at, finished_at, fence, node, worker_panics, deaths) \
                     VALUES ('{id}', 'wsp_00000000000000000000000000000000', '{kind}', 'mail', '{state}', 0, 0, '{{}}', 1, \
                     {fence}, 5, 1000, 5, 1, {started}, {finished}, {fence}, {node}, 0, 0)"
                ))
                .unwrap();
        }
        drop(connection);
        let options = StoreOptions {
            database: Database::Sqlite(path),
            writers: 1,
            readers: 1,
            on_available: std::sync::Arc::new(|_: &[Queue]| {}),
        };
        let tree = TestTree::new();
        let beside = Store::open_beside(&options, tree.root());
        assert!(matches!(beside, Err(StoreError::SchemaOlder)));
        let store = Store::open(&options, tree.root()).unwrap();
        let (node, now) = (NodeId::generate(), Timestamp::from_micros(10));
        let rescue = store.write(move |tx| Ok::<_, Abort<()>>(jobs::rescue(tx, node, now)?));
        assert_eq!(rescue.await.unwrap(), [Finished::Written(JobState::Available)]);
        let claimed = store.claim(ClaimRequest {
            queue: Queue::Mail,
            kinds: vec![KnownKind {
                name: "email.send",
                version: 1,
            }],
            limit: 10,
            turn: Default::default(),
            node,
            now,
        });
        let claimed: Vec<JobId> = claimed.await.unwrap().jobs.iter().map(|job| job.id).collect();
        assert_eq!(claimed, [ids[0], ids[1], ids[2], ids[4]]);
        let until = jobs::FinishedUntil {
            completed: now,
            discarded: now,
            cancelled: now,
            uncertain: now,
        };
        let old = store.read(move |connection| jobs::old_jobs(connection, None, &until, 10));
        let old = old.await.unwrap().ids;
        let forget = store.write(move |tx| Ok::<_, Abort<()>>(jobs::forget(tx.connection(), &old, &until, now)?));
        assert_eq!(forget.await.unwrap(), 1);
    }

    #[test]
    fn a_new_database_and_one_that_is_up_to_date_are_no_older_versions() {
        assert!(!is_older(0, 3) && !is_older(3, 3) && is_older(1, 3) && is_older(2, 3));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        for _ in 0..2 {
            bring_up_to_date(&source(&path), OlderSchema::Refuse).unwrap();
        }
        let versions = known_versions(&sqlite::connect(&path, false).unwrap()).unwrap();
        if let [_, .., last] = versions.as_slice() {
            // As soon as there are two, a database that lacks the last one stands for an older version's.
            let mut connection = sqlite::connect(&path, false).unwrap();
            inner(&mut connection).revert_last_migration(SQLITE).unwrap();
            let refused = bring_up_to_date(&source(&path), OlderSchema::Refuse).unwrap_err();
            assert!(matches!(refused, StoreError::SchemaOlder), "{refused}: {last}");
            bring_up_to_date(&source(&path), OlderSchema::Migrate).unwrap();
        }
    }

    #[test]
    fn a_schema_of_a_newer_version_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        bring_up_to_date(&source(&path), OlderSchema::Migrate).unwrap();
        let mut connection = sqlite::connect(&path, false).unwrap();
        inner(&mut connection)
            .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')")
            .unwrap();
        let error = bring_up_to_date(&source(&path), OlderSchema::Migrate).unwrap_err();
        assert!(
            matches!(&error, StoreError::SchemaNewer { versions } if versions == "29990101000000"),
            "{error}"
        );
    }
}

//! Migrations: up and down, from older versions, and in the face of newer ones.

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
use diesel::migration::Migration;
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
    revert(&mut connection, Migrations::Contracting);
    revert(&mut connection, Migrations::Expanding);
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
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    for _ in 0..2 {
        bring_up_to_date(&source(&path), OlderSchema::Refuse).unwrap();
    }
    // A database that lacks the last one stands for an older version's.
    let mut connection = sqlite::connect(&path, false).unwrap();
    revert(&mut connection, Migrations::Contracting);
    inner(&mut connection).revert_last_migration(SQLITE).unwrap();
    let refused = bring_up_to_date(&source(&path), OlderSchema::Refuse).unwrap_err();
    assert!(matches!(refused, StoreError::SchemaOlder), "{refused}");
    bring_up_to_date(&source(&path), OlderSchema::Migrate).unwrap();
    assert!(
        are_pending(&mut connection, Migrations::Contracting).unwrap(),
        "an older version's database was contracted at once"
    );
}

#[test]
fn a_schema_that_a_newer_version_has_expanded_is_taken_and_one_that_it_has_contracted_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    bring_up_to_date(&source(&path), OlderSchema::Migrate).unwrap();
    let mut connection = sqlite::connect(&path, false).unwrap();
    let mut newer = |statements: &str| inner(&mut connection).batch_execute(statements).unwrap();
    newer("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')");
    newer("ALTER TABLE jobs ADD COLUMN colour TEXT");
    for older in [OlderSchema::Migrate, OlderSchema::Refuse] {
        bring_up_to_date(&source(&path), older).unwrap();
    }
    let next = release::RELEASE + 1;
    newer(&format!("UPDATE schema_needs SET oldest_release = {next}"));
    let refused = bring_up_to_date(&source(&path), OlderSchema::Migrate).unwrap_err();
    assert!(
        matches!(refused, StoreError::ReleaseTooOld { oldest } if oldest == next),
        "{refused}"
    );
    let text = refused.to_string();
    assert!(
        text.contains(&format!("from number {next} on"))
            && text.contains(&format!("this is number {}", release::RELEASE)),
        "{text}"
    );
}

#[test]
fn a_schema_that_is_no_later_one_of_ours_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    bring_up_to_date(&source(&path), OlderSchema::Migrate).unwrap();
    let mut connection = sqlite::connect(&path, false).unwrap();
    revert(&mut connection, Migrations::Contracting);
    inner(&mut connection).revert_last_migration(SQLITE).unwrap();
    inner(&mut connection)
        .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')")
        .unwrap();
    let error = bring_up_to_date(&source(&path), OlderSchema::Migrate).unwrap_err();
    assert!(
        matches!(&error, StoreError::SchemaNewer { versions } if versions == "29990101000000"),
        "{error}"
    );
}

#[test]
fn each_contracting_migration_keeps_the_releases_out_that_it_leaves_behind() {
    for source in [SQLITE_CONTRACTING, POSTGRES_CONTRACTING] {
        // What they say is only seen by their folders.
        let names: Vec<String> = MigrationSource::<Sqlite>::migrations(&source)
            .unwrap()
            .iter()
            .map(|one| one.name().to_string())
            .collect();
        assert!(!names.is_empty());
        for name in names {
            for database in ["sqlite", "postgres"] {
                let path = format!("migrations/contract/{database}/{name}/up.sql");
                let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
                let raises = (2..=release::RELEASE).any(|release| {
                    text.contains(&format!(
                        "SET oldest_release = {release} WHERE oldest_release < {release}"
                    ))
                });
                assert!(raises, "{name} on {database} raises no oldest release up to this one");
            }
        }
    }
}

/// Undoes all migrations of a sort that were run, the last first.
pub(crate) fn revert(connection: &mut Connection, sort: Migrations) {
    fn all<DB: diesel::backend::Backend>(source: &EmbeddedMigrations) -> Vec<Box<dyn Migration<DB>>> {
        let mut all = MigrationSource::<DB>::migrations(source).unwrap();
        all.sort_by_key(|one| std::cmp::Reverse(one.name().version().as_owned()));
        all
    }
    match connection {
        Connection::Sqlite(inner) => {
            for one in all::<Sqlite>(&sort.of_sqlite()) {
                inner.revert_migration(&*one).unwrap();
            }
        }
        Connection::Postgres(session) => {
            for one in all::<Pg>(&sort.of_postgres()) {
                session.connection().revert_migration(&*one).unwrap();
            }
        }
    }
}

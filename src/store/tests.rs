//! The store as a whole: what diesel believes of the tables, reads, and backups.

use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::time::Duration;

use crate::store::dialect::prelude::*;
use diesel::connection::SimpleConnection;

use super::testing::{NOW, TestStore, TestTree, job, request};
use super::*;

/// The names, types and nullability of a table's columns as `schema` says them, read from its text.
fn declared() -> Vec<(String, Vec<String>)> {
    let text = [
        include_str!("schema.rs"),
        include_str!("schema/scheduling.rs"),
        include_str!("schema/templating.rs"),
        include_str!("schema/mail.rs"),
    ]
    .map(|text| text.split("diesel::joinable!").next().unwrap())
    .concat();
    let tables = text.split("diesel::table! {").skip(1).map(|table| {
        let (name, columns) = table.trim_start().split_once(" (").unwrap();
        let columns = columns
            .lines()
            .filter_map(|line| line.trim().trim_end_matches(',').split_once(" -> "));
        let columns = columns.map(|(column, kind)| match kind {
            "Text" => format!("{column} TEXT 1"),
            "BigInt" => format!("{column} BIGINT 1"),
            "Nullable<Text>" => format!("{column} TEXT 0"),
            "Binary" => format!("{column} BLOB 1"),
            "Nullable<BigInt>" => format!("{column} BIGINT 0"),
            other => panic!("{other} is not portable"),
        });
        (name.to_owned(), columns.collect())
    });
    tables.collect()
}

#[test]
fn the_schema_is_what_the_migrations_make() {
    let store = TestStore::new();
    let mut declared = declared();
    declared.sort();
    let named: Vec<String> = declared.iter().map(|(table, _)| table.clone()).collect();
    let made = "SELECT name AS value FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' \
                AND name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY name";
    assert_eq!(store.words(made), named);
    for (table, columns) in declared {
        let made = format!(
            "SELECT name || ' ' || type || ' ' || \"notnull\" AS value FROM pragma_table_info('{table}') ORDER BY cid"
        );
        // A number that SQLite counts up by itself must be called INTEGER.
        let found = store
            .words(&made)
            .into_iter()
            .map(|column| column.replace(" INTEGER ", " BIGINT "));
        assert_eq!(found.collect::<Vec<_>>(), columns, "{table}");
    }
}

#[tokio::test]
async fn a_backup_made_while_writes_go_on_is_one_moment_whole_and_opens() {
    let store = TestStore::new();
    // Each commit adds a pair, so that a copy of one moment holds an even number.
    let writing = {
        let store: Store = (*store).clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                store.enqueue(vec![job(), job()]).await.unwrap();
            }
        })
    };
    let mut sizes = Vec::new();
    for name in ["a.db", "b.db", "c.db"] {
        let (path, target) = (store.file().unwrap().to_owned(), store.beside(name));
        let copied = tokio::task::spawn_blocking(move || Store::backup(&path, &target))
            .await
            .unwrap();
        assert!(copied.unwrap() > 0);
        let copy = dialect::sqlite::connect(&store.beside(name), false).map(|mut copy| {
            copy.batch_execute("PRAGMA integrity_check").unwrap();
            schema::jobs::table.count().get_result::<i64>(&mut copy).unwrap()
        });
        sizes.push(copy.unwrap());
    }
    writing.await.unwrap();
    assert!(
        sizes.iter().all(|count| count % 2 == 0) && sizes.is_sorted(),
        "{sizes:?}"
    );
    assert_eq!(store.states(), ["available 400"], "the writes went on");
    let again = Store::backup(store.file().unwrap(), &store.beside("a.db")).unwrap_err();
    assert!(
        again.to_string().starts_with("no copy was made: ") && again.to_string().contains("exists already"),
        "{again}"
    );
    let nowhere = Store::backup(store.file().unwrap(), &store.beside("none/a.db")).unwrap_err();
    assert!(nowhere.to_string().contains("there is no folder "), "{nowhere}");
    let options = StoreOptions {
        database: Database::Sqlite(store.beside("c.db")),
        writers: 1,
        readers: 1,
        on_available: Arc::new(|_| {}),
    };
    let copy = Store::open(&options, store.tree().root());
    let copy = copy.unwrap();
    assert_eq!(
        copy.claim(request(1, NOW)).await.unwrap().jobs.len(),
        usize::from(sizes[2] > 0)
    );
}

#[tokio::test]
async fn a_backup_of_nothing_makes_no_file() {
    let store = TestStore::new();
    let absent = Store::backup(&store.beside("absent.db"), &store.beside("copy.db"));
    assert!(absent.is_err() && !store.beside("copy.db").exists() && !store.beside("absent.db").exists());
}

#[tokio::test]
async fn readers_cannot_write() {
    let store = TestStore::new();
    let written = store.read(|connection| {
        connection.batch_execute("INSERT INTO workspaces (id, name, created_at) VALUES ('x', 'x', 0)")?;
        Ok(())
    });
    let error = written.await.unwrap_err();
    assert!(matches!(error, StoreError::Statement(_)), "{error:?}");
    assert_eq!(store.number("SELECT count(*) AS value FROM workspaces"), Some(1));
}

#[tokio::test]
async fn a_panic_in_a_read_is_answered_and_the_reader_lives() {
    let store = TestStore::new();
    for _ in 0..3 {
        let read = store
            .read(|_| -> Result<(), StoreError> { panic!("the read broke") })
            .await;
        assert!(
            matches!(&read, Err(StoreError::Panicked { text }) if text == "the read broke"),
            "{read:?}"
        );
    }
    assert_eq!(store.read(|_| Ok(7)).await.unwrap(), 7);
}

/// Reads that go on until told, as many as there are readers.
async fn busy(
    store: &TestStore,
) -> (
    Vec<mpsc::Sender<()>>,
    Vec<tokio::task::JoinHandle<Result<(), StoreError>>>,
) {
    let (mut goes, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (go, goes_on) = mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let store: Store = (**store).clone();
        reads.push(tokio::spawn(async move {
            let read = store.read(move |_| {
                begin.send(()).unwrap();
                goes_on.recv().unwrap();
                Ok(())
            });
            read.await
        }));
        begun.await.unwrap();
        goes.push(go);
    }
    (goes, reads)
}

#[tokio::test]
async fn reads_beyond_the_readers_wait_for_their_turn() {
    let store = TestStore::new();
    let (goes, reads) = busy(&store).await;
    let waiting = store.read(|_| Ok(7));
    tokio::pin!(waiting);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut waiting)
            .await
            .is_err()
    );
    goes[0].send(()).unwrap();
    assert_eq!(waiting.await.unwrap(), 7);
    goes[1].send(()).unwrap();
    for read in reads {
        read.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_read_whose_turn_does_not_come_is_answered_unavailable_and_never_runs() {
    let store = TestStore::new();
    let (goes, reads) = busy(&store).await;
    let (ran, runs) = mpsc::channel();
    // The limit is five seconds of tokio's clock, which nothing here needs to run while it is moved.
    tokio::time::pause();
    let waiting = store.read(move |_| {
        ran.send(()).unwrap();
        Ok(())
    });
    tokio::pin!(waiting);
    assert!(futures_util::future::poll_immediate(&mut waiting).await.is_none());
    tokio::time::advance(Duration::from_millis(4_900)).await;
    assert!(futures_util::future::poll_immediate(&mut waiting).await.is_none());
    tokio::time::advance(Duration::from_millis(200)).await;
    let refused = waiting.await.unwrap_err();
    tokio::time::resume();
    assert!(
        matches!(refused, StoreError::Unavailable { .. }) && refused.is_transient(),
        "{refused:?}"
    );
    for go in goes {
        go.send(()).unwrap();
    }
    for read in reads {
        read.await.unwrap().unwrap();
    }
    assert!(runs.try_recv().is_err());
}

#[actix::test]
async fn the_database_its_log_its_folder_and_a_copy_of_it_are_their_owners_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/legwork.db");
    let options = StoreOptions {
        database: Database::Sqlite(path.clone()),
        writers: 1,
        readers: 1,
        on_available: Arc::new(|_| {}),
    };
    let tree = TestTree::new();
    let store = Store::open(&options, tree.root()).unwrap();
    store.enqueue(Vec::new()).await.unwrap();
    let copy = folder.path().join("copy.db");
    Store::backup(&path, &copy).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!((mode(&path), mode(&copy)), (0o600, 0o600));
    assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
}

#[tokio::test]
async fn sqlite_has_no_locks_and_counters_that_nobody_needs() {
    let options = TestStore::new().words("SELECT compile_options AS value FROM pragma_compile_options");
    let has = |name: &str| options.iter().any(|option| option == name);
    let says = "said by .cargo/config.toml, which cargo reads within the checkout";
    assert!(has("THREADSAFE=2") && has("DEFAULT_MEMSTATUS=0"), "{says}: {options:?}");
    assert!(!has("ENABLE_MEMORY_MANAGEMENT"), "{says}: {options:?}");
}

//! What tests need of a store: a database in a folder of its own, jobs to put into it, a second connection to look with,
//! and a hold on the writer, by which a test decides what is committed together.

#[expect(dead_code, reason = "the integration tests use what these do not")]
#[path = "../../tests/support/certificates.rs"]
pub(in crate::store) mod certificates;
#[expect(clippy::disallowed_methods, reason = "it looks for programs in PATH")]
#[path = "../../tests/support/postgres_server.rs"]
pub(in crate::store) mod postgres_server;
#[expect(
    dead_code,
    clippy::disallowed_methods,
    reason = "the integration tests use what these do not"
)]
#[path = "../../tests/support/required.rs"]
mod required;

mod overlap;
mod rows;
pub(crate) mod tenants;

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use diesel::QueryableByName;
use diesel::connection::{Connection as _, InstrumentationEvent};
use diesel::sql_types::{BigInt, Nullable, Text};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) use self::rows::{Table, rows_of, tables};
use super::dialect::prelude::*;
use super::schema::workspaces;
use super::source::Access;
use super::{Abort, AttemptFinish, ClaimRequest, Connection, Database, KnownKind, NewJob, Store, StoreOptions};
use crate::clock::{Clock, Timestamp};
use crate::config::DatabaseUrl;
use crate::domain::id::{JobId, NodeId, WorkspaceId};
use crate::domain::job::{AttemptEnd, Queue};
use crate::supervision::{SupervisorSpec, Tree};

/// The present of tests that do not move it.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A node of the tests.
pub(crate) const NODE: NodeId = NodeId::from_bits(1);

/// The kind of [`job`].
pub(crate) const KIND: &str = "test.work";

/// A tree on a thread of its own, for tests that have no arbiter; it is stopped when this is dropped.
pub(crate) struct TestTree {
    tree: Tree,
    _leave: tokio::sync::oneshot::Sender<()>,
}

impl TestTree {
    pub(crate) fn new() -> Self {
        let (tell, told) = mpsc::channel();
        let (leave, left) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let arbiter = actix::Arbiter::try_current();
                let tree = Tree::with(SupervisorSpec::new("root"), arbiter, Clock::System).with_fault_injection();
                tell.send(tree.clone()).unwrap();
                // Nothing is ever sent: it ends by being dropped.
                drop(left.await);
                tree.stop().await;
            });
        });
        Self {
            tree: told.recv().unwrap(),
            _leave: leave,
        }
    }
}

impl Deref for TestTree {
    type Target = Tree;

    fn deref(&self) -> &Tree {
        &self.tree
    }
}

/// Makes two tests of each function that takes a fresh [`TestStore`]: one with a file, one with a server.
macro_rules! on_each_database {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test]
            async fn on_sqlite() {
                super::$name($crate::store::testing::TestStore::new()).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                if let Some(store) = $crate::store::testing::TestStore::on_server() {
                    super::$name(store).await;
                }
            }
        }
    )+};
}
pub(crate) use on_each_database;

/// A store whose folder goes with it.
pub(crate) struct TestStore {
    store: Store,
    tree: TestTree,
    told: Arc<Mutex<Vec<Vec<Queue>>>>,
    folder: TempDir,
    database: Database,
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    value: Option<i64>,
}

#[derive(QueryableByName)]
struct Words {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

impl TestStore {
    /// A fresh database with two readers.
    pub(crate) fn new() -> Self {
        Self::telling(|_| {})
    }

    /// The same, whose commits also tell `also` of the queues in which jobs became available.
    pub(crate) fn telling(also: impl Fn(&[Queue]) + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("test.db"));
        Self::of(&database, folder, also)
    }

    /// A fresh database on the server that the tests share; none, said aloud, if there is no server here.
    pub(crate) fn on_server() -> Option<Self> {
        let url = postgres_server::shared()?.create_database();
        Some(Self::of_server(&url))
    }

    /// A store of a database at this address.
    pub(crate) fn of_server(url: &str) -> Self {
        let database = Database::from(&DatabaseUrl::parse(url).unwrap());
        Self::of(&database, tempfile::tempdir().unwrap(), |_| {})
    }

    /// A store of this database, whose folder goes with it.
    fn of(database: &Database, folder: TempDir, also: impl Fn(&[Queue]) + Send + Sync + 'static) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let on_available = {
            let told = Arc::clone(&told);
            move |queues: &[Queue]| {
                told.lock().unwrap().push(queues.to_vec());
                also(queues);
            }
        };
        let options = StoreOptions {
            database: database.clone(),
            readers: 2,
            writers: 2,
            on_available: Arc::new(on_available),
        };
        let tree = TestTree::new();
        Self {
            store: Store::open(&options, tree.root()).unwrap(),
            tree,
            told,
            folder,
            database: database.clone(),
        }
    }

    /// Another node's store of the same database, which must be a server's.
    pub(crate) fn of_another_node(&self) -> Self {
        assert!(self.file().is_none(), "a file has one node");
        Self::of(&self.database, tempfile::tempdir().unwrap(), |_| {})
    }

    /// The tree that the writer is in.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// A path beside the database.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same database as another node has it, with writers of its own; they end with this one's.
    pub(crate) fn another(&self) -> Store {
        let options = StoreOptions {
            database: self.database.clone(),
            readers: 2,
            writers: 2,
            on_available: Arc::new(|_: &[Queue]| {}),
        };
        Store::open(&options, self.tree.root()).unwrap()
    }

    /// What was told of available jobs since the last look, one entry a commit.
    pub(crate) async fn told(&self) -> Vec<Vec<Queue>> {
        // An answer comes before the telling; the next write comes after it.
        self.store.ping(Duration::from_secs(10)).await.unwrap();
        std::mem::take(&mut *self.told.lock().unwrap())
    }

    /// A second connection, as another process would have it.
    pub(crate) fn other(&self) -> Connection {
        self.store.source.connect(Access::Write).unwrap()
    }

    /// What a second connection sees or does, off this thread, which must not wait for a server.
    pub(crate) fn look<T: Send>(&self, look: impl FnOnce(&mut Connection) -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(|| look(&mut self.other())).join().unwrap())
    }

    /// Runs statements by a second connection.
    pub(crate) fn execute(&self, statements: &str) {
        use diesel::connection::SimpleConnection;
        self.look(|other| other.batch_execute(statements).unwrap());
    }

    /// The first column, called `value`, of the only row that a query answers; seen by a second connection.
    pub(crate) fn number(&self, query: &str) -> Option<i64> {
        let row: Number = self.look(|other| diesel::sql_query(query).get_result(other).unwrap());
        row.value
    }

    /// The column `value` of each row that a query answers; seen by a second connection.
    pub(crate) fn words(&self, query: &str) -> Vec<String> {
        let rows: Vec<Words> = self.look(|other| diesel::sql_query(query).load(other).unwrap());
        rows.into_iter().map(|row| row.value.unwrap_or_default()).collect()
    }

    /// Runs statements, as another process or a person's hand might.
    pub(crate) fn run(&self, statements: &str) {
        self.look(|other| diesel::connection::SimpleConnection::batch_execute(other, statements).unwrap());
    }

    /// How many jobs are in each state, by name.
    pub(crate) fn states(&self) -> Vec<String> {
        self.words("SELECT state || ' ' || count(*) AS value FROM jobs GROUP BY state ORDER BY state")
    }

    /// Enters a workspace.
    pub(crate) async fn workspace(&self) -> WorkspaceId {
        let id = WorkspaceId::generate();
        self.store
            .write(move |tx| enter_workspace(tx.connection(), id))
            .await
            .unwrap();
        id
    }

    /// Transactions in the write-ahead log that changed something, counted in the file itself: each ends with a frame that
    /// names the size of the database after it. It counts until the first checkpoint, at 1,000 pages.
    pub(crate) fn commits(&self) -> usize {
        let mut name = self.store.file().unwrap().as_os_str().to_owned();
        name.push("-wal");
        let log = std::fs::read(name).unwrap_or_default();
        let Some(head) = log.get(..32) else { return 0 };
        let page = usize::try_from(u32::from_be_bytes(head[8..12].try_into().unwrap())).unwrap();
        log[32..]
            .chunks_exact(24 + page)
            .take_while(|frame| frame[8..16] == head[16..24])
            .filter(|frame| frame[4..8] != [0; 4])
            .count()
    }

    /// Keeps the writer busy inside a transaction that changes nothing, so that whatever is written meanwhile waits and is
    /// then taken together.
    pub(crate) async fn hold_writer(&self) -> HeldWriter {
        let (enter, entered) = tokio::sync::oneshot::channel();
        let (release, released) = mpsc::channel::<()>();
        let mut enter = Some(enter);
        let store = self.store.clone();
        let task = tokio::spawn(async move {
            let held = store.write(move |_| {
                if let Some(enter) = enter.take() {
                    enter.send(()).unwrap();
                }
                released.recv().unwrap();
                Ok::<_, Abort<()>>(())
            });
            held.await.unwrap();
        });
        entered.await.unwrap();
        HeldWriter { release, task }
    }
}

/// A writer that is held; see [`TestStore::hold_writer`].
pub(crate) struct HeldWriter {
    release: mpsc::Sender<()>,
    task: JoinHandle<()>,
}

impl HeldWriter {
    /// Lets all `writes` reach the writer, then lets it go on, and answers what they are answered.
    pub(crate) async fn release_with<F: Future>(self, writes: Vec<F>) -> Vec<F::Output> {
        let mut writes = Box::pin(futures_util::future::join_all(writes));
        // The first poll hands each of them over: there is room for thousands.
        let early = futures_util::future::poll_immediate(&mut writes).await;
        assert!(early.is_none(), "the writer is not held");
        self.release.send(()).unwrap();
        let answers = writes.await;
        self.task.await.unwrap();
        answers
    }
}

/// Enters a workspace by a given connection.
pub(crate) fn enter_workspace(connection: &mut Connection, id: WorkspaceId) -> Result<(), Abort<()>> {
    diesel::insert_into(workspaces::table)
        .values((
            workspaces::id.eq(id.to_string()),
            workspaces::name.eq("test"),
            workspaces::created_at.eq(0),
        ))
        .execute(connection)?;
    Ok(())
}

/// A job that can run at [`NOW`], three times at most.
pub(crate) fn job() -> NewJob {
    NewJob {
        id: JobId::generate(),
        workspace: WorkspaceId::SERVICE,
        kind: KIND,
        queue: Queue::Probes,
        priority: 0,
        args: "{}".to_owned(),
        args_version: 1,
        max_attempts: 3,
        timeout: Duration::from_secs(60),
        run_at: NOW,
        created_at: NOW,
        deadline: None,
        unique: None,
        limit_key: None,
        schedule: None,
        batch: None,
        is_waited_for: false,
        after: None,
        request_id: None,
        labels: None,
    }
}

/// A claim of up to `limit` such jobs.
pub(crate) fn request(limit: usize, now: Timestamp) -> ClaimRequest {
    ClaimRequest {
        queue: Queue::Probes,
        kinds: vec![KnownKind { name: KIND, version: 2 }],
        limit,
        turn: Default::default(),
        node: NODE,
        now,
    }
}

/// The end of an attempt, with nothing beside it.
pub(crate) fn end(job: JobId, fence: i64, end: AttemptEnd, at: Timestamp) -> AttemptFinish {
    AttemptFinish {
        job,
        fence,
        end,
        error: None,
        result: None,
        progress: None,
        transcript: None,
        suppress: Vec::new(),
        at,
    }
}

/// Makes all operators ordinary accounts, as another process might; answers how many there were.
pub(crate) fn demote(store: &Store) -> usize {
    let mut other = store.source.connect(Access::Write).unwrap();
    diesel::sql_query("UPDATE accounts SET is_operator = 0 WHERE is_operator = 1")
        .execute(&mut other)
        .unwrap()
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// The statements that `act` sends about jobs, reports and suppressions, and the plan of each.
pub(crate) fn plans(store: &TestStore, act: impl FnOnce(&mut Connection)) -> Vec<(String, String)> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let mut connection = store.other();
    let Connection::Sqlite(inner) = &mut connection else {
        panic!("plans are those of SQLite");
    };
    inner.set_instrumentation({
        let sent = Arc::clone(&sent);
        move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                sent.lock().unwrap().push(query.to_string());
            }
        }
    });
    act(&mut connection);
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    let statements = sent.into_iter().filter(|statement| {
        ["jobs", "reports", "suppressions"]
            .iter()
            .any(|table| statement.contains(table))
    });
    statements
        .map(|statement| {
            let statement = statement.split(" -- binds").next().unwrap().to_owned();
            let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
                .load(&mut store.other())
                .unwrap();
            let plan: Vec<String> = steps.into_iter().map(|step| step.detail).collect();
            (statement, plan.join("; "))
        })
        .collect()
}

//! What one workspace has, and what is asked of the database: for tests that hold one workspace's requests against the rows of
//! another.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex, PoisonError};

use diesel::connection::{Connection as _, InstrumentationEvent};
use diesel::sqlite::SqliteConnection;

use super::Words;
use crate::domain::id::WorkspaceId;
use crate::store::dialect::prelude::*;
use crate::store::source::Access;
use crate::store::{Abort, Connection, Store};

/// All rows of a workspace, by table, each as JSON. The database is a file.
pub(crate) fn rows_of(store: &Store, workspace: WorkspaceId) -> BTreeMap<String, Vec<String>> {
    let mut other = store.source.connect(Access::Write).unwrap();
    let mut words = |query: String| -> Vec<String> {
        let rows: Vec<Words> = diesel::sql_query(query).load(&mut other).unwrap();
        rows.into_iter().map(|row| row.value.unwrap_or_default()).collect()
    };
    let tables = words("SELECT name AS value FROM sqlite_master WHERE type = 'table' ORDER BY name".to_owned());
    let mut found = BTreeMap::new();
    for table in tables {
        let columns = words(format!(
            "SELECT name AS value FROM pragma_table_info('{table}') ORDER BY cid"
        ));
        let owner = match table.as_str() {
            "workspaces" => "id",
            _ if columns.iter().any(|column| column == "workspace_id") => "workspace_id",
            _ => continue,
        };
        // Bytes too, which JSON cannot hold as they are.
        let columns = columns
            .iter()
            .map(|name| format!("iif(typeof({name}) = 'blob', hex({name}), {name})"));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let rows = words(format!(
            "SELECT json_array({columns}) AS value FROM {table} WHERE {owner} = '{workspace}' ORDER BY 1"
        ));
        found.insert(table, rows);
    }
    found
}

/// The statements that a store sends to its file, without their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    /// Listens to all connections of a store: its writer and so many readers.
    pub(crate) async fn of(store: &Store, readers: usize) -> Self {
        let all = Self::default();
        // All of them at once, so that each is another connection.
        let barrier = Arc::new(Barrier::new(readers));
        let reads = (0..readers).map(|_| {
            let (all, barrier) = (all.clone(), Arc::clone(&barrier));
            store.read(move |connection| {
                barrier.wait();
                all.listen(connection);
                barrier.wait();
                Ok(())
            })
        });
        for read in futures_util::future::join_all(reads).await {
            read.unwrap();
        }
        let listener = all.clone();
        let write = store.write(move |tx| {
            listener.listen(tx.connection());
            Ok::<_, Abort<()>>(())
        });
        write.await.unwrap();
        all
    }

    /// What was sent since the last look, but for the looks whether credentials or the asker's own templates changed, which go by
    /// the clock.
    pub(crate) fn take(&self) -> Vec<String> {
        let mut sent = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let by_the_clock = ["FROM `credential_changes`", "FROM `template_revisions`"];
        sent.retain(|statement| by_the_clock.iter().all(|look| !statement.contains(look)));
        sent
    }

    fn listen(&self, connection: &mut Connection) {
        let Connection::Sqlite(inner) = connection else {
            panic!("only a file is listened to");
        };
        let sent = Arc::clone(&self.0);
        SqliteConnection::set_instrumentation(inner, move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let text = query.to_string();
                let text = text.split(" -- binds").next().unwrap_or_default().to_owned();
                sent.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            }
        });
    }
}

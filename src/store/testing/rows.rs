//! The tables as the schema names them, and how many rows each has.

use std::collections::BTreeMap;

use crate::domain::id::WorkspaceId;
use crate::store::Store;
use crate::store::dialect::prelude::*;
use crate::store::source::Access;

use super::Number;

/// A table of the schema.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// Each column with its type, such as `Nullable<Text>`.
    pub(crate) columns: Vec<(String, String)>,
}

impl Table {
    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|(name, _)| name == column)
    }
}

/// All tables of the schema, in its order.
pub(crate) fn tables() -> Vec<Table> {
    let schema = concat!(
        include_str!("../schema/scheduling.rs"),
        include_str!("../schema/templating.rs"),
        include_str!("../schema/mail.rs"),
        include_str!("../schema.rs")
    );
    let tables = schema.split("diesel::table! {\n").skip(1);
    let tables = tables.map(|text| {
        let mut lines = text.lines().map(str::trim);
        let name = lines.next().unwrap().split(' ').next().unwrap().to_owned();
        let columns = lines.take_while(|line| *line != "}");
        let columns = columns.map(|line| {
            let (column, kind) = line.trim_end_matches(',').split_once(" -> ").unwrap();
            (column.to_owned(), kind.to_owned())
        });
        Table {
            name,
            columns: columns.collect(),
        }
    });
    tables.collect()
}

/// How many rows each table has: of a workspace, or of all. Tables without the column `workspace_id` are counted whole.
pub(crate) fn rows_of(store: &Store, workspace: Option<WorkspaceId>) -> BTreeMap<String, i64> {
    let count = |table: Table| {
        let mut query = format!("SELECT count(*) AS value FROM {}", table.name);
        if let Some(workspace) = workspace.filter(|_| table.has("workspace_id")) {
            query += &format!(" WHERE workspace_id = '{workspace}'");
        }
        (table.name, query)
    };
    // That one is SQLite's alone, and tells of changes of others.
    let everywhere = tables().into_iter().filter(|table| table.name != "credential_changes");
    let queries: Vec<(String, String)> = everywhere.map(count).collect();
    // Off this thread, which must not wait for a server.
    let source = store.source.clone();
    let counted = std::thread::spawn(move || {
        let mut other = source.connect(Access::Write).unwrap();
        let count = |(name, query): (String, String)| {
            let row: Number = diesel::sql_query(query).get_result(&mut other).unwrap();
            (name, row.value.unwrap())
        };
        queries.into_iter().map(count).collect()
    });
    counted.join().unwrap()
}

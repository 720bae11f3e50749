//! A list of lanes as a table that a statement reads: one bound value, however many they are, so that the statement's text
//! stays the same.

use diesel::query_builder::AstPass;
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Text};
use serde::Serialize;

use super::differs::Differs;
use super::prelude::*;

/// One row of the table `listed`: its columns are `w`, `k` and `n`.
#[derive(Clone, Debug, Serialize)]
pub(in crate::store) struct ListedLane<'a> {
    /// A workspace's id.
    pub(in crate::store) w: &'a str,
    /// A key.
    pub(in crate::store) k: &'a str,
    /// A number.
    pub(in crate::store) n: u64,
}

/// The table.
#[derive(Clone, Debug)]
pub(in crate::store) struct Listed(String);

impl Listed {
    /// A table of these rows.
    pub(in crate::store) fn of(rows: &[ListedLane<'_>]) -> Self {
        // Texts and numbers can always be written.
        Self(serde_json::to_string(rows).unwrap_or_else(|_| "[]".to_owned()))
    }

    /// Writes the table, named `listed`, where a statement names what it reads.
    pub(super) fn push<'b, DB>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: Differs + HasSqlType<Text>,
        String: ToSql<Text, DB>,
    {
        let (before, after) = DB::LISTED;
        out.push_sql(before);
        out.push_bind_param::<Text, _>(&self.0)?;
        out.push_sql(after);
        Ok(())
    }
}

//! What the triggers of a server noted in a transaction of whose credentials it changed: the ids of accounts with spaces between,
//! or `*` for any. A file has a log for that.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Nullable, Text};

use super::condition::expression;
use super::prelude::*;

/// What was noted; null or empty if nothing was.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct NotedHere;

impl<DB: Backend> QueryFragment<DB> for NotedHere {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("current_setting('legwork.credentials', TRUE)");
        Ok(())
    }
}

expression!(NotedHere, Nullable<Text>);

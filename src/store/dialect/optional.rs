//! A condition that may be missing.

use diesel::backend::Backend;
use diesel::expression::{ValidGrouping, is_aggregate};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{Bool, HasSqlType, Text};

use super::prelude::*;

/// That a column compares so to a text, if one is given; true otherwise. The text of the statement depends on which of them
/// are given, so that a connection keeps few.
#[derive(Clone, Debug)]
pub(in crate::store) struct Optional {
    /// The column with its table, and the comparison: `jobs.id <`.
    pub(in crate::store) compared: &'static str,
    /// What it is compared to.
    pub(in crate::store) text: Option<String>,
}

impl Optional {
    /// The comparison in `compared` to `text`.
    pub(in crate::store) fn new(compared: &'static str, text: Option<impl ToString>) -> Self {
        Self {
            compared,
            text: text.map(|text| text.to_string()),
        }
    }
}

impl<DB> QueryFragment<DB> for Optional
where
    DB: Backend + HasSqlType<Text>,
    String: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        match &self.text {
            Some(text) => {
                out.push_sql(self.compared);
                out.push_sql(" ");
                out.push_bind_param::<Text, _>(text)
            }
            None => {
                out.push_sql("1 = 1");
                Ok(())
            }
        }
    }
}

impl Expression for Optional {
    type SqlType = Bool;
}

impl<Source> SelectableExpression<Source> for Optional {}
impl<Source> AppearsOnTable<Source> for Optional {}

impl ValidGrouping<()> for Optional {
    type IsAggregate = is_aggregate::Never;
}

impl QueryId for Optional {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

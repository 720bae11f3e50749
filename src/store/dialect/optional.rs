//! A condition that may be missing.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Text};

use super::condition::{AnyOf, condition};
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

condition!(Optional);

/// That a column holds one of these texts, if there are any; true otherwise.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct OptionalAnyOf<'a> {
    /// The column, with its table.
    pub(in crate::store) column: &'static str,
    /// The texts.
    pub(in crate::store) texts: &'a [String],
}

impl<DB> QueryFragment<DB> for OptionalAnyOf<'_>
where
    DB: Backend + HasSqlType<Text>,
    String: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let Self { column, texts } = *self;
        if texts.is_empty() {
            out.push_sql("1 = 1");
            return Ok(());
        }
        out.push_sql(column);
        out.push_sql(" IN (");
        AnyOf { column, texts }.walk_texts(out.reborrow())?;
        out.push_sql(")");
        Ok(())
    }
}

condition!(OptionalAnyOf<'_>);

//! Conditions whose text stays the same, so that a connection finds their statements prepared: diesel takes neither its own
//! literals nor its lists for that.

use diesel::backend::Backend;
use diesel::expression::{ValidGrouping, is_aggregate};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{Bool, HasSqlType, Text};

/// A condition that is written out. Partial indexes are used for states that stand in the text only, not for bound ones.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Literally(pub(in crate::store) &'static str);

/// That a column holds one of these texts, of which there must be at least one.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct AnyOf<'a> {
    /// The column, with its table.
    pub(in crate::store) column: &'static str,
    /// The texts. In the statement the last stands as often as makes their number a power of two.
    pub(in crate::store) texts: &'a [String],
}

impl<DB: Backend> QueryFragment<DB> for Literally {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(self.0);
        Ok(())
    }
}

impl<DB> QueryFragment<DB> for AnyOf<'_>
where
    DB: Backend + HasSqlType<Text>,
    String: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(self.column);
        out.push_sql(" IN (");
        let last = self.texts.last();
        let repeated = self.texts.len().next_power_of_two() - self.texts.len();
        for (index, text) in self
            .texts
            .iter()
            .chain(std::iter::repeat_n(last, repeated).flatten())
            .enumerate()
        {
            if index > 0 {
                out.push_sql(", ");
            }
            out.push_bind_param::<Text, _>(text)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

macro_rules! condition {
    ($name:ty) => {
        impl Expression for $name {
            type SqlType = Bool;
        }

        impl<Source> SelectableExpression<Source> for $name {}
        impl<Source> AppearsOnTable<Source> for $name {}

        impl ValidGrouping<()> for $name {
            type IsAggregate = is_aggregate::Never;
        }

        impl QueryId for $name {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }
    };
}

condition!(Literally);
condition!(AnyOf<'_>);

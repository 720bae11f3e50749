//! Conditions whose text stays the same, so that a connection finds their statements prepared: diesel takes neither its own
//! literals nor its lists for that.

use super::prelude::*;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Text};

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
        self.walk_texts(out.reborrow())?;
        out.push_sql(")");
        Ok(())
    }
}

impl<'a> AnyOf<'a> {
    /// The texts, with commas between.
    pub(super) fn walk_texts<'b, DB>(self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        'a: 'b,
        DB: Backend + HasSqlType<Text>,
        String: ToSql<Text, DB>,
    {
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
        Ok(())
    }
}

/// Makes an expression of a fragment, of any table and of this type.
macro_rules! expression {
    ($name:ty, $type:ty) => {
        impl Expression for $name {
            type SqlType = $type;
        }

        impl<Source> SelectableExpression<Source> for $name {}
        impl<Source> AppearsOnTable<Source> for $name {}

        impl diesel::expression::ValidGrouping<()> for $name {
            type IsAggregate = diesel::expression::is_aggregate::Never;
        }

        impl QueryId for $name {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }
    };
}

/// Makes a condition of a fragment.
macro_rules! condition {
    ($name:ty) => {
        $crate::store::dialect::condition::expression!($name, diesel::sql_types::Bool);
    };
}

pub(super) use condition;
pub(in crate::store) use expression;

condition!(Literally);
condition!(AnyOf<'_>);

#[cfg(test)]
mod tests {
    use diesel::debug_query;
    use diesel::sqlite::Sqlite;

    use super::*;
    use crate::store::schema::jobs;

    /// The statement that asks for these ids, without its values.
    fn text(texts: &[String]) -> String {
        let column = "jobs.id";
        let condition = AnyOf { column, texts };
        assert!(QueryFragment::<Sqlite>::is_safe_to_cache_prepared(&condition, &Sqlite).unwrap());
        let query = jobs::table.filter(condition).select(jobs::id);
        let text = debug_query::<Sqlite, _>(&query).to_string();
        text.split(" -- ").next().unwrap().to_owned()
    }

    #[test]
    fn a_list_has_one_text_for_all_lengths_up_to_a_power_of_two() {
        let ids: Vec<String> = (0..9).map(|number| number.to_string()).collect();
        assert!(
            text(&ids[..3]).contains("jobs.id IN (?, ?, ?, ?)"),
            "{}",
            text(&ids[..3])
        );
        assert_eq!(text(&ids[..3]), text(&ids[..4]));
        assert_eq!(text(&ids[..5]), text(&ids[..8]));
        assert_ne!(text(&ids[..8]), text(&ids));
    }

    #[test]
    fn a_condition_that_is_written_out_leaves_its_statement_to_be_kept() {
        let condition = Literally("jobs.state = 'running'");
        assert!(QueryFragment::<Sqlite>::is_safe_to_cache_prepared(&condition, &Sqlite).unwrap());
    }
}

//! Several ranges of an index, merged into one order.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};

use super::differs::Differs;
use super::limited::push_limit;
use super::prelude::*;

/// The rows of several ranges, merged in one order, and held against others until the transaction ends: rows that another
/// transaction holds are left out. Each range is to come in that order by an index, so that no more is read than is answered
/// and one row a range. diesel's own unions are of a number that is fixed in the code.
pub(in crate::store) struct Merged<Q> {
    /// The ranges, at least one, with the same columns.
    pub(in crate::store) ranges: Vec<Q>,
    /// Columns of the answer to order by, literally.
    pub(in crate::store) order: &'static str,
    /// The most rows in all.
    pub(in crate::store) limit: i64,
}

impl<Q, DB> QueryFragment<DB> for Merged<Q>
where
    DB: Differs + HasSqlType<BigInt>,
    Q: QueryFragment<DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        for (index, range) in self.ranges.iter().enumerate() {
            if index > 0 {
                out.push_sql(" UNION ALL ");
            }
            if DB::LOCK_FREE.is_empty() {
                range.walk_ast(out.reborrow())?;
                continue;
            }
            // Rows are locked range by range, since a union cannot be; so each has the order and the limit for itself.
            out.push_sql("SELECT * FROM (");
            range.walk_ast(out.reborrow())?;
            out.push_sql(" ORDER BY ");
            out.push_sql(self.order);
            push_limit(out.reborrow(), &self.limit)?;
            out.push_sql(DB::LOCK_FREE);
            out.push_sql(") AS part");
            out.push_sql(&index.to_string());
        }
        out.push_sql(" ORDER BY ");
        out.push_sql(self.order);
        push_limit(out, &self.limit)
    }
}

impl<Q: Query> Query for Merged<Q> {
    type SqlType = Q::SqlType;
}

impl<Q> QueryId for Merged<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, Conn> diesel::RunQueryDsl<Conn> for Merged<Q> {}

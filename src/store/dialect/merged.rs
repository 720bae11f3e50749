//! Several ranges of an index, merged into one order.

use diesel::backend::Backend;
use diesel::dsl::{AsSelect, SqlTypeOf};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};

use super::Backing;

/// A query of any shape that answers `Row`s of jobs.
pub(in crate::store) type BoxedSelect<'a, Row> =
    super::super::schema::jobs::BoxedQuery<'a, Backing, SqlTypeOf<AsSelect<Row, Backing>>>;

/// The rows of several ranges, merged in one order: each range is to come in that order by an index, so that no more is read
/// than is answered and one row a range. diesel's own unions are of a number that is fixed in the code.
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
    DB: Backend + HasSqlType<BigInt>,
    Q: QueryFragment<DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        for (index, range) in self.ranges.iter().enumerate() {
            if index > 0 {
                out.push_sql(" UNION ALL ");
            }
            range.walk_ast(out.reborrow())?;
        }
        out.push_sql(" ORDER BY ");
        out.push_sql(self.order);
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)
    }
}

impl<Q: Query> Query for Merged<Q> {
    type SqlType = Q::SqlType;
}

impl<Q> QueryId for Merged<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, Conn> RunQueryDsl<Conn> for Merged<Q> {}

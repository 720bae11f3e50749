//! A limit on the rows of a query that leaves its statement prepared.
//!
//! SQLite plans a statement anew each time it is given another value for a limit that is a bare parameter, which diesel's own
//! is: that costs as much as running it. Of an expression it does not look at the value.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};

use super::prelude::*;

/// At most so many rows of a query that has no limit yet.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Limited<Q>(pub(in crate::store) Q, pub(in crate::store) i64);

/// ` LIMIT ` and the number.
pub(super) fn push_limit<'b, DB>(mut out: AstPass<'_, 'b, DB>, limit: &'b i64) -> QueryResult<()>
where
    DB: diesel::backend::Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    out.push_sql(" LIMIT (");
    out.push_bind_param::<BigInt, _>(limit)?;
    out.push_sql(" + 0)");
    Ok(())
}

impl<Q, DB> QueryFragment<DB> for Limited<Q>
where
    DB: diesel::backend::Backend + HasSqlType<BigInt>,
    Q: QueryFragment<DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        push_limit(out, &self.1)
    }
}

impl<Q: Query> Query for Limited<Q> {
    type SqlType = Q::SqlType;
}

impl<Q> QueryId for Limited<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, Conn> diesel::RunQueryDsl<Conn> for Limited<Q> {}

//! Counting up to a bound: what a count costs must not grow with what is counted.

use crate::store::dialect::prelude::*;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::BigInt;

use super::text::number;

/// How many rows there are, counted up to a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many, at most the bound.
    pub count: i64,
    /// Whether there are more.
    pub is_capped: bool,
}

impl Count {
    /// What was counted of at most `max` rows and one more.
    pub(super) fn of(counted: i64, max: usize) -> Self {
        let max = number(max);
        Self {
            count: counted.min(max),
            is_capped: counted > max,
        }
    }
}

/// How many rows `query` answers; to be given one with a limit, which diesel's own count would leave out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted<Q>(pub(super) Q);

impl<Q, DB> QueryFragment<DB> for Counted<Q>
where
    DB: Backend,
    Q: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("SELECT COUNT(*) FROM (");
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(") AS counted");
        Ok(())
    }
}

impl<Q> Query for Counted<Q> {
    type SqlType = BigInt;
}

impl<Q> QueryId for Counted<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, Conn> diesel::RunQueryDsl<Conn> for Counted<Q> {}

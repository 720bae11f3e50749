//! The place from which a reader of events goes on.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};

use super::condition::condition;
use super::prelude::*;

/// That an event is at this place or behind it. Rows are compared as a whole, which an index in that order serves.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct AtOrBehind {
    /// Its transaction.
    pub(in crate::store) tx: i64,
    /// Its number.
    pub(in crate::store) seq: i64,
}

impl<DB> QueryFragment<DB> for AtOrBehind
where
    DB: Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("(events.tx, events.seq) >= (");
        out.push_bind_param::<BigInt, _>(&self.tx)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.seq)?;
        out.push_sql(")");
        Ok(())
    }
}

condition!(AtOrBehind);

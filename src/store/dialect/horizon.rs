//! Which events are complete, and the place from which a reader goes on: conditions that diesel's own language cannot say.
//!
//! On PostgreSQL numbers are taken before they are committed, so that a row may appear behind others that were read already.
//! What is below the oldest transaction under way is complete: no row will ever appear there. On SQLite, where one
//! transaction writes at a time, all is.

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};

use super::Connection;
use super::condition::{Literally, condition};

/// What holds for each event that is complete.
pub(in crate::store) fn complete(_connection: &Connection) -> Literally {
    // No transaction has a negative number: the condition holds for every row, as it must on SQLite.
    Literally("events.tx >= 0")
}

/// Whether other processes change jobs in this database while this one serves.
pub(in crate::store) const HAS_OTHER_WRITERS: bool = false;

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

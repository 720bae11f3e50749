//! The present, in the one clock that decides whose lease has ended.
//!
//! PostgreSQL has several nodes, whose clocks may differ: there the database's own clock decides, as it stands when the
//! statement runs (`clock_timestamp`, and not the beginning of a transaction that may have waited). SQLite has one node, and
//! that node's clock is as good as any: it hands its present over.

use std::time::Duration;

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::BigInt;
use diesel::sqlite::Sqlite;

use super::condition::expression;
use super::prelude::*;
use crate::clock::Timestamp;
use crate::store::text::number;

/// The present in microseconds, or a time so much after it.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Present {
    /// What the process takes for it, and that much after it.
    given: i64,
    after: i64,
}

impl Present {
    /// The present; `now` is what the process takes for it.
    pub(in crate::store) const fn at(now: Timestamp) -> Self {
        Self {
            given: now.as_micros(),
            after: 0,
        }
    }

    /// So much after the present.
    pub(in crate::store) fn plus(now: Timestamp, after: Duration) -> Self {
        Self {
            given: now.plus(after).as_micros(),
            after: number(after.as_micros()),
        }
    }
}

impl QueryFragment<Sqlite> for Present {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_bind_param::<BigInt, _>(&self.given)
    }
}

impl QueryFragment<Pg> for Present {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("((extract(epoch from clock_timestamp()) * 1000000)::bigint + ");
        out.push_bind_param::<BigInt, _>(&self.after)?;
        out.push_sql(")");
        Ok(())
    }
}

expression!(Present, BigInt);

#[cfg(test)]
mod tests {
    use diesel::backend::Backend;
    use diesel::debug_query;

    use super::*;
    use crate::store::schema::nodes;

    fn text<DB: Backend + Default>(after: u64) -> String
    where
        DB::QueryBuilder: Default,
        Present: QueryFragment<DB>,
    {
        debug_query::<DB, _>(&Present::plus(Timestamp::from_micros(7), Duration::from_micros(after))).to_string()
    }

    #[test]
    fn postgres_asks_its_own_clock_and_sqlite_is_told() {
        let in_postgres = text::<Pg>(5);
        assert!(
            in_postgres.contains("clock_timestamp()") && in_postgres.contains("[5]"),
            "{in_postgres}"
        );
        assert!(text::<Sqlite>(5).contains("[12]"), "{}", text::<Sqlite>(5));
        let compared = nodes::table.filter(nodes::lease_until.lt(Present::at(Timestamp::from_micros(7))));
        assert!(
            debug_query::<Pg, _>(&compared)
                .to_string()
                .contains("clock_timestamp()")
        );
    }
}

//! What the two databases say differently, side by side.

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Nullable, Text};
use diesel::sqlite::Sqlite;

use super::condition::{condition, expression};
use super::prelude::*;

/// A database's own words.
pub(in crate::store) trait Differs: Backend {
    /// What follows `INSERT` and `UPDATE` of many rows. SQLite keeps a journal of each such statement, to undo it alone should a
    /// row be refused; nobody goes on in a transaction after that, so that it need not.
    const OR_FAIL: &'static str;
    /// The state of a job, where rows are found by their ids and it is only checked. PostgreSQL takes the plain column for a
    /// hint to read the whole of a partial index, which it believes to be small.
    const CHECKED_STATE: &'static str;
    /// Ends a query whose rows are to be changed: others wait for them. SQLite has one writer, who holds all.
    const LOCK: &'static str;
    /// The same, leaving out what others hold.
    const LOCK_FREE: &'static str;
    /// What holds for each event before which none will appear any more. A server numbers rows before they are committed, so
    /// that one may appear behind others that were read already; below the oldest transaction under way none does. SQLite has
    /// one transaction that writes.
    const COMPLETE: &'static str;
    /// Whether a table in a statement may be made anew for each row of another one before it, with a limit of that row's own.
    const HAS_LATERAL: bool;
    /// The function that answers the least of its arguments.
    const LEAST: &'static str;
    /// What stands before and behind a text of JSON, an array of objects with the members `w`, `k` and `n`, to make it the
    /// table `listed` of two texts and a number.
    const LISTED: (&'static str, &'static str);
    /// The text at a path in a column of JSON; null where there is none. In a column that holds something else, which only a
    /// person's hand can have put there, SQLite finds null and PostgreSQL fails the statement.
    fn json_text(column: &str, path: &[&str]) -> String;
}

impl Differs for Sqlite {
    const OR_FAIL: &'static str = " OR FAIL";
    const CHECKED_STATE: &'static str = "jobs.state";
    const LOCK: &'static str = "";
    const LOCK_FREE: &'static str = "";
    const COMPLETE: &'static str = "events.tx >= 0";
    const HAS_LATERAL: bool = false;
    const LEAST: &'static str = "min";
    // With a limit, which is none, the text is read once, and not for each place that names a column.
    const LISTED: (&'static str, &'static str) = (
        "(SELECT value ->> 'w' AS w, value ->> 'k' AS k, value ->> 'n' AS n FROM json_each(",
        ") LIMIT -1) AS listed",
    );

    fn json_text(column: &str, path: &[&str]) -> String {
        // SQLite parses a text once for both.
        format!(
            "CASE WHEN json_valid({column}) THEN json_extract({column}, '$.{}') END",
            path.join(".")
        )
    }
}

impl Differs for Pg {
    const OR_FAIL: &'static str = "";
    const CHECKED_STATE: &'static str = "(jobs.state || '')";
    const LOCK: &'static str = " FOR UPDATE";
    const LOCK_FREE: &'static str = " FOR UPDATE SKIP LOCKED";
    const COMPLETE: &'static str = "events.tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
    const HAS_LATERAL: bool = true;
    const LEAST: &'static str = "least";
    const LISTED: (&'static str, &'static str) = (
        "json_to_recordset(CAST(",
        " AS json)) AS listed (w text COLLATE \"C\", k text COLLATE \"C\", n bigint)",
    );

    fn json_text(column: &str, path: &[&str]) -> String {
        format!("({column}::json #>> '{{{}}}')", path.join(","))
    }
}

/// A query whose rows are locked until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Locked<Q>(pub(in crate::store) Q);

/// The same without the rows that other transactions have locked.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct LockedFree<Q>(pub(in crate::store) Q);

macro_rules! locked {
    ($name:ident, $words:ident) => {
        impl<Q, DB> QueryFragment<DB> for $name<Q>
        where
            DB: Differs,
            Q: QueryFragment<DB>,
        {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
                self.0.walk_ast(out.reborrow())?;
                out.push_sql(DB::$words);
                Ok(())
            }
        }

        impl<Q: Query> Query for $name<Q> {
            type SqlType = Q::SqlType;
        }

        impl<Q> QueryId for $name<Q> {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }

        impl<Q, Conn> diesel::RunQueryDsl<Conn> for $name<Q> {}
    };
}

locked!(Locked, LOCK);
locked!(LockedFree, LOCK_FREE);

/// That an event is complete: see [`Differs::COMPLETE`].
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Complete;

impl<DB: Differs> QueryFragment<DB> for Complete {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(DB::COMPLETE);
        Ok(())
    }
}

condition!(Complete);

/// The text at a path in a column of JSON.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct JsonText {
    /// The column, with its table.
    pub(in crate::store) column: &'static str,
    /// The names on the way.
    pub(in crate::store) path: &'static [&'static str],
}

impl<DB: Differs> QueryFragment<DB> for JsonText {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(&DB::json_text(self.column, self.path));
        Ok(())
    }
}

expression!(JsonText, Nullable<Text>);

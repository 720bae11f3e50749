//! What limits say about some lanes, with what runs under them, in one statement.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Nullable, Text};

use super::differs::Differs;
use super::listed::Listed;
use super::prelude::*;

/// The limits of the lanes listed that have one: the key's own, or that of each key. Each row: the workspace, the key, the
/// concurrency, the jobs of a rate, its period and its burst, how many run under the key, and when its bucket is full again.
#[derive(Clone, Debug)]
pub(in crate::store) struct LimitsOf {
    /// The queue.
    pub(in crate::store) queue: &'static str,
    /// The lanes.
    pub(in crate::store) listed: Listed,
}

impl<DB> QueryFragment<DB> for LimitsOf
where
    DB: Differs + HasSqlType<Text>,
    str: ToSql<Text, DB>,
    String: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(
            "SELECT listed.w, listed.k, limits.concurrency, limits.rate, limits.period_ms, limits.burst, \
             (SELECT count(*) FROM jobs WHERE jobs.state = 'running' AND jobs.limit_key <> '' AND jobs.queue = ",
        );
        out.push_bind_param::<Text, _>(self.queue)?;
        out.push_sql(
            " AND jobs.workspace_id = listed.w AND jobs.limit_key = listed.k), \
             (SELECT limit_buckets.full_at FROM limit_buckets WHERE limit_buckets.queue = ",
        );
        out.push_bind_param::<Text, _>(self.queue)?;
        out.push_sql(" AND limit_buckets.workspace_id = listed.w AND limit_buckets.limit_key = listed.k) FROM ");
        self.listed.push(out.reborrow())?;
        // A server would read all limits that there are, of whichever lanes, and look for those listed among them, unless it is
        // told to look for one at a time.
        let (one_from, one_to) = if DB::HAS_LATERAL {
            (" CROSS JOIN LATERAL (SELECT limits.* FROM", " LIMIT 1) AS limits")
        } else {
            (" CROSS JOIN", "")
        };
        out.push_sql(one_from);
        out.push_sql(" limits WHERE limits.queue = ");
        out.push_bind_param::<Text, _>(self.queue)?;
        out.push_sql(
            " AND limits.workspace_id = listed.w AND limits.limit_key = CASE WHEN EXISTS (SELECT 1 FROM limits AS own \
             WHERE own.queue = ",
        );
        out.push_bind_param::<Text, _>(self.queue)?;
        out.push_sql(" AND own.workspace_id = listed.w AND own.limit_key = listed.k) THEN listed.k ELSE '*' END");
        out.push_sql(one_to);
        Ok(())
    }
}

impl Query for LimitsOf {
    type SqlType = (
        Text,
        Text,
        Nullable<BigInt>,
        Nullable<BigInt>,
        Nullable<BigInt>,
        Nullable<BigInt>,
        BigInt,
        Nullable<BigInt>,
    );
}

impl QueryId for LimitsOf {
    // Its text is always the same.
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Conn> diesel::RunQueryDsl<Conn> for LimitsOf {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::dialect::ListedLane;
    use crate::store::dialect::explained::plan_on_server;
    use crate::store::testing::TestStore;

    #[tokio::test]
    async fn a_server_searches_the_limits_of_the_lanes_however_many_limits_there_are() {
        let Some(store) = TestStore::on_server() else { return };
        store.execute(
            "INSERT INTO limits (queue, workspace_id, limit_key, concurrency, updated_at) \
             SELECT 'probes', 'ws' || number, '*', 1, 0 FROM generate_series(1, 1000) AS number; ANALYZE limits",
        );
        let lanes: Vec<ListedLane<'_>> = vec![ListedLane { w: "ws7", k: "x", n: 0 }; 24];
        let query = LimitsOf {
            queue: "probes",
            listed: Listed::of(&lanes),
        };
        let plan = plan_on_server(&store, query);
        assert!(
            plan.contains("limit_key = CASE") && !plan.contains("Seq Scan on limits"),
            "{plan}"
        );
    }
}

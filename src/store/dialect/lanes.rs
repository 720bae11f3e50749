//! Going from lane to lane of what is available: from workspace to workspace, and from key to key of some of them.
//!
//! Guarantees: each step is some searches in the index `jobs_in_turn`, and where what is there is counted, as many entries as
//! that may come to, whatever waits in the lanes that are passed; the text of a statement is always the same.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Integer, Nullable, Text};

use super::connection::Connection;
use super::differs::Differs;
use super::limited::push_limit;
use super::listed::Listed;
use super::prelude::*;

/// The available jobs of a queue that are of one kind and version: a range of the index.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Range {
    /// The queue.
    pub(in crate::store) queue: &'static str,
    /// The kind.
    pub(in crate::store) kind: &'static str,
    /// The version of the arguments.
    pub(in crate::store) version: i64,
}

impl Range {
    /// Writes that the row `table` is in it.
    pub(super) fn push<'b, DB>(&'b self, mut out: AstPass<'_, 'b, DB>, table: &str) -> QueryResult<()>
    where
        DB: Differs + HasSqlType<Text> + HasSqlType<BigInt>,
        str: ToSql<Text, DB>,
        i64: ToSql<BigInt, DB>,
    {
        out.push_sql(table);
        out.push_sql(".queue = ");
        out.push_bind_param::<Text, _>(self.queue)?;
        // A literal, since a partial index is not used for a state that is a bound value.
        out.push_sql(&format!(" AND {table}.state = 'available' AND {table}.kind = "));
        out.push_bind_param::<Text, _>(self.kind)?;
        out.push_sql(&format!(" AND {table}.args_version = "));
        out.push_bind_param::<BigInt, _>(&self.version)
    }
}

/// The workspaces that have something available in a range, in the order of the circle: those from a text on, then those
/// before it, until what they may start in a turn each comes to a number or there are so many. Each row is a [`Step`]; each
/// workspace has one behind its own, so that the last row is of none that is part of the answer.
#[derive(Clone, Debug)]
pub(in crate::store) struct Circle {
    /// What is available.
    pub(in crate::store) range: Range,
    /// From where on.
    pub(in crate::store) from: String,
    /// How many jobs the turn of a workspace of weight 1 is long.
    pub(in crate::store) turn: i64,
    /// What each has available is counted up to this many.
    pub(in crate::store) counted: i64,
    /// The starts that are enough.
    pub(in crate::store) starts: i64,
    /// The most workspaces.
    pub(in crate::store) limit: i64,
    /// The last workspace that matters, and whether it is behind the end (0 or 1); none where all do.
    pub(in crate::store) until: Option<(i32, String)>,
}

/// A step on the way round: whether it is behind the end (0 or 1), the workspace (none where there is no further one on this
/// side), its weight, what all before it may start, its last key and one before that, if it has several.
pub(in crate::store) type Step = (i32, Option<String>, i64, i64, Option<String>, Option<String>);

/// As many places as there are: beyond every workspace.
const PLACES: i32 = 2;

/// The weight of the workspace `circle.w`. The condition has the words of the index of the few that have one.
const WEIGHT: &str = "coalesce((SELECT workspaces.weight FROM workspaces WHERE workspaces.id = circle.w \
                      AND workspaces.weight <> 1), 1)";

impl Circle {
    /// Writes the first workspace of the table `name` that this text and what follows it allow.
    fn push_first<'b, DB>(&'b self, mut out: AstPass<'_, 'b, DB>, name: &str, and: &str) -> QueryResult<()>
    where
        DB: Differs + HasSqlType<Text> + HasSqlType<BigInt>,
        str: ToSql<Text, DB>,
        String: ToSql<Text, DB>,
        i64: ToSql<BigInt, DB>,
    {
        out.push_sql(&format!("(SELECT {name}.workspace_id FROM jobs AS {name} WHERE "));
        self.range.push(out.reborrow(), name)?;
        out.push_sql(and);
        if and.ends_with(">= ") {
            out.push_bind_param::<Text, _>(&self.from)?;
        }
        out.push_sql(&format!(" ORDER BY {name}.workspace_id, {name}.limit_key LIMIT 1)"));
        Ok(())
    }

    /// Writes what the workspace `circle.w` may start: what it has, up to a turn.
    fn push_starts<'b, DB>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: Differs + HasSqlType<Text> + HasSqlType<BigInt>,
        str: ToSql<Text, DB>,
        i64: ToSql<BigInt, DB>,
    {
        out.push_sql(&format!("{}({WEIGHT} * ", DB::LEAST));
        out.push_bind_param::<BigInt, _>(&self.turn)?;
        out.push_sql(", (SELECT count(*) FROM (SELECT 1 FROM jobs AS its WHERE ");
        self.range.push(out.reborrow(), "its")?;
        // From the end: what was taken from the front is in a server's index for a while.
        out.push_sql(" AND its.workspace_id = circle.w ORDER BY its.limit_key DESC, its.rank DESC, its.id DESC");
        if DB::HAS_LATERAL {
            out.push_sql(&format!(" LIMIT {}({WEIGHT} * ", DB::LEAST));
            out.push_bind_param::<BigInt, _>(&self.turn)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&self.counted)?;
            out.push_sql(")");
        } else {
            // A limit of each one's own cannot be said.
            push_limit(out.reborrow(), &self.counted)?;
        }
        out.push_sql(") AS counted))");
        Ok(())
    }

    /// Writes the last key of the workspace `circle.w`.
    fn push_last<'b, DB>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: Differs + HasSqlType<Text> + HasSqlType<BigInt>,
        str: ToSql<Text, DB>,
        i64: ToSql<BigInt, DB>,
    {
        out.push_sql("(SELECT edge.limit_key FROM jobs AS edge WHERE ");
        self.range.push(out.reborrow(), "edge")?;
        out.push_sql(" AND edge.workspace_id = circle.w ORDER BY edge.limit_key DESC LIMIT 1)");
        Ok(())
    }

    /// Writes a key of it before that, if it has one. Asking for the first instead would go over what was taken from there, which
    /// a server keeps in its index for a while.
    fn push_other<'b, DB>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: Differs + HasSqlType<Text> + HasSqlType<BigInt>,
        str: ToSql<Text, DB>,
        i64: ToSql<BigInt, DB>,
    {
        out.push_sql("(SELECT other.limit_key FROM jobs AS other WHERE ");
        self.range.push(out.reborrow(), "other")?;
        out.push_sql(" AND other.workspace_id = circle.w AND other.limit_key < ");
        self.push_last(out.reborrow())?;
        out.push_sql(" ORDER BY other.limit_key DESC LIMIT 1)");
        Ok(())
    }
}

impl<DB> QueryFragment<DB> for Circle
where
    DB: Differs + HasSqlType<Text> + HasSqlType<BigInt> + HasSqlType<Integer>,
    str: ToSql<Text, DB>,
    String: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
    i32: ToSql<Integer, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("WITH RECURSIVE circle (place, w, n, c) AS (SELECT 0, ");
        self.push_first(out.reborrow(), "here", " AND here.workspace_id >= ")?;
        // Where nothing is ahead any more, it goes on from the first of all.
        out.push_sql(
            ", CAST(0 AS BIGINT), CAST(0 AS BIGINT) UNION ALL \
             SELECT CASE WHEN circle.w IS NULL THEN 1 ELSE circle.place END, CASE WHEN circle.w IS NULL THEN ",
        );
        self.push_first(out.reborrow(), "start", "")?;
        out.push_sql(" ELSE ");
        self.push_first(out.reborrow(), "there", " AND there.workspace_id > circle.w")?;
        out.push_sql(" END, circle.n + CASE WHEN circle.w IS NULL THEN 0 ELSE ");
        self.push_starts(out.reborrow())?;
        out.push_sql(" END, circle.c + CASE WHEN circle.w IS NULL THEN 0 ELSE 1 END FROM circle WHERE circle.n < ");
        out.push_bind_param::<BigInt, _>(&self.starts)?;
        out.push_sql(" AND circle.c < ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        let (place, until) = self.until.as_ref().map_or((&PLACES, ""), |(place, name)| (place, name));
        out.push_sql(" AND (circle.place < ");
        out.push_bind_param::<Integer, _>(place)?;
        out.push_sql(" OR (circle.place = ");
        out.push_bind_param::<Integer, _>(place)?;
        out.push_sql(" AND circle.w <= ");
        out.push_bind_param::<Text, _>(until)?;
        out.push_sql(")) AND (circle.place = 0 OR circle.w < ");
        out.push_bind_param::<Text, _>(&self.from)?;
        out.push_sql(&format!(")) SELECT circle.place, circle.w, {WEIGHT}, circle.n"));
        out.push_sql(", ");
        self.push_last(out.reborrow())?;
        out.push_sql(", ");
        self.push_other(out.reborrow())?;
        out.push_sql(" FROM circle");
        Ok(())
    }
}

/// The keys of some workspaces that have something available in a range: of each workspace listed those from the key listed
/// on. Each row: the workspace, the key, and the rank of what is first there.
#[derive(Clone, Debug)]
pub(in crate::store) struct Keys {
    /// What is available.
    pub(in crate::store) range: Range,
    /// The workspaces, and from which key on.
    pub(in crate::store) listed: Listed,
    /// The most keys of each.
    pub(in crate::store) limit: i64,
}

impl<DB> QueryFragment<DB> for Keys
where
    DB: Differs + HasSqlType<Text> + HasSqlType<BigInt>,
    str: ToSql<Text, DB>,
    String: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(
            "WITH RECURSIVE lane (w, k, n) AS (SELECT listed.w, (SELECT here.limit_key FROM jobs AS here WHERE ",
        );
        self.range.push(out.reborrow(), "here")?;
        out.push_sql(
            " AND here.workspace_id = listed.w AND here.limit_key >= listed.k ORDER BY here.limit_key LIMIT 1), 1 FROM ",
        );
        self.listed.push(out.reborrow())?;
        out.push_sql(" UNION ALL SELECT lane.w, (SELECT there.limit_key FROM jobs AS there WHERE ");
        self.range.push(out.reborrow(), "there")?;
        out.push_sql(
            " AND there.workspace_id = lane.w AND there.limit_key > lane.k ORDER BY there.limit_key LIMIT 1), lane.n + 1 \
             FROM lane WHERE lane.k IS NOT NULL AND lane.n < ",
        );
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") SELECT lane.w, lane.k, (SELECT head.rank FROM jobs AS head WHERE ");
        self.range.push(out.reborrow(), "head")?;
        out.push_sql(
            " AND head.workspace_id = lane.w AND head.limit_key = lane.k ORDER BY head.rank LIMIT 1) \
             FROM lane WHERE lane.k IS NOT NULL",
        );
        Ok(())
    }
}

/// The first jobs of some lanes, held against others until the transaction ends: of each as many as are listed. What others
/// hold is left out. Which lanes one statement is best asked for says [`Firsts::group`].
#[derive(Clone, Debug)]
pub(in crate::store) struct Firsts<C> {
    /// What is read of each.
    pub(in crate::store) columns: C,
    /// What is available.
    pub(in crate::store) range: Range,
    /// The lanes. SQLite takes one number for all of them: the `most`.
    pub(in crate::store) listed: Listed,
    /// The greatest number that is listed.
    pub(in crate::store) most: i64,
}

impl Firsts<()> {
    /// Lanes of which so many are wanted belong into the statement of this number. A server keeps to each one's own number, and
    /// is asked for all at once; where one number holds for all of a statement, those of about as many are asked for together.
    pub(in crate::store) fn group(connection: &Connection, wanted: u64) -> u64 {
        match connection {
            Connection::Sqlite(_) => wanted.next_power_of_two(),
            Connection::Postgres(_) => 0,
        }
    }
}

impl<C, DB> QueryFragment<DB> for Firsts<C>
where
    DB: Differs + HasSqlType<Text> + HasSqlType<BigInt>,
    C: QueryFragment<DB>,
    str: ToSql<Text, DB>,
    String: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        const LANE: &str = ".workspace_id = listed.w AND ";
        if !DB::HAS_LATERAL {
            // A limit of each lane's own cannot be said, and a join by rows' numbers is the nearest to a lateral one.
            out.push_sql("SELECT ");
            self.columns.walk_ast(out.reborrow())?;
            out.push_sql(" FROM ");
            self.listed.push(out.reborrow())?;
            out.push_sql(" CROSS JOIN jobs WHERE jobs.rowid IN (SELECT one.rowid FROM jobs AS one WHERE ");
            self.range.push(out.reborrow(), "one")?;
            out.push_sql(&format!(
                " AND one{LANE}one.limit_key = listed.k ORDER BY one.rank, one.id"
            ));
            push_limit(out.reborrow(), &self.most)?;
            out.push_sql(")");
            return Ok(());
        }
        out.push_sql("SELECT first.* FROM ");
        self.listed.push(out.reborrow())?;
        out.push_sql(" CROSS JOIN LATERAL (SELECT ");
        self.columns.walk_ast(out.reborrow())?;
        out.push_sql(" FROM jobs WHERE ");
        self.range.push(out.reborrow(), "jobs")?;
        out.push_sql(&format!(
            " AND jobs{LANE}jobs.limit_key = listed.k ORDER BY jobs.rank, jobs.id LIMIT listed.n"
        ));
        out.push_sql(DB::LOCK_FREE);
        out.push_sql(") AS first");
        Ok(())
    }
}

/// From when the oldest could run of those that are the first of their workspaces in a range; of so many workspaces.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Oldest {
    /// What is available.
    pub(in crate::store) range: Range,
    /// The most workspaces.
    pub(in crate::store) limit: i64,
}

impl<DB> QueryFragment<DB> for Oldest
where
    DB: Differs + HasSqlType<Text> + HasSqlType<BigInt>,
    str: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("WITH RECURSIVE circle (w, n) AS (SELECT first.w, 1 FROM (SELECT min(here.workspace_id) AS w FROM jobs AS here WHERE ");
        self.range.push(out.reborrow(), "here")?;
        out.push_sql(") AS first UNION ALL SELECT (SELECT there.workspace_id FROM jobs AS there WHERE ");
        self.range.push(out.reborrow(), "there")?;
        out.push_sql(
            " AND there.workspace_id > circle.w ORDER BY there.workspace_id LIMIT 1), circle.n + 1 FROM circle \
             WHERE circle.w IS NOT NULL AND circle.n < ",
        );
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") SELECT min((SELECT head.run_at FROM jobs AS head WHERE ");
        self.range.push(out.reborrow(), "head")?;
        out.push_sql(
            " AND head.workspace_id = circle.w ORDER BY head.workspace_id, head.limit_key, head.rank LIMIT 1)) FROM circle \
             WHERE circle.w IS NOT NULL",
        );
        Ok(())
    }
}

impl Query for Oldest {
    type SqlType = Nullable<BigInt>;
}

impl QueryId for Oldest {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Conn> diesel::RunQueryDsl<Conn> for Oldest {}

impl Query for Circle {
    type SqlType = (Integer, Nullable<Text>, BigInt, BigInt, Nullable<Text>, Nullable<Text>);
}

impl Query for Keys {
    type SqlType = (Text, Text, BigInt);
}

impl<C: Expression> Query for Firsts<C> {
    type SqlType = C::SqlType;
}

impl QueryId for Circle {
    // Its text is always the same.
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryId for Keys {
    // Its text is always the same.
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<C> QueryId for Firsts<C> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Conn> diesel::RunQueryDsl<Conn> for Circle {}
impl<Conn> diesel::RunQueryDsl<Conn> for Keys {}
impl<C, Conn> diesel::RunQueryDsl<Conn> for Firsts<C> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::dialect::explained::plan_on_server;
    use crate::store::testing::{TestStore, job};

    #[tokio::test]
    async fn a_server_goes_round_the_circle_by_searches_alone() {
        let Some(store) = TestStore::on_server() else { return };
        store.enqueue(vec![job()]).await.unwrap();
        store.execute(
            "CREATE TEMP TABLE more AS SELECT jobs.* FROM jobs, generate_series(1, 5000); \
             UPDATE more SET id = gen_random_uuid()::text, workspace_id = left(gen_random_uuid()::text, 1); \
             INSERT INTO jobs SELECT * FROM more; ANALYZE jobs",
        );
        let circle = Circle {
            range: Range {
                queue: "probes",
                kind: crate::store::testing::KIND,
                version: 1,
            },
            from: "7".to_owned(),
            turn: 4,
            counted: 32,
            starts: 256,
            limit: 256,
            until: None,
        };
        let plan = plan_on_server(&store, circle);
        assert!(!plan.contains("Seq Scan on jobs") && !plan.contains("Sort"), "{plan}");
        assert!(
            !plan.contains("jobs_by_workspace"),
            "what has ended is gone over: {plan}"
        );
        for backward in ["edge", "other"] {
            let scan = format!("Scan Backward using jobs_in_turn on jobs {backward}");
            assert!(plan.contains(&scan), "{scan} is not in {plan}");
        }
        assert!(plan.contains("AND (limit_key < "), "a whole lane is gone over: {plan}");
    }
}

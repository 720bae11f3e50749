//! How a server would run a query, for tests of what it searches.

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Text;

use super::connection::Connection;
use super::prelude::*;
use crate::store::testing::TestStore;

struct Explained<Q>(Q);

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Explained<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("EXPLAIN ");
        self.0.walk_ast(out)
    }
}

impl<Q> Query for Explained<Q> {
    type SqlType = Text;
}

impl<Q> QueryId for Explained<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, Conn> diesel::RunQueryDsl<Conn> for Explained<Q> {}

/// The server's plan for a query, a line for each step.
pub(super) fn plan_on_server<Q>(store: &TestStore, query: Q) -> String
where
    Q: QueryFragment<Pg> + Send + 'static,
{
    let plan: Vec<String> = store.look(|connection| match connection {
        Connection::Postgres(session) => diesel::RunQueryDsl::load(Explained(query), session.connection()).unwrap(),
        Connection::Sqlite(_) => panic!("it is no server"),
    });
    plan.join("\n")
}

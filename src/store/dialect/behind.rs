//! The place from which the kinds of waiting jobs are gone through.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Text};

use super::condition::condition;
use super::prelude::*;

/// That a job's queue, kind and version come behind these. Rows are compared as a whole, which an index in that order serves.
#[derive(Clone, Debug)]
pub(in crate::store) struct BehindKind {
    /// Its queue.
    pub(in crate::store) queue: String,
    /// Its kind.
    pub(in crate::store) kind: String,
    /// The version of its arguments.
    pub(in crate::store) version: i64,
}

impl<DB> QueryFragment<DB> for BehindKind
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Text>,
    i64: ToSql<BigInt, DB>,
    String: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("(jobs.queue, jobs.kind, jobs.args_version) > (");
        out.push_bind_param::<Text, _>(&self.queue)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.kind)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.version)?;
        out.push_sql(")");
        Ok(())
    }
}

condition!(BehindKind);

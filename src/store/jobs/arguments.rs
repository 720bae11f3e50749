//! Where the arguments of jobs lie.
//!
//! Guarantees: a job's arguments are those in its own row, unless that says nothing, which no JSON does: then they are in a
//! row apart, which is written with the job's, never changed, and deleted with it, or when a person puts others into the job's.
//! Where that row is missing they are empty, and the job cannot be read.
//!
//! A claim and an end write a job's row, and a file is written page by page: long arguments in the row would be written with
//! each. A server writes long values apart by itself, and none again that has not changed.

use crate::store::dialect::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::Text;

use super::insert::NewJob;
use crate::store::Connection;
use crate::store::dialect::{AnyOf, InsertMany, Value, expression};
use crate::store::schema::job_args;

/// Arguments longer than this, in bytes, lie apart: about as long as all else that a row says. Of shorter ones a row more would
/// cost as much as it saves.
const SHORT_MAX: usize = 512;

/// The arguments of a row of `jobs`, wherever they lie.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::store) struct Arguments;

impl<DB: diesel::backend::Backend> QueryFragment<DB> for Arguments {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(
            "CASE WHEN jobs.args = '' THEN coalesce((SELECT job_args.args FROM job_args WHERE job_args.job_id = jobs.id), '') \
             ELSE jobs.args END",
        );
        Ok(())
    }
}

expression!(Arguments, Text);

/// The same where `job_args` is joined, of which most are read.
pub(in crate::store) const JOINED: &str = "(CASE WHEN jobs.args = '' THEN job_args.args ELSE jobs.args END)";

/// Whether the arguments of a new job are to lie apart.
pub(super) fn lie_apart(connection: &Connection, job: &NewJob) -> bool {
    matches!(connection, Connection::Sqlite(_)) && job.args.len() > SHORT_MAX
}

/// Writes those that lie apart.
pub(super) fn insert(connection: &mut Connection, new: &[&NewJob]) -> QueryResult<()> {
    let apart = new.iter().filter(|job| lie_apart(connection, job));
    let rows = apart.map(|job| {
        [job.id.to_string(), job.workspace.to_string(), job.args.clone()]
            .map(|text| Value::Text(Some(text)))
            .to_vec()
    });
    let many = InsertMany {
        table: "job_args",
        columns: &["job_id", "workspace_id", "args"],
        rows: rows.collect(),
        on_conflict: "",
    };
    many.execute(connection)
}

/// Deletes those of these jobs, of which there must be at least one.
pub(in crate::store) fn delete(connection: &mut Connection, jobs: &[String]) -> QueryResult<usize> {
    let of_jobs = AnyOf {
        column: "job_args.job_id",
        texts: jobs,
    };
    diesel::delete(job_args::table.filter(of_jobs)).execute(connection)
}

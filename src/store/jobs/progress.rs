//! What running attempts write about themselves: progress, and the point of no return.
//!
//! Guarantees: nothing is written unless the fence still holds; whoever writes learns in the same step whether it holds
//! and whether a cancel was asked for, so that a lost message delays a cancel by one write at most.

use std::collections::HashMap;

use crate::store::dialect::prelude::*;

use super::STATEMENT_ROWS_MAX;
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::{JobState, Progress};
use crate::store::dialect::{AnyOf, Literally, Locked, UpdateMany, Value};
use crate::store::events::{Effects, Written};
use crate::store::schema::jobs;
use crate::store::text::{number, storable};
use crate::store::{Connection, StoreError, Tx};

/// How far an attempt has come.
#[derive(Clone, Debug)]
pub struct AttemptProgress {
    /// The job.
    pub job: JobId,
    /// The attempt's fence.
    pub fence: i64,
    /// How far.
    pub progress: Progress,
    /// When it was said.
    pub at: Timestamp,
}

/// Whether an attempt is still ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It is.
    Yes {
        /// Whether a cancel was asked for.
        cancel_requested: bool,
    },
    /// It is not; the work is to stop.
    No,
}

/// Writes the progress of all attempts that still hold, and answers for each in its place whether it does.
pub(in crate::store) fn progress(
    connection: &mut Connection,
    all: &[&AttemptProgress],
    effects: &mut Effects,
) -> QueryResult<Vec<Held>> {
    let mut held = Vec::with_capacity(all.len());
    for chunk in all.chunks(STATEMENT_ROWS_MAX) {
        let ids: Vec<String> = chunk.iter().map(|progress| progress.job.to_string()).collect();
        let standing = running(connection, &ids)?;
        let mut changes = Vec::with_capacity(chunk.len());
        for (one, id) in chunk.iter().zip(ids) {
            let is_held = held_as(&standing, &id, one.fence);
            held.push(is_held);
            if is_held != Held::No {
                let progress = &one.progress;
                tell(effects, one, standing.get(&id));
                let values = vec![
                    Value::Number(Some(number(progress.done))),
                    Value::Number(progress.total.map(number)),
                    Value::Text(progress.note.as_deref().map(storable)),
                    Value::Number(Some(one.at.as_micros())),
                ];
                changes.push((id, one.fence, values));
            }
        }
        if !changes.is_empty() {
            let columns = &["progress_done", "progress_total", "progress_note", "progress_at"];
            UpdateMany {
                when_state: "running",
                columns,
                constants: "",
                rows: changes,
            }
            .execute(connection)?;
        }
    }
    Ok(held)
}

/// Notes that the effect of this attempt may happen from now on, unless a cancel was asked for: then it must not begin.
///
/// # Errors
/// When a statement fails.
pub fn no_return(connection: &mut Connection, job: JobId, fence: i64, now: Timestamp) -> Result<Held, StoreError> {
    let held = hold(connection, job, fence)?;
    let may_begin = Held::Yes {
        cancel_requested: false,
    };
    if held == may_begin {
        diesel::update(jobs::table.filter(jobs::id.eq(job.to_string())))
            .set(jobs::no_return_at.eq(now.as_micros()))
            .execute(connection)?;
    }
    Ok(held)
}

/// Whether the attempt holds its job, which then stays so until the transaction ends: nobody else can end the attempt, hand
/// the job on or cancel it before what this transaction writes is committed.
///
/// # Errors
/// When the statement fails.
pub fn hold(connection: &mut Connection, job: JobId, fence: i64) -> Result<Held, StoreError> {
    let id = job.to_string();
    let standing = running(connection, std::slice::from_ref(&id))?;
    Ok(held_as(&standing, &id, fence))
}

impl Tx<'_> {
    /// Whether the attempt of this job and fence holds the job: for the work's own writes, which belong to it only as long as
    /// it does. What this transaction writes besides is committed while the attempt holds its job, or not at all, if the
    /// caller refuses on anything but `Yes`.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn hold(&mut self, job: JobId, fence: i64) -> Result<Held, StoreError> {
        hold(self.connection(), job, fence)
    }
}

/// What is to be known of a running job.
#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs)]
struct RunningRow {
    id: String,
    workspace_id: String,
    kind: String,
    queue: String,
    attempt: i64,
    fence: i64,
    cancel_requested_at: Option<i64>,
}

/// Tells of progress that is written.
fn tell(effects: &mut Effects, one: &AttemptProgress, row: Option<&RunningRow>) {
    // A workspace whose id cannot be read has nobody who follows it.
    let Some((row, Ok(workspace))) = row.map(|row| (row, row.workspace_id.parse())) else {
        return;
    };
    let change = Written {
        job: one.job,
        kind: &row.kind,
        queue: &row.queue,
        state: JobState::Running,
        attempt: row.attempt,
        fence: one.fence,
        cause: None,
        at: one.at,
        progress: Some(&one.progress),
    };
    effects.changed(workspace, &change);
}

/// Those that are running.
fn running(connection: &mut Connection, ids: &[String]) -> QueryResult<HashMap<String, RunningRow>> {
    let rows = jobs::table
        .filter(AnyOf {
            column: "jobs.id",
            texts: ids,
        })
        .filter(Literally("jobs.state = 'running'"))
        .order(jobs::id.asc())
        .select(RunningRow::columns());
    let rows: Vec<RunningRow> = Locked(rows).load(connection)?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

fn held_as(standing: &HashMap<String, RunningRow>, id: &str, fence: i64) -> Held {
    match standing.get(id) {
        Some(row) if row.fence == fence => Held::Yes {
            cancel_requested: row.cancel_requested_at.is_some(),
        },
        _ => Held::No,
    }
}

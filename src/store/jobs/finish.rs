//! How attempts ended.
//!
//! Guarantees: an end is written only under the fence that the row still has; the job's new state and the attempt's record
//! are written together (an attempt that completed its job with nothing more to say has none: the job's row tells of it); a second end of the same attempt changes nothing.

use std::collections::HashMap;

use crate::store::dialect::prelude::*;

use super::STATEMENT_ROWS_MAX;
use super::row::StandingRow;
use super::waited::{Ended, tell};
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::{AttemptEnd, AttemptOutcome, Cause, Event, JobState, Progress, Queue, rank, transition};
use crate::store::dialect::{AnyOf, InsertMany, Locked, UpdateMany, Value};
use crate::store::events::Effects;
use crate::store::schema::{attempts, jobs};
use crate::store::suppressions::{self, NewSuppression};
use crate::store::text::{number, storable};
use crate::store::{Connection, StoreError};

/// How one attempt ended.
#[derive(Clone, Debug)]
pub struct AttemptFinish {
    /// The job.
    pub job: JobId,
    /// The attempt's fence.
    pub fence: i64,
    /// How it ended.
    pub end: AttemptEnd,
    /// What went wrong, for people.
    pub error: Option<String>,
    /// What the work answers, as JSON.
    pub result: Option<String>,
    /// How far it came, if it said so since it was last written.
    pub progress: Option<Progress>,
    /// What was said with whoever is outside, for people.
    pub transcript: Option<String>,
    /// Whom it found to have no address any more, to be added to the suppressions with it.
    pub suppress: Vec<NewSuppression>,
    /// When it ended.
    pub at: Timestamp,
}

/// What became of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// The end is written, and the job is now in this state.
    Written(JobState),
    /// The fence no longer holds: somebody else decided. Nothing was written.
    LeaseLost,
}

const COLUMNS: &[&str] = &[
    "state",
    "attempt",
    "run_at",
    "rank",
    "finished_at",
    "cause",
    "result",
    "progress_done",
    "progress_total",
    "progress_note",
    "progress_at",
    "worker_panics",
    "deaths",
];

const RECORD_COLUMNS: &[&str] = &[
    "job_id",
    "number",
    "workspace_id",
    "started_at",
    "finished_at",
    "outcome",
    "error",
    "node",
    "transcript",
];

/// Writes all ends and answers, for each in its place, what became of the job.
pub(in crate::store) fn finish(
    connection: &mut Connection,
    ends: &[&AttemptFinish],
    effects: &mut Effects,
) -> Result<Vec<Finished>, StoreError> {
    let mut finished = Vec::with_capacity(ends.len());
    for chunk in ends.chunks(STATEMENT_ROWS_MAX) {
        finish_chunk(connection, chunk, &mut finished, effects)?;
    }
    Ok(finished)
}

fn finish_chunk(
    connection: &mut Connection,
    ends: &[&AttemptFinish],
    finished: &mut Vec<Finished>,
    effects: &mut Effects,
) -> Result<(), StoreError> {
    let ids: Vec<String> = ends.iter().map(|end| end.job.to_string()).collect();
    let rows = jobs::table
        .filter(AnyOf {
            column: "jobs.id",
            texts: &ids,
        })
        // All who lock several rows lock them in this order, so that no two wait for each other.
        .order(jobs::id.asc())
        .select(StandingRow::columns());
    let rows: Vec<StandingRow> = Locked(rows).load(connection)?;
    let mut standing: HashMap<String, StandingRow> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
    let mut changes = Vec::with_capacity(ends.len());
    let mut records = Vec::with_capacity(ends.len());
    let (mut ended, mut latest) = (Vec::new(), Timestamp::from_micros(0));
    let mut suppress = Vec::new();
    for (end, id) in ends.iter().zip(ids) {
        // Taken out, so that a second end of the same attempt in one batch finds nothing.
        let held = standing.remove(&id).filter(|row| row.fence == end.fence);
        let Some(row) = held else {
            finished.push(Finished::LeaseLost);
            continue;
        };
        let Ok(next) = transition(&row.standing()?, Event::Ended(end.end), end.at) else {
            finished.push(Finished::LeaseLost);
            continue;
        };
        if let (JobState::Available, Ok(queue)) = (next.state, row.queue.parse::<Queue>()) {
            effects.became_available(queue);
        }
        let standing = (next.state, i64::from(next.attempt), row.fence);
        let cause = next.cause.map(Cause::as_str);
        row.tell(effects, standing, cause, end.progress.as_ref(), end.at)?;
        finished.push(Finished::Written(next.state));
        ended.extend(Ended::of(&row, next.state));
        latest = latest.max(end.at);
        suppress.extend_from_slice(&end.suppress);
        changes.push((id.clone(), end.fence, values(&row, &next, end)?));
        if is_told_by_its_job(&next, end) {
            continue;
        }
        records.push(vec![
            Value::Text(Some(id)),
            Value::Number(Some(end.fence)),
            Value::Text(Some(row.workspace_id)),
            Value::Number(Some(row.started_at.unwrap_or(end.at.as_micros()))),
            Value::Number(Some(end.at.as_micros())),
            Value::Text(Some(next.outcome.unwrap_or(end.end.outcome()).to_string())),
            Value::Text(end.error.as_deref().map(storable)),
            Value::Text(Some(row.node.unwrap_or_default())),
            Value::Text(end.transcript.as_deref().map(storable)),
        ]);
    }
    if changes.is_empty() {
        return Ok(());
    }
    UpdateMany {
        when_state: "running",
        columns: COLUMNS,
        constants: "",
        rows: changes,
    }
    .execute(connection)?;
    InsertMany {
        table: "attempts",
        columns: RECORD_COLUMNS,
        rows: records,
        on_conflict: "",
    }
    .execute(connection)?;
    if !suppress.is_empty() {
        suppressions::add(connection, &suppress)?;
    }
    tell(connection, ended, latest, effects)
}

/// Whether the job's own row says all that there is to say of the attempt, so that it needs none of its own: it completed its
/// job and spoke with nobody, as nearly all do but mails.
fn is_told_by_its_job(next: &crate::domain::job::Next, end: &AttemptFinish) -> bool {
    let says_more = end.error.is_some() || end.transcript.is_some();
    next.state == JobState::Completed && end.end == AttemptEnd::Completed && !says_more
}

/// The record of the attempt that completed a job, where the job's row alone tells of it: to be written before the row says
/// something else.
pub(super) fn write_down_last_attempt(connection: &mut Connection, row: &StandingRow) -> QueryResult<()> {
    let (Some(started_at), Some(finished_at), Some(node)) = (row.started_at, row.finished_at, &row.node) else {
        return Ok(());
    };
    if row.state != JobState::Completed.as_str() {
        return Ok(());
    }
    diesel::insert_into(attempts::table)
        .values((
            attempts::job_id.eq(&row.id),
            attempts::number.eq(row.fence),
            attempts::workspace_id.eq(&row.workspace_id),
            attempts::started_at.eq(started_at),
            attempts::finished_at.eq(finished_at),
            attempts::outcome.eq(AttemptOutcome::Completed.as_str()),
            attempts::node.eq(node),
        ))
        // It has one if there was more to say of it.
        .on_conflict_do_nothing()
        .execute(connection)?;
    Ok(())
}

fn values(row: &StandingRow, next: &crate::domain::job::Next, end: &AttemptFinish) -> Result<Vec<Value>, StoreError> {
    let (done, total, note, progress_at) = match &end.progress {
        Some(progress) => (
            Some(number(progress.done)),
            progress.total.map(number),
            progress.note.as_deref().map(storable),
            Some(end.at.as_micros()),
        ),
        None => (
            row.progress_done,
            row.progress_total,
            row.progress_note.clone(),
            row.progress_at,
        ),
    };
    let result = end.result.clone().or_else(|| row.result.clone());
    Ok(vec![
        Value::Text(Some(next.state.to_string())),
        Value::Number(Some(i64::from(next.attempt))),
        Value::Number(Some(next.run_at.as_micros())),
        Value::Number(Some(rank(next.run_at, row.priority()?))),
        Value::Number(next.state.is_final().then_some(end.at.as_micros())),
        Value::Text(next.cause.map(|cause| cause.to_string())),
        Value::Text(result),
        Value::Number(done),
        Value::Number(total),
        Value::Text(note),
        Value::Number(progress_at),
        Value::Number(Some(i64::from(next.worker_panics))),
        Value::Number(Some(i64::from(next.deaths))),
    ])
}

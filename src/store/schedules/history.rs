//! What became of the ticks of a schedule.

use crate::store::dialect::prelude::*;

use crate::clock::Timestamp;
use crate::domain::id::{JobId, ScheduleId, WorkspaceId};
use crate::domain::job::JobState;
use crate::domain::schedule::{FireOutcome, Ticks};
use crate::store::dialect::{InsertMany, Value};
use crate::store::schema::{jobs, schedule_fires};
use crate::store::text::{number, parsed, time, unsigned};
use crate::store::{Connection, StoreError};

/// Rows of a history that are kept at least; some more are, until they are cleared away together.
pub const HISTORY_KEPT: i64 = 1_000;
/// How often a history is cut: each so many changes of its schedule.
const CUT_EVERY: i64 = 64;

/// What became of a tick, or of several in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fire {
    /// Which ticks; for what a person ordered, the time of the order.
    pub ticks: Ticks,
    /// What became of them.
    pub outcome: FireOutcome,
    /// The job that was made.
    pub job: Option<JobId>,
    /// Where that job is; none once it was cleared away.
    pub job_state: Option<JobState>,
    /// Why none was made, where the outcome alone does not say it.
    pub cause: Option<String>,
    /// When that was settled.
    pub at: Timestamp,
}

/// A page of what became of a schedule's ticks, the newest first: at most `limit`, of ticks before `before`.
///
/// # Errors
/// When the statement fails.
pub fn fires(
    connection: &mut Connection,
    schedule: ScheduleId,
    before: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<Fire>, StoreError> {
    type Row = (
        i64,
        i64,
        i64,
        String,
        Option<String>,
        Option<String>,
        i64,
        Option<String>,
    );
    let before = before.map_or(i64::MAX, Timestamp::as_micros);
    let rows: Vec<Row> = schedule_fires::table
        .left_join(jobs::table.on(jobs::id.nullable().eq(schedule_fires::job_id)))
        .filter(schedule_fires::schedule_id.eq(schedule.to_string()))
        .filter(schedule_fires::tick_at.lt(before))
        .order(schedule_fires::tick_at.desc())
        .limit(number(limit))
        .select((
            schedule_fires::since,
            schedule_fires::tick_at,
            schedule_fires::ticks,
            schedule_fires::outcome,
            schedule_fires::job_id,
            schedule_fires::cause,
            schedule_fires::at,
            jobs::state.nullable(),
        ))
        .load(connection)?;
    let fire = |(since, tick, ticks, outcome, job, cause, at, state): Row| {
        Ok(Fire {
            ticks: Ticks {
                first: time(since),
                last: time(tick),
                count: unsigned(ticks, "schedule_fires", "ticks")?,
            },
            outcome: parsed(&outcome, "schedule_fires", "outcome")?,
            job: job.map(|job| parsed(&job, "schedule_fires", "job_id")).transpose()?,
            job_state: state.map(|state| parsed(&state, "jobs", "state")).transpose()?,
            cause,
            at: time(at),
        })
    };
    rows.into_iter().map(fire).collect()
}

/// Writes what became of ticks, in order.
pub(super) fn write(
    connection: &mut Connection,
    (schedule, workspace): (ScheduleId, WorkspaceId),
    fires: &[Fire],
) -> Result<(), StoreError> {
    let text = |text: String| Value::Text(Some(text));
    let count = |number: i64| Value::Number(Some(number));
    let rows = fires.iter().map(|fire| {
        vec![
            text(schedule.to_string()),
            count(fire.ticks.last.as_micros()),
            text(workspace.to_string()),
            text(fire.outcome.to_string()),
            count(fire.ticks.first.as_micros()),
            count(fire.ticks.count.into()),
            Value::Text(fire.job.map(|job| job.to_string())),
            Value::Text(fire.cause.clone()),
            count(fire.at.as_micros()),
        ]
    });
    let many = InsertMany {
        table: "schedule_fires",
        columns: &[
            "schedule_id",
            "tick_at",
            "workspace_id",
            "outcome",
            "since",
            "ticks",
            "job_id",
            "cause",
            "at",
        ],
        rows: rows.collect(),
        on_conflict: "",
    };
    Ok(many.execute(connection)?)
}

/// Clears away what is beyond [`HISTORY_KEPT`], now and then.
pub(super) fn cut(connection: &mut Connection, schedule: ScheduleId, tick: i64) -> Result<(), StoreError> {
    if tick % CUT_EVERY != 0 {
        return Ok(());
    }
    let of_schedule = schedule_fires::table.filter(schedule_fires::schedule_id.eq(schedule.to_string()));
    let first_beyond: Option<i64> = of_schedule
        .clone()
        .order(schedule_fires::tick_at.desc())
        .limit(1)
        .offset(HISTORY_KEPT)
        .select(schedule_fires::tick_at)
        .get_result(connection)
        .optional()?;
    if let Some(first_beyond) = first_beyond {
        diesel::delete(of_schedule.filter(schedule_fires::tick_at.le(first_beyond))).execute(connection)?;
    }
    Ok(())
}

/// Whether there is an entry of this moment.
pub(super) fn is_taken(connection: &mut Connection, schedule: ScheduleId, at: Timestamp) -> Result<bool, StoreError> {
    let there = schedule_fires::table
        .filter(schedule_fires::schedule_id.eq(schedule.to_string()))
        .filter(schedule_fires::tick_at.eq(at.as_micros()));
    Ok(diesel::select(diesel::dsl::exists(there)).get_result(connection)?)
}

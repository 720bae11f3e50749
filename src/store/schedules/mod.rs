//! Schedules: what is to be made when, what became of each tick, and the settling of a tick.
//!
//! Guarantees:
//! - **Each tick is settled once.** Whoever settles shows the number that was read with the schedule ([`Schedule::tick`]),
//!   which every change makes grow, and holds the row meanwhile. Jobs, history and the next tick are one transaction, so that
//!   a node that dies at the tick has either done all of it or nothing.
//! - **Ticks only go forward**: a schedule remembers the last one that was settled ([`Schedule::last`]), and looks for the next
//!   behind it, whatever the clock of a node says and however often it is changed.
//! - A history is bounded by its rows ([`HISTORY_KEPT`]), not by time, so that a yearly schedule has one too.
//!
//! Left out: when ticks are (`domain::schedule`), and what a job is made of (`jobs`).

mod due;
mod history;
mod record;
mod settle;

use crate::store::dialect::prelude::*;
use diesel::dsl::sql;
use diesel::sql_types::Integer;

pub use due::{Due, Timing, any_due, due, retime, timings};
pub use history::{Fire, HISTORY_KEPT, fires};
pub use record::{Schedule, ScheduledJob};
pub use settle::{Admission, MadeJob, NewFire, OrderRefused, Settled, Settlement, order, settle};

use super::bounded::{Count, Counted};
use super::dialect::{Locked, Optional};
use super::error::is_unique_violation;
use super::schema::schedules;
use super::text::{number, parsed};
use super::{Abort, Connection, JobScope, StoreError};
use crate::domain::id::{ScheduleId, WorkspaceId};
use record::ScheduleRow;

/// Another schedule of the workspace has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameTaken;

/// Enters a schedule.
///
/// # Errors
/// [`NameTaken`] as a refusal.
pub fn insert(connection: &mut Connection, new: &Schedule) -> Result<(), Abort<NameTaken>> {
    let row = ScheduleRow::of(new);
    let entered = diesel::insert_into(schedules::table)
        .values((schedules::id.eq(new.id.to_string()), row.unchanging(), row.changing()))
        .on_conflict_do_nothing()
        .execute(connection)?;
    if entered == 1 {
        Ok(())
    } else {
        Err(Abort::Refused(NameTaken))
    }
}

/// Writes a schedule back that was read by [`locked`] in this transaction; its number grows.
///
/// # Errors
/// [`NameTaken`] as a refusal.
pub fn save(connection: &mut Connection, changed: &Schedule) -> Result<(), Abort<NameTaken>> {
    let row = ScheduleRow::of(&Schedule {
        tick: changed.tick.saturating_add(1),
        ..changed.clone()
    });
    let there = schedules::table.filter(schedules::id.eq(changed.id.to_string()));
    match diesel::update(there).set(row.changing()).execute(connection) {
        Ok(_) => Ok(()),
        Err(error) if is_unique_violation(&error) => Err(Abort::Refused(NameTaken)),
        Err(error) => Err(error.into()),
    }
}

/// Deletes a schedule and its history, also one that this version cannot read; its jobs stay. Answers whose it was; none if
/// there was none in the scope.
///
/// # Errors
/// When a statement fails.
pub fn delete(connection: &mut Connection, id: ScheduleId, scope: JobScope) -> Result<Option<WorkspaceId>, StoreError> {
    let owner = schedules::table
        .filter(schedules::id.eq(id.to_string()))
        .filter(scope.of("schedules.workspace_id ="))
        .select(schedules::workspace_id);
    let Some(workspace) = owner.first::<String>(connection).optional()? else {
        return Ok(None);
    };
    let deleted = diesel::delete(schedules::table.filter(schedules::id.eq(id.to_string()))).execute(connection)?;
    // Whoever deleted it meanwhile is who did.
    (deleted == 1)
        .then(|| parsed(&workspace, "schedules", "workspace_id"))
        .transpose()
}

/// How many schedules a workspace has, counted up to `max`.
///
/// # Errors
/// When the statement fails.
pub fn count(connection: &mut Connection, workspace: WorkspaceId, max: usize) -> Result<Count, StoreError> {
    let rows = schedules::table
        .filter(schedules::workspace_id.eq(workspace.to_string()))
        .select(sql::<Integer>("1"))
        .limit(number(max).saturating_add(1));
    Ok(Count::of(Counted(rows).get_result(connection)?, max))
}

/// One schedule.
///
/// # Errors
/// When the statement fails.
pub fn one(connection: &mut Connection, id: ScheduleId, scope: JobScope) -> Result<Option<Schedule>, StoreError> {
    let query = schedules::table
        .filter(schedules::id.eq(id.to_string()))
        .filter(scope.of("schedules.workspace_id ="))
        .select(ScheduleRow::columns());
    let row: Option<ScheduleRow> = query.first(connection).optional()?;
    row.map(Schedule::try_from).transpose()
}

/// One schedule, which nobody else changes or settles until this transaction ends.
///
/// # Errors
/// When the statement fails.
pub fn locked(connection: &mut Connection, id: ScheduleId, scope: JobScope) -> Result<Option<Schedule>, StoreError> {
    let query = schedules::table
        .filter(schedules::id.eq(id.to_string()))
        .filter(scope.of("schedules.workspace_id ="))
        .select(ScheduleRow::columns());
    let row: Option<ScheduleRow> = Locked(query).get_result(connection).optional()?;
    row.map(Schedule::try_from).transpose()
}

/// A page of schedules, the newest first: at most `limit` that were made before `before`.
///
/// # Errors
/// When the statement fails.
pub fn list(
    connection: &mut Connection,
    scope: JobScope,
    before: Option<ScheduleId>,
    limit: usize,
) -> Result<Vec<Schedule>, StoreError> {
    let query = schedules::table
        .filter(scope.of("schedules.workspace_id ="))
        .filter(Optional::new("schedules.id <", before))
        .select(ScheduleRow::columns());
    let rows: Vec<ScheduleRow> = query
        .order(schedules::id.desc())
        .limit(number(limit))
        .load(connection)?;
    rows.into_iter().map(Schedule::try_from).collect()
}

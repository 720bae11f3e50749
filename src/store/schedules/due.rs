//! Which schedules are due, and putting their next ticks right where the rules of their zones have changed.

use crate::store::dialect::prelude::*;
use diesel::dsl::min;

use super::record::{Schedule, ScheduleRow};
use crate::clock::Timestamp;
use crate::domain::id::ScheduleId;
use crate::store::dialect::{Limited, Optional};
use crate::store::schema::schedules;
use crate::store::text::{number, parsed, time};
use crate::store::{Connection, KnownKind, StoreError};

/// The earliest tick of all schedules of these kinds; those of others, or of newer arguments, are left to other nodes.
///
/// # Errors
/// When a statement fails.
pub fn any_due(connection: &mut Connection, kinds: &[KnownKind]) -> Result<Option<Timestamp>, StoreError> {
    let mut earliest: Option<i64> = None;
    for kind in kinds {
        let next: Option<i64> = schedules::table
            .filter(schedules::kind.eq(kind.name))
            .filter(schedules::next_at.is_not_null())
            .filter(schedules::args_version.le(i64::from(kind.version)))
            .select(min(schedules::next_at))
            .get_result(connection)?;
        earliest = earliest.into_iter().chain(next).min();
    }
    Ok(earliest.map(time))
}

/// Schedules whose tick has come.
#[derive(Debug, Default)]
pub struct Due {
    /// What is to be settled.
    pub schedules: Vec<Schedule>,
    /// The ids of those whose row cannot be read, as a person's hand leaves it, and what is wrong with it. They hold up no other.
    pub unreadable: Vec<(String, StoreError)>,
}

/// Up to `max` schedules of each of these kinds whose tick has come, the earliest first.
///
/// # Errors
/// When a statement fails.
pub fn due(connection: &mut Connection, kinds: &[KnownKind], now: Timestamp, max: usize) -> Result<Due, StoreError> {
    let mut found = Due::default();
    for kind in kinds {
        let query = schedules::table
            .filter(schedules::kind.eq(kind.name))
            .filter(schedules::next_at.is_not_null())
            .filter(schedules::next_at.le(now.as_micros()))
            .filter(schedules::args_version.le(i64::from(kind.version)))
            .order((schedules::next_at.asc(), schedules::id.asc()))
            .select(ScheduleRow::columns());
        let rows: Vec<ScheduleRow> = Limited(query, number(max)).load(connection)?;
        for row in rows {
            let id = row.id.clone();
            match Schedule::try_from(row) {
                Ok(schedule) => found.schedules.push(schedule),
                Err(error) => found.unreadable.push((id, error)),
            }
        }
    }
    Ok(found)
}

/// What says when a schedule is due.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Which one.
    pub schedule: ScheduleId,
    /// Its expression.
    pub cron: String,
    /// Its time zone.
    pub time_zone: String,
    /// Its next tick, as it is kept.
    pub next: Option<Timestamp>,
    /// Before which no tick of it is to come: when it was settled last, or changed.
    pub not_before: Timestamp,
    /// Its number.
    pub tick: i64,
}

/// A page of all schedules that are not paused: at most `limit`, those behind `behind`.
///
/// # Errors
/// When the statement fails.
pub fn timings(
    connection: &mut Connection,
    behind: Option<ScheduleId>,
    limit: usize,
) -> Result<Vec<Timing>, StoreError> {
    type Row = (String, String, String, Option<i64>, Option<i64>, i64, i64);
    let rows: Vec<Row> = schedules::table
        .filter(schedules::paused_at.is_null())
        .filter(Optional::new("schedules.id >", behind))
        .order(schedules::id.asc())
        .limit(number(limit))
        .select((
            schedules::id,
            schedules::cron,
            schedules::time_zone,
            schedules::next_at,
            schedules::last_at,
            schedules::updated_at,
            schedules::tick,
        ))
        .load(connection)?;
    let timing = |(id, cron, time_zone, next, last, updated, tick): Row| {
        Ok(Timing {
            schedule: parsed(&id, "schedules", "id")?,
            cron,
            time_zone,
            next: next.map(time),
            not_before: time(last.unwrap_or(updated).max(updated)),
            tick,
        })
    };
    rows.into_iter().map(timing).collect()
}

/// Has a schedule tick next at `next`, if nobody has changed or settled it since `timing` was read. Answers whether it does.
///
/// # Errors
/// When the statement fails.
pub fn retime(connection: &mut Connection, timing: &Timing, next: Option<Timestamp>) -> Result<bool, StoreError> {
    let there = schedules::table
        .filter(schedules::id.eq(timing.schedule.to_string()))
        .filter(schedules::tick.eq(timing.tick))
        .filter(schedules::paused_at.is_null());
    let changed = diesel::update(there)
        .set((
            schedules::next_at.eq(next.map(Timestamp::as_micros)),
            schedules::tick.eq(timing.tick.saturating_add(1)),
        ))
        .execute(connection)?;
    Ok(changed == 1)
}

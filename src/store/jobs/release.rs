//! What becomes of jobs that waited for others, once nothing is left to wait for.
//!
//! Guarantees: a job is let go once: whoever does it holds the lock of the job's row, and takes its row of those who wait away
//! in the same transaction. What is left is counted under that lock. So of two transactions that end the last two jobs which
//! one waits for, the second to come finds the end of the first: it waits for the lock until the first is committed, and reads
//! after that.

use std::collections::HashSet;

use crate::store::dialect::prelude::*;

use super::aside::set_aside;
use super::row::StandingRow;
use super::waited::Ended;
use crate::clock::Timestamp;
use crate::domain::job::{After, Cause, Event, JobState, Next, OnFailure, Queue, rank, transition};
use crate::store::dialect::{AnyOf, Literally, Locked, UpdateMany, Value};
use crate::store::events::Effects;
use crate::store::schema::{dependencies, jobs, waiters};
use crate::store::text::{parsed, time};
use crate::store::{Connection, StoreError};

#[derive(Queryable, Selectable)]
#[diesel(table_name = waiters)]
struct WaiterRow {
    job_id: String,
    run_at: i64,
    on_failure: String,
    batch_id: Option<String>,
}

/// A job that waits no longer.
struct Ready {
    row: StandingRow,
    from: Timestamp,
    /// Whether it is to run, though something that it waited for may have failed.
    runs: bool,
}

const COLUMNS: &[&str] = &["state", "run_at", "rank", "finished_at", "cause"];

/// Lets those of at most one statement's worth of jobs go that wait for jobs all of which have ended; answers those that ended
/// by it.
///
/// # Errors
/// When a statement fails, or a row cannot be read.
pub(super) fn settle(
    connection: &mut Connection,
    ids: &[String],
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Vec<Ended>, StoreError> {
    let held = lock(connection, ids)?;
    let held: Vec<_> = held
        .into_iter()
        .filter(|(_, waiter)| waiter.batch_id.is_none())
        .collect();
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let waiting: Vec<String> = held.iter().map(|(row, _)| row.id.clone()).collect();
    let left = those_with(connection, &waiting, "dependencies.ended_state IS NULL")?;
    let failed = those_with(connection, &waiting, "dependencies.ended_state <> 'completed'")?;
    let mut ready = Vec::with_capacity(held.len());
    for (row, waiter) in held {
        if left.contains(&row.id) {
            continue;
        }
        let on_failure: OnFailure = parsed(&waiter.on_failure, "waiters", "on_failure")?;
        ready.push(Ready {
            from: time(waiter.run_at),
            runs: on_failure == OnFailure::Run || !failed.contains(&row.id),
            row,
        });
    }
    release(connection, ready, now, effects)
}

/// Lets the finishing job of a batch go, if it still waits; answers it if that ended it. `is_failed` says whether a job of the
/// batch did not complete, and `is_cancelled` whether the batch was cancelled, after which nothing is to be finished.
///
/// # Errors
/// As [`settle`].
pub(in crate::store) fn release_finishing(
    connection: &mut Connection,
    id: &str,
    (is_failed, is_cancelled): (bool, bool),
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Vec<Ended>, StoreError> {
    let mut ready = Vec::new();
    for (row, waiter) in lock(connection, &[id.to_owned()])? {
        let on_failure: OnFailure = parsed(&waiter.on_failure, "waiters", "on_failure")?;
        ready.push(Ready {
            from: time(waiter.run_at),
            runs: !is_cancelled && (on_failure == OnFailure::Run || !is_failed),
            row,
        });
    }
    release(connection, ready, now, effects)
}

/// Takes the rows of those who wait away, of jobs that wait no longer, and gives those that ended meanwhile the time that was
/// asked for.
///
/// # Errors
/// When a statement fails.
pub(super) fn let_go(connection: &mut Connection, ids: &[String]) -> QueryResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let (column, texts) = ("waiters.job_id", ids);
    let asked: Vec<(String, i64)> = waiters::table
        .filter(AnyOf { column, texts })
        .select((waiters::job_id, waiters::run_at))
        .load(connection)?;
    for (id, run_at) in asked {
        let held = jobs::table
            .filter(jobs::id.eq(id))
            .filter(jobs::run_at.eq(After::HELD.as_micros()));
        diesel::update(held).set(jobs::run_at.eq(run_at)).execute(connection)?;
    }
    forget(connection, ids)
}

/// The jobs of these that still wait for others, locked.
fn lock(connection: &mut Connection, ids: &[String]) -> QueryResult<Vec<(StandingRow, WaiterRow)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (column, texts) = ("jobs.id", ids);
    let rows = jobs::table
        .filter(AnyOf { column, texts })
        // All who lock several rows lock them in this order, so that no two wait for each other.
        .order(jobs::id.asc())
        .select(StandingRow::columns());
    let rows: Vec<StandingRow> = Locked(rows).load(connection)?;
    // Nobody takes one of these away but under the lock of its job.
    let column = "waiters.job_id";
    let mut waiting: Vec<WaiterRow> = waiters::table
        .filter(AnyOf { column, texts })
        .select(WaiterRow::columns())
        .load(connection)?;
    let waits = |row: &StandingRow| row.state == JobState::Scheduled.as_str() && row.run_at == After::HELD.as_micros();
    let both = rows.into_iter().filter(waits).filter_map(|row| {
        let place = waiting.iter().position(|waiter| waiter.job_id == row.id)?;
        Some((row, waiting.swap_remove(place)))
    });
    Ok(both.collect())
}

/// Those of these jobs of which any dependency is so.
fn those_with(connection: &mut Connection, ids: &[String], condition: &'static str) -> QueryResult<HashSet<String>> {
    let (column, texts) = ("dependencies.job_id", ids);
    let found: Vec<String> = dependencies::table
        .filter(AnyOf { column, texts })
        .filter(Literally(condition))
        .select(dependencies::job_id)
        .distinct()
        .load(connection)?;
    Ok(found.into_iter().collect())
}

fn release(
    connection: &mut Connection,
    ready: Vec<Ready>,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Vec<Ended>, StoreError> {
    let (mut changes, mut ended, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for Ready { row, from, runs } in ready {
        gone.push(row.id.clone());
        let event = if runs {
            Event::AwaitedEnded(from)
        } else {
            Event::AwaitedFailed
        };
        let next = match row.standing() {
            Ok(standing) => transition(&standing, event, now),
            Err(error) => {
                set_aside(connection, &row, &error, now, effects)?;
                continue;
            }
        };
        // Not reached: it was locked as one that is scheduled.
        let Ok(next) = next else { continue };
        row.tell_next(effects, &next, now)?;
        if next.state.is_final() {
            ended.extend(Ended::of(&row, next.state).map(Ended::that_waits_no_more));
        } else if let Ok(queue) = row.queue.parse::<Queue>() {
            // Also where its time is still to come: claims tell when the next one's is.
            effects.became_available(queue);
        }
        changes.push((row.id.clone(), row.fence, values(&row, &next, from, now)?));
    }
    if gone.is_empty() {
        return Ok(ended);
    }
    UpdateMany {
        when_state: "scheduled",
        columns: COLUMNS,
        constants: "",
        rows: changes,
    }
    .execute(connection)?;
    forget(connection, &gone)?;
    Ok(ended)
}

fn values(row: &StandingRow, next: &Next, from: Timestamp, now: Timestamp) -> Result<Vec<Value>, StoreError> {
    let run_at = if next.state.is_final() { from } else { next.run_at };
    Ok(vec![
        Value::Text(Some(next.state.to_string())),
        Value::Number(Some(run_at.as_micros())),
        Value::Number(Some(rank(run_at, row.priority()?))),
        Value::Number(next.state.is_final().then_some(now.as_micros())),
        Value::Text(next.cause.map(Cause::as_str).map(str::to_owned)),
    ])
}

/// Takes the rows of those who waited away.
fn forget(connection: &mut Connection, ids: &[String]) -> QueryResult<()> {
    let (column, texts) = ("waiters.job_id", ids);
    diesel::delete(waiters::table.filter(AnyOf { column, texts })).execute(connection)?;
    let column = "dependencies.job_id";
    diesel::delete(dependencies::table.filter(AnyOf { column, texts })).execute(connection)?;
    Ok(())
}

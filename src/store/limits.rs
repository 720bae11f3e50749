//! Limits: what may run at once and how fast it may start, of a queue and of keys in it.
//!
//! Guarantees: a limit is read by each claim, so that a change holds for what already waits; a change of a rate begins with a
//! full bucket, and the same rate set again with what is left in it. Left out: how claims keep to them (`jobs`).

use std::collections::HashMap;

use crate::store::dialect::prelude::*;

use diesel::dsl::count_star;

use super::dialect::{LimitsOf, Listed, ListedLane, Literally, Locked};
use super::schema::{jobs, limit_buckets, limited_queues, limits};
use super::text::{number, time, unsigned};
use super::{Connection, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::id::WorkspaceId;
use crate::domain::job::{Limit, LimitKey, Queue, Rate, Room};

/// What a limit is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limited {
    /// A whole queue, whoever's jobs they are.
    Queue,
    /// What a workspace has under a key.
    Key(WorkspaceId, LimitKey),
    /// What a workspace has under each key that has no limit of its own.
    EachKey(WorkspaceId),
}

impl Limited {
    /// The workspace and the key as they are stored.
    fn columns(&self) -> (String, String) {
        match self {
            Self::Queue => (String::new(), String::new()),
            Self::Key(workspace, key) => (workspace.to_string(), key.to_string()),
            Self::EachKey(workspace) => (workspace.to_string(), LimitKey::EACH.to_owned()),
        }
    }
}

/// A limit of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRecord {
    /// In which queue; possibly one that this version does not know.
    pub queue: String,
    /// The key, or [`LimitKey::EACH`].
    pub key: String,
    /// The limit.
    pub limit: Limit,
    /// When it was set.
    pub updated_at: Timestamp,
}

/// The columns of a limit: concurrency, and the jobs, the period and the burst of a rate.
type LimitColumns = (Option<i64>, Option<i64>, Option<i64>, Option<i64>);

/// A limit as its row says it.
fn limit_of((concurrency, rate, period, burst): LimitColumns) -> Result<Limit, StoreError> {
    let count = |value: i64| unsigned(value, "limits", "a count");
    let rate = match (rate, period, burst) {
        (Some(jobs), Some(period), Some(burst)) => Some(Rate {
            jobs: count(jobs)?,
            period: std::time::Duration::from_millis(unsigned(period, "limits", "period_ms")?),
            burst: count(burst)?,
        }),
        _ => None,
    };
    Ok(Limit {
        concurrency: concurrency.map(count).transpose()?,
        rate,
    })
}

/// A limit with what runs under it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The limit.
    pub(super) limit: Limit,
    /// How many run under it.
    running: u64,
    /// When the bucket of its rate is full again.
    pub(super) full_at: Option<Timestamp>,
}

impl Standing {
    fn of(limit: Limit, running: i64, full_at: Option<i64>) -> Self {
        Self {
            limit,
            running: u64::try_from(running).unwrap_or(0),
            full_at: full_at.map(time),
        }
    }

    /// What it leaves.
    pub(super) fn room(&self, now: Timestamp) -> Room {
        self.limit.room(self.running, self.full_at, now)
    }
}

/// The limit of a whole queue, if it has one.
pub(super) fn of_queue(connection: &mut Connection, queue: Queue) -> Result<Option<Standing>, StoreError> {
    let columns: Option<LimitColumns> = limits::table
        .filter(limits::queue.eq(queue.as_str()))
        .filter(limits::workspace_id.eq(""))
        .filter(limits::limit_key.eq(""))
        .select((limits::concurrency, limits::rate, limits::period_ms, limits::burst))
        .first(connection)
        .optional()?;
    let Some(columns) = columns else { return Ok(None) };
    let limit = limit_of(columns)?;
    let running: i64 = match limit.concurrency {
        None => 0,
        Some(_) => jobs::table
            .filter(Literally("jobs.state = 'running'"))
            .filter(jobs::queue.eq(queue.as_str()))
            .select(count_star())
            .get_result(connection)?,
    };
    let full_at: Option<i64> = limit_buckets::table
        .filter(limit_buckets::queue.eq(queue.as_str()))
        .filter(limit_buckets::workspace_id.eq(""))
        .filter(limit_buckets::limit_key.eq(""))
        .select(limit_buckets::full_at)
        .first(connection)
        .optional()?;
    Ok(Some(Standing::of(limit, running, full_at)))
}

type LaneRow = (
    String,
    String,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    i64,
    Option<i64>,
);

/// The limits of those lanes that have one, by workspace and key.
pub(super) fn of_lanes(
    connection: &mut Connection,
    queue: Queue,
    lanes: &[ListedLane<'_>],
) -> Result<HashMap<(String, String), Standing>, StoreError> {
    let query = LimitsOf {
        queue: queue.as_str(),
        listed: Listed::of(lanes),
    };
    let rows: Vec<LaneRow> = query.load(connection)?;
    let standing = |row: LaneRow| {
        let (workspace, key, concurrency, rate, period, burst, running, full_at) = row;
        let limit = limit_of((concurrency, rate, period, burst))?;
        Ok(((workspace, key), Standing::of(limit, running, full_at)))
    };
    rows.into_iter().map(standing).collect()
}

/// What limits leave of a workspace's jobs with this key; none has no limit but the queue's.
///
/// # Errors
/// When a statement fails.
pub fn room(
    connection: &mut Connection,
    queue: Queue,
    workspace: WorkspaceId,
    key: &str,
    now: Timestamp,
) -> Result<Room, StoreError> {
    let of_queue = of_queue(connection, queue)?.map_or(Room::ENDLESS, |standing| standing.room(now));
    if key.is_empty() {
        return Ok(of_queue);
    }
    let w = workspace.to_string();
    let of_lane = of_lanes(connection, queue, &[ListedLane { w: &w, k: key, n: 0 }])?;
    let of_lane = of_lane.into_values().next();
    Ok(of_queue.and(of_lane.map_or(Room::ENDLESS, |standing| standing.room(now))))
}

/// The limit of something in a queue.
///
/// # Errors
/// When the statement fails.
pub fn one(connection: &mut Connection, queue: Queue, of: &Limited) -> Result<Option<LimitRecord>, StoreError> {
    let (workspace, key) = of.columns();
    let row: Option<(LimitColumns, i64)> = limits::table
        .filter(limits::queue.eq(queue.as_str()))
        .filter(limits::workspace_id.eq(workspace))
        .filter(limits::limit_key.eq(&key))
        .select((
            (limits::concurrency, limits::rate, limits::period_ms, limits::burst),
            limits::updated_at,
        ))
        .first(connection)
        .optional()?;
    row.map(|(columns, updated_at)| {
        Ok(LimitRecord {
            queue: queue.to_string(),
            key,
            limit: limit_of(columns)?,
            updated_at: time(updated_at),
        })
    })
    .transpose()
}

/// The limits of a workspace's keys, by queue and key, behind those of `after`.
///
/// # Errors
/// When the statement fails.
pub fn of_workspace(
    connection: &mut Connection,
    workspace: WorkspaceId,
    after: Option<(String, String)>,
    max: usize,
) -> Result<Vec<LimitRecord>, StoreError> {
    let (queue, key) = after.unwrap_or_default();
    let behind = limits::queue
        .gt(queue.clone())
        .or(limits::queue.eq(queue).and(limits::limit_key.gt(key)));
    let rows: Vec<(String, String, LimitColumns, i64)> = limits::table
        .filter(limits::workspace_id.eq(workspace.to_string()))
        .filter(behind)
        .order((limits::queue.asc(), limits::limit_key.asc()))
        .limit(number(max))
        .select((
            limits::queue,
            limits::limit_key,
            (limits::concurrency, limits::rate, limits::period_ms, limits::burst),
            limits::updated_at,
        ))
        .load(connection)?;
    rows.into_iter()
        .map(|(queue, key, columns, updated_at)| {
            Ok(LimitRecord {
                queue,
                key,
                limit: limit_of(columns)?,
                updated_at: time(updated_at),
            })
        })
        .collect()
}

/// How many limits a workspace has, counted up to `max`.
///
/// # Errors
/// When the statement fails.
pub fn count_of(connection: &mut Connection, workspace: WorkspaceId, max: usize) -> Result<usize, StoreError> {
    let keys: Vec<String> = limits::table
        .filter(limits::workspace_id.eq(workspace.to_string()))
        .select(limits::limit_key)
        .limit(number(max))
        .load(connection)?;
    Ok(keys.len())
}

/// Sets a limit, in place of the one that there is, and has the queue's worker woken once this transaction is committed.
///
/// # Errors
/// When a statement fails.
pub fn set(tx: &mut Tx<'_>, queue: Queue, of: &Limited, limit: &Limit, now: Timestamp) -> Result<(), StoreError> {
    let connection = tx.connection();
    diesel::insert_into(limited_queues::table)
        .values(limited_queues::queue.eq(queue.as_str()))
        .on_conflict_do_nothing()
        .execute(connection)?;
    hold(connection, queue)?;
    let before = one(connection, queue, of)?.and_then(|record| record.limit.rate);
    remove_row(connection, queue, of)?;
    if before != limit.rate {
        remove_buckets(connection, queue, of)?;
    }
    let (workspace, key) = of.columns();
    let rate = limit.rate;
    diesel::insert_into(limits::table)
        .values((
            limits::queue.eq(queue.as_str()),
            limits::workspace_id.eq(workspace),
            limits::limit_key.eq(key),
            limits::concurrency.eq(limit.concurrency.map(i64::from)),
            limits::rate.eq(rate.map(|rate| i64::from(rate.jobs))),
            limits::period_ms.eq(rate.map(|rate| number(rate.period.as_millis()))),
            limits::burst.eq(rate.map(|rate| i64::from(rate.burst))),
            limits::updated_at.eq(now.as_micros()),
        ))
        .execute(connection)?;
    tx.became_available(queue);
    Ok(())
}

/// Removes a limit, and has the queue's worker woken once this transaction is committed. Answers whether there was one.
///
/// # Errors
/// When a statement fails.
pub fn remove(tx: &mut Tx<'_>, queue: Queue, of: &Limited) -> Result<bool, StoreError> {
    let connection = tx.connection();
    hold(connection, queue)?;
    let removed = remove_row(connection, queue, of)?;
    remove_buckets(connection, queue, of)?;
    tx.became_available(queue);
    Ok(removed)
}

/// Waits for claims under limits of the queue, which write several buckets, and keeps them off until the transaction ends.
fn hold(connection: &mut Connection, queue: Queue) -> Result<(), StoreError> {
    let row = limited_queues::table
        .filter(limited_queues::queue.eq(queue.as_str()))
        .select(limited_queues::queue);
    let _held: Vec<String> = Locked(row).load(connection)?;
    Ok(())
}

/// Removes a limit; answers whether there was one.
fn remove_row(connection: &mut Connection, queue: Queue, of: &Limited) -> Result<bool, StoreError> {
    let (workspace, key) = of.columns();
    let row = limits::table
        .filter(limits::queue.eq(queue.as_str()))
        .filter(limits::workspace_id.eq(workspace))
        .filter(limits::limit_key.eq(key));
    Ok(diesel::delete(row).execute(connection)? > 0)
}

/// Removes the buckets that a limit filled; for that of each key, those of the keys that have none of their own.
fn remove_buckets(connection: &mut Connection, queue: Queue, of: &Limited) -> Result<(), StoreError> {
    let (workspace, key) = of.columns();
    let buckets = limit_buckets::table
        .filter(limit_buckets::queue.eq(queue.as_str()))
        .filter(limit_buckets::workspace_id.eq(&workspace));
    match of {
        Limited::EachKey(_) => diesel::delete(buckets.filter(WITHOUT_OWN_LIMIT)).execute(connection)?,
        Limited::Queue | Limited::Key(..) => {
            diesel::delete(buckets.filter(limit_buckets::limit_key.eq(&key))).execute(connection)?
        }
    };
    Ok(())
}

/// Is the bucket of a key that has no limit of its own.
const WITHOUT_OWN_LIMIT: Literally = Literally(
    "NOT EXISTS (SELECT 1 FROM limits AS own WHERE own.queue = limit_buckets.queue \
     AND own.workspace_id = limit_buckets.workspace_id AND own.limit_key = limit_buckets.limit_key)",
);

/// Deletes up to `max` buckets that have been full since before `until`, which are as good as none; answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget_full(connection: &mut Connection, until: Timestamp, max: usize) -> Result<usize, StoreError> {
    let rows: Vec<(String, String, String)> = limit_buckets::table
        .filter(limit_buckets::full_at.lt(until.as_micros()))
        .limit(number(max))
        .select((
            limit_buckets::queue,
            limit_buckets::workspace_id,
            limit_buckets::limit_key,
        ))
        .load(connection)?;
    let mut deleted = 0;
    for (queue, workspace, key) in rows {
        let full = limit_buckets::table
            .filter(limit_buckets::queue.eq(queue))
            .filter(limit_buckets::workspace_id.eq(workspace))
            .filter(limit_buckets::limit_key.eq(key))
            .filter(limit_buckets::full_at.lt(until.as_micros()));
        deleted += diesel::delete(full).execute(connection)?;
    }
    Ok(deleted)
}

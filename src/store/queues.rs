//! Queues: which of them operators have paused.
//!
//! Guarantees: a pause is a row, read in the transaction of each claim: it holds for what already waits, and through
//! restarts, until somebody resumes the queue. Attempts under way are not touched. A queue without a row runs.

use crate::store::dialect::prelude::*;

use super::schema::{limited_queues, queues};
use super::text::{parsed, time};
use super::{Connection, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::id::AccountId;
use crate::domain::job::Queue;

/// One queue that is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The queue.
    pub queue: Queue,
    /// Since when.
    pub at: Timestamp,
    /// Who paused it.
    pub by: AccountId,
}

/// The queues that are paused, by name; those that this version does not know are left out.
///
/// # Errors
/// When the statement fails.
pub fn paused(connection: &mut Connection) -> Result<Vec<Pause>, StoreError> {
    let rows: Vec<(String, i64, String)> = queues::table
        .order(queues::name.asc())
        .select((queues::name, queues::paused_at, queues::paused_by))
        .load(connection)?;
    let known = rows
        .into_iter()
        .filter_map(|(name, at, by)| Some((name.parse::<Queue>().ok()?, at, by)));
    known
        .map(|(queue, at, by)| {
            Ok(Pause {
                queue,
                at: time(at),
                by: parsed(&by, "queues", "paused_by")?,
            })
        })
        .collect()
}

/// Pauses a queue; of two pauses the first stays. Answers whether it ran before.
///
/// # Errors
/// When the statement fails.
pub fn pause(connection: &mut Connection, queue: Queue, by: AccountId, now: Timestamp) -> Result<bool, StoreError> {
    let entered = diesel::insert_into(queues::table)
        .values((
            queues::name.eq(queue.as_str()),
            queues::paused_at.eq(now.as_micros()),
            queues::paused_by.eq(by.to_string()),
        ))
        .on_conflict_do_nothing()
        .execute(connection)?;
    Ok(entered == 1)
}

/// Resumes a queue, and has its worker woken once this transaction is committed. Answers whether it was paused.
///
/// # Errors
/// When the statement fails.
pub fn resume(tx: &mut Tx<'_>, queue: Queue) -> Result<bool, StoreError> {
    let removed = diesel::delete(queues::table.filter(queues::name.eq(queue.as_str()))).execute(tx.connection())?;
    if removed == 1 {
        tx.became_available(queue);
    }
    Ok(removed == 1)
}

/// What a claim has to know of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Whether it is paused.
    pub(super) is_paused: bool,
    /// Whether it may have limits.
    pub(super) is_limited: bool,
}

/// Whether a queue is paused, and whether it may have limits.
pub(super) fn standing(connection: &mut Connection, queue: Queue) -> QueryResult<Standing> {
    let (is_paused, is_limited) = diesel::select((
        diesel::dsl::exists(queues::table.filter(queues::name.eq(queue.as_str()))),
        diesel::dsl::exists(limited_queues::table.filter(limited_queues::queue.eq(queue.as_str()))),
    ))
    .get_result(connection)?;
    Ok(Standing { is_paused, is_limited })
}

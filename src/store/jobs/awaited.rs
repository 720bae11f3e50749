//! What jobs that wait for others are shown to wait for, and from when they may run after that.
//!
//! Guarantees: the time in such a job's row is never shown, but the one that was asked for; jobs that wait for nobody cost
//! nothing more.

use std::collections::HashMap;

use crate::store::dialect::prelude::*;
use diesel::dsl::count_star;

use super::record::JobRecord;
use crate::clock::Timestamp;
use crate::domain::id::BatchId;
use crate::domain::job::After;
use crate::store::dialect::{AnyOf, Literally};
use crate::store::schema::{dependencies, waiters};
use crate::store::text::{parsed, time};
use crate::store::{Connection, StoreError};

/// What a job waits for beside its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The ends of so many jobs.
    Jobs(i64),
    /// The end of this batch, whose finishing job it is.
    Batch(BatchId),
}

/// A job's `run_at` as it is shown, for statements that cannot ask [`show`]. The number is [`After::HELD`], which a test holds.
pub(in crate::store) const SHOWN_RUN_AT: &str = "CASE WHEN jobs.run_at = 4611686018427387903 THEN \
     COALESCE((SELECT waiters.run_at FROM waiters WHERE waiters.job_id = jobs.id), jobs.created_at) ELSE jobs.run_at END";

/// Completes the records of jobs that wait for others; at most one statement's worth.
///
/// # Errors
/// When a statement fails, or a row cannot be read.
pub(super) fn show(connection: &mut Connection, records: &mut [JobRecord]) -> Result<(), StoreError> {
    let held = records.iter().filter(|record| record.run_at == After::HELD);
    let ids: Vec<String> = held.map(|record| record.id.to_string()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let texts = ids.as_slice();
    let column = "waiters.job_id";
    let rows: Vec<(String, i64, Option<String>)> = waiters::table
        .filter(AnyOf { column, texts })
        .select((waiters::job_id, waiters::run_at, waiters::batch_id))
        .load(connection)?;
    let column = "dependencies.job_id";
    let left: Vec<(String, i64)> = dependencies::table
        .filter(AnyOf { column, texts })
        .filter(Literally("dependencies.ended_state IS NULL"))
        .group_by(dependencies::job_id)
        .select((dependencies::job_id, count_star()))
        .load(connection)?;
    let left: HashMap<String, i64> = left.into_iter().collect();
    let mut known = HashMap::with_capacity(rows.len());
    for (id, run_at, batch) in rows {
        let awaited = match batch {
            Some(batch) => Awaited::Batch(parsed(&batch, "waiters", "batch_id")?),
            None => Awaited::Jobs(left.get(&id).copied().unwrap_or(0)),
        };
        known.insert(id, (time(run_at), awaited));
    }
    for record in records.iter_mut().filter(|record| record.run_at == After::HELD) {
        let shown = known.get(&record.id.to_string());
        let (run_at, awaited): (Timestamp, _) = match shown {
            Some((run_at, awaited)) => (*run_at, Some(*awaited).filter(|_| record.state.is_waiting())),
            // A node of an earlier version ended it, and its row among those who wait was cleared away.
            None => (record.created_at, None),
        };
        record.run_at = run_at;
        record.awaited = awaited;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_those_who_wait_is_the_same_in_the_code_and_in_the_statement() {
        assert!(SHOWN_RUN_AT.contains(&format!("= {} ", After::HELD.as_micros())));
    }
}

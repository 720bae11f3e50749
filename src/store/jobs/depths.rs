//! Counting what waits, in all: for limits, off the way of any request.
//!
//! What a count costs grows with what waits: about 0.3 s a million jobs. It reads the indexes of what waits, and
//! no other rows. So it is made now and then, and nobody waits for it.

use std::collections::HashMap;

use crate::store::dialect::prelude::*;
use diesel::dsl::count_star;

use super::KnownKind;
use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::Queue;
use crate::store::bounded::{Count, Counted};
use crate::store::dialect::{Literally, Oldest, Range};
use crate::store::schema::jobs;
use crate::store::text::{number, time};
use crate::store::{Connection, StoreError};

/// The two sorts of jobs that wait, as their indexes know them.
const WAITING: [&str; 2] = ["jobs.state = 'available'", "jobs.state IN ('scheduled', 'retryable')"];

/// How many jobs wait: for their time, for a slot, or for their next attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepthCounts {
    /// In each queue that has any.
    pub queues: HashMap<Queue, u64>,
    /// Of each workspace that has any, or of those that have the most.
    pub workspaces: HashMap<WorkspaceId, u64>,
}

/// Counts what waits in each queue, and for up to `workspaces_max` workspaces; those with the most come first.
///
/// # Errors
/// When a statement fails.
pub fn depths(connection: &mut Connection, workspaces_max: usize) -> Result<DepthCounts, StoreError> {
    let mut counts = DepthCounts::default();
    for state in WAITING {
        let by_queue: Vec<(String, i64)> = jobs::table
            .filter(Literally(state))
            .group_by(jobs::queue)
            .select((jobs::queue, count_star()))
            .load(connection)?;
        for (queue, count) in by_queue {
            // A queue that only another version knows has no limit here.
            if let Ok(queue) = queue.parse::<Queue>() {
                *counts.queues.entry(queue).or_default() += positive(count);
            }
        }
        if workspaces_max == 0 {
            continue;
        }
        // By queue too, which these indexes begin with or have no order for: alone it would be read from all jobs' index.
        let by_workspace: Vec<(String, String, i64)> = jobs::table
            .filter(Literally(state))
            .group_by((jobs::queue, jobs::workspace_id))
            .order(count_star().desc())
            .limit(number(workspaces_max))
            .select((jobs::queue, jobs::workspace_id, count_star()))
            .load(connection)?;
        for (_, workspace, count) in by_workspace {
            if let Ok(workspace) = workspace.parse::<WorkspaceId>() {
                *counts.workspaces.entry(workspace).or_default() += positive(count);
            }
        }
    }
    Ok(counts)
}

/// How many jobs wait for their time or their next attempt, by queue, counted up to `max` in all; and whether there are more.
///
/// # Errors
/// When the statement fails.
pub fn to_come(connection: &mut Connection, max: usize) -> Result<(HashMap<Queue, i64>, bool), StoreError> {
    let queues: Vec<String> = jobs::table
        .filter(Literally("jobs.state IN ('scheduled', 'retryable')"))
        .order(jobs::run_at.asc())
        .limit(number(max).saturating_add(1))
        .select(jobs::queue)
        .load(connection)?;
    let is_capped = queues.len() > max;
    let mut counts = HashMap::new();
    for queue in queues.iter().take(max).filter_map(|name| name.parse::<Queue>().ok()) {
        *counts.entry(queue).or_default() += 1;
    }
    Ok((counts, is_capped))
}

/// From when the job could run that is the first to be claimed of its workspace and kind, of those the one that has waited the
/// longest. Of more than [`OLDEST_AMONG_MAX`] workspaces, the others are left out.
///
/// # Errors
/// When a statement fails.
pub fn oldest(connection: &mut Connection, queue: Queue, kinds: &[KnownKind]) -> Result<Option<Timestamp>, StoreError> {
    let mut oldest: Option<i64> = None;
    for kind in kinds {
        for version in 1..=i64::from(kind.version) {
            let range = Range {
                queue: queue.as_str(),
                kind: kind.name,
                version,
            };
            let first: Option<i64> = Oldest {
                range,
                limit: OLDEST_AMONG_MAX,
            }
            .get_result(connection)?;
            oldest = match (oldest, first) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
    }
    Ok(oldest.map(time))
}

/// Workspaces of which the oldest waiting job is looked for: some milliseconds.
const OLDEST_AMONG_MAX: i64 = 1_000;

/// Where a job stands in its lane.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its key; empty where it has none.
    pub limit_key: String,
    /// Its rank.
    pub rank: i64,
    /// Its id.
    pub id: JobId,
}

/// How many jobs of these kinds, and of its workspace and key, are claimed before this one, counted up to `max`.
///
/// # Errors
/// When a statement fails.
pub fn ahead(
    connection: &mut Connection,
    queue: Queue,
    kinds: &[KnownKind],
    place: &Place,
    max: usize,
) -> Result<Count, StoreError> {
    let mut counted: i64 = 0;
    for kind in kinds {
        for version in 1..=i64::from(kind.version) {
            let left = number(max).saturating_add(1).saturating_sub(counted);
            let rows = jobs::table
                .filter(jobs::queue.eq(queue.as_str()))
                .filter(jobs::kind.eq(kind.name))
                .filter(jobs::args_version.eq(version))
                .filter(jobs::workspace_id.eq(place.workspace.to_string()))
                .filter(jobs::limit_key.eq(&place.limit_key))
                .filter(Literally("jobs.state = 'available'"))
                .filter(jobs::rank.le(place.rank))
                .filter(jobs::rank.lt(place.rank).or(jobs::id.lt(place.id.to_string())))
                .select(jobs::id)
                .limit(left);
            let more: i64 = Counted(rows).get_result(connection)?;
            counted = counted.saturating_add(more);
        }
    }
    Ok(Count::of(counted, max))
}

fn positive(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

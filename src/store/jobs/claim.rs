//! Handing waiting jobs to a node.
//!
//! Guarantees: a job is handed to one attempt at a time, under a fence that its job never had before; within a queue, jobs
//! are handed out by rank and then by id; jobs of kinds or versions that this node does not know, and all of a paused queue,
//! stay where they are, and cost a claim nothing however many they are; a row that cannot be read is set aside, and the
//! others go on.

use std::sync::Arc;
use std::time::Duration;

use crate::store::dialect::prelude::*;

use super::STATEMENT_ROWS_MAX;
use super::aside::set_aside;
use super::deadline::cancel_overdue;
use super::row::StandingRow;
use crate::clock::Timestamp;
use crate::domain::id::{JobId, NodeId, WorkspaceId};
use crate::domain::job::{Event, JobState, Next, Queue, transition};
use crate::store::dialect::{Limited, Literally, LockedFree, Merged, UpdateMany, Value};
use crate::store::events::Effects;
use crate::store::schema::jobs;
use crate::store::text::{number, parsed, unsigned};
use crate::store::{Connection, StoreError, queues};

/// Jobs whose time has come are made available at most this many at a time, so that a flood of them does not make one
/// claim slow; the next claim follows at once.
const DUE_MAX: i64 = 500;

/// Who wants jobs, and which.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The lane.
    pub queue: Queue,
    /// The kinds that this node can perform.
    pub kinds: Vec<KnownKind>,
    /// At most this many.
    pub limit: usize,
    /// The node that will run them.
    pub node: NodeId,
    /// The present.
    pub now: Timestamp,
}

/// A kind that a node can perform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownKind {
    /// Its name.
    pub name: &'static str,
    /// The newest version of its arguments that can be read; older ones, from 1, can too.
    pub version: u32,
}

/// What a claim got.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The jobs, in the order in which they are to start.
    pub jobs: Vec<ClaimedJob>,
    /// When the next waiting job of any queue is due, if one is.
    pub next_due: Option<Timestamp>,
    /// How many waited whose deadline had passed: they were cancelled instead, and took places that others may have now.
    pub overdue: usize,
    /// Whether operators have paused the queue: then it got none.
    pub is_paused: bool,
}

/// A job that an attempt of this node holds.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// The job.
    pub id: JobId,
    /// Its tenant.
    pub workspace: WorkspaceId,
    /// What sort of work.
    pub kind: String,
    /// Its lane.
    pub queue: Queue,
    /// Its arguments, as JSON.
    pub args: Arc<str>,
    /// The version of their shape.
    pub args_version: u32,
    /// Attempts spent, this one included.
    pub attempt: u32,
    /// Attempts it may spend.
    pub max_attempts: u32,
    /// How long this attempt may run.
    pub timeout: Duration,
    /// The number that every write about this attempt must show; also the attempt's number.
    pub fence: i64,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// From when it could run.
    pub run_at: Timestamp,
    /// When all of its attempts must have ended, if there is such a time.
    pub deadline: Option<Timestamp>,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// The request that caused it.
    pub request_id: Option<String>,
    /// What an earlier attempt answered, as JSON.
    pub result: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs)]
struct ClaimRow {
    #[diesel(embed)]
    standing: StandingRow,
    args: String,
    args_version: i64,
    timeout_ms: i64,
    created_at: i64,
    request_id: Option<String>,
    #[expect(
        dead_code,
        reason = "only ordered by, which takes a column of the answer where ranges are merged"
    )]
    rank: i64,
}

/// Hands out jobs, and makes those available that came due.
pub(in crate::store) fn claim(
    connection: &mut Connection,
    request: &ClaimRequest,
    effects: &mut Effects,
) -> Result<Claimed, StoreError> {
    make_due_available(connection, request, effects)?;
    let is_paused = queues::is_paused(connection, request.queue)?;
    let (mut taken, mut overdue) = (Vec::new(), 0);
    if request.limit > 0 && !is_paused && !request.kinds.is_empty() {
        let rows = waiting(connection, request)?;
        overdue = cancel_overdue(connection, rows.iter().map(|row| &row.standing), request.now, effects)?;
        taken = take(connection, rows, request, effects)?;
    }
    let next_due: Option<i64> = jobs::table
        .filter(Literally("jobs.state IN ('scheduled', 'retryable')"))
        .select(diesel::dsl::min(jobs::run_at))
        .get_result(connection)?;
    Ok(Claimed {
        jobs: taken,
        next_due: next_due.map(Timestamp::from_micros),
        overdue,
        is_paused,
    })
}

/// What waits of the kinds that are known, the first in rank first. Each kind and version is a range of the index in that
/// order, and the ranges are merged.
fn waiting(connection: &mut Connection, request: &ClaimRequest) -> QueryResult<Vec<ClaimRow>> {
    let versions = request
        .kinds
        .iter()
        .flat_map(|kind| (1..=kind.version).map(|version| (kind.name, version)));
    let ranges = versions.map(|(name, version)| {
        jobs::table
            .filter(jobs::queue.eq(request.queue.as_str()))
            // A literal, since a partial index is not used for a state that is a bound value.
            .filter(Literally("jobs.state = 'available'"))
            .filter(jobs::kind.eq(name))
            .filter(jobs::args_version.eq(i64::from(version)))
            .select(ClaimRow::columns())
    });
    let merged = Merged {
        ranges: ranges.collect(),
        order: "rank, id",
        limit: number(request.limit.min(STATEMENT_ROWS_MAX)),
    };
    merged.load(connection)
}

/// Makes available what was to wait until now.
fn make_due_available(
    connection: &mut Connection,
    request: &ClaimRequest,
    effects: &mut Effects,
) -> Result<(), StoreError> {
    let now = request.now;
    let due = jobs::table
        .filter(Literally("jobs.state IN ('scheduled', 'retryable')"))
        .filter(jobs::run_at.le(now.as_micros()))
        .order(jobs::run_at.asc())
        .select(StandingRow::columns());
    // What others hold they make available themselves, or what they do with it is seen the next time.
    let due: Vec<StandingRow> = LockedFree(Limited(due, DUE_MAX)).load(connection)?;
    if due.is_empty() {
        return Ok(());
    }
    let mut ids = Vec::with_capacity(due.len());
    for row in &due {
        let next = row.standing().map(|standing| transition(&standing, Event::Due, now));
        let told = match next {
            Ok(Ok(next)) => row.tell_next(effects, &next, now),
            Ok(Err(_)) => continue,
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            set_aside(connection, row, &error, now, effects)?;
            continue;
        }
        ids.push(row.id.as_str());
        // Jobs of other queues that came due are theirs to claim.
        let queue = row.queue.parse::<Queue>().ok();
        if let Some(queue) = queue.filter(|queue| *queue != request.queue) {
            effects.became_available(queue);
        }
    }
    diesel::update(jobs::table.filter(jobs::id.eq_any(ids)))
        .set(jobs::state.eq(JobState::Available.as_str()))
        .execute(connection)?;
    Ok(())
}

fn take(
    connection: &mut Connection,
    rows: Vec<ClaimRow>,
    request: &ClaimRequest,
    effects: &mut Effects,
) -> Result<Vec<ClaimedJob>, StoreError> {
    let mut taken = Vec::with_capacity(rows.len());
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        let before = row.standing.fence;
        let (next, job) = match readable(&row, request) {
            Ok(Some(readable)) => readable,
            Ok(None) => continue,
            Err(error) => {
                set_aside(connection, &row.standing, &error, request.now, effects)?;
                continue;
            }
        };
        let values = vec![
            Value::Text(Some(next.state.to_string())),
            Value::Number(Some(job.fence)),
            Value::Number(Some(i64::from(job.attempt))),
            Value::Text(Some(request.node.to_string())),
            Value::Number(Some(request.now.as_micros())),
        ];
        let standing = (next.state, i64::from(job.attempt), job.fence);
        row.standing.tell(effects, standing, None, None, request.now)?;
        changes.push((job.id.to_string(), before, values));
        taken.push(job);
    }
    if !changes.is_empty() {
        let update = UpdateMany {
            when_state: "available",
            columns: &["state", "fence", "attempt", "node", "started_at"],
            constants: ", cause = NULL, no_return_at = NULL, progress_done = NULL, progress_total = NULL, \
                        progress_note = NULL, progress_at = NULL",
            rows: changes,
        };
        update.execute(connection)?;
    }
    Ok(taken)
}

/// The job, and what becomes of it by the claim; none if it may not be claimed.
fn readable(row: &ClaimRow, request: &ClaimRequest) -> Result<Option<(Next, ClaimedJob)>, StoreError> {
    let Ok(next) = transition(&row.standing.standing()?, Event::Claimed, request.now) else {
        return Ok(None);
    };
    let job = claimed(row, next.attempt, request)?;
    Ok(Some((next, job)))
}

fn claimed(row: &ClaimRow, attempt: u32, request: &ClaimRequest) -> Result<ClaimedJob, StoreError> {
    let standing = &row.standing;
    Ok(ClaimedJob {
        id: parsed(&standing.id, "jobs", "id")?,
        workspace: parsed(&standing.workspace_id, "jobs", "workspace_id")?,
        kind: standing.kind.clone(),
        queue: request.queue,
        args: Arc::from(row.args.as_str()),
        args_version: unsigned(row.args_version, "jobs", "args_version")?,
        attempt,
        max_attempts: unsigned(standing.max_attempts, "jobs", "max_attempts")?,
        timeout: Duration::from_millis(unsigned(row.timeout_ms, "jobs", "timeout_ms")?),
        fence: standing.fence.saturating_add(1),
        created_at: Timestamp::from_micros(row.created_at),
        run_at: Timestamp::from_micros(standing.run_at),
        deadline: standing.deadline_at.map(Timestamp::from_micros),
        started_at: request.now,
        request_id: row.request_id.clone(),
        result: standing.result.clone(),
    })
}

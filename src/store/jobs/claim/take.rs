//! Taking jobs that were chosen.
//!
//! Guarantees: a job is handed to one attempt at a time, under a fence that its job never had before; a row that cannot be
//! read is set aside, and the others go on.

use std::sync::Arc;
use std::time::Duration;

use crate::store::dialect::prelude::*;

use super::{ClaimRequest, ClaimedJob};
use crate::clock::Timestamp;
use crate::domain::job::{Event, Next, transition};
use crate::store::dialect::{UpdateMany, Value};
use crate::store::events::Effects;
use crate::store::jobs::arguments::Arguments;
use crate::store::jobs::aside::set_aside;
use crate::store::jobs::row::StandingRow;
use crate::store::schema::jobs;
use crate::store::text::{parsed, unsigned};
use crate::store::{Connection, StoreError};

/// What is read of a job that may be claimed.
#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs)]
pub(super) struct ClaimRow {
    #[diesel(embed)]
    pub(super) standing: StandingRow,
    #[diesel(select_expression = Arguments)]
    args: String,
    args_version: i64,
    timeout_ms: i64,
    created_at: i64,
    request_id: Option<String>,
    pub(super) rank: i64,
    pub(super) limit_key: String,
}

/// Hands these jobs to attempts of the node that asks.
pub(super) fn take(
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
        // As they were accepted, and so as their rows lie: of several workspaces they come by turns.
        changes.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
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
    if row.args.is_empty() {
        return Err(StoreError::Corrupt {
            table: "jobs",
            what: "args",
        });
    }
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
        limit_key: row.limit_key.clone(),
    })
}

//! Handing waiting jobs to a node.
//!
//! Guarantees: within a queue, workspaces take turns by their weights, whatever each has waiting (a turn is four jobs for each
//! unit of weight); the jobs of a workspace are handed out by rank and then by id, and where it uses keys, so are those of each
//! key, the key whose first job has the lowest rank first; limits are never passed from the claims on that begin after they were
//! set, and hold up nobody whom they do not concern; jobs of kinds or versions that this node does not know, and all of a paused
//! queue, stay where they are, and cost a claim nothing however many they are.
//!
//! A lane, here, is what waits of one workspace under one key (none counts as one). What a claim costs grows with the lanes
//! that it looks at and the jobs that it takes, and not with what waits.

mod due;
mod lanes;
mod limited;
mod share;
mod take;

use std::sync::Arc;
use std::time::Duration;

use super::STATEMENT_ROWS_MAX;
use super::deadline::cancel_overdue;
use crate::clock::Timestamp;
use crate::domain::id::{JobId, NodeId, WorkspaceId};
use crate::domain::job::{Queue, Turn};
use crate::store::events::Effects;
use crate::store::{Connection, StoreError, queues};

/// Who wants jobs, and which.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The lane.
    pub queue: Queue,
    /// The kinds that this node can perform.
    pub kinds: Vec<KnownKind>,
    /// At most this many.
    pub limit: usize,
    /// Where the turn is, as the claim before answered it.
    pub turn: Turn,
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
    /// Where the turn is now.
    pub turn: Turn,
    /// Whether another claim at once may well get more.
    pub has_more: bool,
    /// Whether limits hold back jobs that could start otherwise, so that the end of an attempt may let one start.
    pub is_held_back: bool,
    /// When time alone lets more start, or the rest of many lanes is to be looked at; none if it does not matter.
    pub again_at: Option<Timestamp>,
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
    /// What limits count it under; empty where it has none.
    pub limit_key: String,
}

/// Hands out jobs, and makes those available that came due.
pub(in crate::store) fn claim(
    connection: &mut Connection,
    request: &ClaimRequest,
    effects: &mut Effects,
) -> Result<Claimed, StoreError> {
    due::make_due_available(connection, request, effects)?;
    let standing = queues::standing(connection, request.queue)?;
    let mut claimed = Claimed {
        turn: request.turn.clone(),
        is_paused: standing.is_paused,
        ..Claimed::default()
    };
    if request.limit > 0 && !standing.is_paused && !request.kinds.is_empty() {
        let limits = limited::Limits::enter(connection, request.queue, standing.is_limited)?;
        share::share_out(connection, request, limits, &mut claimed, effects)?;
    }
    claimed.next_due = due::next_due(connection)?.map(Timestamp::from_micros);
    Ok(claimed)
}

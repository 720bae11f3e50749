//! Making a job of a kind and its arguments.

use std::time::Duration;

use super::Kind;
use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{After, LimitKey, UniqueKey};
use crate::store::NewJob;

/// What a client may say about how its job is run; what it leaves out, the kind decides.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// From when it may run; at once by default.
    pub run_at: Option<Timestamp>,
    /// Higher goes first; 0 by default.
    pub priority: Option<i32>,
    /// Attempts it may spend.
    pub max_attempts: Option<u32>,
    /// How long one attempt may run.
    pub timeout: Option<Duration>,
    /// When all of its attempts must have ended; never by default.
    pub deadline: Option<Timestamp>,
    /// The key by which it is to be the only one of its workspace; none by default.
    pub unique: Option<UniqueKey>,
    /// What limits count it under; nothing by default.
    pub limit_key: Option<LimitKey>,
    /// The jobs that it waits for; none by default.
    pub after: Option<After>,
    /// The request that causes it.
    pub request_id: Option<String>,
}

/// Makes a job, to be inserted in the transaction of whatever causes it: by [`crate::store::Tx::enqueue`], or alone by
/// [`crate::store::Store::enqueue`]; one with a unique key by [`crate::store::Tx::enqueue_unique`], and one
/// that waits for others by [`crate::store::Tx::enqueue_after`].
///
/// # Errors
/// When the arguments cannot be written as JSON.
pub fn new_job<K: Kind>(
    args: &K::Args,
    workspace: WorkspaceId,
    now: Timestamp,
    order: Order,
) -> Result<NewJob, serde_json::Error> {
    Ok(NewJob {
        id: JobId::generate(),
        workspace,
        kind: K::NAME,
        queue: K::QUEUE,
        priority: order.priority.unwrap_or(0),
        args: serde_json::to_string(args)?,
        args_version: K::VERSION,
        max_attempts: order.max_attempts.unwrap_or(K::MAX_ATTEMPTS).max(1),
        timeout: order.timeout.unwrap_or(K::TIMEOUT),
        run_at: order.run_at.map_or(now, |at| at.max(now)),
        created_at: now,
        deadline: order.deadline,
        unique: order.unique,
        limit_key: order.limit_key,
        schedule: None,
        batch: None,
        is_waited_for: false,
        after: order.after,
        request_id: order.request_id,
        labels: K::labels(args),
    })
}

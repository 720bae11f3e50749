//! Cancelling a job, for whoever asks for it and for clients that went away.
//!
//! Guarantees: the order is in the database before the attempt that runs here is told; the room of a job that waited is free
//! again, once, however often its cancel is asked for.

use serde_json::json;

use crate::api::State;
use crate::api::acting::Acting;
use crate::domain::act::Action;
use crate::domain::id::JobId;
use crate::domain::job::JobState;
use crate::store::jobs::{self, OrderRefused};
use crate::store::{Abort, AttemptRecord, JobRecord, JobScope};

use super::with_attempts;

/// A job that was cancelled, or whose attempt was asked to end.
pub(in crate::api) struct Cancelled {
    pub(in crate::api) job: JobRecord,
    pub(super) attempts: Vec<AttemptRecord>,
    /// Whether its attempt runs here, and was told.
    pub(in crate::api) is_here: bool,
}

/// Cancels a job of this scope that waits, or asks its attempt to end; where an operator acts, that is written down.
///
/// # Errors
/// [`OrderRefused`] when there is no such job, or it has ended otherwise.
pub(in crate::api) async fn cancel(
    id: JobId,
    scope: JobScope,
    acting: Option<Acting>,
    state: &State,
) -> Result<Cancelled, Abort<OrderRefused>> {
    let now = state.clock.now();
    let write = state.store.write(move |tx| {
        let job = jobs::cancel(tx, id, scope, now)?;
        if let Some(acting) = &acting {
            acting.note(tx, Action::CancelJob, &job, json!({ "state": job.state }), now)?;
        }
        Ok(with_attempts(tx.connection(), job)?)
    });
    let (job, attempts) = write.await?;
    // One that was cancelled before has left already: asking again makes no more room.
    if job.finished_at == Some(now)
        && let Ok(queue) = job.queue.parse()
    {
        state.depths.left(queue, [job.workspace]);
    }
    let is_here = job.state == JobState::Running && (state.cancel_attempt)(id);
    Ok(Cancelled { job, attempts, is_here })
}

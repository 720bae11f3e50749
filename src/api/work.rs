//! Accepting work: what all work routes do once they know the kind and its arguments.
//!
//! Guarantees: 202 is answered after the job is committed; the body is the job as `GET` of its `Location` would show it at
//! that moment; each job that was accepted is one line in the log, with the id of its request.

use actix_web::HttpResponse;
use actix_web::http::header;

use super::State;
use super::auth::Member;
use super::failure::or_refused;
use super::http::Problem;
use super::jobs::JobView;
use super::unique;
use crate::domain::id::JobId;
use crate::jobs::{Kind, Order, new_job};
use crate::store::jobs::Enqueued;
use crate::store::{Abort, NewJob};
use crate::telemetry::names::event;

/// Enqueues a job for the member's workspace and answers with it.
///
/// # Errors
/// 429 when it is more than the workspace may have; 503 or 500 when it could not be committed.
pub(super) async fn accept<K: Kind>(
    args: &K::Args,
    order: Order,
    member: &Member,
    state: &State,
) -> Result<HttpResponse, Problem> {
    accept_mail::<K>(args, 0, order, member, state).await
}

/// The same, for a job that sends this many mails.
///
/// # Errors
/// As [`accept`]; 422 when it is more mails than the workspace may ever send at once.
pub(super) async fn accept_mail<K: Kind>(
    args: &K::Args,
    mails: usize,
    order: Order,
    member: &Member,
    state: &State,
) -> Result<HttpResponse, Problem> {
    if let Some(answer) = unique::holder(order.unique.as_ref(), member, state).await? {
        return Ok(answer);
    }
    state.throttle.take_work(&member.account, K::QUEUE, mails)?;
    let job = new_job::<K>(args, member.account.workspace, state.clock.now(), order).map_err(Problem::internal)?;
    if let Some(holder) = enqueue(&job, state).await? {
        // Nothing came of the place that it took.
        state.depths.left(K::QUEUE, [job.workspace]);
        return unique::existing(holder, member, state).await;
    }
    Ok(accepted(&job, state))
}

/// Inserts the job; answers which job has its unique key, if another has it. Jobs without one are inserted as data, many of
/// them in one statement.
async fn enqueue(job: &NewJob, state: &State) -> Result<Option<JobId>, Problem> {
    if job.unique.is_none() {
        state.store.enqueue(vec![job.clone()]).await?;
        return Ok(None);
    }
    let entered = job.clone();
    let write = state
        .store
        .write(move |tx| Ok::<_, Abort<()>>(tx.enqueue_unique(&entered)?));
    // The closure refuses nothing.
    match write.await.map_err(or_refused(|()| Problem::not_found()))? {
        Enqueued::New => Ok(None),
        Enqueued::Existing(holder) => Ok(Some(holder)),
    }
}

/// The answer to a job that was accepted, which the log is told of too; to be called after the commit.
pub(super) fn accepted(job: &NewJob, state: &State) -> HttpResponse {
    log_enqueued(job);
    let location = format!("/v1/jobs/{}", job.id);
    let view = JobView::of_new(job, state);
    HttpResponse::Accepted()
        .insert_header((header::LOCATION, location))
        .json(view)
}

/// Says in the log that a job was accepted; to be called after the commit.
pub(super) fn log_enqueued(job: &NewJob) {
    tracing::info!(
        event = event::JOB_ENQUEUED,
        job = %job.id,
        kind = job.kind,
        queue = %job.queue,
        workspace = %job.workspace,
        request_id = job.request_id.as_deref(),
        "a job was accepted"
    );
}

//! Queues, for operators: what waits and runs in each, and pausing and resuming one.
//!
//! Guarantees: a pause is committed before it is answered, holds for what already waits and through restarts, and leaves
//! attempts under way alone; pausing what is paused, and resuming what runs, changes nothing and is answered alike. What a
//! look costs does not grow with what waits.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::auth::Operator;
use super::failure::or_refused;
use super::http::{PathParam, Problem, RequestId};
use super::page::Page;
use super::state::QueueWorker;
use super::then::Then;
use crate::clock::Timestamp;
use crate::domain::id::AccountId;
use crate::domain::job::Queue;
use crate::store::queues::{self, Pause};
use crate::store::{Abort, Connection, Count, StoreError, jobs};
use crate::telemetry::names::event;

/// The most waiting jobs that are counted: beyond it only the order of magnitude is of interest.
pub(super) const COUNTED_MAX: usize = 10_000;

/// A queue as operators see it.
#[derive(Serialize, ToSchema)]
#[schema(as = QueueStanding)]
pub(super) struct QueueView {
    /// Which queue.
    name: Queue,
    /// Its worker's name in the supervision tree.
    worker: &'static str,
    /// Since when it is paused, if it is.
    paused_at: Option<Timestamp>,
    /// The account that paused it.
    paused_by: Option<AccountId>,
    /// How many jobs could be claimed now.
    depth: DepthView,
    /// Attempts that run now.
    running: i64,
    /// Attempts that may run at once in this process.
    slots: usize,
}

/// How many jobs could be claimed now.
#[derive(Serialize, ToSchema)]
#[schema(as = QueueDepth)]
struct DepthView {
    /// At most [`COUNTED_MAX`].
    available: i64,
    /// Whether there are more.
    capped: bool,
}

/// What the database says of one queue.
struct Standing {
    available: Count,
    running: i64,
    pause: Option<Pause>,
}

impl QueueView {
    fn of(worker: &QueueWorker, standing: &Standing) -> Self {
        Self {
            name: worker.queue,
            worker: worker.worker,
            paused_at: standing.pause.map(|pause| pause.at),
            paused_by: standing.pause.map(|pause| pause.by),
            depth: DepthView {
                available: standing.available.count,
                capped: standing.available.is_capped,
            },
            running: standing.running,
            slots: worker.slots,
        }
    }
}

/// Lists the queues, with what waits and runs in each.
///
/// Waiting jobs are counted up to a bound, so that a look is cheap however many wait.
#[utoipa::path(
    get, path = "/v1/queues", tag = "operators", security(("operator" = [])),
    responses((status = 200, description = "All queues of this process.", body = Page<QueueView>)),
)]
pub(super) async fn list_queues(_operator: Operator, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let names: Vec<Queue> = state.workers.iter().map(|worker| worker.queue).collect();
    let standings = state.store.read(move |connection| look(connection, &names)).await?;
    let each = state.workers.iter().zip(&standings);
    let views = each.map(|(worker, standing)| QueueView::of(worker, standing));
    Ok(HttpResponse::Ok().json(Page::whole(views)))
}

/// Pauses a queue: nothing more of it is claimed, until it is resumed.
///
/// Attempts under way go on. Pausing a paused queue changes nothing.
#[utoipa::path(
    post, path = "/v1/queues/{name}/pause", tag = "operators", security(("operator" = [])),
    params(("name" = Queue, Path, description = "Which queue.")),
    responses((status = 200, description = "The queue, paused.", body = QueueView)),
)]
pub(super) async fn pause_queue(
    Then(Operator(member), PathParam(queue)): Then<Operator, PathParam<Queue>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let worker = worker_of(queue, &state)?;
    let (by, now) = (member.account.id, state.clock.now());
    let write = state.store.write(move |tx| {
        let changed = queues::pause(tx.connection(), queue, by, now)?;
        Ok((changed, one(tx.connection(), queue)?))
    });
    let (changed, standing) = write.await.map_err(or_refused(|()| Problem::not_found()))?;
    state.paused.set(queue, true);
    if changed {
        let request_id = request.as_str();
        tracing::warn!(event = event::QUEUE_PAUSED, %queue, account = %by, request_id, "an operator paused a queue");
    }
    Ok(HttpResponse::Ok().json(QueueView::of(worker, &standing)))
}

/// Resumes a queue: what waits is claimed again, at once.
#[utoipa::path(
    post, path = "/v1/queues/{name}/resume", tag = "operators", security(("operator" = [])),
    params(("name" = Queue, Path, description = "Which queue.")),
    responses((status = 200, description = "The queue, at work.", body = QueueView)),
)]
pub(super) async fn resume_queue(
    Then(Operator(member), PathParam(queue)): Then<Operator, PathParam<Queue>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let worker = worker_of(queue, &state)?;
    let write = state.store.write(move |tx| {
        let changed = queues::resume(tx, queue)?;
        Ok((changed, one(tx.connection(), queue)?))
    });
    let (changed, standing) = write.await.map_err(or_refused(|()| Problem::not_found()))?;
    state.paused.set(queue, false);
    if changed {
        let (by, request_id) = (member.account.id, request.as_str());
        tracing::warn!(event = event::QUEUE_RESUMED, %queue, account = %by, request_id, "an operator resumed a queue");
    }
    Ok(HttpResponse::Ok().json(QueueView::of(worker, &standing)))
}

fn worker_of(queue: Queue, state: &State) -> Result<&QueueWorker, Problem> {
    let worker = state.workers.iter().find(|worker| worker.queue == queue);
    worker.ok_or_else(Problem::not_found)
}

fn look(connection: &mut Connection, names: &[Queue]) -> Result<Vec<Standing>, StoreError> {
    let paused = queues::paused(connection)?;
    let running = jobs::running(connection)?;
    let standing = |queue: &Queue| {
        Ok(Standing {
            available: jobs::available(connection, *queue, COUNTED_MAX)?,
            running: running
                .iter()
                .find(|(name, _)| name == queue)
                .map_or(0, |(_, count)| *count),
            pause: paused.iter().find(|pause| pause.queue == *queue).copied(),
        })
    };
    names.iter().map(standing).collect()
}

fn one(connection: &mut Connection, queue: Queue) -> Result<Standing, Abort<()>> {
    let standing = look(connection, &[queue])?.pop();
    // One was asked for, so one is answered.
    standing.ok_or(Abort::Refused(()))
}

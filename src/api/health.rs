//! Whether the service is there, and whether it can do its work: for whatever restarts it, and for whatever sends it
//! requests.
//!
//! Guarantees: a failing worker degrades its own queue and takes nothing off the network; 503 is for what makes every
//! request fail: the database, or a shutdown.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::http::Problem;
use crate::domain::job::Queue;
use crate::store::jobs;
use crate::supervision::NodeState;

/// How long the writer may take to answer: longer than a slow disk's commit, shorter than a prober's patience.
const PING_MAX: Duration = Duration::from_secs(2);
/// When to ask again after a 503.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// That the process answers.
#[derive(Serialize, ToSchema)]
struct Live {
    #[schema(pattern = "^ok$")]
    status: &'static str,
}

/// How the service does its work.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// `ok`, or `degraded` where a worker is not running.
    #[schema(pattern = "^(ok|degraded)$")]
    status: &'static str,
    queues: Vec<QueueHealth>,
}

/// How one queue is served.
#[derive(Serialize, ToSchema)]
struct QueueHealth {
    queue: Queue,
    /// Its worker's name in the supervision tree.
    worker: &'static str,
    /// The worker's state there.
    state: NodeState,
    /// Jobs that could be claimed now.
    waiting: i64,
}

/// Says that the process answers.
#[utoipa::path(
    get, path = "/health/live", tag = "open",
    responses((status = 200, description = "It does.", body = Live)),
)]
pub(super) async fn show_live() -> HttpResponse {
    HttpResponse::Ok().json(Live { status: "ok" })
}

/// Says whether the service can do its work.
///
/// A worker that is not running degrades its own queue; 503 is for what makes every request fail.
#[utoipa::path(
    get, path = "/health/ready", tag = "open",
    responses(
        (status = 200, description = "It can.", body = Ready),
        (status = 503, description = "The database cannot be used, or the service is shutting down."),
    ),
)]
pub(super) async fn show_ready(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    if state.shutdown.is_raised() {
        return Err(Problem::unavailable("the service is shutting down", RETRY_AFTER));
    }
    let not_now = |what: &'static str| move |error| Problem::unavailable(what, RETRY_AFTER).with_cause(error);
    state
        .store
        .ping(PING_MAX)
        .await
        .map_err(not_now("the database does not take writes"))?;
    let queues: Vec<Queue> = state.workers.iter().map(|(queue, _)| *queue).collect();
    let read = state.store.read(move |connection| {
        let counts = queues.into_iter().map(|queue| jobs::waiting(connection, queue));
        counts.collect::<Result<Vec<_>, _>>()
    });
    let waiting = read.await.map_err(not_now("the database cannot be read"))?;
    let nodes = state.tree.snapshot().children;
    let state_of = |worker: &str| nodes.iter().find(|node| node.name == worker).map(|node| node.state);
    let queues = state
        .workers
        .iter()
        .zip(waiting)
        .map(|((queue, worker), waiting)| QueueHealth {
            queue: *queue,
            worker,
            // One that the tree does not know is as good as stopped.
            state: state_of(worker).unwrap_or(NodeState::Stopped),
            waiting,
        });
    let queues: Vec<QueueHealth> = queues.collect();
    let is_well = queues.iter().all(|queue| queue.state == NodeState::Running);
    let status = if is_well { "ok" } else { "degraded" };
    Ok(HttpResponse::Ok().json(Ready { status, queues }))
}

//! Whether the service is there, and whether it can do its work: for whatever restarts it, and for whatever sends it
//! requests.
//!
//! Guarantees: a failing worker degrades its own queue and takes nothing off the network, nor does what all queues need
//! (dispatcher and keeper); 503 is for what makes every request fail: the database, its writer, or a shutdown. Anybody may
//! ask, so asking is cheap: the database is looked at once a second at most, with counts that have a bound, however many
//! ask, and those who ask meanwhile share what is found.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::State;
use super::http::Problem;
use super::queues::COUNTED_MAX;
use super::state::QueueWorker;
use crate::domain::job::Queue;
use crate::store::{Count, Store, StoreError, jobs, queues};
use crate::supervision::{NodeSnapshot, NodeState};

/// How long the writer may take to answer: longer than a slow disk's commit, shorter than a prober's patience.
const PING_MAX: Duration = Duration::from_secs(2);
/// How long what was found is told again: shorter than any prober's interval.
const FOUND_FOR: Duration = Duration::from_secs(1);
/// The actors that every queue needs beside its worker.
const SHARED: [&str; 3] = ["dispatcher", "keeper", "guard"];
/// The thread that writes the database.
const WRITER: &str = "writer";
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
    /// `ok`, or `degraded` if one of the queues is.
    #[schema(pattern = "^(ok|degraded)$")]
    status: &'static str,
    queues: Vec<QueueHealth>,
}

/// How one queue is served.
#[derive(Serialize, ToSchema)]
struct QueueHealth {
    queue: Queue,
    /// `ok`, or `degraded` while its jobs are not performed as they should, a pause apart.
    #[schema(pattern = "^(ok|degraded)$")]
    status: &'static str,
    /// Why it is degraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "the mailer was suspended by an operator")]
    reason: Option<String>,
    /// Its worker's name in the supervision tree.
    worker: &'static str,
    /// The worker's state there.
    state: NodeState,
    /// Whether operators have paused it.
    paused: bool,
    /// Jobs that could be claimed now, at most [`COUNTED_MAX`].
    waiting: i64,
    /// Whether there are more.
    capped: bool,
}

/// What the database said when it was last asked.
#[derive(Debug, Default)]
pub struct Readiness {
    /// Held while the database is asked, so that others wait for what is found.
    last: Mutex<Option<(Instant, Found)>>,
}

/// What was found of each queue of this process, or what is not available.
type Found = Result<Vec<(Count, bool)>, &'static str>;

impl Readiness {
    async fn look(&self, state: &State) -> Found {
        let mut last = self.last.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < FOUND_FOR
        {
            return found.clone();
        }
        let names = performed(state).map(|worker| worker.queue).collect();
        let found = ask(&state.store, names).await.map_err(|(what, error)| {
            let error = crate::telemetry::chain(&error);
            tracing::warn!(event = crate::telemetry::names::event::NOT_READY, what, %error, "the database is not ready");
            what
        });
        *last = Some((Instant::now(), found.clone()));
        found
    }
}

/// The queues whose jobs this process performs.
fn performed(state: &State) -> impl Iterator<Item = &QueueWorker> {
    state.workers.iter().filter(|worker| worker.slots > 0)
}

async fn ask(store: &Store, names: Vec<Queue>) -> Result<Vec<(Count, bool)>, (&'static str, StoreError)> {
    let taken = store.take_write(PING_MAX).await;
    taken.map_err(|error| ("the database does not take writes", error))?;
    let read = store.read(move |connection| {
        let paused = queues::paused(connection)?;
        let each = names.iter().map(|queue| {
            let count = jobs::available(connection, *queue, COUNTED_MAX)?;
            Ok((count, paused.iter().any(|pause| pause.queue == *queue)))
        });
        each.collect()
    });
    read.await.map_err(|error| ("the database cannot be read", error))
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
/// A worker that is not running degrades its own queue, the dispatcher and the keeper all of them; 503 is for what makes
/// every request fail.
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
    let found = state.readiness.look(&state).await;
    let found = found.map_err(|what| Problem::unavailable(what_ails_the_writer(&state, what), RETRY_AFTER))?;
    let shared = SHARED
        .iter()
        .find_map(|name| what_ails(&state.tree.inspect(name).ok()?));
    let queues = performed(&state).zip(found);
    let queues = queues.map(|(worker, (count, paused))| {
        let node = state.tree.inspect(worker.worker);
        let (ails, now) = match &node {
            Ok(node) => (what_ails(node), node.state),
            // One that the tree does not know is as good as stopped.
            Err(_) => (Some(format!("the {} {STOPPED}", worker.worker)), NodeState::Stopped),
        };
        let reason = ails.or_else(|| shared.clone());
        QueueHealth {
            queue: worker.queue,
            status: word(reason.is_none()),
            reason,
            worker: worker.worker,
            state: now,
            paused,
            waiting: count.count,
            capped: count.is_capped,
        }
    });
    let queues: Vec<QueueHealth> = queues.collect();
    let status = word(queues.iter().all(|queue| queue.reason.is_none()));
    Ok(HttpResponse::Ok().json(Ready { status, queues }))
}

/// Why the database does not take writes: of itself, or because its writer is down or suspended.
fn what_ails_the_writer(state: &State, what: &str) -> String {
    let writer = state.tree.inspect(WRITER).ok().and_then(|node| what_ails(&node));
    writer.map_or_else(|| what.to_owned(), |ails| format!("{what}: {ails}"))
}

const fn word(is_well: bool) -> &'static str {
    if is_well { "ok" } else { "degraded" }
}

const STOPPED: &str = "is stopped";

/// Why an actor does not do its work, if it does not; nothing of what it said when it failed.
pub(super) fn what_ails(node: &NodeSnapshot) -> Option<String> {
    let what = match node.state {
        NodeState::Running if node.stuck => "makes no progress",
        NodeState::Running => return None,
        NodeState::Starting => "is being started",
        NodeState::BackingOff => "failed and is about to be started again",
        NodeState::Degraded => "failed too often and is tried again at long intervals",
        NodeState::Suspended => "was suspended by an operator",
        NodeState::Stopping | NodeState::Stopped => STOPPED,
    };
    Some(format!("the {} {what}", node.name))
}

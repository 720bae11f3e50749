//! Queues, for operators: what waits and runs in each, and pausing and resuming one.
//!
//! Guarantees: a pause is committed before it is answered, holds for what already waits and through restarts, and leaves
//! attempts under way alone; pausing what is paused, and resuming what runs, changes nothing and is answered alike. What a
//! look costs does not grow with what waits.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::auth::{Member, Operator};
use super::failure::or_refused;
use super::http::{PathParam, Problem, RequestId};
use super::page::Page;
use super::state::QueueWorker;
use super::then::Then;
use super::{State, acting};
use crate::clock::Timestamp;
use crate::domain::act::Action;
use crate::domain::id::AccountId;
use crate::domain::job::Queue;
use crate::jobs::{KINDS_MAX, known_by};
use crate::mail::SlowedSite;
use crate::store::acts::{self, NewAct};
use crate::store::jobs::WaitingKind;
use crate::store::queues::{self, Pause};
use crate::store::{Abort, Connection, Count, KnownKind, StoreError, jobs, nodes};
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
    /// Whether it is paused.
    paused: bool,
    /// How many jobs wait, for their time, for a slot or for their next attempt: exactly so up to ten thousand, and beyond
    /// that as they were counted last.
    waiting: u64,
    /// How long the job that is next could have run by now, in seconds; of several kinds, the one that has waited the
    /// longest. Null if none could run.
    oldest_waiting_s: Option<f64>,
    /// How many jobs end in a second, over the last ten seconds or so.
    rate_per_s: f64,
    /// How many jobs could be claimed now.
    depth: DepthView,
    /// Attempts that run now.
    running: i64,
    /// The most attempts that may run at once in this process; 0 if it performs no jobs.
    slots: usize,
    /// What could be claimed now if this version of the service knew it, which is left to nodes that do.
    unknown_kinds: Vec<UnknownView>,
    /// Of the queue `mail`, the sites of recipients that this process sends fewer mails at once than it could, since they
    /// asked for that or did not answer in time; a hundred at most. Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    slowed_sites: Vec<SlowedView>,
}

/// A site that is given fewer mails at once.
#[derive(Serialize, ToSchema)]
#[schema(as = SlowedSite)]
struct SlowedView {
    /// The domain of the recipients' addresses.
    #[schema(example = "example.com")]
    site: String,
    /// How many mails at once it is given.
    limit: usize,
    /// Whether it is given none for a while.
    resting: bool,
}

/// The most slowed sites in one answer.
const SLOWED_MAX: usize = 100;

/// A kind, or a version of its arguments, that jobs wait with and this version of the service does not know.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = UnknownKind)]
struct UnknownView {
    /// What sort of work.
    kind: String,
    /// The version of the arguments.
    version: i64,
    /// The versions of the service whose living nodes know it; none if it waits for one to come.
    #[schema(example = json!(["0.3.0"]))]
    known_by: Vec<String>,
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
    /// Those that wait for their time; none if there are too many to be counted each time.
    to_come: Option<i64>,
    /// From when the next one could run.
    oldest: Option<Timestamp>,
    running: i64,
    pause: Option<Pause>,
    /// What waits that is not performed here, with the versions of the service that do.
    unknown: Vec<(WaitingKind, Vec<String>)>,
}

impl QueueView {
    fn of(worker: &QueueWorker, standing: &Standing, state: &State) -> Self {
        let counted = standing.to_come.filter(|_| !standing.available.is_capped);
        let counted = counted.and_then(|to_come| u64::try_from(to_come.saturating_add(standing.available.count)).ok());
        let age = standing.oldest.map(|since| state.clock.now().since(since));
        Self {
            name: worker.queue,
            worker: worker.worker,
            paused_at: standing.pause.map(|pause| pause.at),
            paused_by: standing.pause.map(|pause| pause.by),
            paused: standing.pause.is_some(),
            waiting: counted.unwrap_or_else(|| state.depths.waiting(worker.queue)),
            oldest_waiting_s: age.map(|age| thousandths(age.as_secs_f64())),
            rate_per_s: thousandths(state.depths.rate(worker.queue)),
            depth: DepthView {
                available: standing.available.count,
                capped: standing.available.is_capped,
            },
            running: standing.running,
            slots: worker.slots,
            unknown_kinds: standing.unknown.iter().map(UnknownView::of).collect(),
            slowed_sites: match worker.queue {
                Queue::Mail => slowed(state),
                _ => Vec::new(),
            },
        }
    }
}

impl UnknownView {
    fn of((waiting, known_by): &(WaitingKind, Vec<String>)) -> Self {
        Self {
            kind: waiting.kind.clone(),
            version: waiting.version,
            known_by: known_by.clone(),
        }
    }
}

fn slowed(state: &State) -> Vec<SlowedView> {
    let slowed = state.postbox.slowed_sites().into_iter().take(SLOWED_MAX);
    let view = |one: SlowedSite| SlowedView {
        site: one.site.to_string(),
        limit: one.limit,
        resting: one.is_resting,
    };
    slowed.map(view).collect()
}

fn thousandths(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

/// Lists the queues, with what waits and runs in each.
///
/// Waiting jobs are counted up to a bound, so that a look is cheap however many wait.
#[utoipa::path(
    get, path = "/v1/queues", tag = "operators", security(("operator" = [])),
    responses((status = 200, description = "All queues of this process.", body = Page<QueueView>)),
)]
pub(super) async fn list_queues(_operator: Operator, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let asked: Vec<Asked> = state
        .workers
        .iter()
        .map(|worker| Asked::of(worker.queue, &state))
        .collect();
    let now = state.clock.now();
    let standings = state.store.read(move |connection| look(connection, &asked, now));
    let standings = standings.await?;
    let each = state.workers.iter().zip(&standings);
    let views = each.map(|(worker, standing)| QueueView::of(worker, standing, &state));
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
    let asked = Asked::of(queue, &state);
    let act = act(Action::PauseQueue, queue, &member, &request, now);
    let write = state.store.write(move |tx| {
        let changed = queues::pause(tx.connection(), queue, by, now)?;
        if changed {
            acts::record(tx, &act)?;
        }
        Ok((changed, one(tx.connection(), &asked, now)?))
    });
    let (changed, standing) = write.await.map_err(or_refused(|()| Problem::not_found()))?;
    state.paused.set(queue, true);
    if changed {
        let request_id = request.as_str();
        tracing::warn!(event = event::QUEUE_PAUSED, %queue, account = %by, request_id, "an operator paused a queue");
    }
    Ok(HttpResponse::Ok().json(QueueView::of(worker, &standing, &state)))
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
    let asked = Asked::of(queue, &state);
    let now = state.clock.now();
    let act = act(Action::ResumeQueue, queue, &member, &request, now);
    let write = state.store.write(move |tx| {
        let changed = queues::resume(tx, queue)?;
        if changed {
            acts::record(tx, &act)?;
        }
        Ok((changed, one(tx.connection(), &asked, now)?))
    });
    let (changed, standing) = write.await.map_err(or_refused(|()| Problem::not_found()))?;
    state.paused.set(queue, false);
    if changed {
        let (by, request_id) = (member.account.id, request.as_str());
        tracing::warn!(event = event::QUEUE_RESUMED, %queue, account = %by, request_id, "an operator resumed a queue");
    }
    Ok(HttpResponse::Ok().json(QueueView::of(worker, &standing, &state)))
}

fn act(action: Action, queue: Queue, member: &Member, request: &RequestId, at: Timestamp) -> NewAct {
    NewAct {
        at,
        by: acting::by(member, request),
        action,
        subject_kind: "queue",
        subject: queue.to_string(),
        detail: json!({}),
    }
}

fn worker_of(queue: Queue, state: &State) -> Result<&QueueWorker, Problem> {
    let worker = state.workers.iter().find(|worker| worker.queue == queue);
    worker.ok_or_else(Problem::not_found)
}

/// A queue that is looked at, and the kinds of it that this version knows.
struct Asked {
    queue: Queue,
    kinds: Vec<KnownKind>,
}

impl Asked {
    fn of(queue: Queue, state: &State) -> Self {
        Self {
            queue,
            kinds: state.registry.of_queue(queue),
        }
    }

    /// Whether jobs wait in it with this that are left to other nodes.
    fn leaves(&self, waiting: &WaitingKind) -> bool {
        let is_known = |known: &KnownKind| known.name == waiting.kind && waiting.version <= known.version.into();
        waiting.queue == self.queue.as_str() && !self.kinds.iter().any(is_known)
    }
}

fn look(connection: &mut Connection, asked: &[Asked], now: Timestamp) -> Result<Vec<Standing>, StoreError> {
    let paused = queues::paused(connection)?;
    let running = jobs::running(connection)?;
    let (to_come, has_more) = jobs::to_come(connection, COUNTED_MAX)?;
    let waiting = jobs::waiting_kinds(connection, KINDS_MAX)?;
    let performed = nodes::performed(connection, now)?;
    let standing = |asked: &Asked| {
        let Asked { queue, kinds } = asked;
        let left = waiting.iter().filter(|waiting| asked.leaves(waiting));
        Ok(Standing {
            unknown: left
                .map(|left| (left.clone(), known_by(&performed, &left.kind, left.version)))
                .collect(),
            available: jobs::available(connection, *queue, COUNTED_MAX)?,
            to_come: (!has_more).then(|| to_come.get(queue).copied().unwrap_or(0)),
            oldest: jobs::oldest(connection, *queue, kinds)?,
            running: running
                .iter()
                .find(|(name, _)| name == queue)
                .map_or(0, |(_, count)| *count),
            pause: paused.iter().find(|pause| pause.queue == *queue).copied(),
        })
    };
    asked.iter().map(standing).collect()
}

fn one(connection: &mut Connection, asked: &Asked, now: Timestamp) -> Result<Standing, Abort<()>> {
    let standing = look(connection, std::slice::from_ref(asked), now)?.pop();
    // One was asked for, so one is answered.
    standing.ok_or(Abort::Refused(()))
}

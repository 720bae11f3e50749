//! Jobs: seeing them, cancelling them, running them again, saying what became of them.
//!
//! Guarantees: a job of another workspace is not found, and operators find all; an order is in the database before it is
//! answered, and hurried along to the attempt only then.

pub(super) mod cancel;
mod changed;
mod copies;
pub(super) mod cursor;
pub(super) mod resolve;
mod view;
mod waiting;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::State;
use super::acting::Acting;
use super::auth::Member;
use super::client::Client;
use super::emails::Surroundings;
use super::failure::or_refused;
use super::http::{Fields, OptionalJson, PathParam, Problem, RequestId, StrictQuery};
use super::page::{self, Page};
use super::prefer::{self, Preferences};
use super::reading::{self, Reading};
use super::then::Then;
use super::waiting::Wait;
use crate::clock::Timestamp;
use crate::domain::act::Action;
use crate::domain::id::{BatchId, JobId};
use crate::domain::job::{JobState, Queue, Refused, Room, rank};
use crate::domain::scope::Scope;
use crate::jobs::kinds::{EmailSend, EmailSendArgs};
use crate::jobs::{Kind as _, Registry};
use crate::store::jobs::{self, JobArguments, OrderRefused, Place};
use crate::store::{AttemptRecord, Connection, Count, JobFilter, JobRecord, JobScope, StoreError, limits};
use crate::telemetry::names::event;

use cancel::Cancelled;
pub(super) use changed::Changed;
use changed::RetryBody;
pub(super) use view::JobView;

/// Jobs before one that are counted: beyond it only the order of magnitude is of interest.
const AHEAD_MAX: usize = 10_000;
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only jobs in this state.
    #[param(nullable = false)]
    state: Option<JobState>,
    /// Only jobs of this kind, such as `email.send`.
    #[param(nullable = false)]
    kind: Option<String>,
    /// Only jobs in this queue.
    #[param(nullable = false)]
    queue: Option<Queue>,
    /// Only jobs of this batch.
    #[param(nullable = false)]
    batch: Option<BatchId>,
    /// The `next_cursor` of the page before.
    #[param(nullable = false, min_length = 1)]
    cursor: Option<String>,
    /// How many jobs on the page; 50 unless given.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// Lists the workspace's jobs, the newest first; for operators, everybody's.
///
/// A page that looks for something rare may be short, or empty, and still have a next one.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "jobs", security(("member" = [])), params(ListQuery),
    responses((status = 200, description = "A page of jobs.", body = Page<JobView>)),
)]
pub(super) async fn list_jobs(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<ListQuery>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let before = page::behind(query.cursor.as_deref(), &mut fields);
    let limit = page::size(query.limit, &mut fields);
    let limit = fields.finish_with(limit)?;
    let told = json!({
        "state": query.state.map(JobState::as_str), "kind": query.kind,
        "queue": query.queue.map(Queue::as_str), "batch": query.batch
    });
    let filter = JobFilter {
        scope: member.job_scope(),
        state: query.state,
        kind: query.kind,
        queue: query.queue,
        batch: query.batch,
        before,
        limit,
    };
    let read = state.store.read(move |connection| {
        let page = jobs::list(connection, &filter)?;
        let found: Result<Vec<_>, _> = page
            .jobs
            .into_iter()
            .map(|job| with_attempts(connection, job))
            .collect();
        Ok((found?, page.next))
    });
    let (found, next) = read.await?;
    if let Some(reading) = Reading::of(&member, &request) {
        let owners = found.iter().map(|(job, _)| job.workspace);
        reading.note_list("job", owners, &told, &state).await?;
    }
    let next_cursor = next.map(cursor::write);
    let data: Result<Vec<_>, _> = found
        .into_iter()
        .map(|(job, all)| view(job, all, &member, &state))
        .collect();
    Ok(HttpResponse::Ok().json(Page {
        data: data?,
        next_cursor,
    }))
}

/// Shows a job with its attempts.
///
/// Where `Prefer: wait=N` asks for it, once it has ended or so many seconds have passed.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", tag = "jobs", security(("member" = [])),
    params(
        ("id" = JobId, Path, description = "Which job."),
        ("Prefer" = Option<String>, Header, description = "`wait=N` waits up to N seconds, at most 60, for the job's end."),
    ),
    responses((
        status = 200, description = "The job.", body = JobView,
        headers(("Preference-Applied" = String, description = "The wait that was honoured, if one was asked for.")),
    )),
)]
pub(super) async fn show_job(
    Then(member, PathParam(id)): Then<Member, PathParam<JobId>>,
    preferences: Preferences,
    request: HttpRequest,
    request_id: RequestId,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let job = shown(id, &member, &state).await?.ok_or_else(Problem::not_found)?;
    reading::note(&member, &request_id, &job, &state).await?;
    // To look on is not to cancel.
    let preferences = preferences.cancelling_only_if(member.may(Scope::JobsWrite));
    let wait = (!job.is_final())
        .then(|| Wait::begin(id, preferences, &request, &member))
        .flatten();
    let mut answer = HttpResponse::Ok();
    let Some(wait) = wait else {
        return Ok(answer.json(job));
    };
    answer.insert_header((prefer::APPLIED, wait.applied()));
    let job = wait.outcome(&member, &state).await?.ok_or_else(Problem::not_found)?;
    Ok(answer.json(job))
}

/// A job with its attempts as `member` may see it, if they may.
pub(super) async fn shown(id: JobId, member: &Member, state: &State) -> Result<Option<JobView>, Problem> {
    shown_in(id, member.job_scope(), member, state).await
}

/// The same, of the jobs of this scope.
pub(super) async fn shown_in(
    id: JobId,
    scope: JobScope,
    member: &Member,
    state: &State,
) -> Result<Option<JobView>, Problem> {
    let (registry, now) = (state.registry.clone(), state.clock.now());
    let read = state.store.read(move |connection| {
        let job = jobs::one(connection, id, scope)?;
        let Some(job) = job else { return Ok(None) };
        let ahead = ahead_of(connection, &job, &registry)?;
        let room = room_for(connection, &job, now)?;
        Ok(Some((with_transcripts(connection, job)?, ahead, room)))
    });
    let Some(((job, attempts), ahead, room)) = read.await? else {
        return Ok(None);
    };
    let standing = view::standing_of(&job);
    let turn = || waiting::waits_for_turn(standing, ahead?, state);
    let turn = waiting::waits_for_room(&job.limit_key, room).or_else(turn);
    Ok(Some(view(job, attempts, member, state)?.with_turn(turn)))
}

/// Cancels a job that waits or runs.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/cancel", tag = "jobs", security(("member" = [])),
    params(("id" = JobId, Path, description = "Which job.")),
    responses(
        (status = 200, description = "The job is cancelled.", body = JobView),
        (status = 202, description = "Its attempt was asked to end.", body = JobView),
        (status = 409, description = "The job has ended already."),
    ),
)]
pub(super) async fn cancel_job(
    Then(member, PathParam(id)): Then<Member, PathParam<JobId>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let acting = Acting::of(&member, &request);
    let cancelled = cancel::cancel(id, member.job_scope(), acting, &state).await;
    let Cancelled { job, attempts, is_here } = cancelled.map_err(or_refused(refused))?;
    tracing::info!(
        event = event::JOB_CANCEL_REQUESTED,
        job = %id,
        state = %job.state,
        account = %member.account.id,
        request_id = request.as_str(),
        is_here,
        "a cancel was asked for"
    );
    let mut answer = if job.state == JobState::Running {
        HttpResponse::Accepted()
    } else {
        HttpResponse::Ok()
    };
    Ok(answer.json(view(job, attempts, &member, &state)?))
}

/// Runs a finished job once more, its history kept; with other arguments, if they are given.
///
/// With its own arguments it goes on with what it has done, and what it does outside is known to be the same; with others it
/// begins anew. A mail keeps its files, tags and metadata.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/retry", tag = "jobs", security(("member" = [])),
    params(("id" = JobId, Path, description = "Which job.")),
    request_body(content = RetryBody, examples(
        ("as it is" = (summary = "With its own arguments", value = json!({}))),
        ("changed" = (summary = "A probe, with others", value = json!({ "args": { "steps": 3, "step_ms": 10 } }))),
    )),
    responses(
        (status = 202, description = "The job waits again.", body = JobView),
        (status = 409, description = "The job has not ended, or another has its unique key."),
        (status = 422, description = "The arguments are not what they must be, or it is a mail to more addresses than the workspace may send to at once."),
        (status = 429, description = "It would be more than the workspace may have."),
    ),
)]
pub(super) async fn retry_job(
    Then(member, Then(PathParam(id), OptionalJson(body))): Then<
        Member,
        Then<PathParam<JobId>, OptionalJson<RetryBody>>,
    >,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (scope, now) = (member.job_scope(), state.clock.now());
    let changed = match body.and_then(|body| body.args) {
        Some(args) => {
            let job = runs_again(id, scope, &state).await?;
            member.needs_to_order(&job.kind)?;
            let surroundings = Surroundings::with_grants(&member, &state).await?.of_job(job.workspace);
            let is_operator = member.account.is_operator;
            Some(Changed::of_job(&job, args, is_operator, &surroundings).await?)
        }
        None => None,
    };
    // Run again, it does again whatever it did: it counts like a new one.
    let (queue, mails) = match &changed {
        Some(changed) => (Some(changed.queue), changed.mails),
        None => cost_of(id, scope, &state).await?,
    };
    if let Some(queue) = queue {
        state.throttle.take_network_work(&member.account, &client, 1, "")?;
        state.throttle.take_work(&member.account, queue, mails)?;
    }
    let changed = changed.map(|changed| changed.args);
    let acting = Acting::of(&member, &request);
    let write = state.store.write(move |tx| {
        let job = jobs::retry_with(tx, id, scope, now, changed.as_ref())?;
        if let Some(acting) = &acting {
            let detail = json!({ "changed_args": changed.is_some() });
            acting.note(tx, Action::RetryJob, &job, detail, now)?;
        }
        Ok(with_attempts(tx.connection(), job)?)
    });
    let written = write.await;
    if written.is_err()
        && let Some(queue) = queue
    {
        // Nothing came of the place that it took.
        state.throttle.give_back(&member.account, queue, mails);
    }
    let (job, attempts) = written.map_err(or_refused(refused))?;
    tracing::info!(
        event = event::JOB_ENQUEUED,
        job = %id,
        kind = job.kind,
        queue = job.queue,
        workspace = %job.workspace,
        account = %member.account.id,
        request_id = request.as_str(),
        "a job was ordered to run again"
    );
    Ok(HttpResponse::Accepted().json(view(job, attempts, &member, &state)?))
}

/// In which queue a job waits and how many mails it sends, that is to run again; operators' own costs nothing.
///
/// # Errors
/// 409 where it cannot, so that asking in vain costs nothing of a limit.
async fn cost_of(id: JobId, scope: JobScope, state: &State) -> Result<(Option<Queue>, usize), Problem> {
    // Operators' work has no limit, and so needs no count.
    if scope == JobScope::All {
        return Ok((None, 0));
    }
    let job = runs_again(id, scope, state).await?;
    let is_mail = job.kind == EmailSend::NAME;
    let args = is_mail
        .then(|| serde_json::from_str::<EmailSendArgs>(&job.args).ok())
        .flatten();
    let mails = args.map_or(usize::from(is_mail), |args| args.mails());
    Ok((job.queue.parse().ok(), mails))
}

/// A job that can run again.
///
/// # Errors
/// 404 where there is none in the scope; 409 where it cannot.
async fn runs_again(id: JobId, scope: JobScope, state: &State) -> Result<JobArguments, Problem> {
    let read = state
        .store
        .read(move |connection| jobs::arguments(connection, id, scope));
    let job = read.await?.ok_or_else(Problem::not_found)?;
    if !job.state.can_run_again() {
        return Err(refused(OrderRefused::State(Refused::NotNow(job.state))));
    }
    Ok(job)
}

/// The job and its attempts.
///
/// # Errors
/// When a statement fails.
pub(super) fn with_attempts(
    connection: &mut Connection,
    mut job: JobRecord,
) -> Result<(JobRecord, Vec<AttemptRecord>), StoreError> {
    let attempts = jobs::attempts_of(connection, &job)?;
    job.copies_possible = copies::possible(connection, &job, &attempts)?;
    Ok((job, attempts))
}

/// The job and its attempts with what was said in them.
///
/// # Errors
/// When a statement fails.
pub(super) fn with_transcripts(
    connection: &mut Connection,
    job: JobRecord,
) -> Result<(JobRecord, Vec<AttemptRecord>), StoreError> {
    let (job, mut attempts) = with_attempts(connection, job)?;
    jobs::add_transcripts(connection, job.id, &mut attempts)?;
    Ok((job, attempts))
}

/// How many jobs of its workspace and key are claimed before this one, if it could be claimed itself.
fn ahead_of(connection: &mut Connection, job: &JobRecord, registry: &Registry) -> Result<Option<Count>, StoreError> {
    let (Ok(queue), Ok(priority)) = (job.queue.parse(), i32::try_from(job.priority)) else {
        return Ok(None);
    };
    if job.state != JobState::Available {
        return Ok(None);
    }
    let place = Place {
        workspace: job.workspace,
        limit_key: job.limit_key.clone(),
        rank: rank(job.run_at, priority),
        id: job.id,
    };
    jobs::ahead(connection, queue, &registry.of_queue(queue), &place, AHEAD_MAX).map(Some)
}

/// What limits leave for a job, if it could be claimed itself.
fn room_for(connection: &mut Connection, job: &JobRecord, now: Timestamp) -> Result<Room, StoreError> {
    match job.queue.parse() {
        Ok(queue) if job.state == JobState::Available => {
            limits::room(connection, queue, job.workspace, &job.limit_key, now)
        }
        _ => Ok(Room::ENDLESS),
    }
}

/// The job as `member` may see it.
fn view(job: JobRecord, attempts: Vec<AttemptRecord>, member: &Member, state: &State) -> Result<JobView, StoreError> {
    let is_own = job.workspace == member.account.workspace;
    let view = JobView::of(job, attempts, state)?;
    Ok(if is_own { view } else { view.masked() })
}

pub(super) fn refused(refusal: OrderRefused) -> Problem {
    match refusal {
        OrderRefused::NoSuchJob => Problem::not_found(),
        OrderRefused::State(refused) => Problem::conflict(refused.to_string()),
        OrderRefused::KeyTaken(_) => Problem::conflict(refusal.to_string()),
    }
}

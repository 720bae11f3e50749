//! Following jobs: what happens to one, or to all of a workspace, as server-sent events.
//!
//! Guarantees: a job of another workspace is not found, and its changes are not sent; a client that comes back with the id of
//! the last event it saw misses nothing and gets nothing twice, or is told that the history is gone.

mod places;
mod stream;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

pub use places::JobStreams;
use stream::{Live, Start};

use super::State;
use super::auth::Member;
use super::http::{PathParam, Problem, StrictQuery};
use super::jobs::{JobView, shown_in};
use super::sse;
use super::then::Then;
use super::waiting::WhenGone;
use crate::domain::id::JobId;
use crate::domain::scope::Scope;
use crate::store::events::{self, Cursor, Followed, Interest};
use crate::store::{JobScope, StoreError, jobs};

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct JobQuery {
    /// Whether the job is cancelled when the client goes away before its end.
    #[param(nullable = false)]
    cancel_when_gone: Option<bool>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AllQuery {
    /// Whether everybody's jobs are followed; for operators.
    #[param(nullable = false)]
    all: Option<bool>,
}

/// Follows a job until its end.
///
/// Server-sent events. The first is `snapshot`, the job as it is, unless the client comes back with `Last-Event-ID`. Then
/// each change is an event by the name of the state that the job is in, or `progress`. `history_gone`, with the job, says that
/// what happened behind that id is not kept any more. `end` is the last one where the stream ends before the job.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/events", tag = "jobs", security(("member" = [])),
    params(
        ("id" = JobId, Path, description = "Which job."), JobQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The last event seen; the stream goes on behind it."),
    ),
    responses(
        (status = 200, description = "The stream.", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The job has ended, and nothing happened behind the last event seen."),
        (status = 429, description = "The account has as many streams open as it may."),
        (status = 503, description = "All places for streams are taken."),
    ),
)]
pub(super) async fn stream_job(
    Then(member, Then(PathParam(id), StrictQuery(query))): Then<Member, Then<PathParam<JobId>, StrictQuery<JobQuery>>>,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let cancels = query.cancel_when_gone == Some(true);
    if cancels {
        member.needs(Scope::JobsWrite)?;
    }
    let scope = member.job_scope();
    let read = state.store.read(move |connection| jobs::one(connection, id, scope));
    let workspace = read.await?.ok_or_else(Problem::not_found)?.workspace;
    let place = state.job_streams.enter(member.account.id)?;
    // From before the look at how things stand, so that what changes meanwhile is not missed.
    let subscription = state.store.hub().subscribe(Interest::Job(id));
    let followed = Followed::Job(id, workspace);
    let start = begin(&request, followed, &state).await?;
    let job = shown_in(id, scope, &member, &state)
        .await?
        .ok_or_else(Problem::not_found)?;
    if let Begin::Behind(_, true) = start
        && job.is_final()
    {
        // The one status by which a browser's EventSource does not come back.
        return Ok(HttpResponse::NoContent().finish());
    }
    let gone = cancels.then(|| WhenGone::new(id, &member, &state));
    let mut live = Live::new(start.into(), followed, subscription, member, state, place);
    if let Some(gone) = gone {
        live.cancelling(gone);
    }
    match start {
        Begin::Now(_) => live.snapshot("snapshot", &job),
        Begin::Gone(_) => live.snapshot("history_gone", &job),
        Begin::Behind(..) => {}
    }
    Ok(sse::streaming(live.events()))
}

/// Follows all jobs of the workspace.
///
/// Server-sent events, as of one job, without a snapshot and without an end. `history_gone` says that what happened behind
/// the `Last-Event-ID` is not kept any more; `GET /v1/jobs` shows how things stand.
#[utoipa::path(
    get, path = "/v1/jobs/events", tag = "jobs", security(("member" = [])),
    params(
        AllQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The last event seen; the stream goes on behind it."),
    ),
    responses(
        (status = 200, description = "The stream.", body = String, content_type = "text/event-stream"),
        (status = 403, description = "Only operators may follow everybody's jobs."),
        (status = 429, description = "The account has as many streams open as it may."),
        (status = 503, description = "All places for streams are taken."),
    ),
)]
pub(super) async fn stream_jobs(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<AllQuery>>,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (followed, interest) = match (query.all, member.job_scope()) {
        (Some(true), JobScope::All) => (Followed::All, Interest::All),
        (Some(true), JobScope::Workspace(_)) => {
            return Err(Problem::forbidden("only operators may follow everybody's jobs"));
        }
        _ => {
            let own = member.account.workspace;
            (Followed::Workspace(own), Interest::Workspace(own))
        }
    };
    let place = state.job_streams.enter(member.account.id)?;
    let subscription = state.store.hub().subscribe(interest);
    let start = begin(&request, followed, &state).await?;
    let mut live = Live::new(start.into(), followed, subscription, member, state, place);
    match start {
        Begin::Now(_) => live.keep_alive(),
        Begin::Gone(_) => live.history_gone(),
        Begin::Behind(..) => {}
    }
    Ok(sse::streaming(live.events()))
}

/// Where a stream begins.
#[derive(Clone, Copy)]
enum Begin {
    /// At the present end: the client names no event.
    Now(Cursor),
    /// Behind the event that the client names; and whether nothing has happened since.
    Behind(Cursor, bool),
    /// At the present end, since what is behind that event is gone, or it is none of ours.
    Gone(Cursor),
}

impl From<Begin> for Start {
    fn from(begin: Begin) -> Self {
        match begin {
            Begin::Now(at) | Begin::Behind(at, _) | Begin::Gone(at) => Self(at),
        }
    }
}

async fn begin(request: &HttpRequest, followed: Followed, state: &State) -> Result<Begin, StoreError> {
    let last = request.headers().get("last-event-id").filter(|value| !value.is_empty());
    let seen = last.map(|value| value.to_str().ok()?.parse::<Cursor>().ok());
    let read = state.store.read(move |connection| {
        let end = events::end(connection)?;
        match seen {
            None => Ok(Begin::Now(end)),
            Some(Some(seen)) if events::is_kept(connection, seen)? => {
                let page = events::after(connection, followed, seen)?;
                Ok(Begin::Behind(seen, page.changes.is_empty() && page.is_last))
            }
            Some(_) => Ok(Begin::Gone(end)),
        }
    });
    read.await
}

/// The job as the reader may see it, looked at again.
async fn look(job: JobId, member: &Member, state: &State) -> Result<Option<JobView>, Problem> {
    shown_in(job, member.job_scope(), member, state).await
}

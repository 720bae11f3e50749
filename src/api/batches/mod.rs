//! Batches: groups of jobs that are made, counted, finished and cancelled together.
//!
//! Guarantees: all jobs of a request are committed together, or none; each is checked by the very code of the route that takes
//! such work, with pointers into the batch, and counts as one request of it; a batch of another workspace is not found, and
//! operators find all. A cancel is in the database before the first job of it is cancelled.
//!
//! Left out: keeping an `Idempotency-Key`, which stands for the answer of one job.

mod cancel;
mod ordered;
mod view;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::State;
use super::auth::Member;
use super::failure::or_refused;
use super::http::{FieldError, Fields, PathParam, Problem, RequestId, StrictJson, StrictQuery};
use super::jobs::cursor;
use super::order::ranged;
use super::page::Page;
use super::then::Then;
use crate::domain::email::DisplayName;
use crate::domain::id::{BatchId, JobId};
use crate::domain::job::OnFailure;
use crate::store::batches::{self, BatchRefused, NewBatch};
use crate::store::jobs::NoSuchJob;
use crate::store::{Abort, NewJob, Tx};
use crate::telemetry::names::event;

pub(super) use cancel::{__path_cancel_batch, cancel_batch};
use ordered::{Ordered, WorkBody};
use view::BatchView;

/// The most jobs of one request: as many rows as two full transactions of the writer.
const JOBS_MAX: usize = 1_000;
/// Batches on a page unless told otherwise.
const PAGE: i64 = 50;
/// The most batches on a page.
const PAGE_MAX: i64 = 100;

/// Some jobs, and what is to be done once all have ended.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewBatch)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBatchBody {
    #[schema(value_type = Option<DisplayName>)]
    name: Option<String>,
    /// Its jobs, or the first of them.
    #[schema(min_items = 1, max_items = 1_000)]
    jobs: Vec<WorkBody>,
    /// The finishing job: it waits for the end of the batch, and is no member of it.
    finally: Option<WorkBody>,
    /// What becomes of the finishing job where a job of the batch does not complete: `run`, the default, or `cancel`.
    on_failure: Option<OnFailure>,
    /// Whether jobs are added later, until it is sealed; false unless given.
    open: Option<bool>,
}

/// More jobs of a batch.
#[derive(Deserialize, ToSchema)]
#[schema(as = MoreJobs)]
#[serde(deny_unknown_fields)]
pub(super) struct MoreJobsBody {
    #[schema(min_items = 1, max_items = 1_000)]
    jobs: Vec<WorkBody>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// The `next_cursor` of the page before.
    #[param(nullable = false, min_length = 1)]
    cursor: Option<String>,
    /// How many batches on the page; 50 unless given.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// Makes a batch of jobs.
///
/// The answer names its jobs in the order of the request. The batch ends once it is sealed, which it is unless it is made open,
/// and all of its jobs have ended; then the finishing job runs, once.
#[utoipa::path(
    post, path = "/v1/batches", tag = "batches", security(("member" = [])),
    request_body(content = NewBatchBody, examples(
        ("open" = (summary = "One to which jobs are added", value = json!({
            "jobs": [{ "kind": "probe.run", "args": { "steps": 3 } }], "open": true
        }))),
        ("finished" = (summary = "A report and a probe, and a mail once both have ended", value = json!({
            "name": "Nightly",
            "jobs": [
                { "kind": "report.build", "args": { "table": "jobs", "format": "csv" } },
                { "kind": "probe.run", "args": { "steps": 3, "step_ms": 10 } }
            ],
            "finally": {
                "kind": "email.send", "args": { "to": "bob@example.com", "subject": "Done", "text": "All is done." }
            },
            "on_failure": "run"
        }))),
    )),
    responses(
        (
            status = 202, description = "The batch and its jobs, which are on disk.", body = BatchView,
            headers(("Location" = String, description = "Where to look at the batch.")),
        ),
        (status = 409, description = "The workspace would have more reports than it may."),
        (status = 429, description = "It would be more than the workspace may have."),
    ),
)]
pub(super) async fn create_batch(
    Then(member, StrictJson(body)): Then<Member, StrictJson<NewBatchBody>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (now, workspace) = (state.clock.now(), member.account.workspace);
    let mut fields = Fields::new();
    let name = body.name.map(|name| fields.check("/name", DisplayName::parse(&name)));
    if body.finally.is_none() && body.on_failure.is_some() {
        fields.refuse("/on_failure", "says what becomes of finally, which is missing");
    }
    let jobs = ordered::members(body.jobs, &member, &state, &request, &mut fields)?;
    let finishing = match body.finally {
        Some(work) => ordered::finishing(work, &member, &state, &request, &mut fields)?,
        None => None,
    };
    fields.finish()?;
    let on_failure = body.on_failure.unwrap_or(OnFailure::Run);
    let new = NewBatch {
        id: BatchId::generate(),
        workspace,
        name: name.flatten().map(|name| name.as_str().to_owned()),
        is_open: body.open.unwrap_or(false),
        created_at: now,
        finishing: finishing.as_ref().map(|ordered| (ordered.job.clone(), on_failure)),
    };
    let id = new.id;
    let jobs: Vec<Ordered> = jobs.into_iter().map(|ordered| ordered.into_batch(id)).collect();
    let all: Vec<&Ordered> = jobs.iter().chain(&finishing).collect();
    let rows = Rows::of(&all, &member, &state)?;
    let members = members_of(&jobs);
    let write = state.store.write(move |tx| {
        let record = batches::create(tx, &new, &members).map_err(Refused::of)?;
        rows.enter(tx)?;
        Ok(record)
    });
    let record = write.await.map_err(|abort| {
        give_back(&all, &member, &state);
        or_refused(Refused::told(&member, &state))(abort)
    })?;
    let ids: Vec<JobId> = jobs.iter().map(|ordered| ordered.job.id).collect();
    tracing::info!(
        event = event::BATCH_ACCEPTED,
        batch = %id,
        accepted = ids.len(),
        %workspace,
        account = %member.account.id,
        request_id = request.as_str(),
        "a batch was accepted"
    );
    Ok(HttpResponse::Accepted()
        .insert_header((header::LOCATION, format!("/v1/batches/{id}")))
        .json(BatchView::of(record).with_jobs(ids)))
}

/// Adds jobs to a batch that is open.
#[utoipa::path(
    post, path = "/v1/batches/{id}/jobs", tag = "batches", security(("member" = [])),
    params(("id" = BatchId, Path, description = "Which batch.")),
    request_body(content = MoreJobsBody, examples(
        ("probe" = (summary = "One probe more", value = json!({
            "jobs": [{ "kind": "probe.run", "args": { "steps": 3 } }]
        }))),
    )),
    responses(
        (status = 202, description = "The batch and the new jobs, which are on disk.", body = BatchView),
        (status = 409, description = "The batch is sealed or full, or the workspace would have more reports than it may."),
        (status = 429, description = "It would be more than the workspace may have."),
    ),
)]
pub(super) async fn add_jobs(
    Then(member, Then(PathParam(id), StrictJson(body))): Then<
        Member,
        Then<PathParam<BatchId>, StrictJson<MoreJobsBody>>,
    >,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let jobs = ordered::members(body.jobs, &member, &state, &request, &mut fields)?;
    fields.finish()?;
    let jobs: Vec<Ordered> = jobs.into_iter().map(|ordered| ordered.into_batch(id)).collect();
    let all: Vec<&Ordered> = jobs.iter().collect();
    // A job is its asker's workspace's, and a batch holds jobs of one workspace.
    let scope = crate::store::JobScope::Workspace(member.account.workspace);
    let read = state.store.read(move |connection| batches::one(connection, id, scope));
    read.await?.ok_or_else(Problem::not_found)?;
    let rows = Rows::of(&all, &member, &state)?;
    let members = members_of(&jobs);
    let write = state.store.write(move |tx| {
        let record = batches::add(tx, id, scope, &members).map_err(Refused::of)?;
        rows.enter(tx)?;
        Ok(record)
    });
    let record = write.await.map_err(|abort| {
        give_back(&all, &member, &state);
        or_refused(Refused::told(&member, &state))(abort)
    })?;
    let ids: Vec<JobId> = jobs.iter().map(|ordered| ordered.job.id).collect();
    tracing::info!(
        event = event::BATCH_ACCEPTED,
        batch = %id,
        accepted = ids.len(),
        workspace = %member.account.workspace,
        account = %member.account.id,
        request_id = request.as_str(),
        "jobs were added to a batch"
    );
    Ok(HttpResponse::Accepted().json(BatchView::of(record).with_jobs(ids)))
}

/// Seals a batch: no job is added any more, and it ends once all have.
///
/// One that is sealed stays as it is.
#[utoipa::path(
    post, path = "/v1/batches/{id}/seal", tag = "batches", security(("member" = [])),
    params(("id" = BatchId, Path, description = "Which batch.")),
    responses((status = 200, description = "The batch, sealed.", body = BatchView)),
)]
pub(super) async fn seal_batch(
    Then(member, PathParam(id)): Then<Member, PathParam<BatchId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (scope, now) = (member.job_scope(), state.clock.now());
    let write = state.store.write(move |tx| batches::seal(tx, id, scope, now));
    let record = write.await.map_err(or_refused(refused))?;
    Ok(HttpResponse::Ok().json(BatchView::of(record)))
}

/// Shows a batch and how many of its jobs are where.
#[utoipa::path(
    get, path = "/v1/batches/{id}", tag = "batches", security(("member" = [])),
    params(("id" = BatchId, Path, description = "Which batch.")),
    responses((status = 200, description = "The batch.", body = BatchView)),
)]
pub(super) async fn show_batch(
    Then(member, PathParam(id)): Then<Member, PathParam<BatchId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let view = shown(id, &member, &state).await?;
    Ok(HttpResponse::Ok().json(view))
}

/// The batch with its counts, if `member` may see it.
async fn shown(id: BatchId, member: &Member, state: &State) -> Result<BatchView, Problem> {
    let scope = member.job_scope();
    let read = state.store.read(move |connection| {
        let Some(record) = batches::one(connection, id, scope)? else {
            return Ok(None);
        };
        Ok(Some((record, batches::counts(connection, id)?)))
    });
    let (record, counts) = read.await?.ok_or_else(Problem::not_found)?;
    Ok(BatchView::of(record).with_counts(&counts))
}

/// Lists the workspace's batches, the newest first; for operators, everybody's.
///
/// Their jobs are counted where one batch is shown.
#[utoipa::path(
    get, path = "/v1/batches", tag = "batches", security(("member" = [])), params(ListQuery),
    responses((status = 200, description = "A page of batches.", body = Page<BatchView>)),
)]
pub(super) async fn list_batches(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<ListQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let before = query
        .cursor
        .as_deref()
        .and_then(|text| fields.check("/query/cursor", cursor::read(text)));
    let limit = Some(query.limit.unwrap_or(PAGE));
    let limit = ranged(&mut fields, "/query/limit", limit, 1, PAGE_MAX);
    let limit: usize = fields.finish_with(limit)?;
    let scope = member.job_scope();
    let read = state.store.read(move |connection| {
        // One more than is shown tells whether there are more.
        batches::list(connection, scope, before, limit.saturating_add(1))
    });
    let mut found = read.await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| has_more).map(|batch| cursor::write(batch.id));
    Ok(HttpResponse::Ok().json(Page {
        data: found.into_iter().map(BatchView::of).collect(),
        next_cursor,
    }))
}

fn members_of(jobs: &[Ordered]) -> Vec<NewJob> {
    jobs.iter().map(|ordered| ordered.job.clone()).collect()
}

/// What jobs need besides their own rows.
struct Rows {
    reports: Vec<crate::store::reports::NewReport>,
    bound: super::reports::KeptBound,
}

impl Rows {
    /// Those of these jobs, for which their places are taken of the limits.
    fn of(jobs: &[&Ordered], member: &Member, state: &State) -> Result<Self, Problem> {
        let works: Vec<_> = jobs.iter().map(|ordered| (ordered.job.queue, ordered.mails)).collect();
        state.throttle.take_batch(&member.account, &works, "/jobs")?;
        Ok(Self {
            reports: jobs.iter().filter_map(|ordered| ordered.report.clone()).collect(),
            bound: super::reports::KeptBound::of(member, state),
        })
    }

    fn enter(&self, tx: &mut Tx<'_>) -> Result<(), Abort<Refused>> {
        for report in &self.reports {
            self.bound.enter(tx, report).map_err(|abort| match abort {
                Abort::Refused(()) => Abort::Refused(Refused::TooManyReports),
                Abort::Store(error) => Abort::Store(error),
            })?;
        }
        Ok(())
    }
}

/// Nothing came of the places that these jobs took.
fn give_back(jobs: &[&Ordered], member: &Member, state: &State) {
    for ordered in jobs {
        state.depths.left(ordered.job.queue, [member.account.workspace]);
    }
}

/// Why nothing of a request was committed.
enum Refused {
    Batch(BatchRefused),
    TooManyReports,
}

impl Refused {
    fn of(abort: Abort<BatchRefused>) -> Abort<Self> {
        match abort {
            Abort::Refused(refusal) => Abort::Refused(Self::Batch(refusal)),
            Abort::Store(error) => Abort::Store(error),
        }
    }

    fn told(member: &Member, state: &State) -> impl FnOnce(Self) -> Problem {
        let bound = super::reports::KeptBound::of(member, state);
        move |refusal| match refusal {
            Self::Batch(refusal) => refused(refusal),
            Self::TooManyReports => bound.told(),
        }
    }
}

fn refused(refusal: BatchRefused) -> Problem {
    match refusal {
        BatchRefused::NoSuchBatch => Problem::not_found(),
        BatchRefused::Member(missing) => {
            let within = format!("/jobs/{}/args", missing.member);
            super::after::not_there(NoSuchJob { index: missing.after }, &within)
        }
        BatchRefused::Sealed | BatchRefused::TooMany | BatchRefused::Finished => Problem::conflict(refusal.to_string()),
    }
}

/// The refusal of a list of jobs that is too short or too long.
fn counted(jobs: &[WorkBody]) -> Result<(), Problem> {
    if jobs.is_empty() || jobs.len() > JOBS_MAX {
        return Err(Problem::invalid_input(vec![FieldError {
            pointer: "/jobs".to_owned(),
            detail: format!("must have 1 to {JOBS_MAX} jobs"),
        }]));
    }
    Ok(())
}

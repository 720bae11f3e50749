//! Making batches, and adding jobs to them.
//!
//! Guarantees: nothing is taken of a limit, and nothing is written, before everything is found to be right; what was taken for
//! a request that is not committed is given back.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ordered::{self, Ordered, WorkBody};
use super::refused;
use super::view::BatchView;
use crate::api::State;
use crate::api::auth::Member;
use crate::api::client::Client;
use crate::api::emails::{Contents, JobFiles, files_refused};
use crate::api::failure::or_refused;
use crate::api::http::{Fields, PathParam, Problem, RequestId, StrictJson};
use crate::api::quota;
use crate::api::reports::KeptBound;
use crate::api::then::Then;
use crate::domain::email::DisplayName;
use crate::domain::id::{BatchId, JobId, UploadId};
use crate::domain::job::OnFailure;
use crate::store::batches::{self, BatchRefused, NewBatch};
use crate::store::reports::{NewReport, NoRoom};
use crate::store::uploads::UploadRefused;
use crate::store::{Abort, JobScope, NewJob, Tx};
use crate::telemetry::names::event;

/// Some jobs, and what is to be done once all have ended.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewBatch)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewBatchBody {
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
pub(in crate::api) struct MoreJobsBody {
    #[schema(min_items = 1, max_items = 1_000)]
    jobs: Vec<WorkBody>,
}

/// Makes a batch of jobs.
///
/// The answer names its jobs in the order of the request. The batch ends once it is sealed, which it is unless it is made open,
/// and all of its jobs have ended; then the finishing job runs, once. The jobs of one request have at most 1,000 different
/// files, and arguments of 32 MiB as they are once templates are filled in.
#[utoipa::path(
    post, path = "/v1/batches", tag = "batches", security(("member" = [])),
    request_body(content = NewBatchBody, examples(
        ("additions" = (summary = "One to which jobs are added", value = json!({
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
pub(in crate::api) async fn create_batch(
    Then(member, StrictJson(body)): Then<Member, StrictJson<NewBatchBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (now, workspace) = (state.clock.now(), member.account.workspace);
    let mut fields = Fields::new();
    let name = body.name.map(|name| fields.check("/name", DisplayName::parse(&name)));
    if body.finally.is_none() && body.on_failure.is_some() {
        fields.refuse("/on_failure", "says what becomes of finally, which is missing");
    }
    let (jobs, finishing, contents) =
        ordered::ordered(body.jobs, body.finally, &member, &state, &request, &mut fields).await?;
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
    let rows = Rows::of(&all, contents, &member, &client, &state)?;
    let members = members_of(&jobs);
    let write = state.store.write(move |tx| {
        let record = batches::create(tx, &new, &members).map_err(Refused::of)?;
        rows.enter(tx)?;
        Ok(record)
    });
    let record = write.await.map_err(|abort| {
        give_back(&all, &member, &state);
        or_refused(Refused::told)(abort)
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
pub(in crate::api) async fn add_jobs(
    Then(member, Then(PathParam(id), StrictJson(body))): Then<
        Member,
        Then<PathParam<BatchId>, StrictJson<MoreJobsBody>>,
    >,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let (jobs, _, contents) = ordered::ordered(body.jobs, None, &member, &state, &request, &mut fields).await?;
    fields.finish()?;
    let jobs: Vec<Ordered> = jobs.into_iter().map(|ordered| ordered.into_batch(id)).collect();
    let all: Vec<&Ordered> = jobs.iter().collect();
    // A job is its asker's workspace's, and a batch holds jobs of one workspace.
    let scope = JobScope::Workspace(member.account.workspace);
    let read = state.store.read(move |connection| batches::one(connection, id, scope));
    read.await?.ok_or_else(Problem::not_found)?;
    let rows = Rows::of(&all, contents, &member, &client, &state)?;
    let members = members_of(&jobs);
    let write = state.store.write(move |tx| {
        let record = batches::add(tx, id, scope, &members).map_err(Refused::of)?;
        rows.enter(tx)?;
        Ok(record)
    });
    let record = write.await.map_err(|abort| {
        give_back(&all, &member, &state);
        or_refused(Refused::told)(abort)
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

fn members_of(jobs: &[Ordered]) -> Vec<NewJob> {
    jobs.iter().map(|ordered| ordered.job.clone()).collect()
}

/// What jobs need besides their own rows.
struct Rows {
    reports: Vec<NewReport>,
    bound: KeptBound,
    files: JobFiles,
    uses: Vec<(UploadId, JobId)>,
}

impl Rows {
    /// Those of these jobs, for which their places are taken of the limits.
    fn of(
        jobs: &[&Ordered],
        contents: Contents,
        member: &Member,
        client: &Client,
        state: &State,
    ) -> Result<Self, Problem> {
        let throttle = &state.throttle;
        let works: Vec<_> = jobs.iter().map(|ordered| (ordered.job.queue, ordered.mails)).collect();
        throttle.take_batch(&member.account, &works, "/jobs")?;
        // That of the network last: what the workspace may not does not use up what others share.
        let taken = throttle.take_network_work(&member.account, client, jobs.len(), "/jobs");
        taken.inspect_err(|_| give_back(jobs, member, state))?;
        Ok(Self {
            reports: jobs.iter().filter_map(|ordered| ordered.report.clone()).collect(),
            bound: KeptBound::of(member, state),
            files: JobFiles::of(contents, member, state),
            uses: jobs
                .iter()
                .flat_map(|ordered| ordered.uploads.iter().map(|upload| (*upload, ordered.job.id)))
                .collect(),
        })
    }

    fn enter(&self, tx: &mut Tx<'_>) -> Result<(), Abort<Refused>> {
        for report in &self.reports {
            self.bound.enter(tx, report).map_err(|abort| match abort {
                Abort::Refused(full) => Abort::Refused(Refused::NoRoom(full)),
                Abort::Store(error) => Abort::Store(error),
            })?;
        }
        self.files.enter(tx, &self.uses).map_err(|abort| match abort {
            Abort::Refused(refusal) => Abort::Refused(Refused::Files(refusal)),
            Abort::Store(error) => Abort::Store(error),
        })
    }
}

/// Nothing came of the places that these jobs took.
fn give_back(jobs: &[&Ordered], member: &Member, state: &State) {
    for ordered in jobs {
        state
            .throttle
            .give_back(&member.account, ordered.job.queue, ordered.mails);
    }
}

/// Why nothing of a request was committed.
enum Refused {
    Batch(BatchRefused),
    NoRoom(NoRoom),
    Files(UploadRefused),
}

impl Refused {
    fn of(abort: Abort<BatchRefused>) -> Abort<Self> {
        match abort {
            Abort::Refused(refusal) => Abort::Refused(Self::Batch(refusal)),
            Abort::Store(error) => Abort::Store(error),
        }
    }

    fn told(self) -> Problem {
        match self {
            Self::Batch(refusal) => refused(refusal),
            Self::NoRoom(full) => quota::no_room_to_keep(full),
            Self::Files(refusal) => files_refused(refusal),
        }
    }
}

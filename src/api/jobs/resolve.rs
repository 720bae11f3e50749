//! What a person knows of a job whose effect was uncertain.
//!
//! Guarantees: who said so is written down among the acts, in the transaction of the change, be the job of their own
//! workspace or of another; a job that is not uncertain is left as it is. Whoever wants it run again retries it.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{refused, view, with_attempts};
use crate::api::State;
use crate::api::acting;
use crate::api::auth::Member;
use crate::api::failure::or_refused;
use crate::api::http::{PathParam, Problem, RequestId, StrictJson};
use crate::api::jobs::JobView;
use crate::api::then::Then;
use crate::domain::act::Action;
use crate::domain::id::JobId;
use crate::domain::job::Resolution;
use crate::store::acts::{self, ActBy, NewAct};
use crate::store::jobs::{self, OrderRefused};
use crate::store::{Abort, AttemptRecord, JobRecord, JobScope};
use crate::telemetry::names::event;

/// What has become of a job.
#[derive(Deserialize, ToSchema)]
#[schema(as = Resolve)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ResolveBody {
    /// `completed` where its effect has happened (the mail arrived), `discarded` where it has not and is not wanted any more.
    #[serde(rename = "as")]
    resolution: Resolution,
}

/// Says what became of an uncertain job.
///
/// Nobody but a person can know: they look whether the mail arrived. Who wants it sent again, at the risk of a copy, retries
/// the job. It is written down who said so.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/resolve", tag = "jobs", security(("member" = [])),
    params(("id" = JobId, Path, description = "Which job.")),
    request_body(content = ResolveBody, examples(
        ("arrived" = (summary = "It has arrived", value = json!({ "as": "completed" }))),
        ("not wanted" = (summary = "It has not, and need not", value = json!({ "as": "discarded" }))),
    )),
    responses(
        (status = 200, description = "The job is what it was said to be, with the cause `resolved`.", body = JobView),
        (status = 409, description = "The job is not uncertain."),
    ),
)]
pub(in crate::api) async fn resolve_job(
    Then(member, Then(PathParam(id), StrictJson(body))): Then<Member, Then<PathParam<JobId>, StrictJson<ResolveBody>>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let by = acting::by(&member, &request);
    let resolved = resolve(id, member.job_scope(), body.resolution, by, &state).await;
    let (job, attempts) = resolved.map_err(or_refused(refused))?;
    tracing::info!(
        event = event::JOB_RESOLVED,
        job = %id,
        state = %job.state,
        account = %member.account.id,
        request_id = request.as_str(),
        "a person said what became of an uncertain job"
    );
    Ok(HttpResponse::Ok().json(view(job, attempts, &member, &state)?))
}

/// Makes an uncertain job of this scope what `by` knows it to be.
///
/// # Errors
/// [`OrderRefused`] when there is no such job, or it is not uncertain.
pub(in crate::api) async fn resolve(
    id: JobId,
    scope: JobScope,
    resolution: Resolution,
    by: ActBy,
    state: &State,
) -> Result<(JobRecord, Vec<AttemptRecord>), Abort<OrderRefused>> {
    let now = state.clock.now();
    let write = state.store.write(move |tx| {
        let job = jobs::resolve(tx, id, scope, resolution, now)?;
        let act = NewAct {
            at: now,
            by: by.clone(),
            action: Action::ResolveJob,
            subject_kind: "job",
            subject: id.to_string(),
            detail: json!({ "as": job.state }),
        };
        acts::record(tx, &act)?;
        Ok(with_attempts(tx.connection(), job)?)
    });
    write.await
}

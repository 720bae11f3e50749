//! Batches: groups of jobs that are made, counted, finished and cancelled together.
//!
//! Guarantees: all jobs of a request are committed together, or none; each is checked by the very code of the route that takes
//! such work, with pointers into the batch, and counts as one request of it; a batch of another workspace is not found, and
//! operators find all. A cancel is in the database before the first job of it is cancelled.
//!
//! Left out: keeping an `Idempotency-Key`, which stands for the answer of one job.

mod cancel;
mod make;
mod ordered;
mod view;

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::State;
use super::acting::Acting;
use super::auth::Member;
use super::failure::or_refused;
use super::http::{PathParam, Problem, RequestId, StrictQuery};
use super::page::{Page, PageQuery};
use super::then::Then;
use crate::domain::act::Action;
use crate::domain::id::BatchId;
use crate::store::batches::{self, BatchRefused};
use crate::store::jobs::NoSuchJob;

pub(super) use cancel::{__path_cancel_batch, cancel_batch};
pub(super) use make::{__path_add_jobs, __path_create_batch, add_jobs, create_batch};
use view::BatchView;

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
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (scope, now) = (member.job_scope(), state.clock.now());
    let acting = Acting::of(&member, &request);
    let write = state.store.write(move |tx| {
        let batch = batches::seal(tx, id, scope, now)?;
        if let Some(acting) = acting.as_ref().filter(|_| batch.sealed_at == Some(now)) {
            acting.note(tx, Action::SealBatch, &batch, json!({}), now)?;
        }
        Ok(batch)
    });
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
    get, path = "/v1/batches", tag = "batches", security(("member" = [])), params(PageQuery),
    responses((status = 200, description = "A page of batches.", body = Page<BatchView>)),
)]
pub(super) async fn list_batches(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<PageQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (before, size) = query.checked::<BatchId>()?;
    let scope = member.job_scope();
    let read = state.store.read(move |connection| {
        // One more than is shown tells whether there are more.
        batches::list(connection, scope, before, size.saturating_add(1))
    });
    Ok(HttpResponse::Ok().json(Page::of(read.await?, size, |last| last.id, BatchView::of)))
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

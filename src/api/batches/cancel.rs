//! Cancelling a batch.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::view::BatchView;
use super::{refused, shown};
use crate::api::State;
use crate::api::acting::Acting;
use crate::api::auth::Member;
use crate::api::failure::or_refused;
use crate::api::http::{PathParam, Problem, RequestId};
use crate::api::then::Then;
use crate::domain::act::Action;
use crate::domain::id::{BatchId, WorkspaceId};
use crate::store::batches::{self, CancelledMembers, PORTION_MAX};
use crate::store::{Abort, StoreError};
use crate::telemetry;
use crate::telemetry::names::event;

/// Cancels a batch: its jobs that wait are cancelled, and those that run are asked to end.
///
/// Its finishing job is cancelled too, once all have ended. Asking again changes nothing.
#[utoipa::path(
    post, path = "/v1/batches/{id}/cancel", tag = "batches", security(("member" = [])),
    params(("id" = BatchId, Path, description = "Which batch.")),
    responses(
        (status = 202, description = "The batch, which takes no more jobs.", body = BatchView),
        (status = 409, description = "The batch has ended already."),
    ),
)]
pub(in crate::api) async fn cancel_batch(
    Then(member, PathParam(id)): Then<Member, PathParam<BatchId>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (scope, now) = (member.job_scope(), state.clock.now());
    let acting = Acting::of(&member, &request);
    let write = state.store.write(move |tx| {
        let batch = batches::ask_cancel(tx, id, scope, now)?;
        if let Some(acting) = acting.as_ref().filter(|_| batch.cancel_requested_at == Some(now)) {
            acting.note(tx, Action::CancelBatch, &batch, json!({}), now)?;
        }
        Ok(batch)
    });
    let record = write.await.map_err(or_refused(refused))?;
    tracing::info!(
        event = event::BATCH_CANCEL_REQUESTED,
        batch = %id,
        account = %member.account.id,
        request_id = request.as_str(),
        "the cancel of a batch was asked for"
    );
    if let Err(error) = cancel_all(id, record.workspace, &state).await {
        // It is asked for, and the keeper goes on with it.
        let error = telemetry::chain(&error);
        tracing::warn!(event = event::BATCH_CANCEL_CUT, batch = %id, error, "the cancel of a batch was cut short; the keeper goes on");
    }
    let view: BatchView = shown(id, &member, &request, &state).await?;
    Ok(HttpResponse::Accepted().json(view))
}

/// Cancels its jobs, portion by portion; last those that others held meanwhile.
async fn cancel_all(id: BatchId, workspace: WorkspaceId, state: &State) -> Result<(), StoreError> {
    let mut waits = false;
    loop {
        let now = state.clock.now();
        let write = state
            .store
            .write(move |tx| Ok::<_, Abort<()>>(batches::cancel_members(tx, id, now, waits)?));
        let done = match write.await {
            Ok(done) => done,
            Err(Abort::Store(error)) => return Err(error),
            // The closure refuses nothing.
            Err(Abort::Refused(())) => CancelledMembers::default(),
        };
        for (queue, count) in &done.waiting {
            state.depths.left(*queue, std::iter::repeat_n(workspace, *count));
        }
        for job in &done.running {
            (state.cancel_attempt)(*job);
        }
        if done.rows < PORTION_MAX {
            if waits {
                return Ok(());
            }
            waits = true;
        }
    }
}

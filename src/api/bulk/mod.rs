//! Many jobs at once, for operators: which ones a filter means, and an order to cancel them or have them run again.
//!
//! Guarantees: a preview changes nothing, and counts what an order would come to at that moment; an order is a durable job of
//! its own (`jobs.bulk`), committed with its row among the acts, and answered 202; one that was previewed can be held to what
//! was seen (`expect`). A filter that says nothing is refused, so that nobody means every job by leaving something out.

mod order;
mod preview;

pub(super) use order::BulkBody;
use order::Expected;
pub(super) use preview::{BulkPreview, preview};

use std::cell::Cell;

use actix_web::{HttpResponse, web};

use super::auth::Operator;
use super::http::{Problem, RequestId, StrictJson};
use super::openapi::Accepted;
use super::then::Then;
use super::work::{Asked, submit};
use super::{State, acting};
use crate::jobs::Kind as _;
use crate::jobs::kinds::JobsBulk;
use crate::store::{Abort, NewJob, Tx, acts};

/// Shows which jobs a filter means, and changes nothing.
///
/// They are counted up to a hundred thousand.
#[utoipa::path(
    post, path = "/v1/jobs/bulk/preview", tag = "operators", security(("operator" = [])),
    request_body(content = BulkBody, examples(
        ("discarded" = (summary = "What was discarded in a queue", value = json!({
            "action": "retry", "filter": { "queue": "mail", "state": "discarded" }
        }))),
        ("fault" = (summary = "One fault of a kind, as /v1/jobs/causes words it", value = json!({
            "action": "retry", "filter": { "kind": "email.send", "error": "the relay said #" }, "rate_per_s": 5,
            "args": null, "expect": null
        }))),
    )),
    responses((status = 200, description = "How many there are, and some of them.", body = BulkPreview)),
)]
pub(super) async fn preview_bulk(
    Then(Operator(_), StrictJson(body)): Then<Operator, StrictJson<BulkBody>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let order = body.checked(&state).await?;
    Ok(HttpResponse::Ok().json(preview(&order, &state).await?))
}

/// Cancels all jobs that a filter means, or has them run again, at a rate if one is given.
///
/// The order is a job of its own, whose progress and result say how far it is; cancelling that stops it where it is. It goes
/// through the jobs in the order of their ids, each once. Jobs that come to be meant after it was accepted are left alone.
/// Unless the filter names a state: to run again, what was discarded; to be cancelled, what has not ended; of jobs that are
/// named by their ids, whatever state they are in.
#[utoipa::path(
    post, path = "/v1/jobs/bulk", tag = "operators", security(("operator" = [])),
    request_body(content = BulkBody, examples(
        ("retry" = (summary = "What was discarded in a queue, five a second", value = json!({
            "action": "retry", "filter": { "queue": "mail", "state": "discarded" }, "rate_per_s": 5
        }))),
        ("cancel" = (summary = "Only if as many are meant as the preview said", value = json!({
            "action": "cancel", "filter": { "kind": "report.build", "state": "scheduled" }, "expect": 0
        }))),
        ("changed" = (summary = "Probes, with other arguments", value = json!({
            "action": "retry", "filter": { "kind": "probe.run" }, "args": { "steps": 3, "step_ms": 10 }
        }))),
    )),
    responses(Accepted, (status = 409, description = "Not as many jobs are meant as were expected, or another request holds the key.")),
)]
pub(super) async fn create_bulk(
    Then(Operator(member), StrictJson(body)): Then<Operator, StrictJson<BulkBody>>,
    state: web::Data<State>,
    request: RequestId,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    if let Some(kind) = body.changes() {
        member.needs_to_order(kind)?;
    }
    let order = body.checked(&state).await?;
    let found = Cell::new(Expected::uncounted(state.clock.now()));
    let limits = async || {
        found.set(order.expected(&state).await?);
        state.throttle.take_work(&member.account, JobsBulk::QUEUE, 0)?;
        Ok(None)
    };
    let workspace = member.account.workspace;
    let make = || order.job(workspace, found.get(), Some(request.as_str()));
    let (noted, by) = (order.clone(), acting::by(&member, &request));
    let note = move |tx: &mut Tx<'_>, job: &NewJob| Ok::<_, Abort<()>>(acts::record(tx, &noted.act(job, by.clone()))?);
    submit(&asked, &member, &state, limits, make, Some(note), |()| {
        Problem::not_found()
    })
    .await
}

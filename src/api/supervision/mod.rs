//! The supervision tree, for operators: how it stands, what happens in it, and restarting a part of it.
//!
//! Left out: suspending and resuming a child.

mod stream;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use std::time::Duration;

use super::State;
use super::auth::Operator;
use super::http::{PathParam, Problem, RequestId};
use super::then::Then;
use crate::telemetry::names::event;

/// When to try again after all places for streams were taken.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// `GET /v1/supervision`.
pub(super) async fn show_tree(_operator: Operator, state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "root": state.tree.snapshot() }))
}

/// `GET /v1/supervision/events`: server-sent events, the recent ones first.
pub(super) async fn stream_events(
    operator: Operator,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let full = || Problem::unavailable("too many streams of events are open", RETRY_AFTER);
    let place = state.event_streams.try_enter().ok_or_else(full)?;
    let seen = request.headers().get("last-event-id");
    // One that is no number is not ours, and is as good as none.
    let seen = seen.and_then(|value| value.to_str().ok()?.parse().ok());
    let events = stream::server_sent(state.tree.subscribe(), seen, operator, state, place);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        // Proxies that gather an answer before they pass it on would hold the events back.
        .insert_header(("x-accel-buffering", "no"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(events))
}

/// `POST /v1/supervision/{name}/restart`.
pub(super) async fn restart_child(
    Then(Operator(member), PathParam(name)): Then<Operator, PathParam<String>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    state
        .tree
        .restart(&name)
        .map_err(|_no_such_child| Problem::not_found())?;
    tracing::warn!(
        target: "legwork::supervision",
        event = event::RESTART_ORDERED,
        actor = name,
        account = %member.account.id,
        request_id = request.as_str(),
        "an operator ordered a restart"
    );
    Ok(HttpResponse::Accepted().json(json!({ "name": name, "ordered": "restart" })))
}

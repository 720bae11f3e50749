//! The supervision tree, for operators: how it stands, what happens in it, and restarting a part of it.
//!
//! Left out: suspending and resuming a child.

mod stream;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

use super::State;
use super::auth::Operator;
use super::http::{PathParam, Problem, RequestId};
use super::then::Then;
use crate::supervision::NodeSnapshot;
use crate::telemetry::names::event;

/// When to try again after all places for streams were taken.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The tree at one moment.
#[derive(Serialize, ToSchema)]
struct Tree {
    root: NodeSnapshot,
}

/// An order that was passed on.
#[derive(Serialize, ToSchema)]
struct Ordered {
    /// The child's name.
    name: String,
    /// What was ordered.
    ordered: &'static str,
}

/// Shows the supervision tree.
#[utoipa::path(
    get, path = "/v1/supervision", tag = "operators", security(("operator" = [])),
    responses((status = 200, description = "The tree: states, restarts, failures, mailboxes.", body = Tree)),
)]
pub(super) async fn show_tree(_operator: Operator, state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(Tree {
        root: state.tree.snapshot(),
    })
}

/// Streams the events of the supervision tree, the recent ones first.
///
/// Server-sent events: the name is the event's kind, the data the event as JSON. A client that was too slow gets `missed`,
/// and the last one before a shutdown is `end`.
#[utoipa::path(
    get, path = "/v1/supervision/events", tag = "operators", security(("operator" = [])),
    params(("Last-Event-ID" = Option<u64>, Header, description = "The last event seen; the stream goes on behind it.")),
    responses(
        (status = 200, description = "The stream.", body = String, content_type = "text/event-stream"),
        (status = 503, description = "All places for streams are taken."),
    ),
)]
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

/// Restarts a child of the supervision tree.
#[utoipa::path(
    post, path = "/v1/supervision/{name}/restart", tag = "operators", security(("operator" = [])),
    params(("name" = String, Path, description = "The child's name in the tree.", example = "prober")),
    responses((status = 202, description = "The order was passed on.", body = Ordered)),
)]
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
    Ok(HttpResponse::Accepted().json(Ordered {
        name,
        ordered: "restart",
    }))
}

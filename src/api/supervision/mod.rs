//! The supervision tree, for operators: how it stands, what happens in it, and steering a part of it (`orders`).

mod orders;
mod stream;

pub(super) use orders::{__path_panic_child, __path_restart_child, __path_resume_child, __path_suspend_child};
pub(super) use orders::{panic_child, restart_child, resume_child, suspend_child};

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

use super::State;
use super::auth::Operator;
use super::http::{PathParam, Problem, StrictQuery};
use super::sse;
use super::then::Then;
use crate::supervision::{NoSuchChild, NodeSnapshot};

/// When to try again after all places for streams were taken.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The tree at one moment.
#[derive(Serialize, ToSchema)]
struct Tree {
    root: NodeSnapshot,
}

/// One node of the tree at one moment.
#[derive(Serialize, ToSchema)]
#[schema(as = SupervisedNode)]
struct NodeView {
    node: NodeSnapshot,
    /// Where its last failure came from, as text for people, if that was asked for and is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    backtrace: Option<String>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeQuery {
    /// Whether to tell where its last failure came from.
    #[param(nullable = false)]
    backtrace: Option<bool>,
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
    Ok(sse::streaming(events))
}

/// Shows one node of the supervision tree, with all beneath it.
#[utoipa::path(
    get, path = "/v1/supervision/{name}", tag = "operators", security(("operator" = [])),
    params(("name" = String, Path, description = "The node's name in the tree.", example = "prober"), NodeQuery),
    responses((status = 200, description = "The node.", body = NodeView)),
)]
pub(super) async fn show_node(
    Then(_operator, Then(PathParam(name), StrictQuery(query))): Then<
        Operator,
        Then<PathParam<String>, StrictQuery<NodeQuery>>,
    >,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let unknown = |_: NoSuchChild| Problem::not_found();
    let node = state.controls.inspect(&name).map_err(unknown)?;
    let backtrace = match query.backtrace {
        Some(true) => state.controls.backtrace(&name).await.map_err(unknown)?,
        _ => None,
    };
    Ok(HttpResponse::Ok().json(NodeView { node, backtrace }))
}

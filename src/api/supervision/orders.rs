//! Orders to a child of the supervision tree.
//!
//! Guarantees: 202 means that the order was passed on, and is in the log with the account that gave it; the child heeds it
//! after the message at hand. 404: there is no such child. 409: it cannot do that now, and `detail` says why. A panic is
//! 403 unless the service was started for that, whichever child it is meant for.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::State;
use crate::api::auth::{Member, Operator};
use crate::api::http::{PathParam, Problem, RequestId};
use crate::api::then::Then;
use crate::control::{Act, By};
use crate::supervision::OrderError;

/// An order that was passed on.
#[derive(Serialize, ToSchema)]
struct Ordered {
    /// The child's name.
    name: String,
    /// What was ordered.
    ordered: &'static str,
}

/// Restarts a child of the supervision tree.
///
/// Its mailbox and the attempts under way are kept; a suspension ends. Of a supervisor, all children are restarted.
#[utoipa::path(
    post, path = "/v1/supervision/{name}/restart", tag = "operators", security(("operator" = [])),
    params(("name" = String, Path, description = "The child's name in the tree.", example = "prober")),
    responses(
        (status = 202, description = "The order was passed on.", body = Ordered),
        (status = 409, description = "It cannot be restarted now."),
    ),
)]
pub(in crate::api) async fn restart_child(
    Then(Operator(member), PathParam(name)): Then<Operator, PathParam<String>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    give(Act::Restart, name, &member, &state, &request)
}

/// Suspends a child of the supervision tree: it handles nothing until it is resumed.
///
/// What is sent to it waits in its mailbox, and a suspended worker's jobs in the database; its attempts under way go on.
/// Of a supervisor, all beneath it are suspended. Without the keeper or the writer the lease is not renewed: in some ten
/// seconds all attempts under way are ended, and given back.
#[utoipa::path(
    post, path = "/v1/supervision/{name}/suspend", tag = "operators", security(("operator" = [])),
    params(("name" = String, Path, description = "The child's name in the tree.", example = "prober")),
    responses(
        (status = 202, description = "The order was passed on.", body = Ordered),
        (status = 409, description = "It cannot be suspended now."),
    ),
)]
pub(in crate::api) async fn suspend_child(
    Then(Operator(member), PathParam(name)): Then<Operator, PathParam<String>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    give(Act::Suspend, name, &member, &state, &request)
}

/// Resumes a suspended child of the supervision tree.
#[utoipa::path(
    post, path = "/v1/supervision/{name}/resume", tag = "operators", security(("operator" = [])),
    params(("name" = String, Path, description = "The child's name in the tree.", example = "prober")),
    responses(
        (status = 202, description = "The order was passed on.", body = Ordered),
        (status = 409, description = "It is not suspended."),
    ),
)]
pub(in crate::api) async fn resume_child(
    Then(Operator(member), PathParam(name)): Then<Operator, PathParam<String>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    give(Act::Resume, name, &member, &state, &request)
}

/// Makes a child of the supervision tree panic, to see what that does.
///
/// Refused with 403 unless the service was started with `legwork serve --fault-injection`. A panic of the root ends the
/// service.
#[utoipa::path(
    post, path = "/v1/supervision/{name}/panic", tag = "operators", security(("operator" = [])),
    params(("name" = String, Path, description = "The child's name in the tree.", example = "prober")),
    responses(
        (status = 202, description = "The order was passed on.", body = Ordered),
        (status = 403, description = "The service runs without fault injection, or you are no operator."),
        (status = 409, description = "It cannot panic now."),
    ),
)]
pub(in crate::api) async fn panic_child(
    Then(Operator(member), PathParam(name)): Then<Operator, PathParam<String>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    give(Act::Panic, name, &member, &state, &request)
}

fn give(act: Act, name: String, member: &Member, state: &State, request: &RequestId) -> Result<HttpResponse, Problem> {
    let by = By::Api {
        account: member.account.id,
        workspace: member.account.workspace,
        request_id: request.as_str(),
    };
    state.controls.give(act, &name, by).map_err(refused)?;
    let ordered = act.as_str();
    Ok(HttpResponse::Accepted().json(Ordered { name, ordered }))
}

fn refused(error: OrderError) -> Problem {
    match error {
        OrderError::NoSuchChild(_) => Problem::not_found(),
        error @ OrderError::NotNow { .. } => Problem::conflict(error.to_string()),
        OrderError::FaultInjectionOff => Problem::forbidden(
            "the service runs without fault injection; `legwork serve --fault-injection` allows this",
        ),
    }
}

//! Workspaces: their share in each queue and what they may use, for operators; and one's own, for members.
//!
//! Guarantees: members see their own workspace alone, with the numbers by which they are refused.

mod change;
mod view;

use actix_web::{HttpResponse, web};

pub(super) use change::{__path_update_workspace, update_workspace};
use view::{Known, WorkspaceView};

use super::State;
use super::auth::{Member, Operator};
use super::http::{PathParam, Problem, StrictQuery};
use super::page::{Page, PageQuery};
use super::then::Then;
use crate::domain::id::WorkspaceId;
use crate::store::workspaces;

/// Lists the workspaces, the newest first.
#[utoipa::path(
    get, path = "/v1/workspaces", tag = "operators", security(("operator" = [])), params(PageQuery),
    responses((status = 200, description = "A page of workspaces, without their quotas.", body = Page<WorkspaceView>)),
)]
pub(super) async fn list_workspaces(
    Then(_, StrictQuery(query)): Then<Operator, StrictQuery<PageQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (before, size) = query.checked::<WorkspaceId>()?;
    let read = state
        .store
        .read(move |connection| workspaces::list(connection, before, size + 1));
    let page = Page::of(read.await?, size, |last| last.id, WorkspaceView::listed);
    Ok(HttpResponse::Ok().json(page))
}

/// Shows a workspace, with what it may use and what it uses: one's own, and for operators any.
#[utoipa::path(
    get, path = "/v1/workspaces/{id}", tag = "accounts", security(("member" = [])),
    params(("id" = WorkspaceId, Path, description = "Which workspace.")),
    responses((status = 200, description = "The workspace.", body = WorkspaceView)),
)]
pub(super) async fn show_workspace(
    Then(member, PathParam(id)): Then<Member, PathParam<WorkspaceId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    if id != member.account.workspace && !member.account.is_operator {
        return Err(Problem::not_found());
    }
    shown(id, &state).await
}

/// Shows one's own workspace, with what it may use and what it uses.
#[utoipa::path(
    get, path = "/v1/workspaces/current", tag = "accounts", security(("member" = [])),
    responses((status = 200, description = "The workspace.", body = WorkspaceView)),
)]
pub(super) async fn show_current_workspace(member: Member, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    shown(member.account.workspace, &state).await
}

async fn shown(id: WorkspaceId, state: &State) -> Result<HttpResponse, Problem> {
    let read = state.store.read(move |connection| Known::by_id(connection, id));
    let known = read.await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(WorkspaceView::of(known, state)))
}

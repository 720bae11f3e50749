//! Workspaces: their share in each queue and what they may use, for operators; and one's own, for members.
//!
//! Guarantees: members see their own workspace alone, with the numbers by which they are refused.

mod change;
mod view;

use actix_web::{HttpResponse, web};
use serde::Deserialize;

pub(super) use change::{__path_update_workspace, update_workspace};
use view::{Known, WorkspaceView};

use super::State;
use super::auth::{Member, Operator};
use super::http::{Fields, PathParam, Problem, StrictQuery};
use super::jobs::cursor;
use super::order::ranged;
use super::page::Page;
use super::then::Then;
use crate::domain::id::WorkspaceId;
use crate::store::workspaces;

/// Workspaces on a page unless told otherwise.
const PAGE: i64 = 50;
/// The most workspaces on a page.
const PAGE_MAX: i64 = 100;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// The `next_cursor` of the page before.
    #[param(nullable = false, min_length = 1)]
    cursor: Option<String>,
    /// How many workspaces on the page; 50 unless given.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// Lists the workspaces, the newest first.
#[utoipa::path(
    get, path = "/v1/workspaces", tag = "operators", security(("operator" = [])), params(ListQuery),
    responses((status = 200, description = "A page of workspaces, without their quotas.", body = Page<WorkspaceView>)),
)]
pub(super) async fn list_workspaces(
    Then(_, StrictQuery(query)): Then<Operator, StrictQuery<ListQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let before = query
        .cursor
        .as_deref()
        .and_then(|text| fields.check("/query/cursor", cursor::read(text)));
    let limit = Some(query.limit.unwrap_or(PAGE));
    let limit = ranged(&mut fields, "/query/limit", limit, 1, PAGE_MAX);
    let limit: usize = fields.finish_with(limit)?;
    let read = state
        .store
        .read(move |connection| workspaces::list(connection, before, limit + 1));
    let mut found = read.await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| cursor::write(last.id));
    let data = found.into_iter().map(WorkspaceView::listed).collect();
    Ok(HttpResponse::Ok().json(Page { data, next_cursor }))
}

/// Shows a workspace, with what it may use and what it uses.
#[utoipa::path(
    get, path = "/v1/workspaces/{id}", tag = "operators", security(("operator" = [])),
    params(("id" = WorkspaceId, Path, description = "Which workspace.")),
    responses((status = 200, description = "The workspace.", body = WorkspaceView)),
)]
pub(super) async fn show_workspace(
    Then(_, PathParam(id)): Then<Operator, PathParam<WorkspaceId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
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

//! Workspaces, for operators: their share in each queue.
//!
//! Guarantees: a weight is committed before it is answered, and the next claim goes by it.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::auth::Operator;
use super::failure::or_refused;
use super::http::{Fields, PathParam, Problem, RequestId, StrictJson, StrictQuery};
use super::order::ranged;
use super::page::{Page, PageQuery};
use super::then::Then;
use super::{State, acting};
use crate::clock::Timestamp;
use crate::domain::act::Action;
use crate::domain::id::WorkspaceId;
use crate::store::Abort;
use crate::store::acts::{self, NewAct};
use crate::store::workspaces::{self, WEIGHT_MAX, WorkspaceRecord};
use crate::telemetry::names::event;

/// A workspace as operators see it.
#[derive(Serialize, ToSchema)]
#[schema(as = Workspace)]
pub(super) struct WorkspaceView {
    id: WorkspaceId,
    name: String,
    created_at: Timestamp,
    /// Its share in each queue, against those of the others that have something waiting there; 1 unless set.
    weight: u32,
}

impl From<WorkspaceRecord> for WorkspaceView {
    fn from(record: WorkspaceRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            created_at: record.created_at,
            weight: record.weight,
        }
    }
}

/// What is to be changed.
#[derive(Deserialize, ToSchema)]
#[schema(as = WorkspaceChange)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkspaceBody {
    /// Its share in each queue.
    #[schema(minimum = 1, maximum = 100)]
    weight: i64,
}

/// Lists the workspaces, the newest first.
#[utoipa::path(
    get, path = "/v1/workspaces", tag = "operators", security(("operator" = [])), params(PageQuery),
    responses((status = 200, description = "A page of workspaces.", body = Page<WorkspaceView>)),
)]
pub(super) async fn list_workspaces(
    Then(_, StrictQuery(query)): Then<Operator, StrictQuery<PageQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (before, size) = query.checked::<WorkspaceId>()?;
    let read = state
        .store
        .read(move |connection| workspaces::list(connection, before, size + 1));
    let page = Page::of(read.await?, size, |last| last.id, WorkspaceView::from);
    Ok(HttpResponse::Ok().json(page))
}

/// Shows a workspace.
#[utoipa::path(
    get, path = "/v1/workspaces/{id}", tag = "operators", security(("operator" = [])),
    params(("id" = WorkspaceId, Path, description = "Which workspace.")),
    responses((status = 200, description = "The workspace.", body = WorkspaceView)),
)]
pub(super) async fn show_workspace(
    Then(_, PathParam(id)): Then<Operator, PathParam<WorkspaceId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let found = state
        .store
        .read(move |connection| workspaces::one(connection, id))
        .await?;
    let record = found.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(WorkspaceView::from(record)))
}

/// Sets the share of a workspace in each queue.
///
/// A turn is four jobs for each unit of it: a workspace with weight 3 starts twelve jobs where one with weight 1 starts four, as
/// long as both have any waiting.
#[utoipa::path(
    patch, path = "/v1/workspaces/{id}", tag = "operators", security(("operator" = [])),
    params(("id" = WorkspaceId, Path, description = "Which workspace.")),
    request_body(content = WorkspaceBody, example = json!({ "weight": 3 })),
    responses((status = 200, description = "The workspace, with its new weight.", body = WorkspaceView)),
)]
pub(super) async fn update_workspace(
    Then(Operator(member), Then(PathParam(id), StrictJson(body))): Then<
        Operator,
        Then<PathParam<WorkspaceId>, StrictJson<WorkspaceBody>>,
    >,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let weight = ranged(&mut fields, "/weight", Some(body.weight), 1, i64::from(WEIGHT_MAX));
    let weight: u32 = fields.finish_with(weight)?;
    let act = NewAct {
        at: state.clock.now(),
        by: acting::by(&member, &request),
        action: Action::WeighWorkspace,
        subject_kind: "workspace",
        subject: id.to_string(),
        detail: json!({ "weight": weight }),
    };
    let write = state.store.write(move |tx| {
        if !workspaces::set_weight(tx.connection(), id, weight)? {
            return Err(Abort::Refused(()));
        }
        acts::record(tx, &act)?;
        workspaces::one(tx.connection(), id)?.ok_or(Abort::Refused(()))
    });
    let record = write.await.map_err(or_refused(|()| Problem::not_found()))?;
    tracing::warn!(
        event = event::WEIGHT_SET,
        workspace = %id,
        weight,
        account = %member.account.id,
        request_id = request.as_str(),
        "an operator set a workspace's weight"
    );
    Ok(HttpResponse::Ok().json(WorkspaceView::from(record)))
}

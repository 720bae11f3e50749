//! One version of a template, and going back to it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};

use super::body::Checked;
use super::view::VersionView;
use super::{log_change, made};
use crate::api::State;
use crate::api::auth::Member;
use crate::api::http::{Problem, RequestId};
use crate::api::then::Then;
use crate::domain::id::{TemplateId, WorkspaceId};
use crate::store::StoreError;
use crate::store::templates::{self, TemplateRecord, VersionRecord};

/// The `{id}` and the `{version}` of a path: 404 for what is neither.
pub(in crate::api) struct VersionPath {
    id: TemplateId,
    version: u32,
}

impl FromRequest for VersionPath {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = web::Path::<(String, String)>::from_request(request, payload).into_inner();
        let read = || {
            let (id, version) = parts.ok()?.into_inner();
            Some(Self {
                id: id.parse().ok()?,
                version: version.parse().ok()?,
            })
        };
        ready(read().ok_or_else(Problem::not_found))
    }
}

/// Shows a version of a template.
#[utoipa::path(
    get, path = "/v1/templates/{id}/versions/{version}", tag = "resources", security(("member" = [])),
    params(
        ("id" = TemplateId, Path, description = "Which template."),
        ("version" = u32, Path, description = "Which version.", example = 1),
    ),
    responses((status = 200, description = "The version.", body = VersionView)),
)]
pub(in crate::api) async fn show_version(
    Then(member, path): Then<Member, VersionPath>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (template, version) = found(&path, member.account.workspace, &state).await?;
    Ok(HttpResponse::Ok().json(VersionView::of(version, template.name)))
}

/// Goes back to a version: makes one anew that says the same, which is sent from then on in its locale.
///
/// It must still be a template: it is tried like a new one.
#[utoipa::path(
    post, path = "/v1/templates/{id}/versions/{version}/restore", tag = "resources", security(("member" = [])),
    params(
        ("id" = TemplateId, Path, description = "Which template."),
        ("version" = u32, Path, description = "Which version.", example = 1),
    ),
    responses(
        (status = 201, description = "The new version, which is sent from now on.", body = VersionView,
         headers(("Location" = String, description = "Where to look at the version."))),
        (status = 409, description = "The workspace has as much of templates as it may, or others have this one as their layout."),
        (status = 422, description = "It is no template any more, such as when its layout was deleted."),
    ),
)]
pub(in crate::api) async fn restore_version(
    Then(member, path): Then<Member, VersionPath>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let workspace = member.account.workspace;
    let (template, version) = found(&path, workspace, &state).await?;
    let mut again = Checked::again(version, template.name);
    let warnings = made::tried(&mut again, workspace, &state).await?;
    let (template, version) = made::enter(again.of(workspace, &state), &state).await?;
    log_change(template.id, &template.name, "restored", member.account.id, &request);
    let location = format!("/v1/templates/{}/versions/{}", template.id, version.version);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .json(VersionView::of(version, template.name).with(warnings)))
}

async fn found(
    path: &VersionPath,
    workspace: WorkspaceId,
    state: &State,
) -> Result<(TemplateRecord, VersionRecord), Problem> {
    let (id, version) = (path.id, path.version);
    let read = state.store.read(move |connection| {
        let Some(template) = templates::one(connection, id, workspace)? else {
            return Ok(None);
        };
        let version = templates::version(connection, id, workspace, version)?;
        Ok::<_, StoreError>(version.map(|version| (template, version)))
    });
    read.await?.ok_or_else(Problem::not_found)
}

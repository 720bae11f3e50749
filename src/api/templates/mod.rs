//! Templates of mails, as a workspace keeps them.
//!
//! Guarantees: a template that is accepted compiles, and renders for its sample if it has one; what was sent before is kept as a
//! version, the last [`VERSIONS_MAX`] of them, and can be gone back to; whoever was answered that a version is made has it sent
//! from then on by this node, and by others within a second. A template is its workspace's alone: operators see no others' either.
//!
//! Left out: what templates may do, which is the engine's business (`mail`).

mod body;
mod built_in;
mod made;
mod preview;
mod told;
mod versions;
mod view;

use actix_web::http::header;
use actix_web::{HttpResponse, web};

pub(super) use built_in::{
    __path_delete_built_in, __path_list_built_ins, __path_replace_built_in, __path_show_built_in, delete_built_in,
    list_built_ins, replace_built_in, show_built_in,
};
pub(super) use preview::{__path_preview_template, preview_template};
pub(super) use told::{Told, data_of};
pub(super) use versions::{__path_restore_version, __path_show_version, restore_version, show_version};

use super::State;
use super::auth::Member;
use super::failure::or_refused;
use super::http::{PathParam, Problem, RequestId, StrictJson, StrictQuery};
use super::page::{Page, PageQuery};
use super::then::Then;
use crate::domain::id::{AccountId, TemplateId, WorkspaceId};
use crate::store::templates::{self, Bounds, Refusal};
use crate::telemetry::names::event;
use body::NewTemplateBody;
use view::{TemplateView, VersionView};

/// The most versions of a template that are kept.
const VERSIONS_MAX: usize = 50;

/// What a workspace may have.
const BOUNDS: Bounds = Bounds {
    templates: 500,
    versions: VERSIONS_MAX,
    locales: 20,
    bytes: 64 * 1024 * 1024,
};

/// Makes a template, or the next version of the one that has this name.
///
/// The parts are in the language of minijinja, which is that of Jinja: `{{ name }}`, `{% if %}`, `{% for %}`, filters. What is
/// printed must be in the data; in the HTML it is escaped. Put links that come from data through `href`:
/// `<a href="{{ link | href }}">`. Where there is no text it is made from the HTML. What is in `<style>` is written into the
/// elements. A layout is a template that prints `{{ content }}`: others name it, and are rendered within it.
#[utoipa::path(
    post, path = "/v1/templates", tag = "resources", security(("member" = [])),
    request_body(content = NewTemplateBody, examples(
        ("order" = (summary = "With a sample", value = json!({
            "name": "order-confirmed", "subject": "Your order {{ order.number }}",
            "html": "<style>p { color: #333 }</style><p>Thank you, {{ name }}. We send {{ order.pieces }} pieces.</p>",
            "sample": { "name": "Ada", "order": { "number": "17-4", "pieces": 3 } }
        }))),
        ("german" = (summary = "In a locale, with a text of its own", value = json!({
            "name": "order-shipped", "locale": "de", "subject": "Ihre Bestellung {{ number }}",
            "html": "<p>Guten Tag {{ name }}, sie ist unterwegs.</p>", "text": "Guten Tag {{ name }}, sie ist unterwegs.",
            "sample": { "name": "Ada", "number": "17-4" }
        }))),
        ("layout" = (summary = "What others are rendered in", value = json!({
            "name": "plain-layout", "subject": "A layout", "html": "<div>{{ content }}</div><p>Example Ltd, Vienna</p>"
        }))),
    )),
    responses(
        (status = 201, description = "The version, which is sent from now on.", body = VersionView,
         headers(("Location" = String, description = "Where to look at the version."))),
        (status = 409, description = "The workspace has as much of templates as it may, or others have this one as their layout."),
    ),
)]
pub(super) async fn create_template(
    Then(member, StrictJson(body)): Then<Member, StrictJson<NewTemplateBody>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let mut checked = body.checked()?;
    let warnings = made::tried(&mut checked, member.account.workspace, &state).await?;
    let (template, version) = made::enter(checked.of_asker(&member, &state), &state).await?;
    log_change(template.id, &template.name, "made", member.account.id, &request);
    let location = format!("/v1/templates/{}/versions/{}", template.id, version.version);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .json(VersionView::of(version, template.name).with(warnings)))
}

/// Lists the workspace's templates, the newest first.
#[utoipa::path(
    get, path = "/v1/templates", tag = "resources", security(("member" = [])), params(PageQuery),
    responses((status = 200, description = "A page of templates, without their versions.", body = Page<TemplateView>)),
)]
pub(super) async fn list_templates(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<PageQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (before, size) = query.checked::<TemplateId>()?;
    let workspace = member.account.workspace;
    let read = state.store.read(move |connection| {
        let found = templates::list(connection, workspace, before, size.saturating_add(1))?;
        let ids: Vec<TemplateId> = found.iter().map(|template| template.id).collect();
        Ok::<_, crate::store::StoreError>((found, templates::locales(connection, &ids)?))
    });
    let (found, locales) = read.await?;
    let view = |template| TemplateView::of(template, &locales);
    Ok(HttpResponse::Ok().json(Page::of(found, size, |last| last.id, view)))
}

/// Shows a template, its locales and its versions.
#[utoipa::path(
    get, path = "/v1/templates/{id}", tag = "resources", security(("member" = [])),
    params(("id" = TemplateId, Path, description = "Which template.")),
    responses((status = 200, description = "The template.", body = TemplateView)),
)]
pub(super) async fn show_template(
    Then(member, PathParam(id)): Then<Member, PathParam<TemplateId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let workspace = member.account.workspace;
    let read = state.store.read(move |connection| {
        let Some(template) = templates::one(connection, id, workspace)? else {
            return Ok(None);
        };
        let (locales, versions) = (
            templates::locales(connection, &[id])?,
            templates::versions(connection, id)?,
        );
        Ok::<_, crate::store::StoreError>(Some(TemplateView::of(template, &locales).with(versions)))
    });
    let view = read.await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(view))
}

/// Deletes a template with all of its versions. Mails that were made by it stay as they are.
#[utoipa::path(
    delete, path = "/v1/templates/{id}", tag = "resources", security(("member" = [])),
    params(("id" = TemplateId, Path, description = "Which template.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "Others have it as their layout."),
    ),
)]
pub(super) async fn delete_template(
    Then(member, PathParam(id)): Then<Member, PathParam<TemplateId>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let workspace = member.account.workspace;
    let name = delete(id, workspace, &state).await?;
    log_change(id, &name, "deleted", member.account.id, &request);
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes a template; answers its name.
///
/// # Errors
/// 404 where there is none; 409 where it is a layout of others.
async fn delete(id: TemplateId, workspace: WorkspaceId, state: &State) -> Result<String, Problem> {
    let write = state.store.write(move |tx| {
        let found = templates::one(tx.connection(), id, workspace)?;
        match templates::delete(tx.connection(), id, workspace)? {
            true => Ok(found.map(|template| template.name)),
            false => Ok(None),
        }
    });
    let deleted = write.await.map_err(or_refused(refused));
    state.library.changed(workspace);
    deleted?.ok_or_else(Problem::not_found)
}

/// Why a change was not made.
fn refused(refusal: Refusal) -> Problem {
    Problem::conflict(match refusal {
        Refusal::Templates => format!(
            "this workspace has {} templates, which is as many as it may; delete some",
            BOUNDS.templates
        ),
        Refusal::Locales => format!(
            "this template has {} locales, which is as many as it may",
            BOUNDS.locales
        ),
        Refusal::Bytes => format!(
            "the templates of this workspace, with the versions that are kept of them, would have more than {} bytes; delete some",
            BOUNDS.bytes
        ),
        Refusal::NoLayout => "the layout was deleted, or given a layout itself, just now".to_owned(),
        Refusal::IsLayout => {
            "other templates have this one as their layout: it must print {{ content }} and have no layout itself"
                .to_owned()
        }
    })
}

/// Says in the log what somebody did to a template.
fn log_change(template: TemplateId, name: &str, change: &'static str, account: AccountId, request: &RequestId) {
    tracing::info!(
        event = event::TEMPLATE_CHANGED,
        %template,
        name,
        change,
        %account,
        request_id = request.as_str(),
        "somebody made or deleted a template"
    );
}

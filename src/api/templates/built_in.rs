//! The built-in templates of the mails that the service itself sends, and what operators put in their place.
//!
//! Guarantees: a replacement renders for what its mail has, and shows the link where the mail is of no use without; one that fails
//! all the same when it is sent is passed over for the built-in one. Each change is written down as an operator's act.
//!
//! A replacement is a template of the service workspace, which has no members.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::body::{Checked, source};
use super::told::Told;
use super::{log_change, refused};
use crate::api::auth::{Member, Operator};
use crate::api::failure::or_refused;
use crate::api::http::{Fields, PathParam, Problem, RequestId, StrictJson};
use crate::api::page::Page;
use crate::api::then::Then;
use crate::api::{State, acting};
use crate::clock::Timestamp;
use crate::domain::act::Action;
use crate::domain::id::{TemplateId, WorkspaceId};
use crate::mail::{self, BuiltIn, TemplateSource};
use crate::store::acts::{self, NewAct};
use crate::store::templates::{self, VersionRecord};
use crate::store::{Abort, StoreError};

/// What is to be sent in the place of a built-in template.
#[derive(Deserialize, ToSchema)]
#[schema(as = TemplateReplacement)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ReplacementBody {
    /// What the mail is about; becomes one line.
    #[schema(min_length = 1, max_length = 1_000)]
    subject: String,
    /// The HTML; its limit is in bytes.
    #[schema(min_length = 1, max_length = 262_144)]
    html: String,
    /// The plain text; made from the HTML where it is left out. Its limit is in bytes.
    #[schema(min_length = 1, max_length = 131_072)]
    text: Option<String>,
}

/// A mail that the service itself sends.
#[derive(Serialize, ToSchema)]
#[schema(as = BuiltInTemplate)]
struct BuiltInView {
    name: &'static str,
    /// What is sent: the replacement, or the built-in one.
    subject: String,
    html: String,
    text: Option<String>,
    /// What a replacement can use.
    fields: Vec<FieldView>,
    /// Whether a replacement must show the link.
    needs_link: bool,
    /// When it was replaced; null if it is the built-in one.
    replaced_at: Option<Timestamp>,
}

/// A field of such a mail.
#[derive(Serialize, ToSchema)]
#[schema(as = BuiltInField)]
struct FieldView {
    name: &'static str,
    /// Whether every such mail has it.
    is_always_there: bool,
}

impl BuiltInView {
    fn of(built_in: BuiltIn, replacement: Option<VersionRecord>) -> Self {
        let replaced_at = replacement.as_ref().map(|version| version.created_at);
        let sent = replacement.map_or_else(
            || built_in.source(),
            |version| TemplateSource {
                subject: version.subject,
                html: version.html,
                text: version.text,
            },
        );
        let field = |(name, is_always_there)| FieldView { name, is_always_there };
        Self {
            name: built_in.name(),
            subject: sent.subject,
            html: sent.html,
            text: sent.text,
            fields: built_in.fields().map(field).collect(),
            needs_link: built_in.needs_link(),
            replaced_at,
        }
    }
}

/// Lists the mails that the service itself sends, and what they say.
#[utoipa::path(
    get, path = "/v1/templates/built-in", tag = "operators", security(("operator" = [])),
    responses((status = 200, description = "All of them; there is one page.", body = Page<BuiltInView>)),
)]
pub(in crate::api) async fn list_built_ins(_: Operator, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let read = state.store.read(|connection| {
        let mut all = Vec::new();
        for built_in in mail::built_ins() {
            all.push((built_in, replacement(connection, built_in)?));
        }
        Ok::<_, StoreError>(all)
    });
    let view = |(built_in, replacement): (BuiltIn, Option<(TemplateId, VersionRecord)>)| {
        BuiltInView::of(built_in, replacement.map(|(_, version)| version))
    };
    Ok(HttpResponse::Ok().json(Page::whole(read.await?.into_iter().map(view))))
}

/// Shows a mail that the service itself sends.
#[utoipa::path(
    get, path = "/v1/templates/built-in/{name}", tag = "operators", security(("operator" = [])),
    params(("name" = String, Path, description = "Which mail.", example = "password-reset")),
    responses((status = 200, description = "What it says.", body = BuiltInView)),
)]
pub(in crate::api) async fn show_built_in(
    Then(_, PathParam(name)): Then<Operator, PathParam<String>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let built_in = mail::built_in(&name).ok_or_else(Problem::not_found)?;
    let read = state.store.read(move |connection| replacement(connection, built_in));
    let version = read.await?.map(|(_, version)| version);
    Ok(HttpResponse::Ok().json(BuiltInView::of(built_in, version)))
}

/// Replaces what a mail of the service's own says.
///
/// It must render with the fields of that mail, and show the link where it is of no use without. Should it fail when it is sent
/// all the same, the built-in one is sent, and the log says so.
#[utoipa::path(
    put, path = "/v1/templates/built-in/{name}", tag = "operators", security(("operator" = [])),
    params(("name" = String, Path, description = "Which mail.", example = "password-reset")),
    request_body(content = ReplacementBody, examples(
        ("reset" = (summary = "In another voice", value = json!({
            "subject": "Your new password at Example",
            "html": "<p>Hi {{ name }}, <a href=\"{{ link | href }}\">choose a new password</a> within ten minutes.</p>",
            "text": "Hi {{ name }}, choose a new password within ten minutes: {{ link }}"
        }))),
    )),
    responses((status = 200, description = "What it says from now on.", body = BuiltInView)),
)]
pub(in crate::api) async fn replace_built_in(
    Then(Operator(member), Then(PathParam(name), StrictJson(body))): Then<
        Operator,
        Then<PathParam<String>, StrictJson<ReplacementBody>>,
    >,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let built_in = mail::built_in(&name).ok_or_else(Problem::not_found)?;
    let mut fields = Fields::new();
    let source = source(body.subject, body.html, body.text, &mut fields);
    let source = fields.finish_with(source)?;
    fit(built_in, source.clone(), &state).await?;
    let new = Checked::replacing(name, source, built_in.sample()).of(WorkspaceId::SERVICE, &state);
    let act = act(Action::ReplaceTemplate, built_in, &member, &request, new.at);
    let write = state.store.write(move |tx| {
        let entered = templates::add(tx.connection(), &new, &super::BOUNDS)?;
        acts::record(tx, &act)?;
        Ok(entered)
    });
    let written = write.await;
    state.library.changed(WorkspaceId::SERVICE);
    let (template, version) = written.map_err(or_refused(refused))?;
    log_change(template.id, built_in.name(), "replaced", member.account.id, &request);
    Ok(HttpResponse::Ok().json(BuiltInView::of(built_in, Some(version))))
}

/// Brings the built-in template of a mail back.
#[utoipa::path(
    delete, path = "/v1/templates/built-in/{name}", tag = "operators", security(("operator" = [])),
    params(("name" = String, Path, description = "Which mail.", example = "password-reset")),
    responses((status = 204, description = "It says what it said at first.")),
)]
pub(in crate::api) async fn delete_built_in(
    Then(Operator(member), PathParam(name)): Then<Operator, PathParam<String>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let built_in = mail::built_in(&name).ok_or_else(Problem::not_found)?;
    let act = act(Action::RestoreTemplate, built_in, &member, &request, state.clock.now());
    let write = state.store.write(move |tx| {
        let Some((id, _)) = replacement(tx.connection(), built_in)? else {
            return Ok(None);
        };
        templates::delete(tx.connection(), id, WorkspaceId::SERVICE)?;
        acts::record(tx, &act)?;
        Ok::<_, Abort<templates::Refusal>>(Some(id))
    });
    let written = write.await;
    state.library.changed(WorkspaceId::SERVICE);
    let id = written.map_err(or_refused(refused))?.ok_or_else(Problem::not_found)?;
    log_change(id, built_in.name(), "brought back", member.account.id, &request);
    Ok(HttpResponse::NoContent().finish())
}

/// Whether this can be sent in its place.
///
/// # Errors
/// 422 with pointers for what is wrong.
async fn fit(built_in: BuiltIn, source: TemplateSource, state: &State) -> Result<(), Problem> {
    let compiled = state.library.compile(WorkspaceId::SERVICE, source, None, None).await;
    let fits = match compiled {
        Ok(compiled) => {
            let fits = state
                .library
                .run(WorkspaceId::SERVICE, move || built_in.accepts(&compiled))
                .await;
            fits.and_then(|fits| Ok(fits?))
        }
        Err(error) => Err(error),
    };
    let mut fields = Fields::new();
    if let Err(error) = fits {
        Told::OF_REPLACING.note(error, &mut fields)?;
    }
    fields.finish()
}

/// The template that is sent in the place of a built-in one, and its version.
fn replacement(
    connection: &mut crate::store::Connection,
    built_in: BuiltIn,
) -> Result<Option<(TemplateId, VersionRecord)>, StoreError> {
    let found = templates::current(connection, WorkspaceId::SERVICE, built_in.name())?;
    Ok(found.and_then(|(template, versions)| Some((template.id, versions.into_iter().next()?))))
}

fn act(action: Action, built_in: BuiltIn, member: &Member, request: &RequestId, at: Timestamp) -> NewAct {
    NewAct {
        at,
        by: acting::by(member, request),
        action,
        subject_kind: "template",
        subject: built_in.name().to_owned(),
        detail: json!({}),
    }
}

impl Checked {
    /// What an operator puts in the place of a built-in template.
    fn replacing(name: String, source: TemplateSource, sample: serde_json::Value) -> Self {
        Self {
            name,
            source,
            sample: Some(sample),
            locale: None,
            layout: None,
            is_layout: false,
        }
    }
}

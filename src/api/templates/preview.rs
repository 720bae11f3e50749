//! What a template makes of data, without a mail.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::body::source;
use super::made::with_content;
use super::told::{Told, Warning, data_of, warnings_of};
use super::view::named;
use crate::api::State;
use crate::api::auth::Member;
use crate::api::http::{Fields, OptionalJson, PathParam, Problem};
use crate::api::order::ranged;
use crate::api::then::Then;
use crate::domain::id::{TemplateId, WorkspaceId};
use crate::domain::template::{Locale, TemplateName};
use crate::mail::TemplateSource;
use crate::store::StoreError;
use crate::store::templates::{self, VersionRecord};

/// The highest number of a version that can be asked for.
const VERSION_MAX: i64 = 1_000_000_000;

/// What is to be shown. All of it may be left out.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = TemplatePreviewOrder)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PreviewBody {
    /// What the template is filled with; its sample unless given.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    data: Option<Value>,
    /// In which locale: the version that a mail in it would be made by.
    #[schema(min_length = 2, max_length = 35, pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
    locale: Option<String>,
    /// Which version, whatever its locale; the one that is sent unless given.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    version: Option<i64>,
    /// A subject in place of that of the version.
    #[schema(min_length = 1, max_length = 1_000)]
    subject: Option<String>,
    /// HTML in place of that of the version; its limit is in bytes.
    #[schema(min_length = 1, max_length = 262_144)]
    html: Option<String>,
    /// A text in place of that of the version; its limit is in bytes.
    #[schema(min_length = 1, max_length = 131_072)]
    text: Option<String>,
    /// Another layout.
    #[schema(max_length = 100, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    layout: Option<String>,
}

/// A mail as it would be.
#[derive(Serialize, ToSchema)]
#[schema(as = TemplatePreview)]
struct PreviewView {
    /// The version that it is made by.
    version: u32,
    /// The locale of that version; null if it has none.
    locale: Option<String>,
    subject: String,
    html: String,
    text: String,
    /// What may be mistakes: what the template uses and the data does not have, and the other way round.
    warnings: Vec<Warning>,
}

/// Shows what a template makes of data, with parts that are being written in place of its own if some are given.
#[utoipa::path(
    post, path = "/v1/templates/{id}/preview", tag = "resources", security(("member" = [])),
    params(("id" = TemplateId, Path, description = "Which template.")),
    request_body(content = PreviewBody, examples(
        ("sample" = (summary = "With its sample", value = json!({}))),
        ("draft" = (summary = "Another HTML, with other data", value = json!({
            "data": { "name": "Bob" }, "html": "<p>Dear {{ name }}</p>", "subject": "Hello {{ name }}"
        }))),
    )),
    responses((status = 200, description = "The mail as it would be.", body = PreviewView)),
)]
pub(in crate::api) async fn preview_template(
    Then(member, Then(PathParam(id), OptionalJson(body))): Then<
        Member,
        Then<PathParam<TemplateId>, OptionalJson<PreviewBody>>,
    >,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let workspace = member.account.workspace;
    let body = body.unwrap_or_default();
    let mut fields = Fields::new();
    let locale = body
        .locale
        .map(|locale| fields.check("/locale", Locale::parse(&locale)));
    let locale = locale.flatten();
    let version = ranged(&mut fields, "/version", body.version, 1, VERSION_MAX);
    let version = found(id, workspace, version, locale.as_ref(), &state, &mut fields).await?;
    let Some(version) = version else {
        return fields.finish_with(None);
    };
    let sample = || {
        version
            .sample
            .as_deref()
            .and_then(|sample| serde_json::from_str(sample).ok())
    };
    let data = data_of(body.data.or_else(sample), "/data", &mut fields);
    let source = source(
        body.subject.unwrap_or(version.subject),
        body.html.unwrap_or(version.html),
        body.text.or(version.text),
        &mut fields,
    );
    let layout = body
        .layout
        .map(|layout| fields.check("/layout", TemplateName::parse(&layout)));
    let layout = layout
        .flatten()
        .map(|layout| layout.as_str().to_owned())
        .or(version.layout);
    let (Some(source), Some(data), true) = (source, data, fields.is_fine()) else {
        return fields.finish_with(None);
    };
    let own_locale = Locale::parse(&version.locale).ok();
    let shown = rendered(source, layout, locale.or(own_locale), data, workspace, &state).await;
    match shown {
        Ok((content, warnings)) => Ok(HttpResponse::Ok().json(PreviewView {
            version: version.version,
            locale: named(version.locale),
            subject: content.subject.as_str().to_owned(),
            html: content.html.unwrap_or_default(),
            text: content.text,
            warnings,
        })),
        Err(error) => {
            Told::OF_PREVIEW.note(error, &mut fields)?;
            fields.finish_with(None)
        }
    }
}

async fn rendered(
    source: TemplateSource,
    layout: Option<String>,
    locale: Option<Locale>,
    data: Value,
    workspace: WorkspaceId,
    state: &State,
) -> Result<(crate::mail::Content, Vec<Warning>), crate::jobs::Unrendered> {
    let library = &state.library;
    let compiled = library.compile(workspace, source, layout.as_deref(), locale.as_ref());
    let compiled = compiled.await?;
    let work = move || {
        let warnings = warnings_of(&compiled, &data, "/data");
        Ok((compiled.render(&with_content(&compiled, data))?, warnings))
    };
    library.run(workspace, work).await?
}

/// The version that is meant, or what is wrong with what names it noted in `fields`.
///
/// # Errors
/// 404 where there is no such template, or no such version of it.
async fn found(
    id: TemplateId,
    workspace: WorkspaceId,
    version: Option<u32>,
    locale: Option<&Locale>,
    state: &State,
    fields: &mut Fields,
) -> Result<Option<VersionRecord>, Problem> {
    let wanted: Vec<String> = match locale {
        Some(locale) => locale.and_wider().map(str::to_owned).collect(),
        None => vec![String::new()],
    };
    let has_locale = locale.is_some();
    let read = state.store.read(move |connection| {
        if templates::one(connection, id, workspace)?.is_none() {
            return Ok(None);
        }
        let sent = templates::locales(connection, &[id])?;
        let of = |wanted: &String| sent.iter().find(|one| one.locale == *wanted);
        let sent_one = wanted.iter().find_map(of);
        // Where none is asked for and there is none without, any will do to be looked at.
        let any = sent.first().filter(|_| !has_locale);
        let number = version.or_else(|| sent_one.or(any).map(|one| one.version));
        let Some(number) = number else { return Ok(Some(None)) };
        Ok::<_, StoreError>(Some(templates::version(connection, id, workspace, number)?))
    });
    let found = read.await?.ok_or_else(Problem::not_found)?;
    if found.is_none() {
        if version.is_some() {
            return Err(Problem::not_found());
        }
        fields.refuse("/locale", "is none that the template is written in");
    }
    Ok(found)
}

//! Suppressions: to whom no mails go, stream by stream.
//!
//! Guarantees: what was answered with 201 holds for every mail whose sending begins after it; what is there already is answered
//! with 200, and a weightier reason is never lost to a lighter one; another workspace's is not found, by operators neither, since
//! they have no business with its readers.
//!
//! Left out: a list of what is suppressed as a file.

mod body;
mod import;
mod view;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

pub(super) use import::{__path_import_suppressions, import_suppressions};

use super::State;
use super::auth::Member;
use super::failure::or_refused;
use super::http::{Fields, PathParam, Problem, RequestId, StrictJson, StrictQuery};
use super::page::{self, Page};
use super::then::Then;
use crate::domain::email::EmailAddress;
use crate::domain::id::{SuppressionId, WorkspaceId};
use crate::domain::stream::Stream;
use crate::domain::suppression::SuppressionReason;
use crate::store::Abort;
use crate::store::suppressions::{self, NewSuppression, Suppression, SuppressionFilter};
use crate::telemetry::names::event;
use body::NewSuppressionBody;
use view::SuppressionView;

/// The most suppressions that members put on the list of a workspace. What recipients and servers say is added all the same: it
/// is bounded by the mails that were sent.
const SUPPRESSIONS_MAX: usize = 100_000;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SuppressionsQuery {
    /// Only those of this stream. Those of all streams are none of it.
    #[param(nullable = false, min_length = 1, max_length = 50, pattern = "^[a-z][a-z0-9_-]*$")]
    stream: Option<String>,
    /// Only those for this reason.
    #[param(nullable = false, inline)]
    reason: Option<SuppressionReason>,
    /// Only those of this address, in whatever stream.
    #[param(nullable = false, value_type = Option<EmailAddress>)]
    address: Option<String>,
    /// The `next_cursor` of the page before.
    #[param(nullable = false, min_length = 1)]
    cursor: Option<String>,
    /// How many on the page; 50 unless given.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

impl SuppressionsQuery {
    fn checked(self, workspace: WorkspaceId) -> Result<SuppressionFilter, Problem> {
        let mut fields = Fields::new();
        let before = page::behind(self.cursor.as_deref(), &mut fields);
        let stream = self
            .stream
            .map(|name| fields.check("/query/stream", Stream::parse(&name)));
        let address = self
            .address
            .map(|text| fields.check("/query/address", EmailAddress::parse_international(&text)));
        let limit = page::size(self.limit, &mut fields);
        Ok(SuppressionFilter {
            workspace,
            limit: fields.finish_with(limit)?,
            stream: stream.flatten(),
            reason: self.reason,
            address: address.flatten().map(|address| address.canonical()),
            before,
        })
    }
}

/// The workspace has as many as it may.
fn full() -> Problem {
    Problem::conflict(format!(
        "this workspace has {SUPPRESSIONS_MAX} suppressions, which is as many as may be put there; delete some"
    ))
}

/// Suppresses an address: it gets no mails of the stream, or none at all where no stream is named.
///
/// Where it is suppressed so already, that is answered with 200; the weightier reason stays or comes: `complaint`,
/// `unsubscribe`, `bounce`, `manual`. Mails whose sending has begun are not held back.
#[utoipa::path(
    post, path = "/v1/suppressions", tag = "resources", security(("member" = [])),
    request_body(content = NewSuppressionBody, examples(
        ("stream" = (summary = "In one stream", value = json!({
            "address": "bob@example.com", "reason": "unsubscribe", "stream": "news"
        }))),
        ("all" = (summary = "In all", value = json!({ "address": "eve@example.com", "reason": "manual" }))),
    )),
    responses(
        (status = 200, description = "It was suppressed so before.", body = SuppressionView),
        (status = 201, description = "It is suppressed now.", body = SuppressionView,
         headers(("Location" = String, description = "Where to look at the suppression."))),
        (status = 409, description = "The workspace has as many suppressions as may be put there."),
    ),
)]
pub(super) async fn create_suppression(
    Then(member, StrictJson(body)): Then<Member, StrictJson<NewSuppressionBody>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let new = body.checked(&mut fields, &member, state.clock.now());
    let new = fields.finish_with(new)?;
    if let Some(known) = known(&new, &member, &state).await? {
        return Ok(HttpResponse::Ok().json(SuppressionView::from(known)));
    }
    let id = new.id;
    let write = state.store.write(move |tx| {
        let connection = tx.connection();
        suppressions::add(connection, std::slice::from_ref(&new))?;
        let added = suppressions::of_address(connection, new.workspace, &new.address, &new.stream)?;
        // It was written in this transaction.
        added.ok_or(Abort::Refused(()))
    });
    let added = write.await.map_err(or_refused(|()| Problem::not_found()))?;
    let is_new = added.id == id;
    log_change(&added, if is_new { "added" } else { "changed" }, &member, &request);
    if !is_new {
        return Ok(HttpResponse::Ok().json(SuppressionView::from(added)));
    }
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/v1/suppressions/{id}")));
    Ok(answer.json(SuppressionView::from(added)))
}

/// What there is already, if this one adds nothing to it.
///
/// # Errors
/// 409 if there is none, and no room for it.
async fn known(new: &NewSuppression, member: &Member, state: &State) -> Result<Option<Suppression>, Problem> {
    let (asked, is_operator) = (new.clone(), member.account.is_operator);
    let read = state.store.read(move |connection| {
        let found = suppressions::of_address(connection, asked.workspace, &asked.address, &asked.stream)?;
        let is_full = found.is_none()
            && !is_operator
            && suppressions::count(connection, asked.workspace, SUPPRESSIONS_MAX - 1)?.is_capped;
        Ok((found, is_full))
    });
    match read.await? {
        (_, true) => Err(full()),
        (found, false) => Ok(found.filter(|found| !new.reason.outweighs(found.reason))),
    }
}

/// Lists the workspace's suppressions, the newest first.
#[utoipa::path(
    get, path = "/v1/suppressions", tag = "resources", security(("member" = [])), params(SuppressionsQuery),
    responses((status = 200, description = "A page of suppressions.", body = Page<SuppressionView>)),
)]
pub(super) async fn list_suppressions(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<SuppressionsQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut filter = query.checked(member.account.workspace)?;
    let size = filter.limit;
    // One more than is shown tells whether there are more.
    filter.limit = size.saturating_add(1);
    let found = state
        .store
        .read(move |connection| suppressions::list(connection, &filter));
    let page = Page::of(found.await?, size, |last| last.id, SuppressionView::from);
    Ok(HttpResponse::Ok().json(page))
}

/// Shows a suppression.
#[utoipa::path(
    get, path = "/v1/suppressions/{id}", tag = "resources", security(("member" = [])),
    params(("id" = SuppressionId, Path, description = "Which suppression.")),
    responses((status = 200, description = "The suppression.", body = SuppressionView)),
)]
pub(super) async fn show_suppression(
    Then(member, PathParam(id)): Then<Member, PathParam<SuppressionId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let workspace = member.account.workspace;
    let found = state
        .store
        .read(move |connection| suppressions::one(connection, id, workspace));
    let found = found.await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(SuppressionView::from(found)))
}

/// Takes a suppression away: mails go to the address again. That somebody unsubscribed or complained is theirs to take back: do
/// this only when they ask for it.
#[utoipa::path(
    delete, path = "/v1/suppressions/{id}", tag = "resources", security(("member" = [])),
    params(("id" = SuppressionId, Path, description = "Which suppression.")),
    responses((status = 204, description = "It is gone.")),
)]
pub(super) async fn delete_suppression(
    Then(member, PathParam(id)): Then<Member, PathParam<SuppressionId>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let workspace = member.account.workspace;
    let write = state.store.write(move |tx| {
        let removed = suppressions::remove(tx.connection(), id, workspace)?;
        removed.ok_or(Abort::Refused(()))
    });
    let removed = write.await.map_err(or_refused(|()| Problem::not_found()))?;
    log_change(&removed, "removed", &member, &request);
    Ok(HttpResponse::NoContent().finish())
}

/// Says in the log what somebody did to a suppression.
fn log_change(one: &Suppression, change: &'static str, member: &Member, request: &RequestId) {
    tracing::info!(
        event = event::SUPPRESSION_CHANGED,
        suppression = %one.id,
        change,
        reason = %one.reason,
        account = %member.account.id,
        request_id = request.as_str(),
        "somebody suppressed an address, or took that away"
    );
}

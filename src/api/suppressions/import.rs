//! Many suppressions at once, such as those that another service has kept so far.
//!
//! Guarantees: all of them or none; the same once more changes nothing.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::NewSuppressionBody;
use super::{SUPPRESSIONS_MAX, full};
use crate::api::State;
use crate::api::auth::Member;
use crate::api::failure::or_refused;
use crate::api::http::{Fields, Problem, RequestId, StrictJson};
use crate::api::then::Then;
use crate::domain::id::SuppressionId;
use crate::store::Abort;
use crate::store::suppressions::{self, NewSuppression};
use crate::telemetry::names::event;

/// The most suppressions of one request.
const IMPORTED_MAX: usize = 1_000;

/// Addresses that are to get no mails.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewSuppressions)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewSuppressionsBody {
    #[schema(min_items = 1, max_items = 1_000)]
    suppressions: Vec<NewSuppressionBody>,
}

/// What became of them.
#[derive(Serialize, ToSchema)]
#[schema(as = SuppressionsAdded)]
struct AddedView {
    /// How many were not there before.
    added: usize,
    /// How many were there, or were given more than once.
    known: usize,
}

impl NewSuppressionsBody {
    fn checked(self, member: &Member, state: &State) -> Result<Vec<NewSuppression>, Problem> {
        let (mut fields, now, count) = (Fields::new(), state.clock.now(), self.suppressions.len());
        if count == 0 || count > IMPORTED_MAX {
            fields.refuse("/suppressions", format!("must have 1 to {IMPORTED_MAX} items"));
            return fields.finish_with(None);
        }
        let mut all = Vec::with_capacity(count);
        for (index, one) in self.suppressions.into_iter().enumerate() {
            fields.enter(format!("/suppressions/{index}"));
            all.extend(one.checked(&mut fields, member, now));
        }
        fields.finish()?;
        Ok(all)
    }
}

/// Suppresses up to a thousand addresses, all or none.
///
/// Each is added as by `POST /v1/suppressions`. The same request again changes nothing.
#[utoipa::path(
    post, path = "/v1/suppressions/import", tag = "resources", security(("member" = [])),
    request_body(content = NewSuppressionsBody, example = json!({ "suppressions": [
        { "address": "bob@example.com", "reason": "bounce" },
        { "address": "eve@example.com", "reason": "unsubscribe", "stream": "news" }
    ] })),
    responses(
        (status = 200, description = "They are suppressed.", body = AddedView),
        (status = 409, description = "The workspace has as many suppressions as may be put there."),
    ),
)]
pub(in crate::api) async fn import_suppressions(
    Then(member, StrictJson(body)): Then<Member, StrictJson<NewSuppressionsBody>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let new = body.checked(&member, &state)?;
    let (count, workspace, is_bounded) = (new.len(), member.account.workspace, !member.account.is_operator);
    let ids: Vec<SuppressionId> = new.iter().map(|one| one.id).collect();
    let write = state.store.write(move |tx| {
        let connection = tx.connection();
        suppressions::add(connection, &new)?;
        let added = suppressions::count_there(connection, &ids)?;
        // Counted only where it matters: a list that is full takes what it has.
        let is_full =
            added > 0 && is_bounded && suppressions::count(connection, workspace, SUPPRESSIONS_MAX)?.is_capped;
        if is_full { Err(Abort::Refused(())) } else { Ok(added) }
    });
    let added = write.await.map_err(or_refused(|()| full()))?;
    let known = count.saturating_sub(added);
    tracing::info!(
        event = event::SUPPRESSIONS_IMPORTED,
        added,
        known,
        account = %member.account.id,
        request_id = request.as_str(),
        "somebody suppressed many addresses"
    );
    Ok(HttpResponse::Ok().json(AddedView { added, known }))
}

//! What operators did, for operators.
//!
//! Guarantees: a page costs as many rows as it shows, but where both what and who are asked for; what a newer version wrote
//! down is shown as it is.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::State;
use super::auth::Operator;
use super::http::{Fields, Problem, StrictQuery};
use super::jobs::cursor;
use super::page::{self, Page};
use super::then::Then;
use crate::clock::Timestamp;
use crate::domain::act::{Action, Via};
use crate::domain::id::{AccountId, ActId, WorkspaceId};
use crate::store::StoreError;
use crate::store::acts::{self, ActFilter, ActRecord};

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// Only such acts.
    #[param(nullable = false, inline)]
    action: Option<Action>,
    /// Only those of this account.
    #[param(nullable = false)]
    account: Option<AccountId>,
    /// The `next_cursor` of the page before.
    #[param(nullable = false, min_length = 1)]
    cursor: Option<String>,
    /// How many acts on the page; 50 unless given.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// What an operator did.
#[derive(Serialize, ToSchema)]
#[schema(as = Act)]
pub(super) struct ActView {
    id: ActId,
    at: Timestamp,
    /// What was done, such as `queue.pause`.
    action: String,
    /// To what sort of thing: `job`, `batch`, `schedule`, `report`, `queue`, `workspace`, `actor`, `account`,
    /// `api_key`.
    subject_kind: String,
    /// To which one: its id or its name.
    subject: String,
    /// What else there is to say; its form is the action's own.
    detail: HashMap<String, Value>,
    /// The account that did it; null where somebody did it on the service's machine.
    account_id: Option<AccountId>,
    /// The workspace of that account; the service's own where there is none.
    workspace_id: WorkspaceId,
    /// The id of the request.
    request_id: Option<String>,
    via: Via,
}

impl TryFrom<ActRecord> for ActView {
    type Error = StoreError;

    fn try_from(act: ActRecord) -> Result<Self, StoreError> {
        let detail = serde_json::from_str(&act.detail).map_err(|_unreadable| StoreError::Corrupt {
            table: "acts",
            what: "detail",
        })?;
        Ok(Self {
            id: act.id,
            at: act.at,
            action: act.action,
            subject_kind: act.subject_kind,
            subject: act.subject,
            detail,
            account_id: act.account,
            workspace_id: act.workspace,
            request_id: act.request_id,
            via: act.via,
        })
    }
}

/// Lists what operators did, the newest first.
///
/// Kept for a year unless `retention.acts_days` says otherwise.
#[utoipa::path(
    get, path = "/v1/audit", tag = "operators", security(("operator" = [])), params(AuditQuery),
    responses((status = 200, description = "A page of acts.", body = Page<ActView>)),
)]
pub(super) async fn list_acts(
    Then(_operator, StrictQuery(query)): Then<Operator, StrictQuery<AuditQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let before = page::behind(query.cursor.as_deref(), &mut fields);
    let limit = page::size(query.limit, &mut fields);
    let filter = ActFilter {
        action: query.action,
        account: query.account,
        before,
        limit: fields.finish_with(limit)?,
    };
    let read = state.store.read(move |connection| acts::list(connection, &filter));
    let (found, next) = read.await?;
    let data: Result<Vec<_>, _> = found.into_iter().map(ActView::try_from).collect();
    Ok(HttpResponse::Ok().json(Page {
        data: data?,
        next_cursor: next.map(cursor::write),
    }))
}

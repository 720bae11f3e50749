//! What happened to the security of accounts, for those whom it concerns.
//!
//! Guarantees: members see what concerns their own workspace, and of others not even whether there was anything; operators see
//! all, also what concerns nobody, such as logins with addresses that have no account. A page costs as many rows as it shows, but
//! where several filters are given; what a newer version wrote down is shown as it is.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::State;
use super::auth::Member;
use super::http::{Fields, Problem, StrictQuery};
use super::jobs::cursor;
use super::page::{self, Page};
use super::then::Then;
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, SecurityEventId, WorkspaceId};
use crate::domain::security::SecurityEvent;
use crate::store::security::{self, SecurityEventRecord, SecurityFilter};
use crate::store::{JobScope, StoreError};

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SecurityQuery {
    /// Only such events.
    #[param(nullable = false, inline)]
    event: Option<SecurityEvent>,
    /// Only those of this account.
    #[param(nullable = false)]
    account: Option<AccountId>,
    /// Only those of this workspace, which must be one's own unless one is an operator.
    #[param(nullable = false)]
    workspace: Option<WorkspaceId>,
    /// The `next_cursor` of the page before.
    #[param(nullable = false, min_length = 1)]
    cursor: Option<String>,
    /// How many events on the page; 50 unless given.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// Something that happened to the security of an account.
#[derive(Serialize, ToSchema)]
#[schema(as = SecurityEventRecord)]
pub(super) struct SecurityEventView {
    id: SecurityEventId,
    at: Timestamp,
    /// What happened, such as `login.refused`.
    event: String,
    /// The account; null where there is none, as for a login with an unknown address.
    account_id: Option<AccountId>,
    /// The workspace of that account; the service's own where there is none.
    workspace_id: WorkspaceId,
    /// Where the request came from: an IPv4 address, or the first 64 bits of an IPv6 address.
    network: Option<String>,
    /// How the program that sent it calls itself.
    user_agent: Option<String>,
    /// The id of the request.
    request_id: Option<String>,
    /// What else there is to say; its form is the event's own.
    detail: HashMap<String, Value>,
}

impl TryFrom<SecurityEventRecord> for SecurityEventView {
    type Error = StoreError;

    fn try_from(event: SecurityEventRecord) -> Result<Self, StoreError> {
        let detail = serde_json::from_str(&event.detail).map_err(|_unreadable| StoreError::Corrupt {
            table: "security_events",
            what: "detail",
        })?;
        Ok(Self {
            id: event.id,
            at: event.at,
            event: event.event,
            account_id: event.account,
            workspace_id: event.workspace,
            network: event.network,
            user_agent: event.user_agent,
            request_id: event.request_id,
            detail,
        })
    }
}

/// Lists what happened to the security of the workspace's accounts, the newest first; for operators, of everybody's.
///
/// Logins, refused ones, changes of addresses and passwords, keys made and revoked, and what operators looked at. Kept for a year
/// unless `retention.security_days` says otherwise; of a flood of refused logins, only the first of each minute.
#[utoipa::path(
    get, path = "/v1/security-events", tag = "accounts", security(("member" = [])), params(SecurityQuery),
    responses(
        (status = 200, description = "A page of events.", body = Page<SecurityEventView>),
        (status = 404, description = "The workspace is not yours."),
    ),
)]
pub(super) async fn list_security_events(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<SecurityQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let before = page::behind(query.cursor.as_deref(), &mut fields);
    let limit = page::size(query.limit, &mut fields);
    let limit = fields.finish_with(limit)?;
    let workspace = match (member.job_scope(), query.workspace) {
        (JobScope::All, asked) => asked,
        (JobScope::Workspace(own), Some(asked)) if own != asked => return Err(Problem::not_found()),
        (JobScope::Workspace(own), _) => Some(own),
    };
    let filter = SecurityFilter {
        workspace,
        account: query.account,
        event: query.event,
        before,
        limit,
    };
    let read = state.store.read(move |connection| security::list(connection, &filter));
    let (found, next) = read.await?;
    let data: Result<Vec<_>, _> = found.into_iter().map(SecurityEventView::try_from).collect();
    Ok(HttpResponse::Ok().json(Page {
        data: data?,
        next_cursor: next.map(cursor::write),
    }))
}

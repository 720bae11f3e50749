//! A login as it is shown.

use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::State;
use crate::api::accounts::AccountView;
use crate::api::auth::SessionMember;
use crate::api::credentials::{csrf_token, login_cookie};
use crate::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::token::Token;
use crate::store::accounts::Account;
use crate::store::sessions::Session;

/// A login, with its token this once.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeSession)]
pub(in crate::api) struct MadeSessionView {
    /// What to send as `Authorization: Bearer …`.
    token: String,
    /// What to send as `X-CSRF-Token` with every change, where one comes by the cookie.
    csrf_token: String,
    /// Until when it is good if it is not used meanwhile.
    expires_at: Timestamp,
    account: AccountView,
}

/// A login as its owner sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionView {
    id: SessionId,
    /// How the program that logged in calls itself.
    user_agent: Option<String>,
    /// Where from it was last used: an IPv4 address, or the first 64 bits of an IPv6 address.
    network: Option<String>,
    created_at: Timestamp,
    /// When it was last used, to some minutes.
    last_used_at: Timestamp,
    /// Until when it is good if it is not used meanwhile.
    expires_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

/// The login that asks, and its account.
#[derive(Serialize, ToSchema)]
#[schema(as = CurrentSession)]
pub(super) struct CurrentSessionView {
    #[serde(flatten)]
    session: SessionView,
    /// What to send as `X-CSRF-Token` with every change, where one comes by the cookie.
    csrf_token: String,
    account: AccountView,
}

/// The answer that shows the token of a login, which is used now, and sets its cookie.
pub(in crate::api) fn made(
    mut answer: HttpResponseBuilder,
    token: &Token,
    session: &Session,
    account: Account,
    state: &State,
) -> HttpResponse {
    let now = state.clock.now();
    let view = MadeSessionView {
        csrf_token: csrf_token(&token.hash(), &state.keys),
        token: token.expose().to_owned(),
        expires_at: session.good_until(now, state.config.session.idle),
        account: account.into(),
    };
    let left = session.expires_at.since(now);
    answer.cookie(login_cookie(token, left, state)).json(view)
}

impl SessionView {
    /// The login as it is now, seen by the one that asks; none if it has not been used for too long.
    pub(super) fn of(session: Session, asking: SessionId, state: &State) -> Option<Self> {
        let (last_used_at, network) = state.session_uses.latest(&session);
        let expires_at = session.good_until(last_used_at, state.config.session.idle);
        let view = Self {
            current: session.id == asking,
            id: session.id,
            user_agent: session.user_agent,
            network,
            created_at: session.created_at,
            last_used_at,
            expires_at,
        };
        (state.clock.now() < expires_at).then_some(view)
    }
}

impl CurrentSessionView {
    /// The login that asks; none if it has just come to its end.
    pub(super) fn of(member: SessionMember, state: &State) -> Option<Self> {
        let asking = member.session.id;
        Some(Self {
            session: SessionView::of(member.session, asking, state)?,
            csrf_token: csrf_token(&member.token, &state.keys),
            account: member.account.into(),
        })
    }
}

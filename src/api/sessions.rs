//! Sessions: logging in, showing the password again, seeing where one is logged in, logging out.
//!
//! Guarantees: an unknown address, a wrong password and an address that is not verified yet get the same answer after the
//! same work. An account has at most [`sessions::KEPT_MAX`] logins; a new one beyond that ends the oldest. A login ends at
//! its time, and sooner where nobody uses it. A token is made at each login and each confirmation, and the one that the
//! browser had is good no more: so that nobody gets into a login by a token that they planted or saw before.

mod confirm;
mod login;
mod proof;
mod view;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::State;
use super::auth::SessionMember;
use super::client::Client;
use super::credentials::{logout_cookie, not_logged_in};
use super::failure::or_refused;
use super::http::{PathParam, Problem, RequestId};
use super::page::Page;
use super::security_log::Happening;
use super::then::Then;
use crate::domain::id::SessionId;
use crate::domain::security::SecurityEvent;
use crate::store::{Abort, StoreError, sessions};
use view::{CurrentSessionView, SessionView};

pub(super) use view::{MadeSessionView, made};

pub(super) use confirm::{__path_confirm_session, confirm_session};
pub(super) use login::{__path_create_session, create_session};

/// What a browser shall forget of this service.
const CLEAR_SITE_DATA: &str = "clear-site-data";

/// How many logins were ended.
#[derive(Serialize, ToSchema)]
#[schema(as = EndedSessions)]
struct EndedView {
    ended: usize,
}

/// Lists where the account is logged in, the newest first.
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sessions", security(("session" = [])),
    responses((status = 200, description = "All logins; there is one page.", body = Page<SessionView>)),
)]
pub(super) async fn list_sessions(member: SessionMember, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let (account, now) = (member.account.id, state.clock.now());
    let found = state
        .store
        .read(move |connection| sessions::of_account(connection, account, now))
        .await?;
    let asking = member.session.id;
    let data = found
        .into_iter()
        .filter_map(|session| SessionView::of(session, asking, &state));
    Ok(HttpResponse::Ok().json(Page::whole(data)))
}

/// Shows the login that asks.
#[utoipa::path(
    get, path = "/v1/sessions/current", tag = "sessions", security(("session" = [])),
    responses((status = 200, description = "The login and its account.", body = CurrentSessionView)),
)]
pub(super) async fn show_session(member: SessionMember, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let view = CurrentSessionView::of(member, &state).ok_or_else(not_logged_in)?;
    Ok(HttpResponse::Ok().json(view))
}

/// Logs out.
#[utoipa::path(
    delete, path = "/v1/sessions/current", tag = "sessions", security(("session" = [])),
    responses((
        status = 204, description = "The login is gone.",
        headers(("Set-Cookie" = String, description = "Takes the cookie away.")),
    )),
)]
pub(super) async fn delete_current_session(
    member: SessionMember,
    client: Client,
    request: RequestId,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let happening = Happening::of(client, &request, state.clock.now());
    let id = member.session.id;
    // It was there when the request came in, and is gone since.
    end_session(id, &member, happening, &state, not_logged_in).await
}

/// Ends all logins of the account but the one that asks.
#[utoipa::path(
    delete, path = "/v1/sessions/others", tag = "sessions", security(("session" = [])),
    responses((status = 200, description = "The others are gone.", body = EndedView)),
)]
pub(super) async fn delete_other_sessions(
    member: SessionMember,
    client: Client,
    request: RequestId,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let happening = Happening::of(client, &request, state.clock.now());
    let (account, asking) = (member.account, member.session.id);
    let write = state.store.write(move |tx| {
        let ended = sessions::remove_others(tx.connection(), account.id, Some(asking))?;
        happening.note(tx, &account, SecurityEvent::OthersLoggedOut, json!({ "ended": ended }))?;
        Ok::<_, Abort<StoreError>>(ended)
    });
    let ended = write.await.map_err(or_refused(Problem::from))?;
    Ok(HttpResponse::Ok().json(EndedView { ended }))
}

/// Ends one of the account's logins.
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "sessions", security(("session" = [])),
    params(("id" = SessionId, Path, description = "Which login.")),
    responses((status = 204, description = "The login is gone.")),
)]
pub(super) async fn delete_session(
    Then(member, PathParam(id)): Then<SessionMember, PathParam<SessionId>>,
    client: Client,
    request: RequestId,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let happening = Happening::of(client, &request, state.clock.now());
    end_session(id, &member, happening, &state, Problem::not_found).await
}

async fn end_session(
    id: SessionId,
    member: &SessionMember,
    happening: Happening,
    state: &State,
    gone: fn() -> Problem,
) -> Result<HttpResponse, Problem> {
    let account = member.account.clone();
    let write = state.store.write(move |tx| {
        if !sessions::remove(tx.connection(), id, account.id)? {
            return Err(Abort::Refused(()));
        }
        Ok(happening.note(tx, &account, SecurityEvent::LoggedOut, json!({ "session": id }))?)
    });
    write.await.map_err(or_refused(|()| gone()))?;
    let mut answer = HttpResponse::NoContent();
    if id == member.session.id {
        answer.cookie(logout_cookie(state));
        // Not all cookies: that of the device is to be known at the next login.
        answer.insert_header((CLEAR_SITE_DATA, "\"cache\", \"storage\""));
    }
    Ok(answer.finish())
}

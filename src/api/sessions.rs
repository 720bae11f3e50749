//! Sessions: logging in, seeing where one is logged in, logging out.
//!
//! Guarantees: an unknown address, a wrong password and an address that is not verified yet get the same answer after the
//! same work. An account has at most [`sessions::KEPT_MAX`] logins; a new one beyond that ends the oldest.

use std::net::IpAddr;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::State;
use super::accounts::AccountView;
use super::auth::SessionMember;
use super::credentials::{login_cookie, logout_cookie};
use super::failure::or_refused;
use super::http::{Fields, PathParam, Problem, StrictJson};
use super::then::Then;
use super::throttle::NetworkTurn;
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::SessionId;
use crate::domain::token::{Token, TokenKind};
use crate::store::accounts::{self, Account};
use crate::store::sessions::{self, Session};
use crate::store::{Abort, StoreError};

/// The most characters of a program's name for itself that are kept: enough for every browser.
const USER_AGENT_CHARS_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSessionBody {
    email: String,
    password: SecretString,
}

/// A login as its owner sees it.
#[derive(Serialize)]
struct SessionView {
    id: SessionId,
    user_agent: Option<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

impl SessionView {
    fn of(session: Session, asking: SessionId) -> Self {
        Self {
            current: session.id == asking,
            id: session.id,
            user_agent: session.user_agent,
            created_at: session.created_at,
            expires_at: session.expires_at,
        }
    }
}

/// `POST /v1/sessions`.
pub(super) async fn create_session(
    Then(_turn, StrictJson(body)): Then<NetworkTurn, StrictJson<NewSessionBody>>,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let peer = request.peer_addr().map(|address| address.ip());
    let account = authenticate(body, peer, &state).await?;
    let token = Token::generate(TokenKind::Session)?;
    let now = state.clock.now();
    let session = Session {
        id: SessionId::generate(),
        account: account.id,
        user_agent: user_agent_of(&request),
        created_at: now,
        expires_at: now.plus(state.config.session.ttl),
    };
    let expires_at = session.expires_at;
    let (hash, workspace) = (token.hash(), account.workspace);
    let write = state.store.write(move |tx| {
        sessions::insert(tx.connection(), &session, workspace, &hash)?;
        Ok::<_, Abort<StoreError>>(sessions::keep_newest(tx.connection(), session.account)?)
    });
    write.await.map_err(or_refused(Problem::from))?;
    let answer = json!({ "token": token.expose(), "expires_at": expires_at, "account": AccountView::from(account) });
    Ok(HttpResponse::Created()
        .cookie(login_cookie(&token, state.config.session.ttl, &state))
        .json(answer))
}

/// `GET /v1/sessions`.
pub(super) async fn list_sessions(member: SessionMember, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let (account, now) = (member.account.id, state.clock.now());
    let found = state
        .store
        .read(move |connection| sessions::of_account(connection, account, now))
        .await?;
    let asking = member.session.id;
    let data: Vec<_> = found
        .into_iter()
        .map(|session| SessionView::of(session, asking))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "data": data, "next_cursor": null })))
}

/// `GET /v1/sessions/current`.
pub(super) async fn show_session(member: SessionMember) -> HttpResponse {
    #[derive(Serialize)]
    struct Current {
        #[serde(flatten)]
        session: SessionView,
        account: AccountView,
    }
    let asking = member.session.id;
    HttpResponse::Ok().json(Current {
        session: SessionView::of(member.session, asking),
        account: member.account.into(),
    })
}

/// `DELETE /v1/sessions/current`.
pub(super) async fn delete_current_session(
    member: SessionMember,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let id = member.session.id;
    end_session(id, &member, &state).await
}

/// `DELETE /v1/sessions/{id}`.
pub(super) async fn delete_session(
    Then(member, PathParam(id)): Then<SessionMember, PathParam<SessionId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    end_session(id, &member, &state).await
}

async fn end_session(id: SessionId, member: &SessionMember, state: &State) -> Result<HttpResponse, Problem> {
    let account = member.account.id;
    let write = state
        .store
        .write(move |tx| match sessions::remove(tx.connection(), id, account)? {
            true => Ok(()),
            false => Err(Abort::Refused(())),
        });
    write.await.map_err(or_refused(|()| Problem::not_found()))?;
    let mut answer = HttpResponse::NoContent();
    if id == member.session.id {
        answer.cookie(logout_cookie(state));
    }
    Ok(answer.finish())
}

/// The account with this address and password.
async fn authenticate(body: NewSessionBody, peer: Option<IpAddr>, state: &State) -> Result<Account, Problem> {
    let mut fields = Fields::new();
    let email = fields.check("/email", EmailAddress::parse(&body.email));
    let email = fields.finish_with(email)?;
    state.throttle.take_login(&email, peer)?;
    let found = state
        .store
        .read(move |connection| accounts::with_password(connection, &email))
        .await?;
    let (account, stored) = found.unzip();
    let hasher = state.hasher.clone();
    let verify = move || hasher.verify(body.password.expose_secret(), stored.as_ref());
    let good = state.hashing.run(verify).await?;
    let refused = || Problem::unauthenticated("no account has this address and this password");
    account.filter(|_| good).ok_or_else(refused)
}

fn user_agent_of(request: &HttpRequest) -> Option<String> {
    let text = request.headers().get(header::USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(USER_AGENT_CHARS_MAX).collect())
}

//! Sessions: logging in, seeing where one is logged in, logging out.
//!
//! Guarantees: an unknown address, a wrong password and an address that is not verified yet get the same answer after the
//! same work. An account has at most [`sessions::KEPT_MAX`] logins; a new one beyond that ends the oldest.

use actix_web::{HttpResponse, HttpResponseBuilder, web};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::State;
use super::accounts::AccountView;
use super::auth::SessionMember;
use super::client::Client;
use super::credentials::{login_cookie, logout_cookie, not_logged_in};
use super::failure::or_refused;
use super::http::{Fields, PathParam, Problem, StrictJson};
use super::page::Page;
use super::passwords;
use super::then::Then;
use super::throttle::NetworkTurn;
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::SessionId;
use crate::domain::token::{Token, TokenKind};
use crate::store::accounts::{self, Account};
use crate::store::sessions::{self, Session};
use crate::store::{Abort, StoreError};

/// What a browser shall forget of this service.
const CLEAR_SITE_DATA: &str = "clear-site-data";

#[derive(Deserialize, ToSchema)]
#[schema(as = NewSession)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSessionBody {
    #[schema(value_type = EmailAddress)]
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// A login, with its token this once.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeSession)]
pub(super) struct MadeSessionView {
    /// What to send as `Authorization: Bearer …`.
    token: String,
    expires_at: Timestamp,
    account: AccountView,
}

/// A login as its owner sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionView {
    id: SessionId,
    /// How the program that logged in calls itself.
    user_agent: Option<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

/// The login that asks, and its account.
#[derive(Serialize, ToSchema)]
#[schema(as = CurrentSession)]
struct CurrentSessionView {
    #[serde(flatten)]
    session: SessionView,
    account: AccountView,
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

/// Logs in.
///
/// An unknown address, a wrong password and an address that is not verified yet get the same answer.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "sessions",
    request_body(
        content = NewSessionBody,
        example = json!({ "email": "ada@example.com", "password": "correct horse battery" }),
    ),
    responses(
        (
            status = 201, description = "The login; the cookie holds the same token.", body = MadeSessionView,
            headers(("Set-Cookie" = String, description = "The token, for browsers.")),
        ),
        (status = 401, description = "No account has this address and this password."),
    ),
)]
pub(super) async fn create_session(
    Then(_turn, StrictJson(body)): Then<NetworkTurn, StrictJson<NewSessionBody>>,
    client: Client,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let account = authenticate(body, &client, &state).await?;
    let token = Token::generate(TokenKind::Session)?;
    let now = state.clock.now();
    let session = Session {
        id: SessionId::generate(),
        account: account.id,
        user_agent: client.user_agent.clone(),
        device: None,
        network: client.network().map(|network| network.to_string()),
        created_at: now,
        last_used_at: None,
        confirmed_at: Some(now),
        expires_at: now.plus(state.config.session.ttl),
    };
    let expires_at = session.expires_at;
    let (hash, workspace) = (token.hash(), account.workspace);
    let write = state.store.write(move |tx| {
        sessions::insert(tx.connection(), &session, workspace, &hash)?;
        Ok::<_, Abort<StoreError>>(sessions::keep_newest(tx.connection(), session.account)?)
    });
    write.await.map_err(or_refused(Problem::from))?;
    Ok(made(HttpResponse::Created(), &token, expires_at, account, &state))
}

/// The answer that shows the token of a login.
pub(super) fn made(
    mut answer: HttpResponseBuilder,
    token: &Token,
    expires_at: Timestamp,
    account: Account,
    state: &State,
) -> HttpResponse {
    let view = MadeSessionView {
        token: token.expose().to_owned(),
        expires_at,
        account: account.into(),
    };
    let left = expires_at.since(state.clock.now());
    answer.cookie(login_cookie(token, left, state)).json(view)
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
    let data = found.into_iter().map(|session| SessionView::of(session, asking));
    Ok(HttpResponse::Ok().json(Page::whole(data)))
}

/// Shows the login that asks.
#[utoipa::path(
    get, path = "/v1/sessions/current", tag = "sessions", security(("session" = [])),
    responses((status = 200, description = "The login and its account.", body = CurrentSessionView)),
)]
pub(super) async fn show_session(member: SessionMember) -> HttpResponse {
    let asking = member.session.id;
    HttpResponse::Ok().json(CurrentSessionView {
        session: SessionView::of(member.session, asking),
        account: member.account.into(),
    })
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
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let id = member.session.id;
    // It was there when the request came in, and is gone since.
    end_session(id, &member, &state, not_logged_in).await
}

/// Ends one of the account's logins.
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "sessions", security(("session" = [])),
    params(("id" = SessionId, Path, description = "Which login.")),
    responses((status = 204, description = "The login is gone.")),
)]
pub(super) async fn delete_session(
    Then(member, PathParam(id)): Then<SessionMember, PathParam<SessionId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    end_session(id, &member, &state, Problem::not_found).await
}

async fn end_session(
    id: SessionId,
    member: &SessionMember,
    state: &State,
    gone: fn() -> Problem,
) -> Result<HttpResponse, Problem> {
    let account = member.account.id;
    let write = state
        .store
        .write(move |tx| match sessions::remove(tx.connection(), id, account)? {
            true => Ok(()),
            false => Err(Abort::Refused(())),
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

/// The account with this address and password.
async fn authenticate(body: NewSessionBody, client: &Client, state: &State) -> Result<Account, Problem> {
    let mut fields = Fields::new();
    let email = fields.check("/email", EmailAddress::parse(&body.email));
    let email = fields.finish_with(email)?;
    state.throttle.take_login(&email, client, None)?;
    let found = state
        .store
        .read(move |connection| accounts::with_password(connection, &email))
        .await?;
    let (account, stored) = found.unzip();
    let id = account.as_ref().map(|account| account.id);
    let good = passwords::is_right(body.password, id, stored, state).await?;
    let refused = || Problem::unauthenticated("no account has this address and this password");
    account.filter(|_| good).ok_or_else(refused)
}

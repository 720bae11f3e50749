//! Who asks, as extractors: a handler that names one of them cannot forget to ask.
//!
//! Guarantees: an unknown, expired, unused or revoked token gets the same 401 as none at all. An API key does what its scopes say
//! and its account may do: what a route takes stands beside the route ([`super::endpoints`]), and a route that names no scope is
//! refused to every key. So is managing logins and keys, whatever its scopes: a key that leaks must not be able to make others that
//! outlive it, nor lock its owner out. That takes a [`SessionMember`]. What is other workspaces' is an operator's only where
//! the key has the scope of operators, too; to all code behind here, other keys of operators are a member's.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use super::State;
use super::client::Client;
use super::credential_cache::Found;
use super::credentials::{not_logged_in, token_of};
use super::http::{Problem, Slug, scope_of};
use crate::clock::Timestamp;
use crate::domain::scope::Scope;
use crate::domain::token::{TokenHash, TokenKind};
use crate::store::JobScope;
use crate::store::accounts::Account;
use crate::store::api_keys::{self, ApiKey};
use crate::store::sessions::{self, Session};

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// An account, by a login or an API key.
pub(super) struct Member {
    /// Who asks.
    pub(super) account: Account,
    /// How they came.
    pub(super) via: Via,
    /// What they showed.
    credential: Credential,
    /// What an API key needs for what they ask.
    takes: Option<Scope>,
}

/// What somebody shows to come in, as it is looked up: never the token itself.
#[derive(Clone, Copy)]
struct Credential {
    kind: TokenKind,
    hash: TokenHash,
}

/// How somebody came in.
#[derive(Clone)]
pub(super) enum Via {
    /// By a login.
    Session(Session),
    /// By an API key.
    ApiKey(ApiKey),
}

/// An account by a login; an API key is refused with 403.
pub(super) struct SessionMember {
    /// Who asks.
    pub(super) account: Account,
    /// The login by which they came.
    pub(super) session: Session,
    /// The hash of the token that they showed.
    pub(super) token: TokenHash,
}

/// An account by a login whose holder showed the password lately, and the second factor where there is one; others are
/// refused with 403 `confirmation-required`. For what would lock the owner out if a stranger did it with a stolen login.
pub(super) struct ConfirmedMember {
    /// Who asks.
    pub(super) account: Account,
    /// The login by which they came.
    pub(super) session: Session,
    /// The hash of the token that they showed.
    pub(super) token: TokenHash,
}

/// An operator, by a login or an API key; others are refused with 403.
pub(super) struct Operator(pub(super) Member);

impl Member {
    /// The jobs that they may see: their workspace's, or everybody's for an operator.
    pub(super) fn job_scope(&self) -> JobScope {
        if self.account.is_operator {
            JobScope::All
        } else {
            JobScope::Workspace(self.account.workspace)
        }
    }

    /// Whether they may do what takes `scope`: a login may do everything.
    pub(super) fn may(&self, scope: Scope) -> bool {
        match &self.via {
            Via::Session(_) => true,
            Via::ApiKey(key) => key.scopes.covers(scope),
        }
    }

    /// Asks for what the route alone does not: what is within its body takes `scope`.
    ///
    /// # Errors
    /// 403 for an API key without it.
    pub(super) fn needs(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) {
            return Ok(());
        }
        Err(Problem::new(
            Slug::ScopeMissing,
            format!("this takes the scope {scope}, which the API key does not have"),
        ))
    }

    /// Whether they may still see what they saw when they came in, by what they showed then: for answers that go on. Not, if
    /// that cannot be looked up.
    pub(super) async fn may_still_read(&self, state: &State) -> bool {
        let found = Self::by(self.credential, self.takes, state).await;
        let found = found.and_then(Self::within_its_scopes);
        found.is_ok_and(|member| member.is_in_use(state) && member.job_scope() == self.job_scope())
    }

    /// Whether what they showed was used lately enough: a login that nobody uses ends.
    fn is_in_use(&self, state: &State) -> bool {
        let Via::Session(session) = &self.via else { return true };
        let (used_at, _) = state.session_uses.latest(session);
        state.clock.now() < session.good_until(used_at, state.config.session.idle)
    }

    async fn of(request: HttpRequest) -> Result<Self, Problem> {
        let state = request.app_data::<web::Data<State>>();
        let state = state.ok_or_else(|| Problem::internal(NoState))?;
        let (kind, token) = token_of(&request, state)?;
        let hash = token.hash();
        let member = Self::by(Credential { kind, hash }, scope_of(&request), state).await?;
        if !member.is_in_use(state) {
            return Err(not_logged_in());
        }
        let now = state.clock.now();
        match &member.via {
            Via::Session(session) => {
                let network = Client::of(&request).network().map(|network| network.to_string());
                state.session_uses.note(session, network, now);
            }
            Via::ApiKey(key) => state.key_uses.note(key.id, now),
        }
        Ok(member)
    }

    /// Who has shown this, if it is still good, for something that `takes` this of an API key.
    async fn by(credential: Credential, takes: Option<Scope>, state: &State) -> Result<Self, Problem> {
        let Found { via, mut account } = found_by(credential, state).await?;
        if let Via::ApiKey(key) = &via {
            let beyond = takes.unwrap_or(Scope::Everything).beyond_the_workspace();
            account.is_operator &= key.scopes.covers(beyond);
        }
        Ok(Self {
            account,
            via,
            credential,
            takes,
        })
    }

    /// Lets an API key in where the route has a scope for it, and the key has that.
    fn within_its_scopes(self) -> Result<Self, Problem> {
        match (self.takes, &self.via) {
            (Some(scope), _) => self.needs(scope).map(|()| self),
            (None, Via::Session(_)) => Ok(self),
            (None, Via::ApiKey(_)) => Err(Problem::forbidden("no API key may do this; log in for that")),
        }
    }
}

/// Whose it is that was shown, if it is still good.
async fn found_by(credential: Credential, state: &State) -> Result<Found, Problem> {
    let (Credential { kind, hash }, now) = (credential, state.clock.now());
    // From before the read, so that a change during it is noticed.
    let mark = state.credentials.mark();
    if state.store.hears_of_credentials().await
        && let Some(found) = state.credentials.get(&hash, now)
    {
        return Ok(found);
    }
    let found = match kind {
        TokenKind::Session => {
            let found = state
                .store
                .read(move |connection| sessions::by_token(connection, &hash, now));
            found.await?.map(|(session, account)| (Via::Session(session), account))
        }
        TokenKind::ApiKey => {
            let found = state
                .store
                .read(move |connection| api_keys::by_hash(connection, &hash, now));
            found.await?.map(|(key, account)| (Via::ApiKey(key), account))
        }
    };
    let (via, account) = found.ok_or_else(not_logged_in)?;
    let found = Found { via, account };
    state.credentials.put(hash, found.clone(), now, mark);
    Ok(found)
}

impl Operator {
    /// Whether they are still an operator by what they showed when they came in: for answers that go on. Not, if that cannot
    /// be looked up.
    pub(super) async fn is_still_one(&self, state: &State) -> bool {
        let found = Member::by(self.0.credential, self.0.takes, state).await;
        let found = found.and_then(Member::within_its_scopes);
        found.is_ok_and(|member| member.is_in_use(state) && member.account.is_operator)
    }
}

impl FromRequest for Member {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let member = Self::of(request.clone());
        Box::pin(async move { member.await?.within_its_scopes() })
    }
}

impl FromRequest for SessionMember {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let member = Member::of(request.clone());
        Box::pin(async move {
            let Member {
                account,
                via,
                credential,
                ..
            } = member.await?;
            match via {
                Via::Session(session) => Ok(Self {
                    account,
                    session,
                    token: credential.hash,
                }),
                Via::ApiKey(key) => {
                    tracing::debug!(api_key = %key.id, "an API key was used where a login is needed");
                    Err(Problem::forbidden(
                        "an API key cannot manage logins and API keys; log in for that",
                    ))
                }
            }
        })
    }
}

impl FromRequest for ConfirmedMember {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let member = SessionMember::from_request(request, payload);
        let state = request.app_data::<web::Data<State>>().cloned();
        Box::pin(async move {
            let SessionMember {
                account,
                session,
                token,
            } = member.await?;
            let state = state.ok_or_else(|| Problem::internal(NoState))?;
            let (now, kept) = (state.clock.now(), state.config.session.confirmed_for);
            // A clock that was set back must not make it last.
            let is_fresh = |at: Timestamp| at <= now && now < at.plus(kept);
            if session.confirmed_at.is_some_and(is_fresh) {
                return Ok(Self {
                    account,
                    session,
                    token,
                });
            }
            Err(Problem::new(
                Slug::ConfirmationRequired,
                "show the password again first: POST /v1/sessions/current/confirm",
            ))
        })
    }
}

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let member = Member::of(request.clone());
        Box::pin(async move {
            let member = member.await?.within_its_scopes()?;
            if member.account.is_operator {
                Ok(Self(member))
            } else {
                Err(Problem::forbidden("only operators may do this"))
            }
        })
    }
}

/// The application was put together without its state: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("the application has no state")]
struct NoState;

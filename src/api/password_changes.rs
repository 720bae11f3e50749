//! Changing one's password, for who knows the one there is.
//!
//! Guarantees: the old password is asked for as at a login, with the same limit, by a login that was confirmed lately, with the
//! second factor too where there is one; of several changes by one token at once one is made; the login goes on under another
//! token, and all others end unless they are to stay; links that were mailed before, to reset the password or to change the
//! address, are void.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::State;
use super::auth::ConfirmedMember;
use super::client::Client;
use super::credentials::not_logged_in;
use super::failure::or_refused;
use super::http::{FieldError, Fields, Problem, RequestId, StrictJson};
use super::passwords;
use super::security_log::Happening;
use super::sessions::{MadeSessionView, made};
use super::then::Then;
use super::work::log_enqueued;
use crate::clock::Timestamp;
use crate::domain::password::Password;
use crate::domain::security::SecurityEvent;
use crate::domain::token::{Token, TokenKind};
use crate::jobs::accounts::set_password;
use crate::store::accounts::{self, Account};
use crate::store::{Abort, StoreError, sessions};

#[derive(Deserialize, ToSchema)]
#[schema(as = PasswordChange)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChangeBody {
    /// The one there is.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    #[schema(value_type = Password)]
    new_password: SecretString,
    /// Whether all other logins of the account end.
    #[serde(default = "yes")]
    #[schema(default = true)]
    end_other_sessions: bool,
}

/// Why a password was not changed.
enum Unchanged {
    /// It was changed meanwhile, so that the one that was shown is no longer it.
    NotCurrent,
    /// The login has ended meanwhile.
    LoggedOut,
    /// The mail cannot be ordered.
    Job(serde_json::Error),
}

pub(super) const fn yes() -> bool {
    true
}

/// Changes the password.
///
/// The login that asks goes on with the token of the answer; the token that it had is void. Needs a login that was confirmed
/// lately, by the second factor too where there is one.
#[utoipa::path(
    post, path = "/v1/accounts/me/password", tag = "accounts", security(("session" = [])),
    request_body(
        content = PasswordChangeBody,
        example = json!({ "current_password": "correct horse battery", "new_password": "seven green kites at noon" }),
    ),
    responses(
        (
            status = 200, description = "The login, with its new token; the cookie holds the same.", body = MadeSessionView,
            headers(("Set-Cookie" = String, description = "The token, for browsers.")),
        ),
        (status = 429, description = "Too many logins with the address of the account were tried."),
    ),
)]
pub(super) async fn change_password(
    Then(member, StrictJson(body)): Then<ConfirmedMember, StrictJson<PasswordChangeBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let account = &member.account;
    let mut fields = Fields::new();
    let password = Password::parse_for(body.new_password.expose_secret(), account.email.as_str());
    let password = fields.check("/new_password", password);
    let password = fields.finish_with(password)?;
    state
        .throttle
        .take_login(&account.email, &client, member.session.device)?;
    let happening = Happening::of(client, &request, state.clock.now());
    let set_at = current(body.current_password, account, &happening, &state).await?;
    let about = vec![account.email.as_str().to_owned(), account.name.clone()];
    let hash = passwords::hashed(password, about, "/new_password", &state).await?;
    let token = Token::generate(TokenKind::Session)?;
    let (token_hash, session, now) = (token.hash(), member.session.id, state.clock.now());
    let (owner, shown, ends_others) = (member.account.clone(), member.token, body.end_other_sessions);
    let write = state.store.write(move |tx| {
        let account = accounts::locked(tx.connection(), owner.id)?.ok_or(Abort::Refused(Unchanged::LoggedOut))?;
        // Not its hash, which a login may make anew meanwhile.
        if accounts::password_set_at(tx.connection(), account.id)? != Some(set_at) {
            return Err(Abort::Refused(Unchanged::NotCurrent));
        }
        if !sessions::replace_token(tx.connection(), session, (&shown, &token_hash))? {
            return Err(Abort::Refused(Unchanged::LoggedOut));
        }
        let ended = if ends_others {
            sessions::remove_others(tx.connection(), account.id, Some(session))?
        } else {
            0
        };
        happening.note(
            tx,
            &account,
            SecurityEvent::PasswordChanged,
            json!({ "sessions_ended": ended }),
        )?;
        set_password(tx, &account, &hash, now).map_err(told(Unchanged::Job))
    });
    let job = write.await.map_err(or_refused(|unchanged| match unchanged {
        Unchanged::NotCurrent => not_current(),
        Unchanged::LoggedOut => not_logged_in(),
        Unchanged::Job(error) => Problem::internal(error),
    }))?;
    log_enqueued(&job);
    Ok(made(
        HttpResponse::Ok(),
        &token,
        &member.session,
        member.account,
        &state,
    ))
}

/// What becomes of a refusal within a larger write.
pub(super) fn told<A, B>(refusal: impl FnOnce(A) -> B) -> impl FnOnce(Abort<A>) -> Abort<B> {
    |abort| match abort {
        Abort::Refused(refused) => Abort::Refused(refusal(refused)),
        Abort::Store(error) => Abort::Store(error),
    }
}

/// When the account's password was set, if that is the one that is shown. If not, that is written down.
async fn current(
    shown: SecretString,
    account: &Account,
    happening: &Happening,
    state: &State,
) -> Result<Timestamp, Problem> {
    let id = account.id;
    let read = state.store.read(move |connection| {
        // First, so that a password that is set in between is one that was set since.
        let set_at = accounts::password_set_at(connection, id)?;
        Ok(set_at.zip(accounts::password_hash(connection, id)?))
    });
    let (set_at, stored) = read.await?.ok_or_else(not_logged_in)?;
    if passwords::is_right(shown, None, Some(stored), state).await? {
        return Ok(set_at);
    }
    let (happening, account) = (happening.clone(), account.clone());
    let write = state.store.write(move |tx| {
        let detail = json!({ "for": "password.change" });
        Ok::<_, Abort<StoreError>>(happening.note(tx, &account, SecurityEvent::ConfirmationRefused, detail)?)
    });
    write.await.map_err(or_refused(Problem::from))?;
    Err(not_current())
}

fn not_current() -> Problem {
    Problem::invalid_input(vec![FieldError {
        pointer: "/current_password".into(),
        detail: "is not the password of this account".into(),
    }])
}

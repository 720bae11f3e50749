//! Showing the password again, before something sensitive.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::login::refusal;
use super::proof::{Lost, Shown, Words, prove};
use super::view::{MadeSessionView, made};
use crate::api::State;
use crate::api::auth::SessionMember;
use crate::api::client::Client;
use crate::api::credentials::not_logged_in;
use crate::api::http::{Fields, Problem, RequestId, StrictJson};
use crate::api::openapi::SecondFactorCode;
use crate::api::security_log::Happening;
use crate::api::then::Then;
use crate::domain::second_factor::ShownCode;
use crate::domain::security::SecurityEvent;
use crate::domain::token::{Token, TokenKind};
use crate::store::{Abort, sessions};

const WORDS: Words = Words {
    refused: "this is not the password of the account",
    event: SecurityEvent::ConfirmationRefused,
};

#[derive(Deserialize, ToSchema)]
#[schema(as = SessionConfirmation)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ConfirmationBody {
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// Where the account has a second factor: the six digits of the app, or a recovery code.
    #[schema(value_type = Option<SecondFactorCode>)]
    code: Option<SecretString>,
}

/// Confirms the login that asks, by showing the password again.
///
/// What is sensitive asks for it: another password or address, a second factor, an API key, the deletion of the account. The
/// login goes on under a new token; the old one is good no more.
#[utoipa::path(
    post, path = "/v1/sessions/current/confirm", tag = "sessions", security(("session" = [])),
    request_body(content = ConfirmationBody, example = json!({ "password": "correct horse battery" })),
    responses(
        (
            status = 200, description = "The login, with its new token; the cookie holds the same.", body = MadeSessionView,
            headers(("Set-Cookie" = String, description = "The token, for browsers.")),
        ),
        (status = 401, description = "Not logged in; or this is not the password, or the second factor is needed too."),
        (status = 409, description = "The account was changed meanwhile."),
        (status = 429, description = "Too many tries, or too many wrong codes."),
    ),
)]
pub(in crate::api) async fn confirm_session(
    Then(member, StrictJson(body)): Then<SessionMember, StrictJson<ConfirmationBody>>,
    client: Client,
    request: RequestId,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let code = body.code.map(|code| ShownCode::parse(code.expose_secret())).transpose();
    let code = fields.check("/code", code);
    let code = fields.finish_with(code)?;
    let SessionMember {
        account,
        session,
        token: shown_token,
    } = member;
    state.throttle.take_login(&account.email, &client, session.device)?;
    let happening = Happening::of(client, &request, state.clock.now());
    let shown = Shown {
        email: account.email,
        password: body.password,
        code,
    };
    let proven = prove(shown, WORDS, &happening, &state).await?;
    if proven.account.id != account.id {
        // The address is another account's since the request came in.
        return Err(not_logged_in());
    }
    let token = Token::generate(TokenKind::Session)?;
    let now = state.clock.now();
    let write = {
        let (claim, happening, account) = (proven.claim(), happening.clone(), proven.account.clone());
        let (id, hash) = (session.id, token.hash());
        state.store.write(move |tx| {
            claim.take(tx, &happening, now)?;
            if !sessions::confirm(tx.connection(), id, (&shown_token, &hash), now)? {
                return Err(Abort::Refused(Lost::Gone));
            }
            Ok(happening.note(tx, &account, SecurityEvent::Confirmed, json!({ "session": id }))?)
        })
    };
    if let Err(abort) = write.await {
        return Err(match refusal(abort)? {
            // Ended, or confirmed by another request, since this one came in.
            Lost::Gone => not_logged_in(),
            lost => proven.refused(lost, WORDS, &happening, &state).await,
        });
    }
    proven.was_good(&state);
    let account = proven.account.clone();
    Ok(made(HttpResponse::Ok(), &token, &session, account, &state))
}

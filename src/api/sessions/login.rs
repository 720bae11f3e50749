//! Logging in.

use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::proof::{Shown, Words, prove};
use super::view::{MadeSessionView, made};
use crate::api::State;
use crate::api::client::Client;
use crate::api::credentials::session_of_cookie;
use crate::api::devices::{self, Visitor};
use crate::api::http::{Fields, Problem, RequestId, StrictJson};
use crate::api::openapi::SecondFactorCode;
use crate::api::security_log::Happening;
use crate::api::then::Then;
use crate::api::throttle::NetworkTurn;
use crate::api::work::log_enqueued;
use crate::domain::email::EmailAddress;
use crate::domain::id::SessionId;
use crate::domain::second_factor::ShownCode;
use crate::domain::security::SecurityEvent;
use crate::domain::token::{Token, TokenKind};
use crate::store::sessions::{self, Session};

const WORDS: Words = Words {
    refused: "no account has this address and this password",
    event: SecurityEvent::LoginRefused,
};

#[derive(Deserialize, ToSchema)]
#[schema(as = NewSession)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewSessionBody {
    #[schema(value_type = EmailAddress)]
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// Where the account has a second factor: the six digits of the app, or a recovery code.
    #[schema(value_type = Option<SecondFactorCode>)]
    code: Option<SecretString>,
}

/// Logs in.
///
/// An unknown address, a wrong password and an address that is not verified yet get the same answer. Where the account has a
/// second factor, a right password without a code gets a 401 whose `type` is `/problems/second-factor-required`. A login that
/// the cookie of the request holds ends.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "sessions",
    request_body(
        content = NewSessionBody,
        example = json!({ "email": "ada@example.com", "password": "correct horse battery" }),
    ),
    responses(
        (
            status = 201, description = "The login; the cookie holds the same token.", body = MadeSessionView,
            headers(("Set-Cookie" = String, description = "The token, for browsers, and what they are known by the next time.")),
        ),
        (status = 401, description = "No account has this address and this password, or its second factor is needed too."),
        (status = 409, description = "The account was changed meanwhile."),
    ),
)]
pub(in crate::api) async fn create_session(
    Then(_turn, StrictJson(body)): Then<NetworkTurn, StrictJson<NewSessionBody>>,
    client: Client,
    request: HttpRequest,
    request_id: RequestId,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let shown = checked(body)?;
    let visitor = Visitor::of(&request, &shown.email, &state);
    state.throttle.take_login(&shown.email, &client, visitor.device())?;
    let happening = Happening::of(client.clone(), &request_id, state.clock.now());
    let proven = prove(shown, WORDS, &happening, &state).await?;

    let token = Token::generate(TokenKind::Session)?;
    let now = state.clock.now();
    let account = proven.account.clone();
    let session = Session {
        id: SessionId::generate(),
        account: account.id,
        user_agent: client.user_agent.clone(),
        device: None,
        network: client.network().map(|network| network.to_string()),
        created_at: now,
        last_used_at: Some(now),
        confirmed_at: Some(now),
        expires_at: now.plus(state.config.session.ttl),
    };
    let replaced = session_of_cookie(&request, &state).map(|token| token.hash());
    let write = {
        let (claim, happening, visitor) = (proven.claim(), happening.clone(), visitor.clone());
        let (mut session, account, hash) = (session.clone(), account.clone(), token.hash());
        state.store.write(move |tx| {
            let ended = match &replaced {
                Some(token) => sessions::remove_by_token(tx.connection(), token)?,
                None => None,
            };
            let known = visitor.come_in(tx, &account, &happening, now)?;
            session.device = Some(known.device);
            sessions::insert(tx.connection(), &session, account.workspace, &hash)?;
            // Behind the login, which holds the account.
            claim.take(tx, &happening, now)?;
            sessions::keep_newest(tx.connection(), account.id)?;
            let detail = json!({ "session": session.id, "replaced": ended });
            happening.note(tx, &account, SecurityEvent::LoggedIn, detail)?;
            Ok(known)
        })
    };
    let known = match write.await {
        Ok(known) => known,
        Err(abort) => {
            let lost = refusal(abort)?;
            return Err(proven.refused(lost, WORDS, &happening, &state).await);
        }
    };
    proven.was_good(&state);
    if let Some(job) = &known.mail {
        log_enqueued(job);
    }
    let device = devices::cookie(&visitor, known.device, &account.email, &state);
    let mut answer = made(HttpResponse::Created(), &token, &session, account, &state);
    answer.add_cookie(&device).map_err(Problem::internal)?;
    Ok(answer)
}

/// What was refused; a failure is what it always becomes.
pub(super) fn refusal<E>(abort: crate::store::Abort<E>) -> Result<E, Problem> {
    match abort {
        crate::store::Abort::Refused(lost) => Ok(lost),
        crate::store::Abort::Store(error) => Err(error.into()),
    }
}

fn checked(body: NewSessionBody) -> Result<Shown, Problem> {
    let mut fields = Fields::new();
    let email = fields.check("/email", EmailAddress::parse(&body.email));
    let code = body.code.map(|code| ShownCode::parse(code.expose_secret())).transpose();
    let code = fields.check("/code", code);
    let (email, code) = fields.finish_with(email.zip(code))?;
    Ok(Shown {
        email,
        password: body.password,
        code,
    })
}

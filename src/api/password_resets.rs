//! Setting another password by a mailed link, for who has forgotten the one there is: as JSON, and as a page.
//!
//! Guarantees: asking writes the same whether or not the address has an account: one job, whose worker looks that up. The answer
//! is the same, and does not wait for the mail. A link is used once; using one makes all others of the account void. It is no
//! login: whoever sets a password by it logs in with it, and with the second factor where there is one. Opening the link changes
//! nothing. A token that is unknown, used, expired or void gets one and the same answer.

use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::State;
use super::client::Client;
use super::http::{FieldError, Fields, Problem, RequestId, StrictForm, StrictJson};
use super::password_changes::{told, yes};
use super::security_log::Happening;
use super::then::Then;
use super::throttle::NetworkTurn;
use super::verification::token_in_link;
use super::work::log_enqueued;
use super::{pages, passwords};
use crate::domain::email::EmailAddress;
use crate::domain::id::WorkspaceId;
use crate::domain::password::{Password, PasswordHash};
use crate::domain::security::SecurityEvent;
use crate::domain::token::TokenHash;
use crate::jobs::accounts::set_password;
use crate::jobs::kinds::{ResetMail, ResetMailArgs};
use crate::jobs::{Order, new_job};
use crate::store::accounts::{self, Account};
use crate::store::password_resets::{self, PasswordReset};
use crate::store::{Abort, sessions};

#[derive(Deserialize, ToSchema)]
#[schema(as = NewPasswordReset)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPasswordResetBody {
    #[schema(value_type = EmailAddress)]
    email: String,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = PasswordReset)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordResetBody {
    /// The `token` of the mailed link.
    #[schema(value_type = String)]
    token: SecretString,
    #[schema(value_type = Password)]
    password: SecretString,
    /// Whether all logins of the account end.
    #[serde(default = "yes")]
    #[schema(default = true)]
    end_sessions: bool,
}

/// The same from the page, where a box without its tick is left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordResetForm {
    token: SecretString,
    password: SecretString,
    #[serde(default)]
    end_sessions: bool,
}

/// What everybody is told who asks for a link.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetAsked)]
struct Told {
    /// What to do next, for people.
    message: &'static str,
}

/// What everybody is told who asks for a link.
const ASKED: Told = Told {
    message: "if this address has an account, a mail is on its way to it; open the link in it within ten minutes",
};

/// Why a password was not set.
enum Unset {
    /// The token is not good, whatever is wrong with it.
    BadToken,
    /// The password may not be set, or something failed.
    Problem(Problem),
}

impl From<Problem> for Unset {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Mails a link that sets another password.
///
/// The answer is the same for an address that has no account.
#[utoipa::path(
    post, path = "/v1/password-resets", tag = "accounts",
    request_body(content = NewPasswordResetBody, example = json!({ "email": "ada@example.com" })),
    responses((status = 202, description = "If the address has an account, a mail is on its way.", body = Told)),
)]
pub(super) async fn create_password_reset(
    Then(_turn, StrictJson(body)): Then<NetworkTurn, StrictJson<NewPasswordResetBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let email = fields.check("/email", EmailAddress::parse(&body.email));
    let email = fields.finish_with(email)?;
    state.throttle.take_reset(&email, &client)?;
    let order = Order {
        request_id: Some(request.as_str().to_owned()),
        ..Order::default()
    };
    let args = ResetMailArgs { email };
    let job = new_job::<ResetMail>(&args, WorkspaceId::SERVICE, state.clock.now(), order);
    let job = job.map_err(Problem::internal)?;
    state.store.enqueue(vec![job.clone()]).await?;
    log_enqueued(&job);
    Ok(HttpResponse::Accepted().json(ASKED))
}

/// Sets another password by the token of the mailed link.
///
/// It is no login. A token that is unknown, used, expired or void is a 422 each.
#[utoipa::path(
    post, path = "/v1/password-resets/confirm", tag = "accounts",
    request_body(
        content = PasswordResetBody,
        example = json!({ "token": "0m1n2b3v", "password": "seven green kites at noon" }),
    ),
    responses((status = 204, description = "The password is set; the link is void.")),
)]
pub(super) async fn confirm_password_reset(
    Then(_turn, StrictJson(body)): Then<NetworkTurn, StrictJson<PasswordResetBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let happening = Happening::of(client, &request, state.clock.now());
    reset(&body, happening, &state).await.map_err(|unset| match unset {
        Unset::Problem(problem) => problem,
        Unset::BadToken => Problem::invalid_input(vec![FieldError {
            pointer: "/token".into(),
            detail: "is not valid, or not any more; ask for another link".into(),
        }]),
    })?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /reset?token=…`: the page that the mailed link leads to.
pub(super) async fn show_reset(request: HttpRequest) -> Result<HttpResponse, Problem> {
    match token_in_link(&request) {
        Some(token) => pages::reset(&token, None),
        None => pages::reset_not_valid(),
    }
}

/// `POST /reset`: the form on that page.
pub(super) async fn post_reset(
    Then(_turn, StrictForm(form)): Then<NetworkTurn, StrictForm<PasswordResetForm>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let body = PasswordResetBody {
        token: form.token,
        password: form.password,
        end_sessions: form.end_sessions,
    };
    let happening = Happening::of(client, &request, state.clock.now());
    match reset(&body, happening, &state).await {
        Ok(()) => pages::password_set(),
        Err(Unset::BadToken) => pages::reset_not_valid(),
        Err(Unset::Problem(problem)) => match problem.errors().first() {
            Some(error) => pages::reset(body.token.expose_secret(), Some(&error.detail)),
            None => Err(problem),
        },
    }
}

/// Sets the password that the body holds.
async fn reset(body: &PasswordResetBody, happening: Happening, state: &State) -> Result<(), Unset> {
    // Before anything is looked up; once more when it is known whose it is to be.
    let mut fields = Fields::new();
    fields.check("/password", Password::parse(body.password.expose_secret()));
    fields.finish()?;
    let (reset, account) = waiting(body, state).await?;
    let hash = checked(body, &account, state).await?;
    let (now, ends_sessions) = (state.clock.now(), body.end_sessions);
    let write = state.store.write(move |tx| {
        // Locked before the reset, as by whoever makes it void.
        let account = accounts::locked(tx.connection(), reset.account)?;
        let account = account.ok_or(Abort::Refused(Unset::BadToken))?;
        if !password_resets::take(tx.connection(), reset.id, now)? {
            return Err(Abort::Refused(Unset::BadToken));
        }
        let ended = if ends_sessions {
            sessions::remove_others(tx.connection(), account.id, None)?
        } else {
            0
        };
        happening.note(
            tx,
            &account,
            SecurityEvent::PasswordReset,
            json!({ "sessions_ended": ended }),
        )?;
        set_password(tx, &account, &hash, now).map_err(told(|error| Unset::Problem(Problem::internal(error))))
    });
    let job = write.await.map_err(|abort| match abort {
        Abort::Refused(unset) => unset,
        Abort::Store(error) => Unset::Problem(error.into()),
    })?;
    log_enqueued(&job);
    Ok(())
}

/// The reset that waits under this token, and its account.
async fn waiting(body: &PasswordResetBody, state: &State) -> Result<(PasswordReset, Account), Unset> {
    let (token, now) = (TokenHash::of(body.token.expose_secret()), state.clock.now());
    let read = state.store.read(move |connection| {
        let Some(reset) = password_resets::waiting(connection, &token, now)? else {
            return Ok(None);
        };
        Ok(accounts::by_id(connection, reset.account)?.map(|account| (reset, account)))
    });
    read.await.map_err(Problem::from)?.ok_or(Unset::BadToken)
}

/// The hash of the new password, if it may be set.
async fn checked(body: &PasswordResetBody, account: &Account, state: &State) -> Result<PasswordHash, Problem> {
    let mut fields = Fields::new();
    let password = Password::parse_for(body.password.expose_secret(), account.email.as_str());
    let password = fields.check("/password", password);
    let password = fields.finish_with(password)?;
    let about = vec![account.email.as_str().to_owned(), account.name.clone()];
    passwords::hashed(password, about, "/password", state).await
}

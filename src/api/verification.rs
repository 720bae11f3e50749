//! Verifying an address by the token in the mailed link: as JSON, and as a page.
//!
//! Guarantees: opening the link changes nothing, since programs that scan mail open links too; the click on the page does.
//! A token that is unknown, used, expired or of an address that got an account meanwhile gets one and the same answer.

use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::State;
use super::accounts::AccountView;
use super::client::Client;
use super::failure::or_refused;
use super::http::{FieldError, Problem, RequestId, StrictForm, StrictJson};
use super::pages;
use super::security_log::Happening;
use super::then::Then;
use super::throttle::NetworkTurn;
use crate::domain::id::{AccountId, WorkspaceId};
use crate::domain::security::SecurityEvent;
use crate::domain::token::TokenHash;
use crate::store::accounts::{self, Account, AddressTaken, NewAccount};
use crate::store::{Abort, registrations};

#[derive(Deserialize, ToSchema)]
#[schema(as = VerificationToken)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenBody {
    /// The `token` of the mailed link.
    #[schema(value_type = String)]
    token: SecretString,
}

impl TokenBody {
    /// The form in which the token is looked up.
    pub(super) fn hash(&self) -> TokenHash {
        TokenHash::of(self.token.expose_secret())
    }
}

/// The token in the query of a mailed link, if there is one.
pub(super) fn token_in_link(request: &HttpRequest) -> Option<String> {
    // Read leniently: programs between the mail and the browser like to add parameters of their own.
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let pairs = pairs.map(web::Query::into_inner).unwrap_or_default();
    pairs
        .into_iter()
        .find_map(|(name, token)| (name == "token").then_some(token))
}

/// The one thing that is wrong with a token.
struct BadToken;

/// Verifies an address by the token of the mailed link.
///
/// A token that is unknown, used, expired, or of an address that got an account meanwhile is a 422 each.
#[utoipa::path(
    post, path = "/v1/accounts/verify", tag = "accounts",
    request_body(content = TokenBody, example = json!({ "token": "lwr_0m1n2b3v" })),
    responses((status = 200, description = "The account, which can log in now.", body = AccountView)),
)]
pub(super) async fn verify_account(
    Then(_turn, StrictJson(body)): Then<NetworkTurn, StrictJson<TokenBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let happening = Happening::of(client, &request, state.clock.now());
    let account = verify(&body, happening, &state).await.map_err(or_refused(|BadToken| {
        Problem::invalid_input(vec![FieldError {
            pointer: "/token".into(),
            detail: "is not valid, or not any more; register again to get a new one".into(),
        }])
    }))?;
    Ok(HttpResponse::Ok().json(AccountView::from(account)))
}

/// `GET /verify?token=…`: the page that the mailed link leads to.
pub(super) async fn show_verify(request: HttpRequest) -> Result<HttpResponse, Problem> {
    match token_in_link(&request) {
        Some(token) => pages::verify(&token),
        None => pages::link_not_valid(),
    }
}

/// `POST /verify`: the click on that page.
pub(super) async fn post_verify(
    Then(_turn, StrictForm(body)): Then<NetworkTurn, StrictForm<TokenBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let happening = Happening::of(client, &request, state.clock.now());
    match verify(&body, happening, &state).await {
        Ok(account) => pages::verified(&account.name),
        Err(Abort::Refused(BadToken)) => pages::link_not_valid(),
        Err(Abort::Store(error)) => Err(error.into()),
    }
}

/// Makes the account of the registration that waits under this token.
async fn verify(body: &TokenBody, happening: Happening, state: &State) -> Result<Account, Abort<BadToken>> {
    let token = body.hash();
    let (id, workspace, now) = (AccountId::generate(), WorkspaceId::generate(), state.clock.now());
    let write = state.store.write(move |tx| {
        let taken = registrations::take(tx.connection(), &token, now)?;
        let registration = taken.ok_or(Abort::Refused(BadToken))?;
        let new = NewAccount {
            id,
            workspace,
            email: registration.email,
            name: registration.name,
            password_hash: registration.password_hash,
            is_operator: false,
        };
        let made = accounts::insert(tx.connection(), &new, now).map_err(|abort| match abort {
            Abort::Refused(AddressTaken) => Abort::Refused(BadToken),
            Abort::Store(error) => Abort::Store::<BadToken>(error),
        })?;
        happening.note(tx, &made, SecurityEvent::AccountMade, json!({}))?;
        Ok(made)
    });
    write.await
}

//! Changing the address of one's account: asked for by a login, confirmed by the link that is mailed to the new address.
//!
//! Guarantees: asking answers the same, after the same work, whether or not the new address has an account; its owner learns the
//! difference by mail, and nobody else. The address stays as it is until the link is used; then the old one is told. Opening the
//! link changes nothing. A token that is unknown, used, replaced, expired or of an address that got an account meanwhile gets one
//! and the same answer.

use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::State;
use super::accounts::AccountView;
use super::auth::ConfirmedMember;
use super::client::Client;
use super::credentials::not_logged_in;
use super::failure::or_refused;
use super::http::{FieldError, Fields, Problem, RequestId, StrictForm, StrictJson};
use super::pages;
use super::security_log::Happening;
use super::then::Then;
use super::throttle::NetworkTurn;
use super::verification::{TokenBody, token_in_link};
use super::work::log_enqueued;
use crate::domain::email::EmailAddress;
use crate::domain::id::{AddressChangeId, WorkspaceId};
use crate::domain::security::SecurityEvent;
use crate::domain::token::TokenHash;
use crate::jobs::kinds::{
    ADDRESS_PURPOSE, AccountExists, AccountExistsArgs, AddressChangedArgs, AddressMail, AddressMailArgs, Notice,
};
use crate::jobs::{Order, new_job};
use crate::store::accounts::{self, Account, AddressTaken};
use crate::store::address_changes::{self, AddressChange};
use crate::store::{Abort, NewJob, Tx, password_resets};

#[derive(Deserialize, ToSchema)]
#[schema(as = NewAddress)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAddressBody {
    #[schema(value_type = EmailAddress)]
    email: String,
}

/// What everybody is told who asks for another address.
#[derive(Serialize, ToSchema)]
#[schema(as = AddressAsked)]
struct Told {
    /// What to do next, for people.
    message: &'static str,
}

/// What everybody is told who asks for another address.
const ASKED: Told = Told {
    message: "a mail is on its way to the new address; open the link in it to go on",
};

/// Why nothing was entered.
enum NotAsked {
    /// The account is gone.
    Gone,
    /// The mail cannot be ordered.
    Job(serde_json::Error),
}

/// Why an address was not changed.
enum NotChanged {
    /// The token is not good, whatever is wrong with it.
    BadToken,
    /// The mail cannot be ordered.
    Job(serde_json::Error),
}

/// Asks for another address.
///
/// A link is mailed to it, and the address is changed once that is opened. The answer is the same for an address that has an
/// account already; its owner learns that by mail. Asking again makes earlier links void.
#[utoipa::path(
    post, path = "/v1/accounts/me/email", tag = "accounts", security(("session" = [])),
    request_body(content = NewAddressBody, example = json!({ "email": "ada.lovelace@example.com" })),
    responses(
        (status = 202, description = "A mail with a link is on its way to the new address.", body = Told),
        (status = 429, description = "Too many links were asked for, for this address."),
    ),
)]
pub(super) async fn ask_for_address(
    Then(member, StrictJson(body)): Then<ConfirmedMember, StrictJson<NewAddressBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let email = fields.check("/email", EmailAddress::parse(&body.email));
    let email = fields.finish_with(email)?;
    state.throttle.take_address_change(&email, &client)?;
    let (id, now) = (AddressChangeId::generate(), state.clock.now());
    let (key_id, token) = state.keys.derive(ADDRESS_PURPOSE, &id.to_string());
    let change = AddressChange {
        id,
        workspace: member.account.workspace,
        account: member.account.id,
        email,
        token_hash: TokenHash::of(token.expose_secret()),
        key_id,
        created_at: now,
        expires_at: now.plus(state.config.registration.ttl),
    };
    let happening = Happening::of(client, &request, now);
    let order = Order {
        request_id: Some(request.as_str().to_owned()),
        ..Order::default()
    };
    let detail = json!({ "session": member.session.id });
    let write = state
        .store
        .write(move |tx| enter(tx, &change, (&happening, &detail), &order));
    let job = write.await.map_err(or_refused(|not_asked| match not_asked {
        NotAsked::Gone => not_logged_in(),
        NotAsked::Job(error) => Problem::internal(error),
    }))?;
    log_enqueued(&job);
    Ok(HttpResponse::Accepted().json(ASKED))
}

/// Enters the change and its mail. Where the address has another account, its owner is told instead, and the link is never
/// mailed: both cases are the same work.
fn enter(
    tx: &mut Tx<'_>,
    change: &AddressChange,
    (happening, detail): (&Happening, &Value),
    order: &Order,
) -> Result<NewJob, Abort<NotAsked>> {
    let account = accounts::locked(tx.connection(), change.account)?.ok_or(Abort::Refused(NotAsked::Gone))?;
    let other = accounts::by_email(tx.connection(), &change.email)?.filter(|other| other.id != account.id);
    address_changes::replace(tx.connection(), change)?;
    happening.note(tx, &account, SecurityEvent::AddressChangeAsked, detail.clone())?;
    let (now, order) = (change.created_at, order.clone());
    let job = match other {
        Some(other) => {
            let args = AccountExistsArgs { account: other.id };
            new_job::<AccountExists>(&args, WorkspaceId::SERVICE, now, order)
        }
        None => {
            let args = AddressMailArgs { change: change.id };
            new_job::<AddressMail>(&args, WorkspaceId::SERVICE, now, order)
        }
    };
    let job = job.map_err(|error| Abort::Refused(NotAsked::Job(error)))?;
    tx.enqueue(&job)?;
    Ok(job)
}

/// Changes the address by the token of the mailed link.
///
/// A token that is unknown, used, replaced, expired, or of an address that got an account meanwhile is a 422 each.
#[utoipa::path(
    post, path = "/v1/accounts/confirm-address", tag = "accounts",
    request_body(content = TokenBody, example = json!({ "token": "0m1n2b3v" })),
    responses((status = 200, description = "The account, with its new address.", body = AccountView)),
)]
pub(super) async fn confirm_address(
    Then(_turn, StrictJson(body)): Then<NetworkTurn, StrictJson<TokenBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let happening = Happening::of(client, &request, state.clock.now());
    let changed = change(&body, happening, &state).await;
    let account = changed.map_err(or_refused(|not_changed| match not_changed {
        NotChanged::Job(error) => Problem::internal(error),
        NotChanged::BadToken => Problem::invalid_input(vec![FieldError {
            pointer: "/token".into(),
            detail: "is not valid, or not any more; ask for the change again to get a new one".into(),
        }]),
    }))?;
    Ok(HttpResponse::Ok().json(AccountView::from(account)))
}

/// `GET /confirm-address?token=…`: the page that the mailed link leads to.
pub(super) async fn show_confirm_address(request: HttpRequest) -> Result<HttpResponse, Problem> {
    match token_in_link(&request) {
        Some(token) => pages::confirm_address(&token),
        None => pages::address_not_valid(),
    }
}

/// `POST /confirm-address`: the click on that page.
pub(super) async fn post_confirm_address(
    Then(_turn, StrictForm(body)): Then<NetworkTurn, StrictForm<TokenBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let happening = Happening::of(client, &request, state.clock.now());
    match change(&body, happening, &state).await {
        Ok(account) => pages::address_changed(account.email.as_str()),
        Err(Abort::Refused(NotChanged::BadToken)) => pages::address_not_valid(),
        Err(Abort::Refused(NotChanged::Job(error))) => Err(Problem::internal(error)),
        Err(Abort::Store(error)) => Err(error.into()),
    }
}

/// Changes the address as was asked under this token, and tells the old one.
async fn change(body: &TokenBody, happening: Happening, state: &State) -> Result<Account, Abort<NotChanged>> {
    let (token, now) = (body.hash(), state.clock.now());
    let write = state.store.write(move |tx| {
        let bad = || Abort::Refused(NotChanged::BadToken);
        let change = address_changes::take(tx.connection(), &token, now)?.ok_or_else(bad)?;
        let old = accounts::by_id(tx.connection(), change.account)?.ok_or_else(bad)?;
        let changed = accounts::change_email(tx.connection(), change.account, &change.email, now);
        let changed = changed.map_err(|abort| match abort {
            Abort::Refused(AddressTaken) => bad(),
            Abort::Store(error) => Abort::Store(error),
        })?;
        let account = changed.ok_or_else(bad)?;
        // What was mailed to the old address is no longer its owner's to use.
        password_resets::void_all(tx.connection(), account.id)?;
        happening.note(tx, &account, SecurityEvent::AddressChanged, json!({}))?;
        let args = AddressChangedArgs {
            account: account.id,
            old: old.email,
        };
        let job = new_job::<Notice<AddressChangedArgs>>(&args, WorkspaceId::SERVICE, now, Order::default());
        let job = job.map_err(|error| Abort::Refused(NotChanged::Job(error)))?;
        tx.enqueue(&job)?;
        Ok((account, job))
    });
    let (account, job) = write.await?;
    log_enqueued(&job);
    Ok(account)
}

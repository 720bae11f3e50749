//! Accounts: registering one, and one's own.
//!
//! Guarantees: registering answers the same, after the same work, whether or not the address has an account or too many
//! registrations already; the owner of the address learns the difference by mail, and nobody else. The answer does not
//! wait for that mail.
//!
//! Changing the address (`address_changes`), the password (`password_changes`, `password_resets`) and deleting the account
//! (`account_deletion`) stand apart.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::State;
use super::auth::Member;
use super::client::Client;
use super::credentials::not_logged_in;
use super::failure::or_refused;
use super::http::{Fields, Problem, RequestId, StrictJson};
use super::passwords;
use super::then::Then;
use super::throttle::NetworkTurn;
use super::work::log_enqueued;
use crate::clock::Timestamp;
use crate::domain::email::{DisplayName, EmailAddress};
use crate::domain::id::{AccountId, RegistrationId, WorkspaceId};
use crate::domain::password::Password;
use crate::domain::token::TokenHash;
use crate::jobs::kinds::{AccountExists, AccountExistsArgs, RegistrationMail, RegistrationMailArgs, TOKEN_PURPOSE};
use crate::jobs::{Order, new_job};
use crate::store::accounts::{self, Account};
use crate::store::registrations::{self, Registration};
use crate::store::{Abort, NewJob, Tx};

/// An account as its owner sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountView {
    id: AccountId,
    workspace_id: WorkspaceId,
    email: EmailAddress,
    name: String,
    /// Whether it may see and steer the whole service.
    is_operator: bool,
    created_at: Timestamp,
    /// When it and all that is its workspace's go; null unless its owner asked for that.
    deletion_at: Option<Timestamp>,
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            workspace_id: account.workspace,
            email: account.email,
            name: account.name,
            is_operator: account.is_operator,
            created_at: account.created_at,
            deletion_at: account.deletion_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewAccount)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccountBody {
    #[schema(value_type = EmailAddress)]
    email: String,
    #[schema(value_type = Password)]
    password: SecretString,
    /// What the person is called.
    #[schema(value_type = DisplayName)]
    name: String,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = AccountChange)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountChangeBody {
    /// What the person is called.
    #[schema(value_type = DisplayName)]
    name: String,
}

/// What everybody is told who registers.
#[derive(Serialize, ToSchema)]
#[schema(as = Registered)]
struct Told {
    /// What to do next, for people.
    message: &'static str,
}

/// What everybody is told who registers.
const REGISTERED: Told = Told {
    message: "a mail is on its way to this address; open the link in it to go on",
};

/// Registers an account.
///
/// The answer is the same for an address that has an account already; its owner learns that by mail.
#[utoipa::path(
    post, path = "/v1/accounts", tag = "accounts",
    request_body(
        content = NewAccountBody,
        example = json!({ "email": "ada@example.com", "password": "correct horse battery", "name": "Ada" }),
    ),
    responses((status = 202, description = "A mail with a link is on its way.", body = Told)),
)]
pub(super) async fn create_account(
    Then(_turn, StrictJson(body)): Then<NetworkTurn, StrictJson<NewAccountBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (email, name, password) = checked(&body)?;
    state.throttle.take_registration(&email, &client)?;
    let about = vec![email.as_str().to_owned(), name.as_str().to_owned()];
    let hash = passwords::hashed(password, about, "/password", &state).await?;
    let now = state.clock.now();
    let id = RegistrationId::generate();
    let (key_id, token) = state.keys.derive(TOKEN_PURPOSE, &id.to_string());
    let registration = Registration {
        id,
        email,
        name: name.as_str().to_owned(),
        password_hash: hash.as_str().to_owned(),
        token_hash: TokenHash::of(token.expose_secret()),
        key_id,
        created_at: now,
        expires_at: now.plus(state.config.registration.ttl),
    };
    let order = Order {
        request_id: Some(request.as_str().to_owned()),
        ..Order::default()
    };
    let write = state.store.write(move |tx| register(tx, &registration, &order));
    let enqueued = write
        .await
        .map_err(or_refused(|error: serde_json::Error| Problem::internal(error)))?;
    if let Some(job) = enqueued {
        log_enqueued(&job);
    }
    Ok(HttpResponse::Accepted().json(REGISTERED))
}

/// Shows the account that asks.
#[utoipa::path(
    get, path = "/v1/accounts/me", tag = "accounts", security(("member" = [])),
    responses((status = 200, description = "The account.", body = AccountView)),
)]
pub(super) async fn show_account(member: Member) -> HttpResponse {
    HttpResponse::Ok().json(AccountView::from(member.account))
}

/// Changes the account that asks.
#[utoipa::path(
    patch, path = "/v1/accounts/me", tag = "accounts", security(("member" = [])),
    request_body(content = AccountChangeBody, example = json!({ "name": "Ada Lovelace" })),
    responses((status = 200, description = "The account as it is now.", body = AccountView)),
)]
pub(super) async fn update_account(
    Then(member, StrictJson(body)): Then<Member, StrictJson<AccountChangeBody>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let name = fields.check("/name", DisplayName::parse(&body.name));
    let name = fields.finish_with(name)?;
    let (id, now) = (member.account.id, state.clock.now());
    let write = state.store.write(move |tx| {
        let renamed = accounts::rename(tx.connection(), id, name.as_str(), now)?;
        // It was there when the request came in, and is gone since.
        renamed.ok_or(Abort::Refused(()))
    });
    let account = write.await.map_err(or_refused(|()| not_logged_in()))?;
    Ok(HttpResponse::Ok().json(AccountView::from(account)))
}

fn checked(body: &NewAccountBody) -> Result<(EmailAddress, DisplayName, Password), Problem> {
    let mut fields = Fields::new();
    let email = fields.check("/email", EmailAddress::parse(&body.email));
    let password = Password::parse_for(body.password.expose_secret(), &body.email);
    let password = fields.check("/password", password);
    let name = fields.check("/name", DisplayName::parse(&body.name));
    fields.finish_with(
        email
            .zip(name)
            .zip(password)
            .map(|((email, name), password)| (email, name, password)),
    )
}

/// Enters the registration and its mail. Where the address has an account, its owner is told instead; the registration is
/// entered all the same, and its link never mailed: so that both cases are the same work, and a stranger cannot have more
/// mails sent to an account's owner than to anybody else. Answers the job, if there is one: an address for which enough
/// registrations wait gets no further mail.
fn register(tx: &mut Tx<'_>, new: &Registration, order: &Order) -> Result<Option<NewJob>, Abort<serde_json::Error>> {
    let account = accounts::by_email(tx.connection(), &new.email)?;
    if !registrations::insert(tx.connection(), new)? {
        return Ok(None);
    }
    let job = match account {
        Some(account) => {
            let args = AccountExistsArgs { account: account.id };
            new_job::<AccountExists>(&args, WorkspaceId::SERVICE, new.created_at, order.clone())
        }
        None => {
            let args = RegistrationMailArgs { registration: new.id };
            new_job::<RegistrationMail>(&args, WorkspaceId::SERVICE, new.created_at, order.clone())
        }
    };
    let job = job.map_err(Abort::Refused)?;
    tx.enqueue(&job)?;
    Ok(Some(job))
}

//! Making an account on the command line (and, in `account_orders`, changing one), beside a running service or before the first one.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;

use super::beside::Beside;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::domain::act::Action;
use crate::domain::email::{AddressError, DisplayName, EmailAddress, HeaderTextError};
use crate::domain::id::{AccountId, ApiKeyId, WorkspaceId};
use crate::domain::key_prefix::KeyPrefix;
use crate::domain::password::{Password, PasswordError, PasswordHashError, PasswordHasher, SALT_BYTES};
use crate::domain::scope::Scopes;
use crate::domain::token::{EntropyError, Token, TokenKind, random_bytes};
use crate::store::accounts::{self, Account, NewAccount};
use crate::store::acts::{self, ActBy, NewAct};
use crate::store::api_keys::{self, ApiKey};
use crate::store::{Abort, StoreError};

/// What is asked for on the command line.
pub struct AccountOrder {
    /// The address; taken as verified.
    pub email: String,
    /// What the person is called.
    pub name: String,
    /// The password.
    pub password: SecretString,
    /// Whether it may see and steer the whole service.
    pub is_operator: bool,
    /// Whether a key is made with it.
    pub with_api_key: bool,
}

/// The account that was made.
#[derive(Debug, Serialize)]
pub struct MadeAccount {
    /// Its id.
    pub id: AccountId,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Its address.
    pub email: String,
    /// What the person is called.
    pub name: String,
    /// Whether it may see and steer the whole service.
    pub is_operator: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its key, shown this once; none unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
}

/// Why no account was made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The address is not one.
    #[error("the address cannot be used")]
    Email(#[from] AddressError),
    /// The name is not one.
    #[error("the name cannot be used")]
    Name(#[from] HeaderTextError),
    /// The password is not good enough.
    #[error("the password cannot be used")]
    Password(#[from] PasswordError),
    /// Hashing failed.
    #[error("the password could not be hashed")]
    Hash(#[from] PasswordHashError),
    /// The system gives no randomness.
    #[error("the system gives no random numbers")]
    Entropy(#[from] EntropyError),
    /// The address has an account.
    #[error(transparent)]
    Taken(#[from] accounts::AddressTaken),
    /// The address has no account.
    #[error("no account has this address")]
    Unknown,
    /// Nobody could steer the service without it.
    #[error("this is the last operator's account; make another operator first")]
    LastOperator,
    /// The mail that tells of it cannot be ordered.
    #[error("the job cannot be made")]
    Job(#[from] serde_json::Error),
    /// The database failed.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
}

/// That it was made, as it is written down.
fn act(account: &Account, with_api_key: bool) -> NewAct {
    NewAct {
        at: account.created_at,
        by: ActBy::CommandLine { uid: None },
        action: Action::CreateAccount,
        subject_kind: "account",
        subject: account.id.to_string(),
        detail: json!({ "is_operator": account.is_operator, "with_api_key": with_api_key }),
    }
}

/// Makes the account, with a workspace of its own.
///
/// Needs an actix system.
///
/// # Errors
/// [`AccountError`]; then nothing was made.
pub async fn create(config: &Config, order: AccountOrder, clock: &Clock) -> Result<MadeAccount, AccountError> {
    let email = EmailAddress::parse(&order.email)?;
    let name = DisplayName::parse(&order.name)?;
    let password = Password::parse_for(order.password.expose_secret(), email.as_str())?;
    password.check_strength(&[email.as_str(), name.as_str()])?;
    let salt = random_bytes::<SALT_BYTES>()?;
    let password_hash = PasswordHasher::new(config.passwords.cost)?.hash(&password, &salt)?;
    let new = NewAccount {
        id: AccountId::generate(),
        workspace: WorkspaceId::generate(),
        email,
        name: name.as_str().to_owned(),
        password_hash: password_hash.as_str().to_owned(),
        is_operator: order.is_operator,
    };
    let key = if order.with_api_key {
        Some(Token::generate(TokenKind::ApiKey)?)
    } else {
        None
    };
    let key_hash = key.as_ref().map(|key| (key.hash(), KeyPrefix::of(key)));
    let beside = Beside::open(config, clock)?;
    let now = clock.now();
    let inserted = beside
        .store
        .write(move |tx| {
            let account = accounts::insert(tx.connection(), &new, now)?;
            acts::record(tx, &act(&account, key_hash.is_some()))?;
            if let Some((hash, prefix)) = &key_hash {
                let key = ApiKey {
                    id: ApiKeyId::generate(),
                    account: account.id,
                    name: "made on the command line".to_owned(),
                    scopes: Scopes::everything(),
                    prefix: Some(prefix.as_str().to_owned()),
                    created_at: now,
                    expires_at: None,
                    last_used_at: None,
                    replaced_by: None,
                };
                api_keys::insert(tx.connection(), &key, account.workspace, hash)?;
            }
            Ok(account)
        })
        .await;
    beside.close().await;
    match inserted {
        Ok(account) => Ok(MadeAccount {
            id: account.id,
            workspace_id: account.workspace,
            email: account.email.as_str().to_owned(),
            name: account.name,
            is_operator: account.is_operator,
            created_at: account.created_at,
            api_key: key.map(|key| key.expose().to_owned()),
        }),
        Err(Abort::Refused(taken)) => Err(taken.into()),
        Err(Abort::Store(error)) => Err(error.into()),
    }
}

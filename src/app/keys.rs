//! API keys on the command line, beside a running service or without one: seeing them, and revoking one that leaked.
//!
//! Guarantees: a running service refuses a key within a second after it was revoked here, since the database itself tells of it;
//! what is done is written down as an operator's act, and in the account's own log.

use serde::Serialize;
use serde_json::json;

use super::beside::Beside;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::domain::act::Action;
use crate::domain::email::{AddressError, EmailAddress};
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::key_prefix::{PrefixStart, PrefixStartError};
use crate::domain::scope::Scope;
use crate::domain::security::SecurityEvent;
use crate::store::accounts::Account;
use crate::store::acts::{self, ActBy, NewAct};
use crate::store::api_keys::{self, ApiKey, KeyFilter};
use crate::store::security::{self, NewSecurityEvent};
use crate::store::{Abort, Store, StoreError, Tx};

/// Keys that are read at once.
const PAGE: usize = 500;

/// A key that is good, as the command line shows it.
#[derive(Debug, Serialize)]
pub struct ListedKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its first characters; none for one that was made before they were kept.
    pub prefix: Option<String>,
    /// Whose it is.
    pub account_id: AccountId,
    /// The address of that account.
    pub email: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good; none if it has no end.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to a minute or two.
    pub last_used_at: Option<Timestamp>,
    /// The key that takes its place.
    pub replaced_by: Option<ApiKeyId>,
}

impl From<(ApiKey, Account)> for ListedKey {
    fn from((key, account): (ApiKey, Account)) -> Self {
        Self {
            id: key.id,
            prefix: key.prefix,
            account_id: account.id,
            email: account.email.as_str().to_owned(),
            name: key.name,
            scopes: key.scopes.iter().collect(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            replaced_by: key.replaced_by,
        }
    }
}

/// Why keys are not shown, or none is revoked.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The address is not one.
    #[error("the address cannot be used")]
    Email(#[from] AddressError),
    /// It names no key.
    #[error("name a key by its id, key_…, or by its first twelve characters")]
    Which(#[source] PrefixStartError),
    /// It is the start of a prefix only.
    #[error("name a key by its id, key_…, or by its first twelve characters, not by fewer")]
    TooShort,
    /// No key that is good is named so.
    #[error("no API key that is good has this id or these first characters")]
    NoSuchKey,
    /// Several begin so.
    #[error("several API keys begin so; name one by its id: {0} or {1}")]
    Several(ApiKeyId, ApiKeyId),
    /// The database failed.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
}

/// The keys that are good, the newest first: all, or those of the account with this address.
///
/// Needs an actix system.
///
/// # Errors
/// [`KeyError`].
pub async fn list(config: &Config, email: Option<&str>, clock: &Clock) -> Result<Vec<ListedKey>, KeyError> {
    let filter = KeyFilter {
        email: email.map(EmailAddress::parse).transpose()?,
        ..KeyFilter::default()
    };
    let beside = Beside::open(config, clock)?;
    let all = all(&beside.store, filter, clock.now()).await;
    beside.close().await;
    Ok(all?)
}

async fn all(store: &Store, mut filter: KeyFilter, now: Timestamp) -> Result<Vec<ListedKey>, StoreError> {
    let mut all = Vec::new();
    loop {
        let page = filter.clone();
        let read = store.read(move |connection| api_keys::list(connection, &page, now, PAGE));
        let found = read.await?;
        let is_last = found.len() < PAGE;
        filter.before = found.last().map(|(key, _)| key.id);
        all.extend(found.into_iter().map(ListedKey::from));
        if is_last {
            return Ok(all);
        }
    }
}

/// Revokes the key with this id or these first characters, whosever it is, and answers it.
///
/// Needs an actix system.
///
/// # Errors
/// [`KeyError`]; then none is revoked.
pub async fn revoke(config: &Config, which: &str, clock: &Clock) -> Result<ListedKey, KeyError> {
    let filter = named(which)?;
    let beside = Beside::open(config, clock)?;
    let now = clock.now();
    let write = beside.store.write(move |tx| revoked(tx, &filter, now));
    let done = write.await;
    beside.close().await;
    match done {
        Ok(found) => Ok(found.into()),
        Err(Abort::Refused(refused)) => Err(refused),
        Err(Abort::Store(error)) => Err(error.into()),
    }
}

/// The one key that is named so.
fn named(which: &str) -> Result<KeyFilter, KeyError> {
    if let Ok(id) = which.parse() {
        return Ok(KeyFilter {
            id: Some(id),
            ..KeyFilter::default()
        });
    }
    let prefix: PrefixStart = which.parse().map_err(KeyError::Which)?;
    if !prefix.is_whole() {
        return Err(KeyError::TooShort);
    }
    Ok(KeyFilter {
        prefix: Some(prefix),
        ..KeyFilter::default()
    })
}

fn revoked(tx: &mut Tx<'_>, filter: &KeyFilter, now: Timestamp) -> Result<(ApiKey, Account), Abort<KeyError>> {
    let mut found = api_keys::list(tx.connection(), filter, now, 2)?.into_iter();
    let (key, account) = match (found.next(), found.next()) {
        (Some(only), None) => only,
        (Some((one, _)), Some((other, _))) => return Err(Abort::Refused(KeyError::Several(one.id, other.id))),
        (None, _) => return Err(Abort::Refused(KeyError::NoSuchKey)),
    };
    if !api_keys::revoke(tx.connection(), key.id, account.id, now)? {
        // Its owner was quicker.
        return Err(Abort::Refused(KeyError::NoSuchKey));
    }
    let act = NewAct {
        at: now,
        by: ActBy::CommandLine { uid: None },
        action: Action::RevokeKey,
        subject_kind: "api_key",
        subject: key.id.to_string(),
        detail: json!({ "account": account.id, "prefix": key.prefix }),
    };
    acts::record(tx, &act)?;
    let event = NewSecurityEvent {
        at: now,
        workspace: account.workspace,
        account: Some(account.id),
        event: SecurityEvent::KeyRevoked,
        network: None,
        user_agent: None,
        request_id: None,
        detail: json!({ "api_key": key.id, "via": "command_line" }),
    };
    security::record(tx.connection(), &event)?;
    Ok((key, account))
}

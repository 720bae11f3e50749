//! API keys: what programs log in with, found by the hash of the key.
//!
//! Guarantees: a key is good until it is revoked or its time has come, whichever is first, and has one successor at most; who
//! makes or replaces keys of an account holds the account ([`hold`]), so that a bound on them is kept.

use std::time::Duration;

use crate::store::dialect::prelude::*;

use super::accounts::{Account, AccountRow};
use super::dialect::{Locked, Optional};
use super::schema::{accounts, api_keys};
use super::text::{number, parsed, time};
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{AccountId, ApiKeyId, WorkspaceId};
use crate::domain::key_prefix::PrefixStart;
use crate::domain::scope::Scopes;
use crate::domain::token::TokenHash;

/// A key with which a program calls the service.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Its first characters; none for one that was made before they were kept.
    pub prefix: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good; none if it has no end.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to a minute or two.
    pub last_used_at: Option<Timestamp>,
    /// The key that takes its place.
    pub replaced_by: Option<ApiKeyId>,
}

impl ApiKey {
    /// For how long it was made; none if it has no end.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.expires_at.map(|end| end.since(self.created_at))
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
struct ApiKeyRow {
    id: String,
    account_id: String,
    name: String,
    scopes: String,
    prefix: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    replaced_by: Option<String>,
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = StoreError;

    fn try_from(row: ApiKeyRow) -> Result<Self, StoreError> {
        let replaced_by = row.replaced_by.map(|id| parsed(&id, "api_keys", "replaced_by"));
        Ok(Self {
            id: parsed(&row.id, "api_keys", "id")?,
            account: parsed(&row.account_id, "api_keys", "account_id")?,
            name: row.name,
            scopes: Scopes::stored(&row.scopes),
            prefix: row.prefix,
            created_at: time(row.created_at),
            expires_at: row.expires_at.map(time),
            last_used_at: row.last_used_at.map(time),
            replaced_by: replaced_by.transpose()?,
        })
    }
}

/// That a key is good at a time.
macro_rules! good_at {
    ($now:expr) => {
        api_keys::revoked_at.is_null().and(
            api_keys::expires_at
                .is_null()
                .or(api_keys::expires_at.gt($now.as_micros())),
        )
    };
}

/// Enters a key.
///
/// # Errors
/// When the statement fails.
pub fn insert(
    connection: &mut Connection,
    new: &ApiKey,
    workspace: WorkspaceId,
    key: &TokenHash,
) -> Result<(), StoreError> {
    diesel::insert_into(api_keys::table)
        .values((
            api_keys::id.eq(new.id.to_string()),
            api_keys::workspace_id.eq(workspace.to_string()),
            api_keys::account_id.eq(new.account.to_string()),
            api_keys::name.eq(&new.name),
            api_keys::key_hash.eq(key.to_string()),
            api_keys::scopes.eq(new.scopes.to_string()),
            api_keys::prefix.eq(&new.prefix),
            api_keys::created_at.eq(new.created_at.as_micros()),
            api_keys::expires_at.eq(new.expires_at.map(Timestamp::as_micros)),
            api_keys::revoked_at.eq(None::<i64>),
        ))
        .execute(connection)?;
    Ok(())
}

/// The key with this hash, if it is good at `now`, and its account.
///
/// # Errors
/// When the statement fails.
pub fn by_hash(
    connection: &mut Connection,
    key: &TokenHash,
    now: Timestamp,
) -> Result<Option<(ApiKey, Account)>, StoreError> {
    let found: Option<(ApiKeyRow, AccountRow)> = api_keys::table
        .inner_join(accounts::table)
        .filter(api_keys::key_hash.eq(key.to_string()))
        .filter(good_at!(now))
        .select((ApiKeyRow::columns(), AccountRow::columns()))
        .first(connection)
        .optional()?;
    found.map(both).transpose()
}

fn both((key, account): (ApiKeyRow, AccountRow)) -> Result<(ApiKey, Account), StoreError> {
    Ok((key.try_into()?, account.try_into()?))
}

/// Which keys are looked for.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of the account with this address.
    pub email: Option<EmailAddress>,
    /// This one.
    pub id: Option<ApiKeyId>,
    /// Whose prefix begins so.
    pub prefix: Option<PrefixStart>,
    /// Made before this one.
    pub before: Option<ApiKeyId>,
}

/// The keys that are good at `now` with their accounts, the newest first; at most `limit`.
///
/// # Errors
/// When the statement fails.
pub fn list(
    connection: &mut Connection,
    filter: &KeyFilter,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<(ApiKey, Account)>, StoreError> {
    let (start, end) = filter
        .prefix
        .as_ref()
        .map(|start| (start.as_str(), start.end()))
        .unzip();
    let canonical = filter.email.as_ref().map(EmailAddress::canonical);
    let rows: Vec<(ApiKeyRow, AccountRow)> = api_keys::table
        .inner_join(accounts::table)
        .filter(good_at!(now))
        .filter(Optional::new("api_keys.account_id =", filter.account))
        .filter(Optional::new("accounts.email_canonical =", canonical))
        .filter(Optional::new("api_keys.id =", filter.id))
        .filter(Optional::new("api_keys.id <", filter.before))
        .filter(Optional::new("api_keys.prefix >=", start))
        .filter(Optional::new("api_keys.prefix <", end))
        .order(api_keys::id.desc())
        .limit(number(limit))
        .select((ApiKeyRow::columns(), AccountRow::columns()))
        .load(connection)?;
    rows.into_iter().map(both).collect()
}

/// Has all others who would make or replace keys of `account` wait until this transaction has ended.
///
/// # Errors
/// When the statement fails.
pub fn hold(connection: &mut Connection, account: AccountId) -> Result<(), StoreError> {
    let row = accounts::table
        .filter(accounts::id.eq(account.to_string()))
        .select(accounts::id);
    // One that is gone has none to be bounded.
    let _held: Option<String> = Locked(row).get_result(connection).optional()?;
    Ok(())
}

/// How many keys an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCount {
    /// Those that have no successor.
    pub current: usize,
    /// Those that have one and are good until it has taken over.
    pub replaced: usize,
}

/// How many keys of an account are good at `now`.
///
/// # Errors
/// When the statement fails.
pub fn count(connection: &mut Connection, account: AccountId, now: Timestamp) -> Result<KeyCount, StoreError> {
    let successors: Vec<Option<String>> = api_keys::table
        .filter(api_keys::account_id.eq(account.to_string()))
        .filter(good_at!(now))
        .select(api_keys::replaced_by)
        .load(connection)?;
    let replaced = successors.iter().flatten().count();
    Ok(KeyCount {
        current: successors.len().saturating_sub(replaced),
        replaced,
    })
}

/// Gives a key a successor: it is good until `until` at the most, and not at all any more if that is `now`.
///
/// # Errors
/// When the statement fails.
pub fn replace(
    connection: &mut Connection,
    key: &ApiKey,
    successor: ApiKeyId,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let until = key.expires_at.map_or(until, |end| end.min(until));
    let revoked_at = (until <= now).then(|| now.as_micros());
    diesel::update(api_keys::table.filter(api_keys::id.eq(key.id.to_string())))
        .set((
            api_keys::replaced_by.eq(successor.to_string()),
            api_keys::expires_at.eq(until.as_micros()),
            api_keys::revoked_at.eq(revoked_at),
        ))
        .execute(connection)?;
    Ok(())
}

/// Revokes a key of an account at `now`; answers whether there was one.
///
/// # Errors
/// When the statement fails.
pub fn revoke(
    connection: &mut Connection,
    id: ApiKeyId,
    account: AccountId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let key = api_keys::table
        .filter(api_keys::id.eq(id.to_string()))
        .filter(api_keys::account_id.eq(account.to_string()))
        .filter(good_at!(now));
    Ok(diesel::update(key)
        .set(api_keys::revoked_at.eq(now.as_micros()))
        .execute(connection)?
        == 1)
}

/// Notes that keys were used, the last of them at `at`; what was noted later stays.
///
/// # Errors
/// When the statement fails.
pub fn used(connection: &mut Connection, keys: &[ApiKeyId], at: Timestamp) -> Result<(), StoreError> {
    let keys = keys.iter().map(ToString::to_string);
    let last_used_at = api_keys::last_used_at;
    let earlier = last_used_at.is_null().or(last_used_at.lt(at.as_micros()));
    diesel::update(api_keys::table.filter(api_keys::id.eq_any(keys)).filter(earlier))
        .set(last_used_at.eq(at.as_micros()))
        .execute(connection)?;
    Ok(())
}

/// Removes up to `limit` keys that were of no use any more at `until`; answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget_ended(connection: &mut Connection, until: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let until = until.as_micros();
    let mut ended: Vec<String> = api_keys::table
        .filter(api_keys::revoked_at.le(until))
        .limit(number(limit))
        .select(api_keys::id)
        .load(connection)?;
    let expired: Vec<String> = api_keys::table
        .filter(api_keys::expires_at.le(until))
        .limit(number(limit.saturating_sub(ended.len())))
        .select(api_keys::id)
        .load(connection)?;
    ended.extend(expired);
    if ended.is_empty() {
        return Ok(0);
    }
    Ok(diesel::delete(api_keys::table.filter(api_keys::id.eq_any(ended))).execute(connection)?)
}

#[cfg(test)]
mod tests;

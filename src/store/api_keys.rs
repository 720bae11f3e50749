//! API keys: what programs log in with, found by the hash of the key.

use crate::store::dialect::prelude::*;

use super::accounts::{Account, AccountRow};
use super::schema::{accounts, api_keys};
use super::text::{parsed, time, unsigned};
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, ApiKeyId, WorkspaceId};
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
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
struct ApiKeyRow {
    id: String,
    account_id: String,
    name: String,
    scopes: String,
    created_at: i64,
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = StoreError;

    fn try_from(row: ApiKeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "api_keys", "id")?,
            account: parsed(&row.account_id, "api_keys", "account_id")?,
            name: row.name,
            scopes: row
                .scopes
                .split(' ')
                .filter(|scope| !scope.is_empty())
                .map(str::to_owned)
                .collect(),
            created_at: time(row.created_at),
        })
    }
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
            api_keys::scopes.eq(new.scopes.join(" ")),
            api_keys::created_at.eq(new.created_at.as_micros()),
            api_keys::revoked_at.eq(None::<i64>),
        ))
        .execute(connection)?;
    Ok(())
}

/// The key with this hash, unless it was revoked, and its account.
///
/// # Errors
/// When the statement fails.
pub fn by_hash(connection: &mut Connection, key: &TokenHash) -> Result<Option<(ApiKey, Account)>, StoreError> {
    let found: Option<(ApiKeyRow, AccountRow)> = api_keys::table
        .inner_join(accounts::table)
        .filter(api_keys::key_hash.eq(key.to_string()))
        .filter(api_keys::revoked_at.is_null())
        .select((ApiKeyRow::columns(), AccountRow::columns()))
        .first(connection)
        .optional()?;
    found
        .map(|(key, account)| Ok((key.try_into()?, account.try_into()?)))
        .transpose()
}

/// The keys of an account that are not revoked, the newest first; at most `limit`.
///
/// # Errors
/// When the statement fails.
pub fn of_account(connection: &mut Connection, account: AccountId, limit: i64) -> Result<Vec<ApiKey>, StoreError> {
    let rows: Vec<ApiKeyRow> = api_keys::table
        .filter(api_keys::account_id.eq(account.to_string()))
        .filter(api_keys::revoked_at.is_null())
        .order(api_keys::id.desc())
        .limit(limit)
        .select(ApiKeyRow::columns())
        .load(connection)?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// How many keys of an account are not revoked.
///
/// # Errors
/// When the statement fails.
pub fn count(connection: &mut Connection, account: AccountId) -> Result<usize, StoreError> {
    let count: i64 = api_keys::table
        .filter(api_keys::account_id.eq(account.to_string()))
        .filter(api_keys::revoked_at.is_null())
        .count()
        .get_result(connection)?;
    unsigned(count, "api_keys", "count")
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
        .filter(api_keys::revoked_at.is_null());
    Ok(diesel::update(key)
        .set(api_keys::revoked_at.eq(now.as_micros()))
        .execute(connection)?
        == 1)
}

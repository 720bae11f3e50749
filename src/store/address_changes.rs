//! Changes of address that wait to be confirmed at the new one.
//!
//! Guarantees: an account has one at most, the latest that was asked for; one is taken once.

use crate::store::dialect::prelude::*;

use super::schema::address_changes;
use super::text::{number, parsed, time};
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{AccountId, AddressChangeId, WorkspaceId};
use crate::domain::token::TokenHash;
use crate::keyring::KeyId;

/// A change of address that was asked for.
#[derive(Clone, Debug)]
pub struct AddressChange {
    /// Its id, from which the token in the mailed link is derived.
    pub id: AddressChangeId,
    /// The workspace of the account.
    pub workspace: WorkspaceId,
    /// Whose address it is to be.
    pub account: AccountId,
    /// The new address.
    pub email: EmailAddress,
    /// The hash of the token in the mailed link.
    pub token_hash: TokenHash,
    /// The key under which the token was derived.
    pub key_id: KeyId,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Until when it can be confirmed.
    pub expires_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = address_changes)]
struct AddressChangeRow {
    id: String,
    workspace_id: String,
    account_id: String,
    email: String,
    token_hash: String,
    key_id: String,
    created_at: i64,
    expires_at: i64,
}

impl TryFrom<AddressChangeRow> for AddressChange {
    type Error = StoreError;

    fn try_from(row: AddressChangeRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "address_changes", "id")?,
            workspace: parsed(&row.workspace_id, "address_changes", "workspace_id")?,
            account: parsed(&row.account_id, "address_changes", "account_id")?,
            email: EmailAddress::parse(&row.email).map_err(|_invalid| StoreError::Corrupt {
                table: "address_changes",
                what: "email",
            })?,
            token_hash: parsed(&row.token_hash, "address_changes", "token_hash")?,
            key_id: parsed(&row.key_id, "address_changes", "key_id")?,
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
        })
    }
}

/// Enters a change in the place of the one that its account has, if it has one. The account's row must be locked.
///
/// # Errors
/// When a statement fails.
pub fn replace(connection: &mut Connection, new: &AddressChange) -> Result<(), StoreError> {
    forget_of(connection, new.account)?;
    diesel::insert_into(address_changes::table)
        .values((
            address_changes::id.eq(new.id.to_string()),
            address_changes::workspace_id.eq(new.workspace.to_string()),
            address_changes::account_id.eq(new.account.to_string()),
            address_changes::email.eq(new.email.as_str()),
            address_changes::email_canonical.eq(new.email.canonical()),
            address_changes::token_hash.eq(new.token_hash.to_string()),
            address_changes::key_id.eq(new.key_id.to_string()),
            address_changes::created_at.eq(new.created_at.as_micros()),
            address_changes::expires_at.eq(new.expires_at.as_micros()),
        ))
        .execute(connection)?;
    Ok(())
}

/// The change with this id, if it still waits at `now`.
///
/// # Errors
/// When the statement fails.
pub fn waiting(
    connection: &mut Connection,
    id: AddressChangeId,
    now: Timestamp,
) -> Result<Option<AddressChange>, StoreError> {
    let row: Option<AddressChangeRow> = address_changes::table
        .filter(address_changes::id.eq(id.to_string()))
        .filter(address_changes::expires_at.gt(now.as_micros()))
        .select(AddressChangeRow::columns())
        .first(connection)
        .optional()?;
    row.map(AddressChange::try_from).transpose()
}

/// Takes the change whose token has this hash, if it still waits at `now`: of several who try, one.
///
/// # Errors
/// When the statement fails.
pub fn take(
    connection: &mut Connection,
    token: &TokenHash,
    now: Timestamp,
) -> Result<Option<AddressChange>, StoreError> {
    let waiting = address_changes::table
        .filter(address_changes::token_hash.eq(token.to_string()))
        .filter(address_changes::expires_at.gt(now.as_micros()));
    let row: Option<AddressChangeRow> = diesel::delete(waiting)
        .returning(AddressChangeRow::columns())
        .get_result(connection)
        .optional()?;
    row.map(AddressChange::try_from).transpose()
}

/// Forgets the change of an account, if it has one.
///
/// # Errors
/// When the statement fails.
pub fn forget_of(connection: &mut Connection, account: AccountId) -> Result<(), StoreError> {
    diesel::delete(address_changes::table.filter(address_changes::account_id.eq(account.to_string())))
        .execute(connection)?;
    Ok(())
}

/// Removes up to `limit` changes that were not confirmed in time; answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget_expired(connection: &mut Connection, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let expired: Vec<String> = address_changes::table
        .filter(address_changes::expires_at.le(now.as_micros()))
        .limit(number(limit))
        .select(address_changes::id)
        .load(connection)?;
    Ok(diesel::delete(address_changes::table.filter(address_changes::id.eq_any(expired))).execute(connection)?)
}

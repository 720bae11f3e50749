//! Resets of passwords that wait for their link to be used.
//!
//! Guarantees: one is used once; one that was used or is void stays so, also where the job that entered it is run again, since
//! its row is kept for longer than that job may enter one.

use crate::store::dialect::prelude::*;

use super::schema::password_resets;
use super::text::{number, parsed, time};
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, PasswordResetId, WorkspaceId};
use crate::domain::token::TokenHash;
use crate::keyring::KeyId;

/// A reset whose link is mailed.
#[derive(Clone, Debug)]
pub struct PasswordReset {
    /// Its id, from which the token in the mailed link is derived.
    pub id: PasswordResetId,
    /// The workspace of the account.
    pub workspace: WorkspaceId,
    /// Whose password is to be set.
    pub account: AccountId,
    /// The hash of the token in the mailed link.
    pub token_hash: TokenHash,
    /// The key under which the token was derived.
    pub key_id: KeyId,
    /// When it was entered.
    pub created_at: Timestamp,
    /// Until when it can be used. One that was used or is void has the time at which it was entered.
    pub expires_at: Timestamp,
}

/// Whether a reset is there to be mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is new.
    New,
    /// It was there, under this key, and can be used as long as a new one.
    Again(KeyId),
    /// It was used, or is void: there is nothing to mail.
    Void,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = password_resets)]
struct PasswordResetRow {
    id: String,
    workspace_id: String,
    account_id: String,
    token_hash: String,
    key_id: String,
    created_at: i64,
    expires_at: i64,
}

impl TryFrom<PasswordResetRow> for PasswordReset {
    type Error = StoreError;

    fn try_from(row: PasswordResetRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "password_resets", "id")?,
            workspace: parsed(&row.workspace_id, "password_resets", "workspace_id")?,
            account: parsed(&row.account_id, "password_resets", "account_id")?,
            token_hash: parsed(&row.token_hash, "password_resets", "token_hash")?,
            key_id: parsed(&row.key_id, "password_resets", "key_id")?,
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
        })
    }
}

/// Enters a reset, or gives the one that was entered under its id the time of this one.
///
/// # Errors
/// When a statement fails.
pub fn enter(connection: &mut Connection, new: &PasswordReset) -> Result<Entered, StoreError> {
    let own = || password_resets::table.filter(password_resets::id.eq(new.id.to_string()));
    let known: Option<PasswordResetRow> = own().select(PasswordResetRow::columns()).first(connection).optional()?;
    let Some(known) = known.map(PasswordReset::try_from).transpose()? else {
        diesel::insert_into(password_resets::table)
            .values((
                password_resets::id.eq(new.id.to_string()),
                password_resets::workspace_id.eq(new.workspace.to_string()),
                password_resets::account_id.eq(new.account.to_string()),
                password_resets::token_hash.eq(new.token_hash.to_string()),
                password_resets::key_id.eq(new.key_id.to_string()),
                password_resets::created_at.eq(new.created_at.as_micros()),
                password_resets::expires_at.eq(new.expires_at.as_micros()),
            ))
            .execute(connection)?;
        return Ok(Entered::New);
    };
    // In the statement once more: it may be used just now.
    let usable = own().filter(password_resets::expires_at.gt(password_resets::created_at));
    let renewed = diesel::update(usable)
        .set(password_resets::expires_at.eq(new.expires_at.as_micros()))
        .execute(connection)?;
    Ok(match renewed {
        0 => Entered::Void,
        _ => Entered::Again(known.key_id),
    })
}

/// The reset whose token has this hash, if it can be used at `now`.
///
/// # Errors
/// When the statement fails.
pub fn waiting(
    connection: &mut Connection,
    token: &TokenHash,
    now: Timestamp,
) -> Result<Option<PasswordReset>, StoreError> {
    let row: Option<PasswordResetRow> = password_resets::table
        .filter(password_resets::token_hash.eq(token.to_string()))
        .filter(password_resets::expires_at.gt(now.as_micros()))
        .select(PasswordResetRow::columns())
        .first(connection)
        .optional()?;
    row.map(PasswordReset::try_from).transpose()
}

/// Uses a reset, if it can be used at `now`: answers whether this is who does, of several who try.
///
/// # Errors
/// When the statement fails.
pub fn take(connection: &mut Connection, id: PasswordResetId, now: Timestamp) -> Result<bool, StoreError> {
    let usable = password_resets::table
        .filter(password_resets::id.eq(id.to_string()))
        .filter(password_resets::expires_at.gt(now.as_micros()));
    let taken = diesel::update(usable)
        .set(password_resets::expires_at.eq(password_resets::created_at))
        .execute(connection)?;
    Ok(taken == 1)
}

/// Makes all resets of an account void.
///
/// # Errors
/// When the statement fails.
pub fn void_all(connection: &mut Connection, account: AccountId) -> Result<(), StoreError> {
    diesel::update(password_resets::table.filter(password_resets::account_id.eq(account.to_string())))
        .set(password_resets::expires_at.eq(password_resets::created_at))
        .execute(connection)?;
    Ok(())
}

/// Removes up to `limit` resets whose time ended until then; answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget_expired(connection: &mut Connection, until: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let expired: Vec<String> = password_resets::table
        .filter(password_resets::expires_at.le(until.as_micros()))
        .limit(number(limit))
        .select(password_resets::id)
        .load(connection)?;
    Ok(diesel::delete(password_resets::table.filter(password_resets::id.eq_any(expired))).execute(connection)?)
}

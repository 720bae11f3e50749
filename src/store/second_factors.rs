//! Second factors and their recovery codes.
//!
//! Guarantees: a step and a recovery code are each taken once, however many ask at the same time; a factor that was not
//! confirmed is asked of nobody; taking a factor away takes its codes with it.

use super::dialect::prelude::*;
use super::error::is_unique_violation;
use super::schema::{recovery_codes, second_factors};
use super::text::{parsed, time};
use super::{Abort, Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, WorkspaceId};
use crate::domain::token::TokenHash;
use crate::keyring::KeyId;

/// The second factor of an account.
#[derive(Clone, Debug)]
pub struct SecondFactor {
    /// Whose it is.
    pub account: AccountId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// The secret, sealed for the account.
    pub sealed_secret: String,
    /// The key that it is sealed with.
    pub key_id: KeyId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is on; none until its first code was shown.
    pub confirmed_at: Option<Timestamp>,
}

/// The account has a second factor that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the account has a second factor already")]
pub struct IsOn;

#[derive(Queryable, Selectable)]
#[diesel(table_name = second_factors)]
struct SecondFactorRow {
    account_id: String,
    workspace_id: String,
    sealed_secret: String,
    key_id: String,
    created_at: i64,
    confirmed_at: Option<i64>,
}

impl TryFrom<SecondFactorRow> for SecondFactor {
    type Error = StoreError;

    fn try_from(row: SecondFactorRow) -> Result<Self, StoreError> {
        Ok(Self {
            account: parsed(&row.account_id, "second_factors", "account_id")?,
            workspace: parsed(&row.workspace_id, "second_factors", "workspace_id")?,
            sealed_secret: row.sealed_secret,
            key_id: parsed(&row.key_id, "second_factors", "key_id")?,
            created_at: time(row.created_at),
            confirmed_at: row.confirmed_at.map(time),
        })
    }
}

/// The second factor of an account, on or not.
///
/// # Errors
/// When the statement fails.
pub fn of_account(connection: &mut Connection, account: AccountId) -> Result<Option<SecondFactor>, StoreError> {
    let row: Option<SecondFactorRow> = second_factors::table
        .filter(second_factors::account_id.eq(account.to_string()))
        .select(SecondFactorRow::columns())
        .first(connection)
        .optional()?;
    row.map(SecondFactor::try_from).transpose()
}

/// Enters one that is not on yet, in place of one that is not either.
///
/// # Errors
/// [`IsOn`] when there is one that is on.
pub fn begin(connection: &mut Connection, new: &SecondFactor) -> Result<(), Abort<IsOn>> {
    diesel::delete(
        second_factors::table
            .filter(second_factors::account_id.eq(new.account.to_string()))
            .filter(second_factors::confirmed_at.is_null()),
    )
    .execute(connection)?;
    let inserted = diesel::insert_into(second_factors::table)
        .values((
            second_factors::account_id.eq(new.account.to_string()),
            second_factors::workspace_id.eq(new.workspace.to_string()),
            second_factors::sealed_secret.eq(&new.sealed_secret),
            second_factors::key_id.eq(new.key_id.to_string()),
            second_factors::created_at.eq(new.created_at.as_micros()),
            second_factors::confirmed_at.eq(None::<i64>),
            second_factors::last_step.eq(0),
        ))
        .execute(connection);
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if is_unique_violation(&error) => Err(Abort::Refused(IsOn)),
        Err(error) => Err(error.into()),
    }
}

/// Turns one on by the code of this step; answers whether there was one that was not on. It must be the one whose secret made
/// the code.
///
/// # Errors
/// When the statement fails.
pub fn turn_on(
    connection: &mut Connection,
    shown: &SecondFactor,
    step: i64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let turned = diesel::update(
        second_factors::table
            .filter(second_factors::account_id.eq(shown.account.to_string()))
            .filter(second_factors::sealed_secret.eq(&shown.sealed_secret))
            .filter(second_factors::confirmed_at.is_null()),
    )
    .set((
        second_factors::confirmed_at.eq(now.as_micros()),
        second_factors::last_step.eq(step),
    ))
    .execute(connection)?;
    Ok(turned == 1)
}

/// Takes a step of this one, which is on; answers whether neither it nor a later one was taken before.
///
/// # Errors
/// When the statement fails.
pub fn take_step(connection: &mut Connection, shown: &SecondFactor, step: i64) -> Result<bool, StoreError> {
    let taken = diesel::update(
        second_factors::table
            .filter(second_factors::account_id.eq(shown.account.to_string()))
            .filter(second_factors::sealed_secret.eq(&shown.sealed_secret))
            .filter(second_factors::confirmed_at.is_not_null())
            .filter(second_factors::last_step.lt(step)),
    )
    .set(second_factors::last_step.eq(step))
    .execute(connection)?;
    Ok(taken == 1)
}

/// Takes the second factor of an account away, and its recovery codes; answers whether there was one.
///
/// # Errors
/// When the statement fails.
pub fn remove(connection: &mut Connection, account: AccountId) -> Result<bool, StoreError> {
    let removed = diesel::delete(second_factors::table.filter(second_factors::account_id.eq(account.to_string())))
        .execute(connection)?;
    Ok(removed == 1)
}

/// Enters recovery codes in place of all that there were.
///
/// # Errors
/// When a statement fails, as it does where there is no second factor.
pub fn replace_codes(
    connection: &mut Connection,
    account: AccountId,
    workspace: WorkspaceId,
    codes: &[TokenHash],
) -> Result<(), StoreError> {
    diesel::delete(recovery_codes::table.filter(recovery_codes::account_id.eq(account.to_string())))
        .execute(connection)?;
    for code in codes {
        diesel::insert_into(recovery_codes::table)
            .values((
                recovery_codes::account_id.eq(account.to_string()),
                recovery_codes::code_hash.eq(code.to_string()),
                recovery_codes::workspace_id.eq(workspace.to_string()),
                recovery_codes::used_at.eq(None::<i64>),
            ))
            .execute(connection)?;
    }
    Ok(())
}

/// Takes a recovery code of an account; answers whether it is one that was not taken before.
///
/// # Errors
/// When the statement fails.
pub fn take_code(
    connection: &mut Connection,
    account: AccountId,
    code: &TokenHash,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let taken = diesel::update(
        recovery_codes::table
            .filter(recovery_codes::account_id.eq(account.to_string()))
            .filter(recovery_codes::code_hash.eq(code.to_string()))
            .filter(recovery_codes::used_at.is_null()),
    )
    .set(recovery_codes::used_at.eq(now.as_micros()))
    .execute(connection)?;
    Ok(taken == 1)
}

/// How many recovery codes of an account were not taken.
///
/// # Errors
/// When the statement fails.
pub fn codes_left(connection: &mut Connection, account: AccountId) -> Result<i64, StoreError> {
    Ok(recovery_codes::table
        .filter(recovery_codes::account_id.eq(account.to_string()))
        .filter(recovery_codes::used_at.is_null())
        .count()
        .get_result(connection)?)
}

#[cfg(test)]
mod tests;

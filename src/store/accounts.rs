//! Accounts and the workspaces that are made with them.

use crate::store::dialect::prelude::*;

use super::dialect::Locked;
use super::error::is_unique_violation;
use super::schema::{accounts, schedules, sessions, workspaces};
use super::text::{parsed, time};
use super::{Abort, Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{AccountId, WorkspaceId};
use crate::domain::password::PasswordHash;

/// A person, member of a workspace.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The tenant that it is a member of.
    pub workspace: WorkspaceId,
    /// Its verified address, as its owner writes it.
    pub email: EmailAddress,
    /// What the person is called.
    pub name: String,
    /// Whether it may see and steer the whole service.
    pub is_operator: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it and all that is its workspace's go; none unless its owner asked for that.
    pub deletion_at: Option<Timestamp>,
}

/// An account that is to be made, with a workspace of its own.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its id.
    pub id: AccountId,
    /// The id of the workspace that is made with it.
    pub workspace: WorkspaceId,
    /// Its verified address.
    pub email: EmailAddress,
    /// What the person is called.
    pub name: String,
    /// The hash of its password.
    pub password_hash: String,
    /// Whether it may see and steer the whole service.
    pub is_operator: bool,
}

/// The address has an account already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an account with this address exists already")]
pub struct AddressTaken;

/// Why an account does not get another role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleRefused {
    /// There is no such account.
    #[error("there is no account with this address")]
    NoAccount,
    /// Nobody else is an operator and stays one.
    #[error("this is the only operator; make another one first")]
    LastOperator,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = accounts)]
pub(super) struct AccountRow {
    id: String,
    workspace_id: String,
    email: String,
    name: String,
    is_operator: i64,
    created_at: i64,
    deletion_at: Option<i64>,
}

impl TryFrom<AccountRow> for Account {
    type Error = StoreError;

    fn try_from(row: AccountRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "accounts", "id")?,
            workspace: parsed(&row.workspace_id, "accounts", "workspace_id")?,
            email: EmailAddress::parse(&row.email).map_err(|_invalid| StoreError::Corrupt {
                table: "accounts",
                what: "email",
            })?,
            name: row.name,
            is_operator: row.is_operator == 1,
            created_at: time(row.created_at),
            deletion_at: row.deletion_at.map(time),
        })
    }
}

/// Makes an account and its workspace.
///
/// # Errors
/// [`AddressTaken`] when there is an account with this address.
pub fn insert(connection: &mut Connection, new: &NewAccount, now: Timestamp) -> Result<Account, Abort<AddressTaken>> {
    diesel::insert_into(workspaces::table)
        .values((
            workspaces::id.eq(new.workspace.to_string()),
            workspaces::name.eq(&new.name),
            workspaces::created_at.eq(now.as_micros()),
        ))
        .execute(connection)?;
    let inserted: QueryResult<AccountRow> = diesel::insert_into(accounts::table)
        .values((
            accounts::id.eq(new.id.to_string()),
            accounts::workspace_id.eq(new.workspace.to_string()),
            accounts::email.eq(new.email.as_str()),
            accounts::email_canonical.eq(new.email.canonical()),
            accounts::name.eq(&new.name),
            accounts::password_hash.eq(&new.password_hash),
            accounts::is_operator.eq(i64::from(new.is_operator)),
            accounts::created_at.eq(now.as_micros()),
            accounts::updated_at.eq(now.as_micros()),
        ))
        .returning(AccountRow::columns())
        .get_result(connection);
    match inserted {
        Ok(row) => Ok(Account::try_from(row)?),
        Err(error) if is_unique_violation(&error) => Err(Abort::Refused(AddressTaken)),
        Err(error) => Err(error.into()),
    }
}

/// The account with this address, the hash of its password, and when that was set, as of one moment; see [`password_set_at`].
///
/// # Errors
/// When the statement fails.
pub fn with_password(
    connection: &mut Connection,
    email: &EmailAddress,
) -> Result<Option<(Account, PasswordHash, Timestamp)>, StoreError> {
    let found: Option<(AccountRow, String, Option<i64>)> = accounts::table
        .filter(accounts::email_canonical.eq(email.canonical()))
        .select((
            AccountRow::columns(),
            accounts::password_hash,
            accounts::password_changed_at,
        ))
        .first(connection)
        .optional()?;
    let Some((row, hash, set_at)) = found else {
        return Ok(None);
    };
    let hash = PasswordHash::parse(&hash).map_err(|_invalid| StoreError::Corrupt {
        table: "accounts",
        what: "password_hash",
    })?;
    Ok(Some((row.try_into()?, hash, set_at_of(set_at))))
}

/// When the password of an account was last set: the epoch for one that is as old as the account. Another hash of the same
/// password does not count.
///
/// # Errors
/// When the statement fails.
pub fn password_set_at(connection: &mut Connection, id: AccountId) -> Result<Option<Timestamp>, StoreError> {
    let found: Option<Option<i64>> = accounts::table
        .filter(accounts::id.eq(id.to_string()))
        .select(accounts::password_changed_at)
        .first(connection)
        .optional()?;
    Ok(found.map(set_at_of))
}

fn set_at_of(stored: Option<i64>) -> Timestamp {
    time(stored.unwrap_or(0))
}

/// The account with this id.
///
/// # Errors
/// When the statement fails.
pub fn by_id(connection: &mut Connection, id: AccountId) -> Result<Option<Account>, StoreError> {
    let row: Option<AccountRow> = accounts::table
        .filter(accounts::id.eq(id.to_string()))
        .select(AccountRow::columns())
        .first(connection)
        .optional()?;
    row.map(Account::try_from).transpose()
}

/// The account with this address.
///
/// # Errors
/// When the statement fails.
pub fn by_email(connection: &mut Connection, email: &EmailAddress) -> Result<Option<Account>, StoreError> {
    let row: Option<AccountRow> = accounts::table
        .filter(accounts::email_canonical.eq(email.canonical()))
        .select(AccountRow::columns())
        .first(connection)
        .optional()?;
    row.map(Account::try_from).transpose()
}

/// Whether any account is an operator's.
///
/// # Errors
/// When the statement fails.
pub fn any_operator(connection: &mut Connection) -> Result<bool, StoreError> {
    let found: Option<String> = accounts::table
        .filter(accounts::is_operator.eq(1))
        .select(accounts::id)
        .first(connection)
        .optional()?;
    Ok(found.is_some())
}

/// Makes the account with this address an operator's, or an ordinary one, and ends its logins: what was a member's must not
/// become an operator's by itself. Answers it as it is then, and whether that is a change. The one way to another role.
///
/// # Errors
/// [`RoleRefused`] as a refusal.
pub fn set_operator(
    connection: &mut Connection,
    email: &EmailAddress,
    is_operator: bool,
    now: Timestamp,
) -> Result<(Account, bool), Abort<RoleRefused>> {
    // Held, so that two who each take one away do not leave none.
    let operators = accounts::table
        .filter(accounts::is_operator.eq(1))
        .order(accounts::id.asc())
        .select((accounts::id, accounts::deletion_at));
    let operators: Vec<(String, Option<i64>)> = Locked(operators).load(connection)?;
    let Some(account) = by_email(connection, email)? else {
        return Err(Abort::Refused(RoleRefused::NoAccount));
    };
    if account.is_operator == is_operator {
        return Ok((account, false));
    }
    // A login that is under way is among those that end.
    locked(connection, account.id)?;
    let id = account.id.to_string();
    // One that is to be deleted does not stay.
    let others = |(other, deletion_at): &(String, Option<i64>)| *other != id && deletion_at.is_none();
    if !is_operator && !operators.iter().any(others) {
        return Err(Abort::Refused(RoleRefused::LastOperator));
    }
    diesel::update(accounts::table.filter(accounts::id.eq(&id)))
        .set((
            accounts::is_operator.eq(i64::from(is_operator)),
            accounts::updated_at.eq(now.as_micros()),
        ))
        .execute(connection)?;
    diesel::delete(sessions::table.filter(sessions::account_id.eq(&id))).execute(connection)?;
    // What it made to go on by itself must not go on without limits.
    let made = schedules::table
        .filter(schedules::workspace_id.eq(account.workspace.to_string()))
        .filter(schedules::created_by.eq(&id));
    diesel::update(made)
        .set(schedules::is_bounded.eq(i64::from(!is_operator)))
        .execute(connection)?;
    Ok((Account { is_operator, ..account }, true))
}

/// Renames an account; answers it as it is then.
///
/// # Errors
/// When the statement fails.
pub fn rename(
    connection: &mut Connection,
    id: AccountId,
    name: &str,
    now: Timestamp,
) -> Result<Option<Account>, StoreError> {
    let row: Option<AccountRow> = diesel::update(accounts::table.filter(accounts::id.eq(id.to_string())))
        .set((accounts::name.eq(name), accounts::updated_at.eq(now.as_micros())))
        .returning(AccountRow::columns())
        .get_result(connection)
        .optional()?;
    row.map(Account::try_from).transpose()
}

/// The account with this id, which stays as it is for others until the transaction ends.
///
/// # Errors
/// When the statement fails.
pub fn locked(connection: &mut Connection, id: AccountId) -> Result<Option<Account>, StoreError> {
    let query = accounts::table
        .filter(accounts::id.eq(id.to_string()))
        .select(AccountRow::columns());
    let row: Option<AccountRow> = Locked(query).get_result(connection).optional()?;
    row.map(Account::try_from).transpose()
}

/// The hash of an account's password.
///
/// # Errors
/// When the statement fails.
pub fn password_hash(connection: &mut Connection, id: AccountId) -> Result<Option<PasswordHash>, StoreError> {
    let found: Option<String> = accounts::table
        .filter(accounts::id.eq(id.to_string()))
        .select(accounts::password_hash)
        .first(connection)
        .optional()?;
    let read = |hash: String| {
        PasswordHash::parse(&hash).map_err(|_invalid| StoreError::Corrupt {
            table: "accounts",
            what: "password_hash",
        })
    };
    found.map(read).transpose()
}

/// Sets the password of an account; answers whether there is one.
///
/// # Errors
/// When the statement fails.
pub fn set_password(
    connection: &mut Connection,
    id: AccountId,
    hash: &PasswordHash,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = diesel::update(accounts::table.filter(accounts::id.eq(id.to_string())))
        .set((
            accounts::password_hash.eq(hash.as_str()),
            accounts::password_changed_at.eq(now.as_micros()),
            accounts::updated_at.eq(now.as_micros()),
        ))
        .execute(connection)?;
    Ok(changed == 1)
}

/// Stores the same password under another hash, unless the password was changed meanwhile; answers whether it did.
///
/// # Errors
/// When the statement fails.
pub fn set_password_hash(
    connection: &mut Connection,
    id: AccountId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<bool, StoreError> {
    let same = accounts::table
        .filter(accounts::id.eq(id.to_string()))
        .filter(accounts::password_hash.eq(old.as_str()));
    let changed = diesel::update(same)
        .set(accounts::password_hash.eq(new.as_str()))
        .execute(connection)?;
    Ok(changed == 1)
}

/// Gives an account another address; answers it as it is then, and nothing where there is no such account.
///
/// # Errors
/// [`AddressTaken`] when another account has that address.
pub fn change_email(
    connection: &mut Connection,
    id: AccountId,
    email: &EmailAddress,
    now: Timestamp,
) -> Result<Option<Account>, Abort<AddressTaken>> {
    let changed: QueryResult<AccountRow> = diesel::update(accounts::table.filter(accounts::id.eq(id.to_string())))
        .set((
            accounts::email.eq(email.as_str()),
            accounts::email_canonical.eq(email.canonical()),
            accounts::updated_at.eq(now.as_micros()),
        ))
        .returning(AccountRow::columns())
        .get_result(connection);
    match changed.optional() {
        Ok(None) => Ok(None),
        Ok(Some(row)) => Ok(Some(Account::try_from(row)?)),
        Err(error) if is_unique_violation(&error) => Err(Abort::Refused(AddressTaken)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;

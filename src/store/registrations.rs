//! Registrations: requests for an account that wait for their address to be verified.
//!
//! Guarantees: an address has at most [`WAITING_MAX`] at a time; verifying one removes all others of its address; none is
//! an account before.

use crate::store::dialect::prelude::*;

use super::schema::registrations;
use super::text::{number, parsed, time};
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{RegistrationId, WorkspaceId};
use crate::domain::token::TokenHash;
use crate::keyring::KeyId;

/// Registrations that may wait for one address: enough for a person who lost the first mails, too few to flood a mailbox.
pub const WAITING_MAX: i64 = 5;

/// A request for an account.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its id, from which the token in the mailed link is derived.
    pub id: RegistrationId,
    /// The address to verify.
    pub email: EmailAddress,
    /// What the person is called.
    pub name: String,
    /// The hash of the password that the account is to have.
    pub password_hash: String,
    /// The hash of the token in the mailed link.
    pub token_hash: TokenHash,
    /// The key under which the token was derived.
    pub key_id: KeyId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be verified.
    pub expires_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = registrations)]
struct RegistrationRow {
    id: String,
    email: String,
    name: String,
    password_hash: String,
    token_hash: String,
    key_id: String,
    created_at: i64,
    expires_at: i64,
}

impl TryFrom<RegistrationRow> for Registration {
    type Error = StoreError;

    fn try_from(row: RegistrationRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "registrations", "id")?,
            email: EmailAddress::parse(&row.email).map_err(|_invalid| StoreError::Corrupt {
                table: "registrations",
                what: "email",
            })?,
            name: row.name,
            password_hash: row.password_hash,
            token_hash: parsed(&row.token_hash, "registrations", "token_hash")?,
            key_id: parsed(&row.key_id, "registrations", "key_id")?,
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
        })
    }
}

/// Enters a registration, unless too many wait for its address already; answers whether it was entered.
///
/// # Errors
/// When a statement fails.
pub fn insert(connection: &mut Connection, new: &Registration) -> Result<bool, StoreError> {
    let waiting: i64 = registrations::table
        .filter(registrations::email_canonical.eq(new.email.canonical()))
        .filter(registrations::expires_at.gt(new.created_at.as_micros()))
        .count()
        .get_result(connection)?;
    if waiting >= WAITING_MAX {
        return Ok(false);
    }
    diesel::insert_into(registrations::table)
        .values((
            registrations::id.eq(new.id.to_string()),
            registrations::workspace_id.eq(WorkspaceId::SERVICE.to_string()),
            registrations::email.eq(new.email.as_str()),
            registrations::email_canonical.eq(new.email.canonical()),
            registrations::name.eq(&new.name),
            registrations::password_hash.eq(&new.password_hash),
            registrations::token_hash.eq(new.token_hash.to_string()),
            registrations::key_id.eq(new.key_id.to_string()),
            registrations::created_at.eq(new.created_at.as_micros()),
            registrations::expires_at.eq(new.expires_at.as_micros()),
        ))
        .execute(connection)?;
    Ok(true)
}

/// The registration with this id, if it still waits at `now`.
///
/// # Errors
/// When the statement fails.
pub fn waiting(
    connection: &mut Connection,
    id: RegistrationId,
    now: Timestamp,
) -> Result<Option<Registration>, StoreError> {
    let row: Option<RegistrationRow> = registrations::table
        .filter(registrations::id.eq(id.to_string()))
        .filter(registrations::expires_at.gt(now.as_micros()))
        .select(RegistrationRow::columns())
        .first(connection)
        .optional()?;
    row.map(Registration::try_from).transpose()
}

/// Takes the registration whose token has this hash, if it still waits at `now`, and removes all others of its address.
///
/// # Errors
/// When a statement fails.
pub fn take(
    connection: &mut Connection,
    token: &TokenHash,
    now: Timestamp,
) -> Result<Option<Registration>, StoreError> {
    let row: Option<RegistrationRow> = registrations::table
        .filter(registrations::token_hash.eq(token.to_string()))
        .filter(registrations::expires_at.gt(now.as_micros()))
        .select(RegistrationRow::columns())
        .first(connection)
        .optional()?;
    let Some(registration) = row.map(Registration::try_from).transpose()? else {
        return Ok(None);
    };
    diesel::delete(registrations::table.filter(registrations::email_canonical.eq(registration.email.canonical())))
        .execute(connection)?;
    Ok(Some(registration))
}

/// Removes up to `limit` registrations that were not verified in time; answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget_expired(connection: &mut Connection, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let expired: Vec<String> = registrations::table
        .filter(registrations::expires_at.le(now.as_micros()))
        .limit(number(limit))
        .select(registrations::id)
        .load(connection)?;
    Ok(diesel::delete(registrations::table.filter(registrations::id.eq_any(expired))).execute(connection)?)
}

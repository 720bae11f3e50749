//! Sessions: logins, found by the hash of their token.

use std::time::Duration;

use crate::store::dialect::Optional;
use crate::store::dialect::prelude::*;

use super::accounts::{Account, AccountRow};
use super::schema::{accounts, sessions};
use super::text::{number, parsed, time};
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, DeviceId, SessionId, WorkspaceId};
use crate::domain::token::TokenHash;

/// The most sessions that an account keeps: far more than a person has devices, and few enough to be listed whole.
pub const KEPT_MAX: i64 = 100;

/// A login.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// The program that logged in, as it named itself.
    pub user_agent: Option<String>,
    /// The browser or program that logged in, as it is known from one login to the next.
    pub device: Option<DeviceId>,
    /// The network that it was last used from.
    pub network: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to some minutes; none for one that an older release made.
    pub last_used_at: Option<Timestamp>,
    /// When whoever holds it last showed the password, and the second factor where there is one.
    pub confirmed_at: Option<Timestamp>,
    /// Until when it is good at the most.
    pub expires_at: Timestamp,
}

impl Session {
    /// When it was last used, as far as the database knows.
    #[must_use]
    pub fn used_at(&self) -> Timestamp {
        self.last_used_at.unwrap_or(self.created_at)
    }

    /// Until when it is good if it was last used at `used_at` and is not used for as long as `idle`.
    #[must_use]
    pub fn good_until(&self, used_at: Timestamp, idle: Duration) -> Timestamp {
        self.expires_at.min(used_at.plus(idle))
    }
}

/// That a session was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUse {
    /// Which one.
    pub session: SessionId,
    /// When.
    pub at: Timestamp,
    /// Where from, if that is known.
    pub network: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
struct SessionRow {
    id: String,
    account_id: String,
    user_agent: Option<String>,
    device_id: Option<String>,
    network: Option<String>,
    created_at: i64,
    last_used_at: Option<i64>,
    confirmed_at: Option<i64>,
    expires_at: i64,
}

impl TryFrom<SessionRow> for Session {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "sessions", "id")?,
            account: parsed(&row.account_id, "sessions", "account_id")?,
            user_agent: row.user_agent,
            device: row
                .device_id
                .map(|id| parsed(&id, "sessions", "device_id"))
                .transpose()?,
            network: row.network,
            created_at: time(row.created_at),
            last_used_at: row.last_used_at.map(time),
            confirmed_at: row.confirmed_at.map(time),
            expires_at: time(row.expires_at),
        })
    }
}

/// Enters a session.
///
/// # Errors
/// When the statement fails.
pub fn insert(
    connection: &mut Connection,
    new: &Session,
    workspace: WorkspaceId,
    token: &TokenHash,
) -> Result<(), StoreError> {
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(new.id.to_string()),
            sessions::workspace_id.eq(workspace.to_string()),
            sessions::account_id.eq(new.account.to_string()),
            sessions::token_hash.eq(token.to_string()),
            sessions::user_agent.eq(&new.user_agent),
            sessions::device_id.eq(new.device.map(|id| id.to_string())),
            sessions::network.eq(&new.network),
            sessions::last_used_at.eq(new.last_used_at.map(Timestamp::as_micros)),
            sessions::confirmed_at.eq(new.confirmed_at.map(Timestamp::as_micros)),
            sessions::created_at.eq(new.created_at.as_micros()),
            sessions::expires_at.eq(new.expires_at.as_micros()),
        ))
        .execute(connection)?;
    Ok(())
}

/// The session whose token has this hash, if it has not come to its end at `now`, and its account. Whether it was used lately
/// enough is for whoever knows its latest uses.
///
/// # Errors
/// When the statement fails.
pub fn by_token(
    connection: &mut Connection,
    token: &TokenHash,
    now: Timestamp,
) -> Result<Option<(Session, Account)>, StoreError> {
    let found: Option<(SessionRow, AccountRow)> = sessions::table
        .inner_join(accounts::table)
        .filter(sessions::token_hash.eq(token.to_string()))
        .filter(sessions::expires_at.gt(now.as_micros()))
        .select((SessionRow::columns(), AccountRow::columns()))
        .first(connection)
        .optional()?;
    found
        .map(|(session, account)| Ok((session.try_into()?, account.try_into()?)))
        .transpose()
}

/// The sessions of an account that have not come to their end at `now`, the newest first; at most [`KEPT_MAX`].
///
/// # Errors
/// When the statement fails.
pub fn of_account(connection: &mut Connection, account: AccountId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
    let rows: Vec<SessionRow> = sessions::table
        .filter(sessions::account_id.eq(account.to_string()))
        .filter(sessions::expires_at.gt(now.as_micros()))
        .order(sessions::id.desc())
        .limit(KEPT_MAX)
        .select(SessionRow::columns())
        .load(connection)?;
    rows.into_iter().map(Session::try_from).collect()
}

/// Ends a session of an account; answers whether there was one.
///
/// # Errors
/// When the statement fails.
pub fn remove(connection: &mut Connection, id: SessionId, account: AccountId) -> Result<bool, StoreError> {
    let removed = diesel::delete(
        sessions::table
            .filter(sessions::id.eq(id.to_string()))
            .filter(sessions::account_id.eq(account.to_string())),
    )
    .execute(connection)?;
    Ok(removed == 1)
}

/// Ends the session whose token has this hash; answers which, if there was one.
///
/// # Errors
/// When the statement fails.
pub fn remove_by_token(connection: &mut Connection, token: &TokenHash) -> Result<Option<SessionId>, StoreError> {
    let removed: Option<String> = diesel::delete(sessions::table.filter(sessions::token_hash.eq(token.to_string())))
        .returning(sessions::id)
        .get_result(connection)
        .optional()?;
    removed.map(|id| parsed(&id, "sessions", "id")).transpose()
}

/// Notes that whoever holds a session has shown the password again, and gives it another token; answers whether the session
/// was there and still had the token that was shown, so that of several at once one succeeds.
///
/// # Errors
/// When the statement fails.
pub fn confirm(
    connection: &mut Connection,
    id: SessionId,
    (shown, new): (&TokenHash, &TokenHash),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let held = sessions::table
        .filter(sessions::id.eq(id.to_string()))
        .filter(sessions::token_hash.eq(shown.to_string()));
    let confirmed = diesel::update(held)
        .set((
            sessions::token_hash.eq(new.to_string()),
            sessions::confirmed_at.eq(now.as_micros()),
        ))
        .execute(connection)?;
    Ok(confirmed == 1)
}

/// Writes when and where from sessions were used, unless a later use is written already; those that have ended are passed by.
///
/// # Errors
/// When a statement fails.
pub fn note_uses(connection: &mut Connection, uses: &[SessionUse]) -> Result<(), StoreError> {
    for used in uses {
        let earlier = sessions::table
            .filter(sessions::id.eq(used.session.to_string()))
            .filter(
                sessions::last_used_at
                    .is_null()
                    .or(sessions::last_used_at.lt(used.at.as_micros())),
            );
        diesel::update(earlier)
            .set((
                sessions::last_used_at.eq(used.at.as_micros()),
                sessions::network.eq(&used.network),
            ))
            .execute(connection)?;
    }
    Ok(())
}

/// Gives a session another token, so that the one it had is good no more; answers whether the session was there and still had
/// the token that was shown, so that of several at once one succeeds.
///
/// # Errors
/// When the statement fails.
pub fn replace_token(
    connection: &mut Connection,
    id: SessionId,
    (shown, new): (&TokenHash, &TokenHash),
) -> Result<bool, StoreError> {
    let held = sessions::table
        .filter(sessions::id.eq(id.to_string()))
        .filter(sessions::token_hash.eq(shown.to_string()));
    let replaced = diesel::update(held)
        .set(sessions::token_hash.eq(new.to_string()))
        .execute(connection)?;
    Ok(replaced == 1)
}

/// Ends all sessions of an account, but one if one is named; answers how many it ended.
///
/// # Errors
/// When the statement fails.
pub fn remove_others(
    connection: &mut Connection,
    account: AccountId,
    except: Option<SessionId>,
) -> Result<usize, StoreError> {
    Ok(diesel::delete(
        sessions::table
            .filter(sessions::account_id.eq(account.to_string()))
            .filter(Optional::new("sessions.id <>", except)),
    )
    .execute(connection)?)
}

/// Ends all sessions of an account but the newest [`KEPT_MAX`]; answers how many it ended.
///
/// # Errors
/// When a statement fails.
pub fn keep_newest(connection: &mut Connection, account: AccountId) -> Result<usize, StoreError> {
    let oldest_kept: Option<String> = sessions::table
        .filter(sessions::account_id.eq(account.to_string()))
        .order(sessions::id.desc())
        // Not `first`, whose limit would stand behind the offset.
        .limit(1)
        .offset(KEPT_MAX - 1)
        .limit(1)
        .select(sessions::id)
        .get_result(connection)
        .optional()?;
    let Some(oldest_kept) = oldest_kept else { return Ok(0) };
    Ok(diesel::delete(
        sessions::table
            .filter(sessions::account_id.eq(account.to_string()))
            .filter(sessions::id.lt(oldest_kept)),
    )
    .execute(connection)?)
}

/// Removes up to `limit` sessions that are no longer good; answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget_expired(connection: &mut Connection, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let expired: Vec<String> = sessions::table
        .filter(sessions::expires_at.le(now.as_micros()))
        .limit(number(limit))
        .select(sessions::id)
        .load(connection)?;
    Ok(diesel::delete(sessions::table.filter(sessions::id.eq_any(expired))).execute(connection)?)
}

/// Removes up to `limit` sessions that were last used until then; answers how many. Those that an older release made, whose last
/// use is not known, end at their own time.
///
/// # Errors
/// When a statement fails.
pub fn forget_idle(connection: &mut Connection, until: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let idle: Vec<String> = sessions::table
        .filter(sessions::last_used_at.le(until.as_micros()))
        .limit(number(limit))
        .select(sessions::id)
        .load(connection)?;
    Ok(diesel::delete(sessions::table.filter(sessions::id.eq_any(idle))).execute(connection)?)
}

#[cfg(test)]
pub(in crate::store) mod tests;

//! Devices: browsers and programs that have logged in to an account before.
//!
//! Guarantees: an account keeps the [`KEPT_MAX`] that were used last.

use super::dialect::prelude::*;
use super::schema::devices;
use super::text::{parsed, time};
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, DeviceId, WorkspaceId};

/// The most devices that an account keeps.
pub const KEPT_MAX: i64 = 50;

/// A browser or program that has logged in.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// To which account.
    pub account: AccountId,
    /// As it names itself.
    pub user_agent: Option<String>,
    /// Where from it last did.
    pub network: Option<String>,
    /// When it first did.
    pub created_at: Timestamp,
    /// When it last did.
    pub last_used_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = devices)]
struct DeviceRow {
    id: String,
    account_id: String,
    user_agent: Option<String>,
    network: Option<String>,
    created_at: i64,
    last_used_at: i64,
}

impl TryFrom<DeviceRow> for Device {
    type Error = StoreError;

    fn try_from(row: DeviceRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "devices", "id")?,
            account: parsed(&row.account_id, "devices", "account_id")?,
            user_agent: row.user_agent,
            network: row.network,
            created_at: time(row.created_at),
            last_used_at: time(row.last_used_at),
        })
    }
}

/// Enters a device, and lets the one go that was used least lately where there are too many. Answers whether the account had
/// none before.
///
/// # Errors
/// When a statement fails.
pub fn insert(connection: &mut Connection, new: &Device, workspace: WorkspaceId) -> Result<bool, StoreError> {
    let owned = || devices::table.filter(devices::account_id.eq(new.account.to_string()));
    let kept: i64 = owned().count().get_result(connection)?;
    if kept >= KEPT_MAX {
        let oldest: Vec<String> = owned()
            .order((devices::last_used_at.asc(), devices::id.asc()))
            .limit(kept - KEPT_MAX + 1)
            .select(devices::id)
            .load(connection)?;
        diesel::delete(devices::table.filter(devices::id.eq_any(oldest))).execute(connection)?;
    }
    diesel::insert_into(devices::table)
        .values((
            devices::id.eq(new.id.to_string()),
            devices::workspace_id.eq(workspace.to_string()),
            devices::account_id.eq(new.account.to_string()),
            devices::user_agent.eq(&new.user_agent),
            devices::network.eq(&new.network),
            devices::created_at.eq(new.created_at.as_micros()),
            devices::last_used_at.eq(new.last_used_at.as_micros()),
        ))
        .execute(connection)?;
    Ok(kept == 0)
}

/// Notes that a device has logged in again; answers whether the account has it.
///
/// # Errors
/// When the statement fails.
pub fn touch(connection: &mut Connection, used: &Device) -> Result<bool, StoreError> {
    let touched = diesel::update(
        devices::table
            .filter(devices::id.eq(used.id.to_string()))
            .filter(devices::account_id.eq(used.account.to_string())),
    )
    .set((
        devices::user_agent.eq(&used.user_agent),
        devices::network.eq(&used.network),
        devices::last_used_at.eq(used.last_used_at.as_micros()),
    ))
    .execute(connection)?;
    Ok(touched == 1)
}

/// The devices of an account, the one that was used last first.
///
/// # Errors
/// When the statement fails.
pub fn of_account(connection: &mut Connection, account: AccountId) -> Result<Vec<Device>, StoreError> {
    let rows: Vec<DeviceRow> = devices::table
        .filter(devices::account_id.eq(account.to_string()))
        .order((devices::last_used_at.desc(), devices::id.desc()))
        .limit(KEPT_MAX)
        .select(DeviceRow::columns())
        .load(connection)?;
    rows.into_iter().map(Device::try_from).collect()
}

/// The device with this id, of an account.
///
/// # Errors
/// When the statement fails.
pub fn one(connection: &mut Connection, id: DeviceId, account: AccountId) -> Result<Option<Device>, StoreError> {
    let row: Option<DeviceRow> = devices::table
        .filter(devices::id.eq(id.to_string()))
        .filter(devices::account_id.eq(account.to_string()))
        .select(DeviceRow::columns())
        .first(connection)
        .optional()?;
    row.map(Device::try_from).transpose()
}

#[cfg(test)]
mod tests;

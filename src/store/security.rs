//! What concerns the security of accounts: written once, never changed, forgotten after its time.
//!
//! Guarantees: a row is written in the transaction of what it tells of, so that neither is there without the other; it holds no
//! secret and no full address, since whoever writes one hands over ids, names and counts. What the service writes is a line in
//! its log too, once it is committed.

use serde_json::Value;

use super::dialect::Optional;
use super::dialect::prelude::*;
use super::schema::security_events;
use super::text::{number, parsed, time};
use super::{Connection, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, SecurityEventId, WorkspaceId};
use crate::domain::security::SecurityEvent;
use crate::telemetry::names::event;

/// Something that is to be written down.
#[derive(Clone, Debug)]
pub struct NewSecurityEvent {
    /// When.
    pub at: Timestamp,
    /// The workspace of the account; [`WorkspaceId::SERVICE`] where there is none.
    pub workspace: WorkspaceId,
    /// Whom it concerns, if that is known.
    pub account: Option<AccountId>,
    /// What happened.
    pub event: SecurityEvent,
    /// The network that the request came from.
    pub network: Option<String>,
    /// The program that sent it, as it names itself.
    pub user_agent: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// What else there is to say, as an object.
    pub detail: Value,
}

/// Something that happened, as it is shown. What it was is text, since a newer version may have written it.
#[derive(Clone, Debug)]
pub struct SecurityEventRecord {
    /// Its id.
    pub id: SecurityEventId,
    /// When.
    pub at: Timestamp,
    /// The workspace of the account; the service's own where there is none.
    pub workspace: WorkspaceId,
    /// Whom it concerns, if that is known.
    pub account: Option<AccountId>,
    /// What happened.
    pub event: String,
    /// The network that the request came from.
    pub network: Option<String>,
    /// The program that sent it, as it names itself.
    pub user_agent: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// What else there is to say, as JSON.
    pub detail: String,
}

/// Which of them a page shows.
#[derive(Clone, Copy, Debug)]
pub struct SecurityFilter {
    /// Only those of this workspace; of all if none is given.
    pub workspace: Option<WorkspaceId>,
    /// Only those of this account.
    pub account: Option<AccountId>,
    /// Only such.
    pub event: Option<SecurityEvent>,
    /// Those before this one.
    pub before: Option<SecurityEventId>,
    /// At most this many.
    pub limit: usize,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = security_events)]
struct SecurityEventRow {
    id: String,
    at: i64,
    workspace_id: String,
    account_id: Option<String>,
    event: String,
    network: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    detail: String,
}

impl TryFrom<SecurityEventRow> for SecurityEventRecord {
    type Error = StoreError;

    fn try_from(row: SecurityEventRow) -> Result<Self, StoreError> {
        let account = row
            .account_id
            .map(|id| parsed(&id, "security_events", "account_id"))
            .transpose()?;
        Ok(Self {
            id: parsed(&row.id, "security_events", "id")?,
            at: time(row.at),
            workspace: parsed(&row.workspace_id, "security_events", "workspace_id")?,
            account,
            event: row.event,
            network: row.network,
            user_agent: row.user_agent,
            request_id: row.request_id,
            detail: row.detail,
        })
    }
}

/// What the log says of a row, which is less than stands in it: not where from, nor by which program.
#[derive(Clone, Debug)]
pub(in crate::store) struct Noted {
    event: SecurityEvent,
    workspace: WorkspaceId,
    account: Option<AccountId>,
    request_id: Option<String>,
}

impl Noted {
    /// Writes the line.
    pub(in crate::store) fn log(&self) {
        tracing::info!(
            event = event::SECURITY,
            happened = self.event.as_str(),
            workspace = %self.workspace,
            account = self.account.map(tracing::field::display),
            request_id = self.request_id.as_deref(),
            "something happened to the security of an account"
        );
    }
}

/// Writes something down, in the transaction of what it tells of, and says so in the log once that is committed.
///
/// # Errors
/// When the statement fails.
pub fn note(tx: &mut Tx<'_>, new: &NewSecurityEvent) -> Result<(), StoreError> {
    let (connection, effects) = tx.parts();
    record(connection, new)?;
    effects.note(Noted {
        event: new.event,
        workspace: new.workspace,
        account: new.account,
        request_id: new.request_id.clone(),
    });
    Ok(())
}

/// Writes something down, in the transaction of what it tells of, where there is no log to say it in.
///
/// # Errors
/// When the statement fails.
pub fn record(connection: &mut Connection, new: &NewSecurityEvent) -> Result<(), StoreError> {
    diesel::insert_into(security_events::table)
        .values((
            security_events::id.eq(SecurityEventId::generate().to_string()),
            security_events::at.eq(new.at.as_micros()),
            security_events::workspace_id.eq(new.workspace.to_string()),
            security_events::account_id.eq(new.account.map(|id| id.to_string())),
            security_events::event.eq(new.event.as_str()),
            security_events::network.eq(&new.network),
            security_events::user_agent.eq(&new.user_agent),
            security_events::request_id.eq(&new.request_id),
            security_events::detail.eq(new.detail.to_string()),
        ))
        .execute(connection)?;
    Ok(())
}

/// What happened, the newest first, and where the next page begins.
///
/// # Errors
/// When the statement fails.
pub fn list(
    connection: &mut Connection,
    filter: &SecurityFilter,
) -> Result<(Vec<SecurityEventRecord>, Option<SecurityEventId>), StoreError> {
    // One more than is shown tells whether there are more.
    let rows: Vec<SecurityEventRow> = security_events::table
        .filter(Optional::new("security_events.id <", filter.before))
        .filter(Optional::new("security_events.workspace_id =", filter.workspace))
        .filter(Optional::new("security_events.account_id =", filter.account))
        .filter(Optional::new("security_events.event =", filter.event))
        .order(security_events::id.desc())
        .limit(number(filter.limit).saturating_add(1))
        .select(SecurityEventRow::columns())
        .load(connection)?;
    let has_more = rows.len() > filter.limit;
    let shown = rows.into_iter().take(filter.limit).map(SecurityEventRecord::try_from);
    let shown = shown.collect::<Result<Vec<_>, _>>()?;
    let next = shown.last().filter(|_| has_more).map(|event| event.id);
    Ok((shown, next))
}

/// Deletes up to `limit` that happened until then, the oldest first. Answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget(connection: &mut Connection, until: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let old: Vec<String> = security_events::table
        .filter(security_events::at.le(until.as_micros()))
        .order(security_events::at.asc())
        .limit(number(limit))
        .select(security_events::id)
        .load(connection)?;
    if old.is_empty() {
        return Ok(0);
    }
    Ok(diesel::delete(security_events::table.filter(security_events::id.eq_any(old))).execute(connection)?)
}

#[cfg(test)]
mod tests;

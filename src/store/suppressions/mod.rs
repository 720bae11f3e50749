//! Suppressions: to whom no mails go.
//!
//! Guarantees:
//! - **One row for an address and a stream**, or for an address and all streams; adding what is there changes nothing, unless
//!   the new reason outweighs the one that is there, whose place it takes.
//! - **What was added holds for every mail that asks after its commit** ([`holding`]): nothing of it is kept in memory.
//! - **Several are added in the order of their keys**, so that no two transactions wait for each other.
//!
//! Left out: what a suppressed mail comes to (`jobs`), and which answers of servers suppress an address (`domain`).

mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::store::dialect::prelude::*;

pub use record::{NewSuppression, Suppression};

use super::bounded::{Count, Counted};
use super::dialect::{AnyOf, InsertMany, Optional, Value};
use super::schema::{suppressions, workspaces};
use super::text::{number, storable};
use super::{Connection, StoreError};
use crate::domain::id::{SuppressionId, WorkspaceId};
use crate::domain::stream::Stream;
use crate::domain::suppression::SuppressionReason;
use record::{COLUMNS, SuppressionRow, stream_column};

/// The most addresses that one statement asks for.
const ASKED_MAX: usize = 256;

/// How much a reason weighs, as [`SuppressionReason::outweighs`] has it; a test compares the two.
macro_rules! weight {
    ($column:literal) => {
        concat!(
            "(CASE ",
            $column,
            " WHEN 'complaint' THEN 3 WHEN 'unsubscribe' THEN 2 WHEN 'bounce' THEN 1 ELSE 0 END)"
        )
    };
}

const ON_CONFLICT: &str = concat!(
    " ON CONFLICT (workspace_id, address, stream) DO UPDATE SET reason = excluded.reason, origin = excluded.origin, \
     origin_id = excluded.origin_id, reply = excluded.reply, updated_at = excluded.updated_at WHERE ",
    weight!("excluded.reason"),
    " > ",
    weight!("suppressions.reason"),
);

/// Which suppressions a page shows.
#[derive(Clone, Debug)]
pub struct SuppressionFilter {
    /// Whose.
    pub workspace: WorkspaceId,
    /// Only those of this stream; those of all streams are none of it.
    pub stream: Option<Stream>,
    /// Only those for this reason.
    pub reason: Option<SuppressionReason>,
    /// Only those of this address, in its canonical form.
    pub address: Option<String>,
    /// Made before this one.
    pub before: Option<SuppressionId>,
    /// At most this many.
    pub limit: usize,
}

/// That an address gets no mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// In its canonical form.
    pub address: String,
    /// In which stream; none for all.
    pub stream: Option<String>,
    /// Why.
    pub reason: SuppressionReason,
}

/// Adds suppressions; of several with one key the weightiest counts.
///
/// # Errors
/// When a statement fails.
pub fn add(connection: &mut Connection, new: &[NewSuppression]) -> Result<(), StoreError> {
    let mut weightiest: BTreeMap<(String, &str, &str), &NewSuppression> = BTreeMap::new();
    for one in new {
        let key = (
            one.workspace.to_string(),
            one.address.as_str(),
            stream_column(&one.stream),
        );
        let kept = weightiest.entry(key).or_insert(one);
        if one.reason.outweighs(kept.reason) {
            *kept = one;
        }
    }
    let rows = weightiest.into_values().map(|one| {
        vec![
            Value::Text(Some(one.id.to_string())),
            Value::Text(Some(one.workspace.to_string())),
            Value::Text(Some(storable(&one.address))),
            Value::Text(Some(stream_column(&one.stream).to_owned())),
            Value::Text(Some(one.reason.to_string())),
            Value::Text(Some(one.origin.kind().to_string())),
            Value::Text(one.origin.id()),
            Value::Text(one.origin.reply().map(storable)),
            Value::Number(Some(one.at.as_micros())),
            Value::Number(Some(one.at.as_micros())),
        ]
    });
    let many = InsertMany {
        table: "suppressions",
        columns: COLUMNS,
        rows: rows.collect(),
        on_conflict: ON_CONFLICT,
    };
    Ok(many.execute(connection)?)
}

/// Adds one, unless its workspace is gone.
///
/// # Errors
/// When a statement fails.
pub fn add_if_there(connection: &mut Connection, new: &NewSuppression) -> Result<(), StoreError> {
    let workspace: Option<String> = workspaces::table
        .filter(workspaces::id.eq(new.workspace.to_string()))
        .select(workspaces::id)
        .first(connection)
        .optional()?;
    match workspace {
        Some(_) => add(connection, std::slice::from_ref(new)),
        None => Ok(()),
    }
}

/// How many of these ids there are: how many of what was added was not there before.
///
/// # Errors
/// When a statement fails.
pub fn count_there(connection: &mut Connection, ids: &[SuppressionId]) -> Result<usize, StoreError> {
    let mut there = 0_usize;
    for ids in ids.chunks(ASKED_MAX) {
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let found: Vec<String> = suppressions::table
            .filter(AnyOf {
                column: "suppressions.id",
                texts: &texts,
            })
            .select(suppressions::id)
            .load(connection)?;
        there = there.saturating_add(found.len());
    }
    Ok(there)
}

/// The suppression of an address in a stream, or in all where none is given.
///
/// # Errors
/// When the statement fails.
pub fn of_address(
    connection: &mut Connection,
    workspace: WorkspaceId,
    address: &str,
    stream: &Option<Stream>,
) -> Result<Option<Suppression>, StoreError> {
    let row: Option<SuppressionRow> = suppressions::table
        .filter(suppressions::workspace_id.eq(workspace.to_string()))
        .filter(suppressions::address.eq(address))
        .filter(suppressions::stream.eq(stream_column(stream)))
        .select(SuppressionRow::columns())
        .first(connection)
        .optional()?;
    row.map(Suppression::try_from).transpose()
}

/// Those of a workspace that hold some of these addresses (in canonical form) back, in whatever stream.
///
/// # Errors
/// When a statement fails.
pub fn holding(
    connection: &mut Connection,
    workspace: WorkspaceId,
    addresses: &[String],
) -> Result<Vec<HeldBack>, StoreError> {
    let mut all = Vec::new();
    for texts in addresses.chunks(ASKED_MAX) {
        let rows: Vec<(String, String, String)> = suppressions::table
            .filter(suppressions::workspace_id.eq(workspace.to_string()))
            .filter(AnyOf {
                column: "suppressions.address",
                texts,
            })
            .select((suppressions::address, suppressions::stream, suppressions::reason))
            .load(connection)?;
        all.extend(rows.into_iter().map(|(address, stream, reason)| HeldBack {
            address,
            stream: Some(stream).filter(|stream| !stream.is_empty()),
            // A reason that only a later release knows holds a mail back all the same.
            reason: reason.parse().unwrap_or(SuppressionReason::Manual),
        }));
    }
    Ok(all)
}

/// The one with this id, if it is the workspace's.
///
/// # Errors
/// When the statement fails.
pub fn one(
    connection: &mut Connection,
    id: SuppressionId,
    workspace: WorkspaceId,
) -> Result<Option<Suppression>, StoreError> {
    let row: Option<SuppressionRow> = suppressions::table
        .filter(suppressions::id.eq(id.to_string()))
        .filter(suppressions::workspace_id.eq(workspace.to_string()))
        .select(SuppressionRow::columns())
        .first(connection)
        .optional()?;
    row.map(Suppression::try_from).transpose()
}

/// Takes one away, if it is the workspace's; answers it as it was.
///
/// # Errors
/// When a statement fails.
pub fn remove(
    connection: &mut Connection,
    id: SuppressionId,
    workspace: WorkspaceId,
) -> Result<Option<Suppression>, StoreError> {
    let Some(found) = one(connection, id, workspace)? else {
        return Ok(None);
    };
    let deleted =
        diesel::delete(suppressions::table.filter(suppressions::id.eq(id.to_string()))).execute(connection)?;
    Ok((deleted > 0).then_some(found))
}

/// A page of suppressions, the newest first.
///
/// # Errors
/// When the statement fails.
pub fn list(connection: &mut Connection, filter: &SuppressionFilter) -> Result<Vec<Suppression>, StoreError> {
    let rows: Vec<SuppressionRow> = suppressions::table
        .filter(suppressions::workspace_id.eq(filter.workspace.to_string()))
        .filter(Optional::new("suppressions.stream =", filter.stream.as_ref()))
        .filter(Optional::new("suppressions.reason =", filter.reason))
        .filter(Optional::new("suppressions.address =", filter.address.as_ref()))
        .filter(Optional::new("suppressions.id <", filter.before))
        .select(SuppressionRow::columns())
        .order(suppressions::id.desc())
        .limit(number(filter.limit))
        .load(connection)?;
    rows.into_iter().map(Suppression::try_from).collect()
}

/// How many a workspace has, counted up to `max`.
///
/// # Errors
/// When the statement fails.
pub fn count(connection: &mut Connection, workspace: WorkspaceId, max: usize) -> Result<Count, StoreError> {
    let query = suppressions::table
        .filter(suppressions::workspace_id.eq(workspace.to_string()))
        .select(suppressions::id)
        .limit(number(max).saturating_add(1));
    let counted: i64 = Counted(query).get_result(connection)?;
    Ok(Count::of(counted, max))
}

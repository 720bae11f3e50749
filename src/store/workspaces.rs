//! Workspaces, as operators see them: with their weights.

use crate::store::dialect::prelude::*;

use super::dialect::Optional;
use super::schema::workspaces;
use super::text::{number, parsed, time, unsigned};
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::WorkspaceId;

/// The greatest weight: so that a turn of all is not long.
pub const WEIGHT_MAX: u32 = 100;

/// A workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceRecord {
    /// Its id.
    pub id: WorkspaceId,
    /// What it is called.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its share in each queue, from 1 to [`WEIGHT_MAX`].
    pub weight: u32,
}

type Row = (String, String, i64, i64);

fn record((id, name, created_at, weight): Row) -> Result<WorkspaceRecord, StoreError> {
    Ok(WorkspaceRecord {
        id: parsed(&id, "workspaces", "id")?,
        name,
        created_at: time(created_at),
        weight: unsigned(weight, "workspaces", "weight")?,
    })
}

/// Workspaces, the newest first, those before `before`.
///
/// # Errors
/// When the statement fails.
pub fn list(
    connection: &mut Connection,
    before: Option<WorkspaceId>,
    max: usize,
) -> Result<Vec<WorkspaceRecord>, StoreError> {
    let rows: Vec<Row> = workspaces::table
        .filter(Optional::new("workspaces.id <", before))
        .order(workspaces::id.desc())
        .limit(number(max))
        .select((
            workspaces::id,
            workspaces::name,
            workspaces::created_at,
            workspaces::weight,
        ))
        .load(connection)?;
    rows.into_iter().map(record).collect()
}

/// One workspace.
///
/// # Errors
/// When the statement fails.
pub fn one(connection: &mut Connection, id: WorkspaceId) -> Result<Option<WorkspaceRecord>, StoreError> {
    let row: Option<Row> = workspaces::table
        .filter(workspaces::id.eq(id.to_string()))
        .select((
            workspaces::id,
            workspaces::name,
            workspaces::created_at,
            workspaces::weight,
        ))
        .first(connection)
        .optional()?;
    row.map(record).transpose()
}

/// Gives a workspace this weight: the next claim goes by it. Answers whether there is such a workspace.
///
/// # Errors
/// When the statement fails, as for a weight beyond [`WEIGHT_MAX`] or of 0.
pub fn set_weight(connection: &mut Connection, id: WorkspaceId, weight: u32) -> Result<bool, StoreError> {
    let changed = diesel::update(workspaces::table.filter(workspaces::id.eq(id.to_string())))
        .set(workspaces::weight.eq(i64::from(weight)))
        .execute(connection)?;
    Ok(changed > 0)
}

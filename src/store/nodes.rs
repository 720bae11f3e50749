//! Nodes: one row for each run of the process, with its right to be alive.

use std::time::Duration;

use crate::store::dialect::prelude::*;

use super::schema::nodes;
use super::text::number;
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::NodeId;

/// Enters a node that has just started.
///
/// # Errors
/// When the statement fails.
pub fn enter(
    connection: &mut Connection,
    node: NodeId,
    version: &str,
    now: Timestamp,
    lease: Duration,
) -> Result<(), StoreError> {
    diesel::insert_into(nodes::table)
        .values((
            nodes::id.eq(node.to_string()),
            nodes::version.eq(version),
            nodes::started_at.eq(now.as_micros()),
            nodes::lease_until.eq(now.plus(lease).as_micros()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Renews the node's lease; answers whether the node was still entered.
///
/// # Errors
/// When the statement fails.
pub fn beat(connection: &mut Connection, node: NodeId, now: Timestamp, lease: Duration) -> Result<bool, StoreError> {
    let renewed = diesel::update(nodes::table.filter(nodes::id.eq(node.to_string())))
        .set(nodes::lease_until.eq(now.plus(lease).as_micros()))
        .execute(connection)?;
    Ok(renewed == 1)
}

/// Removes a node that shuts down in order.
///
/// # Errors
/// When the statement fails.
pub fn leave(connection: &mut Connection, node: NodeId) -> Result<(), StoreError> {
    diesel::delete(nodes::table.filter(nodes::id.eq(node.to_string()))).execute(connection)?;
    Ok(())
}

/// Removes up to `limit` nodes whose lease ended before `before`: they say nothing any more. Answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget(connection: &mut Connection, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let gone: Vec<String> = nodes::table
        .filter(nodes::lease_until.lt(before.as_micros()))
        .limit(number(limit))
        .select(nodes::id)
        .load(connection)?;
    Ok(diesel::delete(nodes::table.filter(nodes::id.eq_any(gone))).execute(connection)?)
}

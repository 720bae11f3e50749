//! Nodes: one row for each process that is alive, with its right to be so.
//!
//! Guarantees: whose lease has ended is decided by one clock for all nodes (see `dialect::present`). A lease that somebody
//! takes over is marked as ended for ever in the same transaction, under the row's lock, so that its node cannot renew it
//! while its work is taken back, and a second rescuer waits; the row goes when nothing is left to be taken back. So a
//! rescuer that dies half-way leaves a row that the next one finds. A node whose release is too old for the schema does not
//! enter.

use std::time::Duration;

use crate::store::dialect::prelude::*;

use super::dialect::Present;
use super::release::{self, RELEASE};
use super::schema::{node_kinds, nodes};
use super::text::{number, parsed, time};
use super::{Connection, KnownKind, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::NodeId;
use crate::domain::roles::Roles;

/// When the lease of a node ended whose work is being taken back: before any present.
const ENDED_FOR_EVER: i64 = 0;

/// A node, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its id.
    pub id: NodeId,
    /// The version of the service that it runs.
    pub version: String,
    /// What it does.
    pub roles: Roles,
    /// Since when it is entered.
    pub started_at: Timestamp,
    /// Until when it is alive without a further sign.
    pub lease_until: Timestamp,
}

/// Who is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alive {
    /// Nodes that answer all requests.
    pub api: usize,
    /// Nodes that perform jobs.
    pub work: usize,
}

/// A node of an older release that is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OlderNode {
    /// Its id; possibly one that this version cannot read.
    pub id: String,
    /// The version of the service that it runs.
    pub version: String,
}

/// A kind that nodes of one version perform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PerformedKind {
    /// Its name; possibly one that this version does not know.
    pub kind: String,
    /// The newest version of its arguments that they can read.
    pub version: i64,
    /// The version of the service that they run.
    pub by: String,
}

/// Enters a node, and answers the present of the clock that decides; none if it is entered still, by its life before.
///
/// # Errors
/// [`StoreError::ReleaseTooOld`], or when a statement fails.
pub fn enter(
    connection: &mut Connection,
    node: NodeId,
    (version, roles): (&str, Roles),
    now: Timestamp,
    lease: Duration,
) -> Result<Option<Timestamp>, StoreError> {
    release::hold(connection)?;
    let until: Option<i64> = diesel::insert_into(nodes::table)
        .values((
            nodes::id.eq(node.to_string()),
            nodes::version.eq(version),
            nodes::release.eq(RELEASE),
            nodes::started_at.eq(Present::at(now)),
            nodes::lease_until.eq(Present::plus(now, lease)),
            nodes::roles.eq(roles.as_str()),
        ))
        .on_conflict_do_nothing()
        .returning(nodes::lease_until)
        .get_result(connection)
        .optional()?;
    Ok(until.map(|until| time(until).minus(lease)))
}

/// Tells other nodes which kinds an entered node performs.
///
/// # Errors
/// When the statement fails.
pub fn publish(connection: &mut Connection, node: NodeId, kinds: &[KnownKind]) -> Result<(), StoreError> {
    for kind in kinds {
        diesel::insert_into(node_kinds::table)
            .values((
                node_kinds::node_id.eq(node.to_string()),
                node_kinds::kind.eq(kind.name),
                node_kinds::version.eq(i64::from(kind.version)),
            ))
            .on_conflict_do_nothing()
            .execute(connection)?;
    }
    Ok(())
}

/// The kinds that living nodes perform, as far as they tell: those of the first release do not.
///
/// # Errors
/// When the statement fails.
pub fn performed(connection: &mut Connection, now: Timestamp) -> Result<Vec<PerformedKind>, StoreError> {
    let rows: Vec<(String, i64, String)> = node_kinds::table
        .inner_join(nodes::table.on(nodes::id.eq(node_kinds::node_id)))
        .filter(nodes::lease_until.ge(Present::at(now)))
        .select((node_kinds::kind, node_kinds::version, nodes::version))
        .distinct()
        .load(connection)?;
    let performed = rows
        .into_iter()
        .map(|(kind, version, by)| PerformedKind { kind, version, by });
    Ok(performed.collect())
}

/// The nodes of releases before `release` that are alive.
///
/// # Errors
/// When the statement fails.
pub fn older(connection: &mut Connection, release: i64, now: Timestamp) -> Result<Vec<OlderNode>, StoreError> {
    let rows: Vec<(String, String)> = nodes::table
        .filter(nodes::release.lt(release))
        .filter(nodes::lease_until.ge(Present::at(now)))
        .order(nodes::started_at.asc())
        .select((nodes::id, nodes::version))
        .load(connection)?;
    Ok(rows
        .into_iter()
        .map(|(id, version)| OlderNode { id, version })
        .collect())
}

/// Renews the node's lease, and answers the present of the clock that decides; none if it has no lease to renew any more.
/// One that ended is renewed too, as long as nobody has taken it over.
///
/// # Errors
/// When the statement fails.
pub fn beat(
    connection: &mut Connection,
    node: NodeId,
    now: Timestamp,
    lease: Duration,
) -> Result<Option<Timestamp>, StoreError> {
    let own = nodes::table
        .filter(nodes::id.eq(node.to_string()))
        .filter(nodes::lease_until.gt(ENDED_FOR_EVER));
    let until: Option<i64> = diesel::update(own)
        .set(nodes::lease_until.eq(Present::plus(now, lease)))
        .returning(nodes::lease_until)
        .get_result(connection)
        .optional()?;
    Ok(until.map(|until| time(until).minus(lease)))
}

/// Up to `limit` nodes whose lease has ended, or is being taken over already.
///
/// # Errors
/// When the statement fails.
pub fn ended(connection: &mut Connection, now: Timestamp, limit: usize) -> Result<Vec<NodeId>, StoreError> {
    let ids: Vec<String> = nodes::table
        .filter(nodes::lease_until.lt(Present::at(now)))
        .order(nodes::lease_until.asc())
        .limit(number(limit))
        .select(nodes::id)
        .load(connection)?;
    ids.iter().map(|id| parsed(id, "nodes", "id")).collect()
}

/// Takes over the lease of a node, for this transaction, if it has ended: from now on the node cannot renew it. Answers
/// whether it had.
///
/// # Errors
/// When the statement fails.
pub fn take_over(connection: &mut Connection, node: NodeId, now: Timestamp) -> Result<bool, StoreError> {
    // The condition is looked at again once the row is locked: a beat that came first keeps its node alive.
    let ended = nodes::table
        .filter(nodes::id.eq(node.to_string()))
        .filter(nodes::lease_until.lt(Present::at(now)));
    let taken = diesel::update(ended)
        .set(nodes::lease_until.eq(ENDED_FOR_EVER))
        .execute(connection)?;
    Ok(taken == 1)
}

/// Removes a node that shuts down in order, or that has nothing left to be taken back.
///
/// # Errors
/// When the statement fails.
pub fn leave(connection: &mut Connection, node: NodeId) -> Result<(), StoreError> {
    diesel::delete(nodes::table.filter(nodes::id.eq(node.to_string()))).execute(connection)?;
    Ok(())
}

/// Removes all nodes but this one: for a database that only one can have.
///
/// # Errors
/// When the statement fails.
pub fn leave_alone(connection: &mut Connection, me: NodeId) -> Result<(), StoreError> {
    diesel::delete(nodes::table.filter(nodes::id.ne(me.to_string()))).execute(connection)?;
    Ok(())
}

/// Up to `limit` nodes, those first that have been there the longest. A row that this version cannot read is left out.
///
/// # Errors
/// When the statement fails.
pub fn list(connection: &mut Connection, limit: usize) -> Result<Vec<NodeRecord>, StoreError> {
    let rows: Vec<(String, String, String, i64, i64)> = nodes::table
        .order((nodes::started_at.asc(), nodes::id.asc()))
        .limit(number(limit))
        .select((
            nodes::id,
            nodes::version,
            nodes::roles,
            nodes::started_at,
            nodes::lease_until,
        ))
        .load(connection)?;
    let known = rows.into_iter().filter_map(|(id, version, roles, started_at, until)| {
        Some(NodeRecord {
            id: id.parse().ok()?,
            version,
            roles: roles.parse().ok()?,
            started_at: time(started_at),
            lease_until: time(until),
        })
    });
    Ok(known.collect())
}

/// How many nodes with each role are alive.
///
/// # Errors
/// When the statement fails.
pub fn alive(connection: &mut Connection, now: Timestamp) -> Result<Alive, StoreError> {
    let all: Vec<(String, i64)> = nodes::table
        .filter(nodes::lease_until.ge(Present::at(now)))
        .group_by(nodes::roles)
        .select((nodes::roles, diesel::dsl::count_star()))
        .load(connection)?;
    let mut alive = Alive::default();
    for (roles, count) in all {
        let (Ok(roles), Ok(count)) = (roles.parse::<Roles>(), usize::try_from(count)) else {
            continue;
        };
        alive.api += if roles.has_api() { count } else { 0 };
        alive.work += if roles.has_work() { count } else { 0 };
    }
    Ok(alive)
}

/// Writes the row of a node that is none and takes it away again, both seen by nobody else: what shows that the database takes
/// writes. A row that were written as it is would not be written by SQLite.
///
/// # Errors
/// When a statement fails.
pub(super) fn touch(connection: &mut Connection) -> Result<(), StoreError> {
    let id = NodeId::generate().to_string();
    diesel::insert_into(nodes::table)
        .values((
            nodes::id.eq(&id),
            nodes::version.eq(""),
            nodes::roles.eq(Roles::Both.as_str()),
            nodes::started_at.eq(ENDED_FOR_EVER),
            nodes::lease_until.eq(ENDED_FOR_EVER),
        ))
        .execute(connection)?;
    diesel::delete(nodes::table.filter(nodes::id.eq(&id))).execute(connection)?;
    Ok(())
}

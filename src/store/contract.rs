//! Contracting the schema: taking out of it what only older releases use, once none of their nodes is left.
//!
//! Guarantees: it is done in one transaction with the look for older nodes, while nobody can enter (see `release`), so never
//! while an older node holds a live lease; whoever is too old enters no more. It waits for the locks that it needs no longer
//! than [`LOCK_WAIT`], during which others may have to wait behind it; then it is given up, and may be tried again.

use std::time::Duration;

use diesel::connection::SimpleConnection;

use super::dialect::Connection;
use super::migrate::{self, Migrations};
use super::nodes::{self, OlderNode};
use super::source::{Access, Source, Turn};
use super::{StoreError, release};
use crate::clock::Timestamp;

/// How long it waits for a lock on a server: about what a request waits for its commit under load.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// What became of the wish to contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contracted {
    /// There is nothing to take out.
    Nothing,
    /// These migrations were run.
    Done(Vec<String>),
    /// Nodes of older releases are alive.
    WaitsFor(Vec<OlderNode>),
    /// Another process is migrating.
    Busy,
}

/// Contracts the schema if it can be done now; waits for its turn, or does without, as `turn` says.
pub(super) fn contract(source: &Source, turn: Turn, now: Timestamp) -> Result<Contracted, StoreError> {
    let mut connection = source.connect(Access::Write)?;
    let Some(_held) = source.turn_to_migrate(&mut connection, turn)? else {
        return Ok(Contracted::Busy);
    };
    run(&mut connection, now)
}

/// The same for whoever has the turn already.
pub(super) fn run(connection: &mut Connection, now: Timestamp) -> Result<Contracted, StoreError> {
    if !migrate::are_pending(connection, Migrations::Contracting)? {
        return Ok(Contracted::Nothing);
    }
    if let Connection::Postgres(_) = connection {
        connection.batch_execute(&format!("SET lock_timeout = {}", LOCK_WAIT.as_millis()))?;
    }
    connection.write_transaction(|connection| {
        release::hold(connection)?;
        let older = nodes::older(connection, release::RELEASE, now)?;
        if !older.is_empty() {
            return Ok(Contracted::WaitsFor(older));
        }
        Ok(Contracted::Done(migrate::run_pending(
            connection,
            Migrations::Contracting,
        )?))
    })
}

#[cfg(test)]
#[path = "contract_tests.rs"]
mod tests;

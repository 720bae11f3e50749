//! The keeper: renews this node's lease and clears away what has expired.
//!
//! Left out: taking over the work of other nodes. On SQLite there are none; what a dead process left running is taken back
//! at the next start.

use std::time::Duration;

use actix::{Actor, AsyncContext};

use crate::clock::Clock;
use crate::domain::id::NodeId;
use crate::reports::ReportFolder;
use crate::store::{Abort, Store, StoreError, nodes, registrations, sessions};
use crate::supervision;
use crate::telemetry;
use crate::telemetry::names::event;

use super::report_files;

/// How long a lease lasts without being renewed.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed: three times, before it would end.
pub const LEASE_BEAT: Duration = Duration::from_secs(5);
/// How often what has expired is cleared away.
const CLEAR_EVERY: Duration = Duration::from_secs(60);
/// How long rows of nodes that are gone are kept, for people who ask what ran a job.
const NODES_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a keeper is made of.
#[derive(Clone)]
pub struct KeeperParts {
    /// Where it keeps.
    pub store: Store,
    /// The files of reports.
    pub reports: ReportFolder,
    /// This process.
    pub node: NodeId,
    /// The time.
    pub clock: Clock,
}

/// Renews and clears; see the module.
pub struct Keeper {
    parts: KeeperParts,
}

impl Keeper {
    /// A keeper of these parts.
    #[must_use]
    pub fn new(parts: KeeperParts) -> Self {
        Self { parts }
    }

    fn beat(&self) {
        let KeeperParts { store, node, clock, .. } = self.parts.clone();
        tokio::spawn(async move {
            let beaten = store
                .write(move |tx| Ok::<_, Abort<()>>(nodes::beat(tx.connection(), node, clock.now(), LEASE)?))
                .await;
            match beaten {
                Ok(true) | Err(Abort::Refused(()) | Abort::Store(StoreError::Closed)) => {}
                Ok(false) => {
                    tracing::error!(
                        event = event::NODE_LOST,
                        %node,
                        "this node's lease is gone; was the database replaced while serving?"
                    );
                }
                Err(Abort::Store(error)) => {
                    let error = telemetry::chain(&error);
                    tracing::warn!(
                        event = event::BEAT_FAILED,
                        %node,
                        error,
                        "the lease could not be renewed; the next beat tries again"
                    );
                }
            }
        });
    }

    fn clear(&self) {
        let KeeperParts { store, clock, .. } = self.parts.clone();
        tokio::spawn(async move {
            let now = clock.now();
            let cleared = store
                .write(move |tx| {
                    let connection = tx.connection();
                    let registrations = registrations::forget_expired(connection, now)?;
                    let sessions = sessions::forget_expired(connection, now)?;
                    nodes::forget(connection, now.minus(NODES_KEPT))?;
                    Ok::<_, Abort<()>>((registrations, sessions))
                })
                .await;
            match cleared {
                Ok((0, 0)) | Err(Abort::Refused(()) | Abort::Store(StoreError::Closed)) => {}
                Ok((registrations, sessions)) => {
                    tracing::info!(
                        event = event::CLEARED,
                        registrations,
                        sessions,
                        "expired rows were cleared away"
                    );
                }
                Err(Abort::Store(error)) => {
                    let error = telemetry::chain(&error);
                    tracing::warn!(
                        event = event::CLEAR_FAILED,
                        error,
                        "expired rows could not be cleared away; the next minute tries again"
                    );
                }
            }
        });
    }
}

impl Keeper {
    /// Removes the files of expired reports, and what a crash or a lost write has left in their folder.
    fn clear_reports(&self) {
        let KeeperParts {
            store, reports, clock, ..
        } = self.parts.clone();
        tokio::spawn(async move {
            report_files::expire(&store, &reports, clock.now()).await;
            report_files::sweep(&store, &reports).await;
        });
    }
}

impl Actor for Keeper {
    type Context = supervision::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.clear();
        self.clear_reports();
        ctx.run_interval(LEASE_BEAT, |keeper, _| keeper.beat());
        ctx.run_interval(CLEAR_EVERY, |keeper, _| keeper.clear());
        ctx.run_interval(CLEAR_EVERY, |keeper, _| keeper.clear_reports());
    }
}

supervision::supervised!(Keeper);

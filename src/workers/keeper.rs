//! The keeper: renews this node's lease, ends jobs that wait beyond their deadline, and clears away what has expired.
//!
//! Guarantees: one beat and one clearing at a time, so that a database that stands still is not buried under them.
//!
//! Left out: taking over the work of other nodes. On SQLite there are none; what a dead process left running is taken back
//! at the next start.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext};
use tokio::task::JoinHandle;

use super::clearing::{Walk, clear};
use super::deadlines::{LOOK_EVERY, end_overdue};
use super::lease::{LEASE, LEASE_BEAT, Lease};
use super::report_files;
use crate::clock::Clock;
use crate::config::Retention;
use crate::domain::id::NodeId;
use crate::reports::ReportFolder;
use crate::store::{Abort, Store, StoreError, nodes};
use crate::supervision;
use crate::telemetry;
use crate::telemetry::names::event;

/// How often what has expired is cleared away.
const CLEAR_EVERY: Duration = Duration::from_secs(60);

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
    /// Told of each renewal.
    pub lease: Lease,
    /// How long finished jobs are kept.
    pub retention: Retention,
    /// How far the walk through finished jobs has come.
    pub walk: Walk,
    /// How long events are kept.
    pub events_kept: Duration,
    /// Lets go of what is kept in memory and no longer of use.
    pub sweep: Arc<dyn Fn() + Send + Sync>,
}

/// Renews and clears; see the module.
pub struct Keeper {
    parts: KeeperParts,
    beating: Option<JoinHandle<()>>,
    clearing: Option<JoinHandle<()>>,
    ending_overdue: Option<JoinHandle<()>>,
}

impl Keeper {
    /// A keeper of these parts.
    #[must_use]
    pub fn new(parts: KeeperParts) -> Self {
        Self {
            parts,
            beating: None,
            clearing: None,
            ending_overdue: None,
        }
    }

    fn beat(&mut self) {
        if is_under_way(self.beating.as_ref()) {
            return;
        }
        let parts = self.parts.clone();
        self.beating = Some(tokio::spawn(async move { beat(&parts).await }));
    }

    fn end_overdue(&mut self) {
        if is_under_way(self.ending_overdue.as_ref()) {
            return;
        }
        let (store, clock) = (self.parts.store.clone(), self.parts.clock.clone());
        self.ending_overdue = Some(tokio::spawn(async move { end_overdue(&store, &clock).await }));
    }

    fn clear(&mut self) {
        (self.parts.sweep)();
        if is_under_way(self.clearing.as_ref()) {
            return;
        }
        let parts = self.parts.clone();
        self.clearing = Some(tokio::spawn(async move {
            clear(&parts).await;
            report_files::expire(&parts.store, &parts.reports, parts.clock.now()).await;
            report_files::sweep(&parts.store, &parts.reports).await;
        }));
    }
}

fn is_under_way(task: Option<&JoinHandle<()>>) -> bool {
    task.is_some_and(|task| !task.is_finished())
}

async fn beat(parts: &KeeperParts) {
    let (node, clock) = (parts.node, parts.clock.clone());
    let beaten = parts.store.write(move |tx| {
        let now = clock.now();
        Ok::<_, Abort<()>>((nodes::beat(tx.connection(), node, now, LEASE)?, now))
    });
    match beaten.await {
        Ok((true, at)) => parts.lease.renew(at),
        Err(Abort::Refused(()) | Abort::Store(StoreError::Closed)) => {}
        Ok((false, _)) => {
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
}

impl Actor for Keeper {
    type Context = supervision::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // At once, since the start, or a restart, may have used much of the lease up.
        self.beat();
        self.clear();
        ctx.run_interval(LEASE_BEAT, |keeper, _| keeper.beat());
        ctx.run_interval(LOOK_EVERY, |keeper, _| keeper.end_overdue());
        ctx.run_interval(CLEAR_EVERY, |keeper, _| keeper.clear());
    }
}

supervision::supervised!(Keeper);

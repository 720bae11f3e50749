//! The keeper: renews this node's lease, writes when logins were last used, takes back the work of dead nodes, ends jobs that wait beyond their deadline, tells of
//! ends that were overlooked, counts what waits, looks which kinds nobody knows, contracts the schema, and clears away what has
//! expired.
//!
//! Guarantees: one of each at a time, so that a database that stands still is not buried under
//! them.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::beat::beat;
use super::clearing::{Walk, clear};
use super::contracting::{Contracting, contract};
use super::counting::count_depths;
use super::deadlines::{LOOK_EVERY, end_overdue};
use super::kinds::look_at_kinds;
use super::lease::{LEASE_BEAT, Lease};
use super::overlooked::{OVERLOOKED_EVERY, Places, tell_overlooked};
use super::report_files;
use super::rescue::rescue;
use super::uses::write_uses;
use crate::clock::Clock;
use crate::config::Retention;
use crate::domain::id::NodeId;
use crate::domain::roles::Roles;
use crate::domain::token::random_bytes;
use crate::jobs::{Attempts, Depths, KindsElsewhere, Registry};
use crate::reports::ReportFolder;
use crate::store::{SessionUses, Store};
use crate::supervision;

/// How often what has expired is cleared away.
const CLEAR_EVERY: Duration = Duration::from_secs(60);

/// How often it is written when logins were last used.
const WRITE_USES_EVERY: Duration = Duration::from_secs(60);

/// How often it is looked which nodes know which kinds, and whether the schema can be contracted.
const LOOK_AT_NODES_EVERY: Duration = Duration::from_secs(10);

/// How often it is looked whether what waits is to be counted.
const COUNT_TICK: Duration = Duration::from_millis(500);
/// How often dead nodes are looked for, on average: what they left runs again within 20 s of their last sign of life, of which
/// the lease takes 15.
const RESCUE_EVERY: Duration = Duration::from_millis(2_500);
/// How much sooner or later than that, so that the nodes do not all look at once.
const RESCUE_JITTER: Duration = Duration::from_millis(500);

/// What a keeper is made of.
#[derive(Clone)]
pub struct KeeperParts {
    /// Where it keeps.
    pub store: Store,
    /// The files of reports.
    pub reports: ReportFolder,
    /// This process.
    pub node: NodeId,
    /// What it does.
    pub roles: Roles,
    /// Its attempts, which must have ended before it enters anew.
    pub attempts: Vec<Attempts>,
    /// The time.
    pub clock: Clock,
    /// Told of each renewal.
    pub lease: Lease,
    /// How long finished jobs are kept.
    pub retention: Retention,
    /// How much waits, which it counts.
    pub depths: Depths,
    /// How far the walk through finished jobs has come.
    pub walk: Walk,
    /// When logins were last used, which it writes.
    pub session_uses: SessionUses,
    /// How long a login lasts that is not used.
    pub session_idle: Duration,
    /// How long events are kept.
    pub events_kept: Duration,
    /// The kinds that this process knows.
    pub registry: Registry,
    /// Which kinds other nodes know, which it looks up.
    pub elsewhere: KindsElsewhere,
    /// Whether the schema can be contracted.
    pub contracting: Contracting,
    /// Lets go of what is kept in memory and no longer of use.
    pub sweep: Arc<dyn Fn() + Send + Sync>,
}

/// Renews and clears; see the module.
pub struct Keeper {
    parts: KeeperParts,
    beating: Option<JoinHandle<()>>,
    rescuing: Option<JoinHandle<()>>,
    counting: Option<JoinHandle<()>>,
    clearing: Option<JoinHandle<()>>,
    writing_uses: Option<JoinHandle<()>>,
    ending_overdue: Option<JoinHandle<()>>,
    looking_at_nodes: Option<JoinHandle<()>>,
    telling: Option<JoinHandle<()>>,
    places: Places,
}

impl Keeper {
    /// A keeper of these parts.
    #[must_use]
    pub fn new(parts: KeeperParts) -> Self {
        Self {
            parts,
            beating: None,
            rescuing: None,
            counting: None,
            clearing: None,
            writing_uses: None,
            ending_overdue: None,
            looking_at_nodes: None,
            telling: None,
            places: Places::default(),
        }
    }

    fn beat(&mut self) {
        if is_under_way(self.beating.as_ref()) {
            return;
        }
        let parts = self.parts.clone();
        self.beating = Some(tokio::spawn(async move { beat(&parts).await }));
    }

    fn rescue(&mut self) {
        if is_under_way(self.rescuing.as_ref()) {
            return;
        }
        let parts = self.parts.clone();
        self.rescuing = Some(tokio::spawn(async move { rescue(&parts).await }));
    }

    fn count(&mut self) {
        if is_under_way(self.counting.as_ref()) || !self.parts.depths.is_due(Instant::now()) {
            return;
        }
        let parts = self.parts.clone();
        self.counting = Some(tokio::spawn(async move {
            count_depths(&parts.store, &parts.depths, &parts.clock).await;
        }));
    }

    fn rescue_and_again(&mut self, ctx: &mut supervision::Context<Self>) {
        self.rescue();
        ctx.run_later(jittered(), Self::rescue_and_again);
    }

    fn end_overdue(&mut self) {
        if is_under_way(self.ending_overdue.as_ref()) {
            return;
        }
        let (store, clock) = (self.parts.store.clone(), self.parts.clock.clone());
        self.ending_overdue = Some(tokio::spawn(async move { end_overdue(&store, &clock).await }));
    }

    fn look_at_nodes(&mut self) {
        if is_under_way(self.looking_at_nodes.as_ref()) {
            return;
        }
        let parts = self.parts.clone();
        self.looking_at_nodes = Some(tokio::spawn(async move {
            look_at_kinds(&parts).await;
            contract(&parts).await;
        }));
    }

    fn tell_overlooked(&mut self) {
        if is_under_way(self.telling.as_ref()) {
            return;
        }
        let (store, clock) = (self.parts.store.clone(), self.parts.clock.clone());
        let places = self.places.clone();
        self.telling = Some(tokio::spawn(async move {
            tell_overlooked(&store, &clock, &places).await;
        }));
    }

    fn write_uses(&mut self) {
        if is_under_way(self.writing_uses.as_ref()) {
            return;
        }
        let parts = self.parts.clone();
        self.writing_uses = Some(tokio::spawn(async move { write_uses(&parts).await }));
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

/// How long until the next look.
fn jittered() -> Duration {
    // Without randomness all look at once, which costs more and breaks nothing.
    let random = random_bytes().map(u16::from_le_bytes).unwrap_or(u16::MAX / 2);
    RESCUE_EVERY - RESCUE_JITTER + (RESCUE_JITTER * 2).mul_f64(f64::from(random) / f64::from(u16::MAX))
}

impl Actor for Keeper {
    type Context = supervision::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // At once, since the start, or a restart, may have used much of the lease up.
        self.beat();
        self.rescue_and_again(ctx);
        self.clear();
        self.look_at_nodes();
        ctx.run_interval(COUNT_TICK, |keeper, _| keeper.count());
        ctx.run_interval(LEASE_BEAT, |keeper, _| keeper.beat());
        ctx.run_interval(LOOK_EVERY, |keeper, _| keeper.end_overdue());
        ctx.run_interval(LOOK_AT_NODES_EVERY, |keeper, _| keeper.look_at_nodes());
        ctx.run_interval(OVERLOOKED_EVERY, |keeper, _| keeper.tell_overlooked());
        ctx.run_interval(CLEAR_EVERY, |keeper, _| keeper.clear());
        ctx.run_interval(WRITE_USES_EVERY, |keeper, _| keeper.write_uses());
    }
}

supervision::supervised!(Keeper);

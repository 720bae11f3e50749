//! The supervision tree of this service: every long-lived actor is a child of its root.
//!
//! ```text
//! root (one_for_one; started left to right, stopped right to left)
//! ├── keeper      lease, clearing away      arbiter "control"
//! ├── mailer      queue mail                arbiter "mailer"
//! ├── prober      queue probes              arbiter "prober"
//! ├── reporter    queue reports             arbiter "reporter"
//! ├── dispatcher  claims for all            arbiter "control"
//! └── control     the control socket        the main thread, if the socket can be had
//! ```
//!
//! A worker has an arbiter (a thread) of its own, so that work of one queue that blocks does not hold up another's.
//! The control socket has none of theirs, so that operators can look at whichever of them is stuck.

use std::sync::Arc;
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle};

use crate::api::{QueueWorker, Throttle};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::Controls;
use crate::domain::id::NodeId;
use crate::domain::job::Queue;
use crate::jobs::{Attempts, PausedQueues, Registry};
use crate::reports::ReportFolder;
use crate::store::Store;
use crate::supervision::{ChildSpec, Tree};
use crate::workers::{
    Dispatcher, DispatcherParts, Keeper, KeeperParts, Lane, LaneParts, Lease, Perform, Wake, Wakes, Worker,
};

/// Messages that may wait for a worker. Few, since a job that waits in the database can still be cancelled, while one that
/// waits in a mailbox is held already.
const WORKER_MAILBOX: usize = 16;

/// The tree and what belongs to it.
pub(super) struct Grown {
    pub(super) tree: Tree,
    pub(super) controls: Controls,
    pub(super) lanes: Vec<Arc<Lane>>,
    pub(super) workers: Vec<QueueWorker>,
    pub(super) registry: Registry,
    pub(super) arbiters: Vec<Arbiter>,
}

/// What the tree shares with those who answer requests.
pub(super) struct Shared {
    /// How much may be asked for.
    pub(super) throttle: Arc<Throttle>,
    /// This node's right to be alive.
    pub(super) lease: Lease,
    /// The queues that are paused.
    pub(super) paused: PausedQueues,
    /// Where reports are kept.
    pub(super) reports: ReportFolder,
    /// Whether operators may make actors panic.
    pub(super) fault_injection: bool,
}

/// Starts the tree.
pub(super) fn grow(
    config: &Config,
    store: &Store,
    registry: &Registry,
    node: NodeId,
    clock: &Clock,
    wakes: &Wakes,
    shared: &Shared,
) -> Grown {
    let mut tree = Tree::new("root", clock.clone());
    if shared.fault_injection {
        tree = tree.with_fault_injection();
    }
    let controls = Controls::new(tree.clone());
    let stop = config.shutdown.actors;
    let control = Arbiter::new();
    let mut arbiters = Vec::new();

    let throttle = Arc::clone(&shared.throttle);
    let keeper = KeeperParts {
        lease: shared.lease.clone(),
        retention: config.retention,
        sweep: Arc::new(move || throttle.sweep()),
        store: store.clone(),
        reports: shared.reports.clone(),
        node,
        clock: clock.clone(),
    };
    tree.start(
        ChildSpec::new("keeper").shutdown(stop).on(control.handle()),
        move || Keeper::new(keeper.clone()),
    );

    let mut lanes = Vec::new();
    let mut workers = Vec::new();
    let posts = [
        ("mailer", Queue::Mail, config.mail.concurrency),
        ("prober", Queue::Probes, config.probes.concurrency),
        ("reporter", Queue::Reports, config.reports.concurrency),
    ];
    for (name, queue, slots) in posts {
        let arbiter = Arbiter::new();
        let attempts = Attempts::new();
        let worker = start_worker(&tree, name, &attempts, stop, arbiter.handle());
        arbiters.push(arbiter);
        workers.push(QueueWorker {
            queue,
            worker: name,
            slots,
        });
        lanes.push(Arc::new(Lane::new(LaneParts {
            queue,
            worker,
            slots,
            attempts,
            registry: registry.clone(),
            store: store.clone(),
            node,
            clock: clock.clone(),
            wakes: wakes.clone(),
            lease: shared.lease.clone(),
            paused: shared.paused.clone(),
        })));
    }

    let parts = Arc::new(DispatcherParts {
        lanes: lanes.clone(),
        store: store.clone(),
        node,
        clock: clock.clone(),
        wakes: wakes.clone(),
        lease: shared.lease.clone(),
    });
    let spec = ChildSpec::new("dispatcher")
        .mailbox(64)
        .shutdown(stop)
        .on(control.handle());
    let dispatcher = tree.start(spec, move || Dispatcher::new(Arc::clone(&parts)));
    wakes.lead_to(dispatcher.recipient::<Wake>());
    arbiters.push(control);
    Grown {
        tree,
        controls,
        lanes,
        workers,
        registry: registry.clone(),
        arbiters,
    }
}

fn start_worker(
    tree: &Tree,
    name: &'static str,
    attempts: &Attempts,
    stop: Duration,
    arbiter: ArbiterHandle,
) -> crate::supervision::Recipient<Perform> {
    let gauge = attempts.clone();
    let spec = ChildSpec::new(name)
        .mailbox(WORKER_MAILBOX)
        .shutdown(stop)
        .on(arbiter)
        .in_flight(Arc::new(move || gauge.in_flight()));
    tree.start(spec, Worker::default).recipient()
}

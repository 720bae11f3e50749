//! The supervision tree of this service: everything long-lived in it is a node.
//!
//! ```text
//! root              supervisor, arbiter "supervision"
//! ├── writer        thread: writes the database; escalates
//! ├── guard         ends all work when the lease cannot be renewed; an arbiter of its own
//! ├── jobs          supervisor
//! │   ├── keeper      lease, clearing away      an arbiter of its own
//! │   ├── workers   supervisor
//! │   │   ├── mailer    queue mail              an arbiter of its own
//! │   │   ├── prober    queue probes            an arbiter of its own
//! │   │   ├── reporter  queue reports           an arbiter of its own
//! │   │   └── operator  queue operations        an arbiter of its own
//! │   ├── dispatcher  claims for all            an arbiter of its own
//! │   └── scheduler   jobs of schedules         an arbiter of its own
//! └── control       the control socket          the main thread, if the socket can be had
//! ```
//!
//! **Started** from the top down. **Stopped** in steps (see `shutdown`): `jobs`, all of it at once, since by then nothing is
//! claimed and the lease is released, so that nobody waits for another; `control`; and at last the root, for the writer, who
//! writes what the others left.
//!
//! **One for one**, each of the three: a strategy that ends neighbours is for those who keep something of another's life.
//! Here nobody does. The dispatcher holds addresses, and callers of the writer its mailbox, which outlive restarts; attempts
//! run as tasks beside their worker; the lease is kept beside the keeper.
//!
//! **Threads.** Each actor has an arbiter of its own, so that one that blocks holds up no other, is found, and is replaced
//! while it blocks. The supervisors share one that runs nothing else, so that no actor can block them. The control socket has
//! none of theirs, so that operators can look at whichever of them is stuck.
//!
//! **Escalation.** The writer alone escalates: without it every request fails and no job can end, so that a process which
//! cannot keep its writer is better started anew by whatever started it. A worker is one queue, which it degrades. The
//! dispatcher and the keeper are all queues, and yet not the service: work is still accepted and committed, a degraded
//! dispatcher serves every lane at each of its tries, and a degraded keeper renews the lease at each of its.
//!
//! Left out: tasks that belong to one attempt (the thread that writes a report's file is one); the attempt answers for them.

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;

use crate::api::{KeyUses, QueueWorker, Throttle};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::id::NodeId;
use crate::domain::job::Queue;
use crate::domain::schedule::Zones;
use crate::jobs::{Attempts, Depths, KindsElsewhere, PausedQueues, Registry};
use crate::reports::ReportFolder;
use crate::store::reports::KeptMax;
use crate::store::{SessionUses, Store};
use crate::supervision::{ChildSpec, Recipient, Supervisor, SupervisorSpec, Tree};
use crate::workers::{
    Contracting, Dispatcher, DispatcherParts, Guard, GuardParts, Keeper, KeeperParts, Lane, LaneParts, Lease,
    MailLedger, Perform, Scheduler, SchedulerParts, Slots, Wake, Wakes, Walk, Worker,
};

/// All that performs jobs; stopped before the writer.
pub(super) const JOBS: &str = "jobs";

/// The control socket's actor.
pub(super) const CONTROL: &str = "control";

/// What ends all work when the lease cannot be renewed.
pub(super) const GUARD: &str = "guard";

/// Neighbours that are stopped together.
const TOGETHER: &str = "actors";

/// Messages that may wait for a worker. Few, since a job that waits in the database can still be cancelled, while one that
/// waits in a mailbox is held already.
const WORKER_MAILBOX: usize = 16;

/// A tree without children, and the arbiter on which it is supervised.
pub(super) struct Planted {
    pub(super) tree: Tree,
    pub(super) arbiter: Arbiter,
}

/// What grew in the tree.
pub(super) struct Grown {
    pub(super) lanes: Vec<Arc<Lane>>,
    pub(super) workers: Vec<QueueWorker>,
}

/// What the tree shares with those who answer requests.
pub(super) struct Shared {
    /// How much may be asked for.
    pub(super) throttle: Arc<Throttle>,
    /// When API keys were used.
    pub(super) key_uses: KeyUses,
    /// This node's right to be alive.
    pub(super) lease: Lease,
    /// How many jobs wait.
    pub(super) depths: Depths,
    /// How many mails workspaces sent.
    pub(super) mails: MailLedger,
    /// When logins were last used.
    pub(super) session_uses: SessionUses,
    /// The queues that are paused.
    pub(super) paused: PausedQueues,
    /// Which kinds other nodes know.
    pub(super) elsewhere: KindsElsewhere,
    /// Where reports are kept.
    pub(super) reports: ReportFolder,
}

/// Makes the tree; operators may make its actors panic if `fault_injection` says so.
pub(super) fn plant(clock: &Clock, fault_injection: bool) -> Planted {
    let arbiter = Arbiter::new();
    let mut tree = Tree::with(SupervisorSpec::new("root"), Some(arbiter.handle()), clock.clone());
    if fault_injection {
        tree = tree.with_fault_injection();
    }
    Planted { tree, arbiter }
}

/// Starts all but the writer, which came with the store.
#[expect(
    clippy::too_many_arguments,
    reason = "the composition root hands over what it composed"
)]
pub(super) fn grow(
    tree: &Tree,
    config: &Config,
    store: &Store,
    registry: &Registry,
    node: NodeId,
    clock: &Clock,
    wakes: &Wakes,
    shared: &Shared,
) -> Grown {
    let stop = config.shutdown.actors;
    let jobs = tree.supervisor(SupervisorSpec::new(JOBS));

    let (posts, idle) = if config.roles.has_work() {
        (posts(config), Vec::new())
    } else {
        (Vec::new(), posts(config))
    };
    let guard = GuardParts {
        node,
        lease: shared.lease.clone(),
        attempts: posts.iter().map(|post| post.attempts.clone()).collect(),
    };
    tree.start(actor(GUARD, stop), move || Guard::new(guard.clone()));

    let (throttle, key_uses, uses_of) = (Arc::clone(&shared.throttle), shared.key_uses.clone(), store.clone());
    let keeper = KeeperParts {
        lease: shared.lease.clone(),
        retention: config.retention,
        roles: config.roles,
        attempts: posts.iter().map(|post| post.attempts.clone()).collect(),
        depths: shared.depths.clone(),
        mails: shared.mails.clone(),
        walk: Walk::default(),
        registry: registry.clone(),
        elsewhere: shared.elsewhere.clone(),
        contracting: Contracting::after(config.database.contract_after),
        events_kept: config.events.kept,
        session_uses: shared.session_uses.clone(),
        session_idle: config.session.idle,
        sweep: Arc::new(move || {
            throttle.sweep();
            let (uses, store) = (key_uses.clone(), uses_of.clone());
            // The keeper does not wait for it, nor does anybody else.
            drop(tokio::spawn(async move { uses.write(&store).await }));
        }),
        store: store.clone(),
        reports: shared.reports.clone(),
        node,
        clock: clock.clone(),
    };
    jobs.start(actor("keeper", stop), move || Keeper::new(keeper.clone()));

    let mut lanes = Vec::new();
    // Where nothing is performed, its queues are shown without slots.
    let idle = idle.into_iter().map(|post| QueueWorker {
        queue: post.queue,
        worker: post.name,
        slots: 0,
    });
    let mut workers: Vec<QueueWorker> = idle.collect();
    if posts.is_empty() {
        // Nothing is performed here, so there is nobody to perform it and nobody to claim.
        return Grown { lanes, workers };
    }
    let supervisor = jobs.supervisor(SupervisorSpec::new("workers").phase(TOGETHER));
    for Post {
        name,
        queue,
        slots,
        attempts,
    } in posts
    {
        let spec = actor(name, stop).mailbox(WORKER_MAILBOX);
        let worker = start_worker(&supervisor, spec, &attempts, (queue, wakes));
        workers.push(QueueWorker {
            queue,
            worker: name,
            slots: slots.most,
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
            depths: shared.depths.clone(),
            paused: shared.paused.clone(),
        })));
    }

    let parts = Arc::new(DispatcherParts {
        lanes: lanes.clone(),
        store: store.clone(),
        node,
        clock: clock.clone(),
        wakes: wakes.clone(),
    });
    let dispatcher = jobs.start(actor("dispatcher", stop).mailbox(64), move || {
        Dispatcher::new(Arc::clone(&parts))
    });
    wakes.lead_to(dispatcher.recipient::<Wake>());
    let scheduler = Arc::new(scheduler_parts(config, store, registry, clock, &shared.throttle));
    jobs.start(actor("scheduler", stop), move || Scheduler::new(Arc::clone(&scheduler)));
    Grown { lanes, workers }
}

fn scheduler_parts(
    config: &Config,
    store: &Store,
    registry: &Registry,
    clock: &Clock,
    throttle: &Arc<Throttle>,
) -> SchedulerParts {
    let throttle = Arc::clone(throttle);
    SchedulerParts {
        store: store.clone(),
        registry: registry.clone(),
        clock: clock.clone(),
        zones: Zones::bundled(),
        // What a schedule makes counts as if it were asked for at its tick.
        admit: Arc::new(move |schedule, queue| throttle.take_fire(schedule, queue)),
        kept_max: KeptMax {
            reports: config.reports.max_kept,
            bytes: config.limits.bytes_stored_max,
        },
    }
}

/// A worker that is to be.
struct Post {
    name: &'static str,
    queue: Queue,
    slots: Slots,
    attempts: Attempts,
}

fn posts(config: &Config) -> Vec<Post> {
    let all = [
        ("mailer", Queue::Mail, mail_slots(config.mail.concurrency)),
        ("prober", Queue::Probes, Slots::fixed(config.probes.concurrency)),
        ("reporter", Queue::Reports, Slots::fixed(config.reports.concurrency)),
        (
            "operator",
            Queue::Operations,
            Slots::fixed(config.operations.concurrency),
        ),
    ];
    let post = |(name, queue, slots)| Post {
        name,
        queue,
        slots,
        attempts: Attempts::new(),
    };
    all.into_iter().map(post).collect()
}

/// How many mails may be under way with so many connections: those that wait for one, and those whose end is being written, leave
/// none idle. Few more where connections are many, since each holds its mail in memory, and is another's that a node claimed; as
/// many with few connections, where mails end fast.
fn mail_slots(connections: usize) -> Slots {
    const FOR_EACH: usize = 12;
    const LEAST: usize = 24;
    const WAITING_MAX: usize = 240;
    let most = connections.saturating_add(WAITING_MAX);
    let least = connections.saturating_mul(FOR_EACH).max(LEAST).min(most);
    Slots { least, most }
}

/// What all actors of this service have in common.
fn actor(name: &'static str, stop: Duration) -> ChildSpec {
    ChildSpec::new(name).own_arbiter().phase(TOGETHER).shutdown(stop)
}

fn start_worker(
    supervisor: &Supervisor,
    spec: ChildSpec,
    attempts: &Attempts,
    (queue, wakes): (Queue, &Wakes),
) -> Recipient<Perform> {
    let gauge = attempts.clone();
    let spec = spec.in_flight(Arc::new(move || gauge.in_flight()));
    let wakes = wakes.clone();
    let comes_up: Arc<dyn Fn() + Send + Sync> = Arc::new(move || wakes.wake(queue));
    supervisor
        .start(spec, move || Worker::waking(Arc::clone(&comes_up)))
        .recipient()
}

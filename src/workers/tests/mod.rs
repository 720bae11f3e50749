//! Workers alone with a ledger in memory, and the whole way from a row over dispatcher, lane and worker to its end.
//!
//! The store is real, and so is time; every wait is for a condition, within a bound.

mod alone;
mod blocked;
mod dispatching;
mod keeping;
mod knowing;
mod lanes;
mod mail_counting;
mod many_clocks;
mod overlooked;
mod report_files;
mod rescuing;
mod scheduling;
mod ticks;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout};

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{AttemptEnd, Backoff, JobState, Queue};
use crate::jobs::kinds::{Probe, ProbeArgs, ProbePanic};
use crate::jobs::{
    Attempts, DepthLimits, Depths, JobContext, Kind, KindsElsewhere, Order, Outcome, PausedQueues, Registry, StopCause,
    new_job,
};
use crate::store::testing::{NODE, TestStore};
use crate::store::{JobRecord, JobScope, NewJob, jobs};
use crate::supervision::{Address, ChildSpec, RestartPolicy, Tree};

/// Far more than anything here takes.
const SOON: Duration = Duration::from_secs(20);

/// What the recorded jobs did, seen from outside.
#[derive(Clone, Default)]
struct World {
    started: Arc<Mutex<Vec<JobId>>>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    changed: Arc<Notify>,
}

impl World {
    fn started(&self) -> Vec<JobId> {
        self.started.lock().unwrap().clone()
    }

    /// Waits until so many jobs have begun.
    async fn began(&self, count: usize) {
        let reached = async {
            loop {
                let changed = self.changed.notified();
                if self.started.lock().unwrap().len() >= count {
                    return;
                }
                changed.await;
            }
        };
        timeout(SOON, reached).await.expect("the jobs did not begin");
    }
}

/// Notes that it began, then waits until it is let go or told to stop; ends at once if nothing holds it.
struct Recorded {
    world: World,
    go: Option<Arc<Semaphore>>,
}

impl Kind for Recorded {
    type Args = ();

    const NAME: &'static str = "test.recorded";
    const QUEUE: Queue = Queue::Probes;
    const MAX_ATTEMPTS: u32 = 3;
    const TIMEOUT: Duration = Duration::from_secs(60);
    const BACKOFF: Backoff = Backoff {
        base: Duration::from_millis(1),
        cap: Duration::from_millis(1),
    };

    async fn perform(&self, (): (), ctx: JobContext) -> Outcome {
        let world = &self.world;
        world.started.lock().unwrap().push(ctx.job());
        let running = world.running.fetch_add(1, Ordering::SeqCst) + 1;
        world.most.fetch_max(running, Ordering::SeqCst);
        world.changed.notify_one();
        let outcome = match &self.go {
            None => Outcome::completed(),
            Some(go) => tokio::select! {
                _permit = go.acquire() => Outcome::completed(),
                () = ctx.stopped() => Outcome::Cancelled,
            },
        };
        world.running.fetch_sub(1, Ordering::SeqCst);
        outcome
    }
}

fn recorded(now: Timestamp) -> NewJob {
    new_job::<Recorded>(&(), WorkspaceId::SERVICE, now, Order::default()).unwrap()
}

fn probe(panic: Option<ProbePanic>, now: Timestamp) -> NewJob {
    let args = ProbeArgs {
        steps: 0,
        step_ms: 0,
        fail: None,
        panic,
    };
    new_job::<Probe>(&args, WorkspaceId::SERVICE, now, Order::default()).unwrap()
}

/// A lease that does not lapse though nobody beats.
fn eternal() -> Lease {
    Lease::taken_at(Instant::now() + Duration::from_secs(24 * 3600))
}

/// A store, a worker with a mailbox of four, its lane, and a dispatcher once it is started.
struct Service {
    clock: Clock,
    store: TestStore,
    tree: Tree,
    lane: Arc<Lane>,
    wakes: Wakes,
    worker: Address<Worker>,
}

impl Service {
    fn new(slots: usize, recorded: Recorded) -> Self {
        Self::with_policy(slots, recorded, RestartPolicy::default())
    }

    fn with_policy(slots: usize, recorded: Recorded, policy: RestartPolicy) -> Self {
        // Nobody beats here, and nothing lapses.
        let lease = eternal();
        Self::with_parts(slots, recorded, policy, Clock::System, lease)
    }

    fn with_parts(slots: usize, recorded: Recorded, policy: RestartPolicy, clock: Clock, lease: Lease) -> Self {
        let spec = ChildSpec::new("prober").mailbox(4).policy(policy);
        let registry = Registry::new().with(recorded).with(Probe);
        Self::with_all(Slots::fixed(slots), registry, spec, clock, lease)
    }

    fn with_spec(slots: usize, spec: ChildSpec, registry: Registry) -> Self {
        let lease = eternal();
        Self::with_all(Slots::fixed(slots), registry, spec, Clock::System, lease)
    }

    fn with_all(slots: Slots, registry: Registry, spec: ChildSpec, clock: Clock, lease: Lease) -> Self {
        let wakes = Wakes::new();
        let store = TestStore::telling({
            let wakes = wakes.clone();
            move |queues| queues.iter().for_each(|queue| wakes.wake(*queue))
        });
        let tree = Tree::new("root", Clock::System);
        let worker = tree.start(spec, Worker::default);
        let lane = Arc::new(Lane::new(LaneParts {
            queue: Queue::Probes,
            worker: worker.recipient(),
            slots,
            attempts: Attempts::new(),
            registry,
            store: (*store).clone(),
            node: NODE,
            clock: clock.clone(),
            wakes: wakes.clone(),
            lease,
            depths: Depths::new(&DepthLimits::default()),
            paused: PausedQueues::of(&[]),
        }));
        Self {
            clock,
            store,
            tree,
            lane,
            wakes,
            worker,
        }
    }

    /// Starts the dispatcher; wakes reach it only if they are led to it.
    fn dispatch(&self, is_woken: bool) -> Address<Dispatcher> {
        let parts = Arc::new(DispatcherParts {
            lanes: vec![Arc::clone(&self.lane)],
            store: (*self.store).clone(),
            node: NODE,
            clock: self.clock.clone(),
            wakes: self.wakes.clone(),
        });
        let dispatcher = self.tree.start(ChildSpec::new("dispatcher"), move || {
            Dispatcher::new(Arc::clone(&parts))
        });
        if is_woken {
            self.wakes.lead_to(dispatcher.recipient());
        }
        dispatcher
    }

    /// Waits until the worker is up or down.
    async fn worker_is_running(&self, wanted: bool) {
        self.until("the worker's state", || async { self.worker.is_running() == wanted })
            .await;
    }

    /// Waits until there are so many jobs in a state, and no others.
    async fn settled(&self, states: &[&str]) {
        self.until(&format!("the jobs to be {states:?}"), || async {
            self.states().await == states
        })
        .await;
    }

    async fn states(&self) -> Vec<String> {
        let read = self.store.read(|connection| {
            let mut counts = std::collections::BTreeMap::new();
            let filter = crate::store::JobFilter {
                scope: JobScope::All,
                state: None,
                kind: None,
                queue: None,
                batch: None,
                before: None,
                limit: 100_000,
            };
            for job in jobs::list(connection, &filter)?.jobs {
                *counts.entry(job.state.as_str()).or_insert(0_u32) += 1;
            }
            Ok(counts
                .into_iter()
                .map(|(state, count)| format!("{state} {count}"))
                .collect())
        });
        read.await.unwrap()
    }

    async fn job(&self, id: JobId) -> JobRecord {
        let read = self
            .store
            .read(move |connection| jobs::one(connection, id, JobScope::All));
        read.await.unwrap().unwrap()
    }

    /// Looks until a condition holds, letting everything else run between two looks.
    async fn until<F: Future<Output = bool>>(&self, what: &str, holds: impl Fn() -> F) {
        let reached = async {
            while !holds().await {
                // A turn of the writer, so that looking does not become a busy loop.
                self.store.ping(SOON).await.unwrap();
            }
        };
        assert!(
            timeout(SOON, reached).await.is_ok(),
            "waited too long for {what}; they are {:?}",
            self.states().await
        );
    }
}

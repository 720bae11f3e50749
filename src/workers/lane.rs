//! A lane: one queue, the worker that performs it, and the worker's slots.
//!
//! Guarantees: never more attempts than slots, each slot held from the claim until the attempt's end is written; one claim
//! of a lane at a time, so that jobs reach the worker in the order in which they were claimed; a worker that is down gets
//! nothing claimed for it. Where most slots are in use, a claim waits up to [`GATHER`] for others, so that few claims take many
//! jobs each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::ledger::LaneLedger;
use super::slots::{Pace, Slots};
use super::unlisted::take_back;
use super::{Lease, Perform, Term, Wakes};
use crate::clock::{Clock, Timestamp};
use crate::domain::id::NodeId;
use crate::domain::job::{Queue, Turn};
use crate::jobs::{Attempt, AttemptParts, Attempts, Depths, PausedQueues, Registry, StopCause};
use crate::store::{ClaimRequest, ClaimedJob, KnownKind, Store};
use crate::supervision::Recipient;
use crate::telemetry;
use crate::telemetry::names::event;

/// How often a paused queue is looked at, whatever wakes it: jobs that come in by thousands a second must not cost a look each
/// time some are committed.
const PAUSED_LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long a look for what was lost waits for the lane's claims.
const TURN_MAX: Duration = Duration::from_secs(1);

/// Jobs in one claim: beyond this a claim's transaction holds others up more than it saves.
const CLAIM_MAX: usize = 256;

/// How long a claim may wait for more slots to become free, where the worker has enough to do meanwhile.
const GATHER: Duration = Duration::from_millis(3);

/// A claim waits for more slots if fewer than this part of all are free: its transaction costs nearly as much for one job as for
/// many.
const GATHER_BELOW: usize = 4;

/// What a lane is made of.
pub struct LaneParts {
    /// The queue.
    pub queue: Queue,
    /// The actor that performs its jobs.
    pub worker: Recipient<Perform>,
    /// Attempts that it may run at once.
    pub slots: Slots,
    /// The list of its attempts.
    pub attempts: Attempts,
    /// The kinds that this process knows.
    pub registry: Registry,
    /// Where jobs are kept.
    pub store: Store,
    /// This process.
    pub node: NodeId,
    /// The time.
    pub clock: Clock,
    /// Told when a slot becomes free while jobs may be waiting.
    pub wakes: Wakes,
    /// This node's lease, without which nothing is claimed.
    pub lease: Lease,
    /// Told by each claim what waits no more.
    pub depths: Depths,
    /// Told by each claim whether the queue is paused.
    pub paused: PausedQueues,
}

/// One queue on its way to its worker.
pub struct Lane {
    parts: LaneParts,
    kinds: Vec<KnownKind>,
    /// One for each of the most attempts; how many of them are in use at once, the claim sees to.
    slots: Arc<Semaphore>,
    /// Attempts that have ended, but for those that were put off.
    ended: Arc<AtomicU64>,
    /// Whether jobs may be waiting for a slot, so that one that becomes free is worth a wake.
    hungry: Arc<AtomicBool>,
    /// Held while claiming.
    claiming: Mutex<Claiming>,
    /// Whether somebody asked to be served since the last claim began.
    asked: AtomicBool,
    closed: CancellationToken,
}

/// What one claim leaves to the next.
struct Claiming {
    /// When it was made.
    last: Option<Instant>,
    /// How many slots there are.
    pace: Pace,
    /// Whose turn it is.
    turn: Turn,
}

/// A slot that an attempt holds.
struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    hungry: Arc<AtomicBool>,
    wakes: Wakes,
    queue: Queue,
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Free first, so that whoever is woken finds it.
        drop(self.permit.take());
        if self.hungry.load(Ordering::SeqCst) {
            self.wakes.wake(self.queue);
        }
    }
}

impl Lane {
    /// A lane of these parts.
    #[must_use]
    pub fn new(parts: LaneParts) -> Self {
        let kinds = parts.registry.of_queue(parts.queue);
        let slots = Arc::new(Semaphore::new(parts.slots.most));
        let claiming = Claiming {
            last: None,
            pace: Pace::new(parts.slots, Instant::now()),
            turn: Turn::default(),
        };
        Self {
            parts,
            kinds,
            slots,
            ended: Arc::default(),
            hungry: Arc::new(AtomicBool::new(false)),
            claiming: Mutex::new(claiming),
            asked: AtomicBool::new(false),
            closed: CancellationToken::new(),
        }
    }

    /// Its queue.
    #[must_use]
    pub fn queue(&self) -> Queue {
        self.parts.queue
    }

    /// Its attempts.
    #[must_use]
    pub fn attempts(&self) -> &Attempts {
        &self.parts.attempts
    }

    /// Whether its worker is up.
    #[must_use]
    pub fn worker_is_running(&self) -> bool {
        self.parts.worker.is_running()
    }

    /// Claims nothing any more, and waits for the claim that is under way; what it claimed and its worker has no room for
    /// is given back.
    pub async fn close(&self) {
        self.closed.cancel();
        drop(self.claiming.lock().await);
    }

    /// Tells the attempt of a job to end because a cancel was asked for; answers whether it runs here.
    pub fn cancel(&self, job: crate::domain::id::JobId) -> bool {
        self.parts.attempts.stop(job, StopCause::CancelRequested)
    }

    /// Claims and sends until there is no free slot or no job; answers when the next waiting job is due. If the lane is
    /// being served already, that turn goes round once more instead.
    pub async fn serve(&self) -> Option<Timestamp> {
        let mut next_due = None;
        self.asked.store(true, Ordering::SeqCst);
        // Looked at again after each turn, so that whoever asked while it ended is not forgotten.
        while self.asked.load(Ordering::SeqCst) {
            let Ok(mut claiming) = self.claiming.try_lock() else {
                break;
            };
            while self.asked.swap(false, Ordering::SeqCst) {
                next_due = match self.rest_of_pause(claiming.last) {
                    Some(rest) => Some(self.parts.clock.now().plus(rest)),
                    None => {
                        claiming.last = Some(Instant::now());
                        self.claim_and_send(&mut claiming).await
                    }
                };
            }
        }
        next_due
    }

    /// Takes back what this node runs of the queue by the database, and does not have. Left to the next time if the lane is
    /// busy for long.
    pub async fn take_back_unlisted(&self) {
        // While this is held no claim is under way, and what earlier ones got is listed.
        let Ok(claiming) = timeout(TURN_MAX, self.claiming.lock()).await else {
            return;
        };
        if self.closed.is_cancelled() {
            return;
        }
        let parts = &self.parts;
        take_back(&parts.store, &parts.attempts, parts.node, parts.queue, &parts.clock).await;
        drop(claiming);
        // Whoever asked to be served meanwhile went away.
        parts.wakes.wake(parts.queue);
    }

    /// How long to leave a queue alone that was found paused when it was `last` looked at.
    fn rest_of_pause(&self, last: Option<Instant>) -> Option<Duration> {
        let last = last.filter(|_| self.parts.paused.contains(self.parts.queue))?;
        let rest = PAUSED_LOOK_EVERY.checked_sub(last.elapsed())?;
        (!rest.is_zero()).then_some(rest)
    }

    async fn claim_and_send(&self, claiming: &mut Claiming) -> Option<Timestamp> {
        let mut next_due = None;
        loop {
            let all = claiming.pace.slots(self.ended.load(Ordering::SeqCst), Instant::now());
            self.gather(all).await;
            let Some((slots, term)) = self.free_slots(all) else {
                break;
            };
            let limit = slots.num_permits();
            let request = ClaimRequest {
                queue: self.parts.queue,
                kinds: self.kinds.clone(),
                limit,
                turn: claiming.turn.clone(),
                node: self.parts.node,
                now: self.parts.clock.now(),
            };
            let claimed = match self.parts.store.claim(request).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tracing::warn!(
                        event = event::CLAIM_FAILED,
                        queue = %self.parts.queue,
                        error,
                        "no jobs could be claimed; the next poll tries again"
                    );
                    return next_due;
                }
            };
            self.parts.paused.set(self.parts.queue, claimed.is_paused);
            let workspaces = claimed.jobs.iter().map(|job| job.workspace);
            self.parts.depths.left(self.parts.queue, workspaces);
            claiming.turn = claimed.turn;
            next_due = match (claimed.next_due, claimed.again_at) {
                (Some(due), Some(again)) => Some(due.min(again)),
                (due, again) => due.or(again),
            };
            // The end of an attempt makes room under limits too.
            let is_hungry = claimed.has_more || claimed.is_held_back;
            self.hungry.store(is_hungry, Ordering::SeqCst);
            self.send(claimed.jobs, slots, term).await;
            if !claimed.has_more {
                break;
            }
        }
        next_due
    }

    /// How many of so many slots are free.
    fn free_of(&self, all: usize) -> usize {
        let in_use = self.parts.slots.most.saturating_sub(self.slots.available_permits());
        all.saturating_sub(in_use)
    }

    /// Lets more slots become free, if most are in use.
    async fn gather(&self, all: usize) {
        let free = self.free_of(all);
        if free > 0 && free < all / GATHER_BELOW {
            // Those that become free meanwhile are seen afterwards, and need wake nobody.
            self.hungry.store(false, Ordering::SeqCst);
            tokio::time::sleep(GATHER).await;
            self.hungry.store(true, Ordering::SeqCst);
        }
    }

    /// As many free slots as one claim may fill, and the term of the lease in which; none if there are none, or nothing is to
    /// be claimed.
    fn free_slots(&self, all: usize) -> Option<(OwnedSemaphorePermit, Term)> {
        let term = self.parts.lease.term(Instant::now())?;
        if self.closed.is_cancelled() || !self.worker_is_running() {
            return None;
        }
        // Said before the look, so that a slot that becomes free between the two gives a wake.
        self.hungry.store(true, Ordering::SeqCst);
        let free = self.free_of(all).min(CLAIM_MAX);
        let count = u32::try_from(free).ok().filter(|count| *count > 0)?;
        let slots = Arc::clone(&self.slots).try_acquire_many_owned(count).ok()?;
        Some((slots, term))
    }

    async fn send(&self, jobs: Vec<ClaimedJob>, mut slots: OwnedSemaphorePermit, term: Term) {
        let mut attempts = Vec::with_capacity(jobs.len());
        // All are listed before the first is sent, which may have to wait: a stop reaches those that are not sent yet.
        for job in jobs {
            let slot = Slot {
                permit: slots.split(1),
                hungry: Arc::clone(&self.hungry),
                wakes: self.parts.wakes.clone(),
                queue: self.parts.queue,
            };
            // The claim asked for known kinds only.
            let Some(kind) = self.parts.registry.get(&job.kind) else {
                continue;
            };
            attempts.push(Attempt::new(AttemptParts {
                handle: self.parts.attempts.begin(job.id, job.fence),
                kind,
                ledger: Arc::new(LaneLedger {
                    store: self.parts.store.clone(),
                    depths: self.parts.depths.clone(),
                    queue: self.parts.queue,
                    workspace: job.workspace,
                    ended: Arc::clone(&self.ended),
                }),
                job,
                clock: self.parts.clock.clone(),
                keep: Box::new(slot),
            }));
        }
        drop(slots);
        // A process that was stopped for long may get what it claimed when its node has been given up.
        if self.parts.lease.term(Instant::now()) != Some(term) {
            tracing::debug!(queue = %self.parts.queue, "the lease ended during the claim; its jobs are given back");
            return;
        }
        for attempt in attempts {
            // An attempt that is not sent is dropped, and gives its job back by that.
            tokio::select! {
                biased;
                told = self.parts.worker.tell(Perform(attempt)) => if told.is_err() {
                    tracing::debug!(queue = %self.parts.queue, "the worker has stopped; its jobs are given back");
                },
                () = self.closed.cancelled() => {
                    tracing::debug!(queue = %self.parts.queue, "the lane is closed; a job that was not sent is given back");
                }
            }
        }
    }
}

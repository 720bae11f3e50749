//! How many jobs wait, and how many more may: for each queue and for each workspace.
//!
//! Guarantees: nothing is counted on the way of a request, which costs a few atomics. What waits is counted off that way,
//! now and then, by whoever calls [`Depths::begin`]; in between each process takes from its share of what was left (see
//! `allowance`, which says by how much a limit can be passed) and gives back what it claims itself.
//!
//! Left out: the jobs that the service makes for itself, such as the mails of registrations, which are seen at the next
//! count only; and the order in which those get in who are refused.

mod allowance;
mod rate;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::id::WorkspaceId;
use crate::domain::job::Queue;
use crate::jobs::OwnQuotas;
use crate::store::jobs::DepthCounts;
use crate::store::nodes::Alive;
use allowance::{Allowance, share};
use rate::{Rate, wait_for};

/// Workspaces that are known apart; those beyond them share one allowance. So many counts fit into 10 MB.
pub const WORKSPACES_MAX: usize = 100_000;

/// The shortest time between the ends of a count and the beginning of the next.
const COUNT_REST_MIN: Duration = Duration::from_secs(1);
/// The longest: whatever a count costs, it is not older than that.
const COUNT_REST_MAX: Duration = Duration::from_secs(180);
/// When one that failed is tried again.
const COUNT_AGAIN: Duration = Duration::from_secs(5);
/// How often a count's own time it rests: so counting takes one part in a hundred of a reader,
const RESTS: u32 = 100;
/// and this while somebody was refused since the last one.
const RESTS_WHEN_FULL: u32 = 30;

/// The limits; 0 is none.
#[derive(Clone, Debug, Default)]
pub struct DepthLimits {
    /// Of each queue that has one.
    pub queues: Vec<(Queue, u64)>,
    /// Of each workspace, over all queues,
    pub workspace: u64,
    /// unless it has one of its own.
    pub own: OwnQuotas,
    /// Whether this process has the database to itself.
    pub is_alone: bool,
}

/// What is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullOf {
    /// The queue has as many jobs waiting as it may.
    Queue,
    /// The workspace has.
    Workspace,
}

/// That a job must wait before it may wait here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// What is.
    pub of: FullOf,
    /// How many wait, as far as this process knows.
    pub used: u64,
    /// How many may wait.
    pub max: u64,
    /// When there is likely to be room again.
    pub wait: Duration,
}

/// What waits and what may; clones share it.
#[derive(Clone, Debug)]
pub struct Depths {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queues: Vec<QueueDepth>,
    workspace_max: u64,
    own: OwnQuotas,
    is_alone: bool,
    workspaces: RwLock<HashMap<WorkspaceId, Arc<Allowance>>>,
    /// Of the workspaces that do not fit in there.
    others: Allowance,
    counts: Mutex<Counts>,
    /// Whether somebody was refused since the last count.
    was_full: AtomicBool,
}

#[derive(Debug)]
struct QueueDepth {
    queue: Queue,
    max: u64,
    allowance: Allowance,
    /// Jobs that ended here, ever.
    ended: AtomicU64,
    rate: Mutex<Rate>,
}

/// When what was counted.
#[derive(Debug)]
struct Counts {
    began: Instant,
    ended: Option<Instant>,
    /// When the latest began, whatever came of it.
    tried: Option<Instant>,
    alive: Alive,
    /// For each queue what was counted, and how fast others drain it.
    queues: Vec<(u64, f64)>,
}

impl Depths {
    /// No jobs wait, and these are the limits.
    #[must_use]
    pub fn new(limits: &DepthLimits) -> Self {
        let now = Instant::now();
        let max_of = |queue| limits.queues.iter().find(|(known, _)| *known == queue);
        let queues = Queue::ALL.iter().map(|queue| {
            let max = max_of(*queue).map_or(0, |(_, max)| *max);
            QueueDepth {
                queue: *queue,
                max,
                allowance: Allowance::of(share(max, 0, 1, limits.is_alone)),
                ended: AtomicU64::new(0),
                rate: Mutex::new(Rate::new(now)),
            }
        });
        Self {
            inner: Arc::new(Inner {
                queues: queues.collect(),
                workspace_max: limits.workspace,
                own: limits.own.clone(),
                is_alone: limits.is_alone,
                workspaces: RwLock::default(),
                others: Allowance::of(share(limits.workspace, 0, 1, limits.is_alone)),
                counts: Mutex::new(Counts {
                    began: now,
                    ended: None,
                    tried: None,
                    alive: Alive { api: 1, work: 0 },
                    queues: vec![(0, 0.0); Queue::ALL.len()],
                }),
                was_full: AtomicBool::new(false),
            }),
        }
    }

    /// Takes a place for one job.
    ///
    /// # Errors
    /// When there is none, and when it is worth asking again.
    pub fn take(&self, queue: Queue, workspace: WorkspaceId) -> Result<(), Full> {
        let Some(depth) = self.of(queue) else { return Ok(()) };
        let own = self.workspace(workspace);
        if let Some(own) = &own
            && !own.take()
        {
            return Err(self.full(depth, FullOf::Workspace, own.waiting(), self.max_of(workspace)));
        }
        if depth.max == 0 {
            depth.allowance.add(1);
        } else if !depth.allowance.take() {
            if let Some(own) = own {
                own.give_back(1);
            }
            return Err(self.full(depth, FullOf::Queue, depth.allowance.waiting(), depth.max));
        }
        Ok(())
    }

    /// Notes that so many jobs wait that no limit is for, such as operators' own, or that wait again.
    pub fn add(&self, queue: Queue, workspace: WorkspaceId, jobs: u64) {
        if let Some(depth) = self.of(queue) {
            depth.allowance.add(jobs);
        }
        if let Some(own) = self.workspace(workspace) {
            own.add(jobs);
        }
    }

    /// Notes that jobs of these workspaces wait no more: they were claimed here, or ended without that.
    pub fn left(&self, queue: Queue, workspaces: impl IntoIterator<Item = WorkspaceId>) {
        let known = self.bounds_workspaces().then(|| read(&self.inner.workspaces));
        let mut jobs = 0;
        for workspace in workspaces {
            jobs += 1;
            if let Some(own) = known.as_ref().and_then(|known| known.get(&workspace)) {
                self.leave(own, 1);
            }
        }
        if let Some(depth) = self.of(queue) {
            self.leave(&depth.allowance, jobs);
        }
    }

    fn leave(&self, allowance: &Allowance, jobs: u64) {
        if self.inner.is_alone {
            allowance.give_back(jobs);
        } else {
            allowance.forget(jobs);
        }
    }

    /// Notes that a job of a queue came to its end here.
    pub fn ended(&self, queue: Queue) {
        if let Some(depth) = self.of(queue) {
            depth.ended.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many jobs of a queue wait, as far as this process knows: exactly so where it is alone, and as they were counted
    /// last otherwise, corrected by what it did itself.
    #[must_use]
    pub fn waiting(&self, queue: Queue) -> u64 {
        self.of(queue).map_or(0, |depth| depth.allowance.waiting())
    }

    /// How many jobs of a workspace wait, as far as this process knows; none where nobody counts them, since it has no quota.
    #[must_use]
    pub fn waiting_of(&self, workspace: WorkspaceId) -> Option<u64> {
        if self.max_of(workspace) == 0 {
            return None;
        }
        let known = read(&self.inner.workspaces);
        Some(known.get(&workspace).map_or(0, |own| own.waiting()))
    }

    /// Has another quota of a workspace hold for what waits as it is known. Where it had none before, what waits is known from
    /// the next count on.
    pub fn bound_anew(&self, workspace: WorkspaceId) {
        let max = self.max_of(workspace);
        if let Some(own) = read(&self.inner.workspaces).get(&workspace) {
            own.bound_anew(share(max, own.waiting(), self.nodes(), self.inner.is_alone));
        }
        // It is time to look.
        self.inner.was_full.store(true, Ordering::Relaxed);
    }

    /// How many jobs of a queue end in a second, over the last ten or so: those that end here, and, by the difference of two
    /// counts, those that others take.
    #[must_use]
    pub fn rate(&self, queue: Queue) -> f64 {
        self.of(queue).map_or(0.0, |depth| self.rate_of(depth))
    }

    /// The nodes that were alive when they were last counted, if they ever were.
    #[must_use]
    pub fn alive(&self) -> Option<Alive> {
        let counts = lock(&self.inner.counts);
        counts.ended.map(|_| counts.alive)
    }

    /// Whether it is time for the next count; measures the rates meanwhile.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        for depth in &self.inner.queues {
            lock(&depth.rate).at(now, depth.ended.load(Ordering::Relaxed));
        }
        let counts = lock(&self.inner.counts);
        let ended = match (counts.ended, counts.tried) {
            (_, None) => return true,
            (Some(ended), Some(tried)) if ended >= tried => ended,
            // The last one failed, or is under way.
            (_, Some(tried)) => return now.saturating_duration_since(tried) >= COUNT_AGAIN,
        };
        let rests = if self.inner.was_full.load(Ordering::Relaxed) {
            RESTS_WHEN_FULL
        } else {
            RESTS
        };
        let cost = ended.saturating_duration_since(counts.began);
        now.saturating_duration_since(ended) >= (cost * rests).clamp(COUNT_REST_MIN, COUNT_REST_MAX)
    }

    /// Notes that a count begins; one at a time. Answers whether workspaces are to be counted too.
    pub fn begin(&self, now: Instant) -> bool {
        let mut counts = lock(&self.inner.counts);
        counts.tried = Some(now);
        for (depth, (counted, _)) in self.inner.queues.iter().zip(&mut counts.queues) {
            // What is fewer than this was taken by others, which is their rate.
            *counted = depth.allowance.waiting();
            depth.allowance.mark();
        }
        for own in read(&self.inner.workspaces).values() {
            own.mark();
        }
        self.inner.others.mark();
        self.bounds_workspaces()
    }

    /// Notes what was counted since [`Self::begin`] at `began`.
    pub fn counted(&self, found: &DepthCounts, alive: Alive, (began, now): (Instant, Instant)) {
        let nodes = u64::try_from(alive.api).unwrap_or(u64::MAX);
        let is_alone = self.inner.is_alone;
        {
            let mut counts = lock(&self.inner.counts);
            let gone = began.saturating_duration_since(counts.began).as_secs_f64();
            let is_first = counts.ended.is_none();
            for (depth, (expected, others)) in self.inner.queues.iter().zip(&mut counts.queues) {
                let waiting = found.queues.get(&depth.queue).copied().unwrap_or(0);
                depth
                    .allowance
                    .counted(waiting, share(depth.max, waiting, nodes, is_alone));
                if !is_alone && !is_first && gone > 0.0 {
                    let taken = u32::try_from(expected.saturating_sub(waiting)).unwrap_or(u32::MAX);
                    *others = (*others + f64::from(taken) / gone) / 2.0;
                }
                *expected = waiting;
            }
            (counts.began, counts.ended, counts.alive) = (began, Some(now), alive);
        }
        self.inner.was_full.store(false, Ordering::Relaxed);
        if self.bounds_workspaces() {
            self.counted_workspaces(&found.workspaces, nodes);
        }
    }

    fn counted_workspaces(&self, found: &HashMap<WorkspaceId, u64>, nodes: u64) {
        let share_of = |id, waiting| share(self.max_of(id), waiting, nodes, self.inner.is_alone);
        let mut known = self.inner.workspaces.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever has nothing waiting and did nothing is as good as unknown.
        known.retain(|workspace, own| {
            let waiting = found.get(workspace).copied().unwrap_or(0);
            own.counted(waiting, share_of(*workspace, waiting));
            waiting > 0 || own.moved() != 0
        });
        for (workspace, waiting) in found {
            if known.len() >= WORKSPACES_MAX {
                break;
            }
            known.entry(*workspace).or_insert_with(|| {
                let own = Allowance::of(0);
                own.counted(*waiting, share_of(*workspace, *waiting));
                Arc::new(own)
            });
        }
        known.shrink_to_fit();
        let share = share(self.inner.workspace_max, 0, nodes, self.inner.is_alone);
        self.inner.others.counted(0, share);
    }

    /// The allowance of a workspace, if workspaces have one.
    fn workspace(&self, workspace: WorkspaceId) -> Option<Own<'_>> {
        let max = self.max_of(workspace);
        if max == 0 {
            return None;
        }
        if let Some(own) = read(&self.inner.workspaces).get(&workspace) {
            return Some(Own::Known(Arc::clone(own)));
        }
        let nodes = self.nodes();
        let mut known = self.inner.workspaces.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= WORKSPACES_MAX && !known.contains_key(&workspace) {
            return Some(Own::Shared(&self.inner.others));
        }
        let share = share(max, 0, nodes, self.inner.is_alone);
        let own = known.entry(workspace).or_insert_with(|| Arc::new(Allowance::of(share)));
        Some(Own::Known(Arc::clone(own)))
    }

    /// How many jobs of a workspace may wait; 0 is no limit.
    fn max_of(&self, workspace: WorkspaceId) -> u64 {
        let own = self.inner.own.of(workspace).jobs_waiting_max;
        own.unwrap_or(self.inner.workspace_max)
    }

    /// Whether any workspace has a limit.
    fn bounds_workspaces(&self) -> bool {
        self.inner.workspace_max > 0 || !self.inner.own.is_empty()
    }

    /// The nodes that accept jobs, as they were last counted.
    fn nodes(&self) -> u64 {
        let api = self.alive().map_or(1, |alive| alive.api);
        u64::try_from(api).unwrap_or(u64::MAX)
    }

    fn of(&self, queue: Queue) -> Option<&QueueDepth> {
        self.inner.queues.iter().find(|depth| depth.queue == queue)
    }

    fn rate_of(&self, depth: &QueueDepth) -> f64 {
        let own = lock(&depth.rate).at(Instant::now(), depth.ended.load(Ordering::Relaxed));
        let counts = lock(&self.inner.counts);
        let position = self.inner.queues.iter().position(|known| known.queue == depth.queue);
        let others = position.and_then(|position| counts.queues.get(position));
        own + others.map_or(0.0, |(_, others)| *others)
    }

    /// What is said to whoever is refused: to come back when a hundredth of the limit is free, so that those who come back
    /// do not all find one place.
    fn full(&self, depth: &QueueDepth, of: FullOf, used: u64, max: u64) -> Full {
        self.inner.was_full.store(true, Ordering::Relaxed);
        let beyond = match of {
            FullOf::Queue => used.saturating_sub(max),
            FullOf::Workspace => 0,
        };
        Full {
            of,
            used,
            max,
            wait: wait_for(beyond + max / 100 + 1, self.rate_of(depth)),
        }
    }
}

/// The allowance of one workspace, or of all those that are not known apart.
enum Own<'a> {
    Known(Arc<Allowance>),
    Shared(&'a Allowance),
}

impl std::ops::Deref for Own<'_> {
    type Target = Allowance;

    fn deref(&self) -> &Allowance {
        match self {
            Self::Known(own) => own,
            Self::Shared(own) => own,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(shared: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

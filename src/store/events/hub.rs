//! Who waits in this process for changes, and waking them.
//!
//! Guarantees: whoever subscribes before it looks at the database misses no later change of this process; telling never
//! blocks on those who wait, and costs one look at a number while there are none; what a subscription keeps is one wake,
//! however many changes there are.
//!
//! Changes of other processes come by the events table, which all who wait read together: one read for each time that
//! somebody said there may be something new ([`Hub::woken`]), or a second has passed.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::cursor::Cursor;
use super::effects::Told;
use super::read::{Followed, after, end};
use crate::domain::id::{JobId, WorkspaceId};
use crate::store::{Store, StoreError};
use crate::telemetry;

/// How often changes of other processes are looked for while somebody waits and nobody says that there are any.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// The end of a job.
    End(JobId),
    /// Any change of a job.
    Job(JobId),
    /// Any change of a workspace's jobs.
    Workspace(WorkspaceId),
    /// Any change.
    All,
}

/// Those who wait; clones share them.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    /// How many wait: all that a writer looks at while nobody does.
    waiting: AtomicUsize,
    /// Whom to wake for what. Held by writers for as long as it takes to look a batch's changes up.
    listeners: Mutex<Listeners>,
    /// Counts how often somebody said that other processes may have changed something.
    woken: watch::Sender<u64>,
    /// Whether there are other processes.
    has_others: bool,
    /// Tells them of changes of this one.
    tell_others: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// How far their changes have been read. One reads for all.
    tail: tokio::sync::Mutex<Tail>,
}

#[derive(Default)]
struct Listeners {
    ends: HashMap<JobId, Vec<Arc<Notify>>>,
    jobs: HashMap<JobId, Vec<Arc<Notify>>>,
    workspaces: HashMap<WorkspaceId, Vec<Arc<Notify>>>,
    all: Vec<Arc<Notify>>,
}

#[derive(Default)]
struct Tail {
    /// None while nobody waits, so that the first who does begins at the present end.
    at: Option<Cursor>,
    /// The count of wakes before the last look.
    woken: u64,
    looked_at: Option<Instant>,
}

impl Hub {
    /// A hub without listeners; `has_others` says whether other processes change jobs too.
    #[must_use]
    pub fn new(has_others: bool) -> Self {
        Self(Arc::new(Inner {
            waiting: AtomicUsize::new(0),
            listeners: Mutex::default(),
            woken: watch::Sender::new(0),
            has_others,
            tell_others: OnceLock::new(),
            tail: tokio::sync::Mutex::default(),
        }))
    }

    /// Begins to listen; to be called before looking at how things stand.
    #[must_use]
    pub fn subscribe(&self, interest: Interest) -> Subscription {
        let wake = Arc::new(Notify::new());
        self.listeners().enter(interest, &wake);
        self.0.waiting.fetch_add(1, Ordering::SeqCst);
        Subscription {
            hub: self.clone(),
            interest,
            wake,
            woken: self.0.woken.subscribe(),
        }
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::SeqCst)
    }

    /// Says that other processes may have changed something. Costs nothing while nobody waits, and never blocks.
    pub fn woken(&self) {
        if self.waiting() > 0 {
            self.0.woken.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Wakes those who wait for these changes, which are committed.
    pub(in crate::store) fn committed(&self, told: &[Told]) {
        if told.is_empty() {
            return;
        }
        if let Some(tell_others) = self.0.tell_others.get() {
            tell_others();
        }
        if self.waiting() > 0 {
            self.listeners().tell(told.iter().copied());
        }
    }

    /// Has other processes told of each commit by `tell`, which must not block. The first one stays.
    pub(in crate::store) fn tell_others_by(&self, tell: impl Fn() + Send + Sync + 'static) {
        if self.0.tell_others.set(Box::new(tell)).is_err() {
            tracing::debug!("other processes are told already");
        }
    }

    /// Reads what other processes have changed, unless somebody has since `woken` was counted or a second ago, and wakes
    /// those who wait for it.
    async fn look(&self, store: &Store, woken: u64) -> Result<(), StoreError> {
        let mut tail = self.0.tail.lock().await;
        let is_fresh = tail.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY / 2);
        if is_fresh && tail.woken == woken {
            return Ok(());
        }
        tail.woken = woken;
        tail.looked_at = Some(Instant::now());
        let Some(mut at) = tail.at else {
            tail.at = Some(store.read(end).await?);
            // Whoever subscribed before this look may have missed what came before it: all look once.
            self.listeners().tell_everybody();
            return Ok(());
        };
        loop {
            let page = store
                .read(move |connection| after(connection, Followed::All, at))
                .await?;
            // The workspace is of no use to those who wait for jobs, and others look for themselves.
            self.listeners().tell_jobs(
                page.changes
                    .iter()
                    .map(|(_, change)| (change.job, change.state.is_final())),
            );
            at = page.next;
            tail.at = Some(at);
            if page.is_last {
                return Ok(());
            }
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listeners {
    fn enter(&mut self, interest: Interest, wake: &Arc<Notify>) {
        let list = match interest {
            Interest::End(job) => self.ends.entry(job).or_default(),
            Interest::Job(job) => self.jobs.entry(job).or_default(),
            Interest::Workspace(workspace) => self.workspaces.entry(workspace).or_default(),
            Interest::All => &mut self.all,
        };
        list.push(Arc::clone(wake));
    }

    fn leave(&mut self, interest: Interest, wake: &Arc<Notify>) {
        match interest {
            Interest::End(job) => leave(&mut self.ends, &job, wake),
            Interest::Job(job) => leave(&mut self.jobs, &job, wake),
            Interest::Workspace(workspace) => leave(&mut self.workspaces, &workspace, wake),
            Interest::All => self.all.retain(|one| !Arc::ptr_eq(one, wake)),
        }
    }

    fn tell(&self, told: impl Iterator<Item = Told>) {
        let mut last = None;
        for change in told {
            self.tell_job(change.job, change.state.is_final());
            // Changes of one workspace mostly come together.
            if last != Some(change.workspace) {
                wake(self.workspaces.get(&change.workspace));
                last = Some(change.workspace);
            }
        }
        wake(Some(&self.all));
    }

    fn tell_jobs(&self, changes: impl Iterator<Item = (JobId, bool)>) {
        let mut is_any = false;
        for (job, is_final) in changes {
            is_any = true;
            self.tell_job(job, is_final);
        }
        if is_any {
            self.workspaces.values().for_each(|list| wake(Some(list)));
            wake(Some(&self.all));
        }
    }

    fn tell_job(&self, job: JobId, is_final: bool) {
        if is_final && !self.ends.is_empty() {
            wake(self.ends.get(&job));
        }
        if !self.jobs.is_empty() {
            wake(self.jobs.get(&job));
        }
    }

    fn tell_everybody(&self) {
        self.ends.values().for_each(|list| wake(Some(list)));
        self.jobs.values().for_each(|list| wake(Some(list)));
        self.workspaces.values().for_each(|list| wake(Some(list)));
        wake(Some(&self.all));
    }
}

fn leave<K: Eq + Hash>(lists: &mut HashMap<K, Vec<Arc<Notify>>>, key: &K, wake: &Arc<Notify>) {
    if let Some(list) = lists.get_mut(key) {
        list.retain(|one| !Arc::ptr_eq(one, wake));
        if list.is_empty() {
            lists.remove(key);
        }
    }
}

fn wake(list: Option<&Vec<Arc<Notify>>>) {
    list.into_iter().flatten().for_each(|one| one.notify_one());
}

/// One who waits, until it is dropped.
pub struct Subscription {
    hub: Hub,
    interest: Interest,
    wake: Arc<Notify>,
    woken: watch::Receiver<u64>,
}

impl Subscription {
    /// Waits until there may be something new. What changed before, since the subscription or the last wait, is not missed.
    ///
    /// Safe to give up.
    pub async fn changed(&mut self, store: &Store) {
        if !self.hub.0.has_others {
            return self.wake.notified().await;
        }
        loop {
            let is_told = tokio::select! {
                biased;
                () = self.wake.notified() => true,
                // The hub, which the subscription holds, keeps the sender.
                _ = self.woken.changed() => false,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            if is_told {
                return;
            }
            let woken = *self.woken.borrow_and_update();
            if let Err(error) = self.hub.look(store, woken).await {
                let error = telemetry::chain(&error);
                tracing::debug!(error, "changes of other nodes could not be read; tried again soon");
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.listeners().leave(self.interest, &self.wake);
        if self.hub.0.waiting.fetch_sub(1, Ordering::SeqCst) == 1
            && let Ok(mut tail) = self.hub.0.tail.try_lock()
        {
            // Nobody reads on from there; the next who waits begins anew.
            tail.at = None;
        }
    }
}

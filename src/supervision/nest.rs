//! What a supervisor shares with those who start children under it or look at them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle, System};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::cause::{Cause, CauseKind};
use super::child::{Child, Notice};
use super::ends::EndGuard;
use super::panics::caught;
use super::plan::Id;
use super::queue::{Parcel, Queue, SharedQueue};
use super::snapshot::NodeKind;
use super::spec::{ChildSpec, Placement, Restart};
use super::strategy::{Rules, Strategy};
use super::surroundings::Surroundings;

pub(super) struct Nest {
    /// The supervisor itself.
    pub(super) child: Arc<Child>,
    pub(super) rules: Rules,
    /// Where it runs, and children whose specs do not say.
    pub(super) arbiter: Option<ArbiterHandle>,
    pub(super) notices: UnboundedSender<Notice>,
    /// A std mutex: held for a few instructions, and never across an await.
    brood: Mutex<Brood>,
}

#[derive(Default)]
struct Brood {
    /// In the order of start.
    children: BTreeMap<Id, Arc<Child>>,
    /// Children that were stopped and are shown until another takes their name; the last of them.
    stopped: HashMap<String, Id>,
    /// Whether nothing more is started.
    is_closed: bool,
}

/// How many stopped children of a supervisor are shown: the last, which an operator may ask about.
const STOPPED_SHOWN_MAX: usize = 64;

impl Brood {
    /// How many have not ended.
    fn living(&self) -> usize {
        self.children.len().saturating_sub(self.stopped.len())
    }

    /// Shows the stopped child that was started first no more: its number.
    fn forget_oldest(&mut self) -> Option<Id> {
        let (name, id) = self.stopped.iter().min_by_key(|(_, id)| **id)?;
        let (name, id) = (name.clone(), *id);
        self.stopped.remove(&name);
        Some(id)
    }
}

/// Where a child is to run.
pub(super) struct Place {
    pub(super) arbiter: ArbiterHandle,
    /// Whether the arbiter is the child's alone, and ends with it.
    pub(super) is_own: bool,
}

impl Nest {
    /// What the supervisor `child` shares, and where its task hears of its children.
    pub(super) fn of(
        child: &Arc<Child>,
        rules: Rules,
        arbiter: Option<ArbiterHandle>,
    ) -> (Arc<Self>, UnboundedReceiver<Notice>) {
        let (notices, receiver) = unbounded_channel();
        let nest = Arc::new(Self {
            child: Arc::clone(child),
            rules,
            arbiter,
            notices,
            brood: Mutex::default(),
        });
        // Set once: a supervisor is made with its nest.
        drop(child.nest.set(Arc::downgrade(&nest)));
        (nest, receiver)
    }

    pub(super) fn around(&self) -> &Arc<Surroundings> {
        &self.child.around
    }

    /// Makes a supervisor, with the guard that ends it, and tells this supervisor's task of it. Without a guard it may not
    /// start.
    pub(super) fn admit(&self, spec: ChildSpec) -> (Arc<Child>, Option<EndGuard>) {
        let (child, (), guard) = self.admit_as(spec, NodeKind::Supervisor, |_, _| ((), None));
        (child, guard)
    }

    /// As [`admit`](Self::admit), for a child that has a mailbox.
    pub(super) fn admit_with_queue<T: Parcel>(
        &self,
        spec: ChildSpec,
        kind: NodeKind,
    ) -> (Arc<Child>, Arc<Queue<T>>, Option<EndGuard>) {
        self.admit_as(spec, kind, |name, spec| {
            let queue = Arc::new(Queue::new(name.to_owned(), spec.hook.clone(), spec.mailbox));
            let shared: SharedQueue = queue.clone();
            (queue, Some(shared))
        })
    }

    /// `queue` is called with the name that the child gets.
    fn admit_as<Q>(
        &self,
        spec: ChildSpec,
        kind: NodeKind,
        queue: impl FnOnce(&str, &ChildSpec) -> (Q, Option<SharedQueue>),
    ) -> (Arc<Child>, Q, Option<EndGuard>) {
        let (child, queue) = self.around().enter(&spec.name.clone(), |id, name| {
            let (queue, shared) = queue(&name, &spec);
            let (around, supervisor) = (Arc::clone(self.around()), Some(self.notices.clone()));
            let child = Arc::new(Child::new((id, name, kind), spec, shared, around, supervisor));
            (child, queue)
        });
        let guard = EndGuard {
            child: Arc::clone(&child),
            task: child.present_task(),
        };
        let mut brood = self.brood();
        if brood.is_closed || self.child.is_final() || brood.living() >= self.rules.children_max {
            drop(brood);
            drop(guard);
            return (child, queue, None);
        }
        if let Some(other) = brood.stopped.remove(&child.name) {
            brood.children.remove(&other);
        }
        brood.children.insert(child.id, Arc::clone(&child));
        // Under the lock, so that a supervisor that closes its brood has heard of all of it. It keeps a receiver.
        drop(self.notices.send(Notice::Added(Arc::clone(&child))));
        drop(brood);
        (child, queue, Some(guard))
    }

    /// Has nothing more be started.
    pub(super) fn close(&self) {
        self.brood().is_closed = true;
    }

    /// The place that a spec asks for.
    pub(super) fn place(&self, placement: &Placement) -> Option<Place> {
        let one_thread = self.around().one_thread.load(std::sync::atomic::Ordering::SeqCst);
        let shared = |arbiter| Place { arbiter, is_own: false };
        match placement {
            Placement::On(arbiter) if !one_thread => Some(shared(arbiter.clone())),
            Placement::Own if !one_thread => own_place(),
            _ => Arbiter::try_current().or_else(|| self.arbiter.clone()).map(shared),
        }
    }

    /// The place that the spec of a thread or of a supervisor asks for: where its own supervisor runs, if it does not say.
    pub(super) fn place_of_task(&self, placement: &Placement) -> Option<Place> {
        match (&self.arbiter, placement) {
            (Some(arbiter), Placement::Current) => self.place(&Placement::On(arbiter.clone())),
            _ => self.place(placement),
        }
    }

    /// The child could not be given a task.
    pub(super) fn has_no_place(child: &Child) {
        let cause = Cause::new(CauseKind::Failed, "there is no arbiter to start it on");
        child.failed(&cause, None);
    }

    pub(super) fn get(&self, id: Id) -> Option<Arc<Child>> {
        self.brood().children.get(&id).cloned()
    }

    /// The child has ended. One that would have been restarted is shown as stopped for a while, or until another
    /// takes its name.
    pub(super) fn forget(&self, child: &Child) {
        let is_shown = child.spec.restart == Restart::Permanent
            && self.rules.strategy != Strategy::Dynamic
            && self.around().find(&child.name).is_none();
        let mut brood = self.brood();
        let mut leaves = Some(child.id);
        if is_shown {
            leaves = brood.stopped.insert(child.name.clone(), child.id);
            if brood.stopped.len() > STOPPED_SHOWN_MAX {
                leaves = brood.forget_oldest();
            }
        }
        if let Some(leaves) = leaves {
            brood.children.remove(&leaves);
        }
    }

    /// The children, in the order of start.
    pub(super) fn list(&self) -> Vec<Arc<Child>> {
        self.brood().children.values().cloned().collect()
    }

    /// How many have not ended.
    pub(super) fn count(&self) -> usize {
        self.brood().living()
    }

    fn brood(&self) -> MutexGuard<'_, Brood> {
        self.brood.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An arbiter of its own.
pub(super) fn own_place() -> Option<Place> {
    // Without a system, making an arbiter panics; and so it does if the machine has no thread left, which is no reason for a
    // supervisor to end.
    System::try_current()?;
    let arbiter = caught(Arbiter::new).ok()?.handle();
    Some(Place { arbiter, is_own: true })
}

/// How often an arbiter that has lost its actor looks whether tasks are left on it.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Ready once no task runs on this arbiter that was spawned there beside its actor with `tokio::spawn`: such work outlives
/// the actor's restarts, and so also its end on this thread.
pub(super) async fn left_alone() {
    let metrics = tokio::runtime::Handle::current().metrics();
    while metrics.num_alive_tasks() > 0 {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

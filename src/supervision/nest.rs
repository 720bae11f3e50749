//! What a supervisor shares with those who start children under it or look at them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::{Arbiter, ArbiterHandle, System};
use tokio::sync::mpsc::UnboundedSender;

use super::cause::{Cause, CauseKind};
use super::child::{Child, EndGuard, Notice};
use super::plan::Id;
use super::policy::Intensity;
use super::queue::SharedQueue;
use super::snapshot::NodeKind;
use super::spec::{ChildSpec, Placement, Restart};
use super::strategy::{AutoShutdown, Strategy};
use super::surroundings::Surroundings;

pub(super) struct Nest {
    /// The supervisor itself.
    pub(super) child: Arc<Child>,
    pub(super) strategy: Strategy,
    pub(super) intensity: Intensity,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) children_max: usize,
    /// Where it runs, and children whose specs do not say.
    pub(super) arbiter: Option<ArbiterHandle>,
    pub(super) notices: UnboundedSender<Notice>,
    /// In the order of start. A std mutex: held for a few instructions, and never across an await.
    children: Mutex<BTreeMap<Id, Arc<Child>>>,
}

/// Where a child is to run.
pub(super) struct Place {
    pub(super) arbiter: ArbiterHandle,
    /// Whether the arbiter is the child's alone, and ends with it.
    pub(super) is_own: bool,
}

impl Nest {
    pub(super) fn new(
        child: Arc<Child>,
        (strategy, intensity, auto_shutdown, children_max): (Strategy, Intensity, AutoShutdown, usize),
        arbiter: Option<ArbiterHandle>,
        notices: UnboundedSender<Notice>,
    ) -> Self {
        Self {
            child,
            strategy,
            intensity,
            auto_shutdown,
            children_max,
            arbiter,
            notices,
            children: Mutex::default(),
        }
    }

    pub(super) fn around(&self) -> &Arc<Surroundings> {
        &self.child.around
    }

    /// Makes a child, and the guard that ends it. One that may not start ends when the guard is dropped.
    ///
    /// `queue` is called with the name that the child gets.
    pub(super) fn admit(
        &self,
        mut spec: ChildSpec,
        kind: NodeKind,
        queue: impl FnOnce(&str) -> Option<SharedQueue>,
    ) -> (Arc<Child>, Option<EndGuard>) {
        if self.strategy == Strategy::Dynamic && spec.restart == Restart::Permanent {
            // What was started on demand does not come back by itself when its supervisor does.
            spec.phase = None;
        }
        let child = self.around().enter(&spec.name.clone(), |id, name| {
            let queue = queue(&name);
            let around = Arc::clone(self.around());
            Arc::new(Child::new(
                (id, name, kind),
                spec,
                queue,
                around,
                Some(self.notices.clone()),
            ))
        });
        let guard = EndGuard {
            child: Arc::clone(&child),
            task: child.present_task(),
        };
        let mut children = self.children();
        children.retain(|_, other| other.name != child.name);
        if self.child.is_final() || children.len() >= self.children_max {
            drop(children);
            return (child, None);
        }
        children.insert(child.id, Arc::clone(&child));
        drop(children);
        (child, Some(guard))
    }

    /// Tells the supervisor of a child whose task is there.
    pub(super) fn added(&self, child: &Arc<Child>) {
        drop(self.notices.send(Notice::Added(Arc::clone(child))));
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

    /// The child could not be given a task.
    pub(super) fn has_no_place(child: &Child) {
        let cause = Cause::new(CauseKind::Failed, "there is no arbiter to start it on");
        child.failed(&cause, None);
    }

    pub(super) fn get(&self, id: Id) -> Option<Arc<Child>> {
        self.children().get(&id).cloned()
    }

    /// The child has ended. One that would have been restarted is shown as stopped until another takes its name.
    pub(super) fn forget(&self, id: Id) {
        let mut children = self.children();
        if children
            .get(&id)
            .is_some_and(|child| child.spec.restart != Restart::Permanent || self.strategy == Strategy::Dynamic)
        {
            children.remove(&id);
        }
    }

    /// The children, in the order of start.
    pub(super) fn list(&self) -> Vec<Arc<Child>> {
        self.children().values().cloned().collect()
    }

    pub(super) fn count(&self) -> usize {
        self.children().len()
    }

    fn children(&self) -> MutexGuard<'_, BTreeMap<Id, Arc<Child>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An arbiter of its own.
pub(super) fn own_place() -> Option<Place> {
    // Without a system, making an arbiter panics.
    System::try_current()?;
    Some(Place {
        arbiter: Arbiter::new().handle(),
        is_own: true,
    })
}

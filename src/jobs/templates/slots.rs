//! Who may render when: slots for threads, shared by workspaces, and some for the service's own mails.
//!
//! Guarantees: no more threads than there are slots; one workspace has at most half of them, and half of the places to wait, so
//! that what takes long for one holds up no other; the service's own mails wait for no workspace. A slot is given back when the
//! thread has ended, whether or not somebody still waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Unrendered;
use crate::domain::id::WorkspaceId;

/// The stack of a thread: a template can make a value that is as many times within itself as fuel allows, which takes a call
/// each to be printed and to be dropped. What is not used of it takes no memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// How many may wait for a thread: some tenths of a second's worth.
pub(super) const WAITING_MAX: usize = 256;

/// Threads for the service's own mails: one more than a rendering that takes long.
pub(super) const OWN: usize = 2;

/// The slots of a process.
pub(super) struct Slots {
    all: Arc<Lane>,
    own: Arc<Semaphore>,
    /// Of those that render or wait just now.
    of_workspaces: Mutex<HashMap<WorkspaceId, Weak<Lane>>>,
    threads: usize,
}

/// So many threads, and so many that wait for one.
struct Lane {
    places: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

impl Lane {
    fn new(threads: usize, waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(threads.saturating_add(waiting))),
            threads: Arc::new(Semaphore::new(threads)),
        })
    }
}

/// A place in the queue. Dropped, it is free.
pub(super) struct Place {
    all: Arc<Lane>,
    of_workspace: Arc<Lane>,
    held: [OwnedSemaphorePermit; 2],
}

/// What a thread has while it runs.
pub(super) struct Slot {
    _held: Vec<OwnedSemaphorePermit>,
    /// Known as long as something of it is held.
    _of_workspace: Option<Arc<Lane>>,
}

impl Slots {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        // Two at least, so that one that takes long does not hold up all others.
        let threads = cores.max(2);
        Self {
            all: Lane::new(threads, WAITING_MAX),
            own: Arc::new(Semaphore::new(OWN)),
            of_workspaces: Mutex::default(),
            threads,
        }
    }

    /// A place to wait for a thread; none if there are none left, for all or for this workspace.
    pub(super) fn place(&self, workspace: WorkspaceId) -> Option<Place> {
        let of_workspace = self.of(workspace);
        let own = Arc::clone(&of_workspace.places).try_acquire_owned().ok()?;
        let shared = Arc::clone(&self.all.places).try_acquire_owned().ok()?;
        Some(Place {
            all: Arc::clone(&self.all),
            of_workspace,
            held: [own, shared],
        })
    }

    /// A slot for a mail of the service's own, as soon as there is one.
    pub(super) async fn own(&self) -> Option<Slot> {
        let held = Arc::clone(&self.own).acquire_owned().await.ok()?;
        Some(Slot {
            _held: vec![held],
            _of_workspace: None,
        })
    }

    fn of(&self, workspace: WorkspaceId) -> Arc<Lane> {
        let mut lanes = self.of_workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(&workspace).and_then(Weak::upgrade) {
            return lane;
        }
        // No more are kept than may be in use, so that this is short.
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let lane = Lane::new((self.threads / 2).max(1), WAITING_MAX / 2);
        lanes.insert(workspace, Arc::downgrade(&lane));
        lane
    }
}

impl Place {
    /// A slot, when it is this one's turn: first among those of its workspace, then among all.
    pub(super) async fn slot(self) -> Option<Slot> {
        let own = Arc::clone(&self.of_workspace.threads).acquire_owned().await.ok()?;
        let shared = Arc::clone(&self.all.threads).acquire_owned().await.ok()?;
        let mut held = Vec::from(self.held);
        held.extend([own, shared]);
        Some(Slot {
            _held: held,
            _of_workspace: Some(self.of_workspace),
        })
    }
}

/// Runs `work` on a thread with a deep stack, which has the slot until it ends.
///
/// # Errors
/// [`Unrendered::Unfinished`].
pub(super) async fn on_a_thread<T, F>(slot: Slot, work: F) -> Result<T, Unrendered>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let span = tracing::Span::current();
    let (tell, told) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("renderer".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let _held = slot;
            // Nobody waits any more, if it is not taken.
            drop(tell.send(span.in_scope(work)));
        });
    drop(thread.map_err(|error| Unrendered::Unfinished(Some(error)))?);
    told.await.map_err(|_panicked| Unrendered::Unfinished(None))
}

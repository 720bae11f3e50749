//! The one writer: a supervised thread that turns what waits into shared transactions.
//!
//! Guarantees: an answer is given only after the commit; members answer for themselves alone (a refused or panicking
//! closure rolls back its own savepoint, a statement that fails loses the shared transaction and every member is then run
//! again alone). What a member does cannot end the thread; should anything else, its supervisor starts another, with a
//! connection of its own: what waits in the mailbox is kept, and who was answered nothing is told to try again. What waits
//! is bounded: beyond that, callers wait. Told to end, it first writes what it has accepted.

mod batch;
mod member;
mod thread;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

pub use member::Tx;
use member::{Closure, Member, Pending};

use super::events::Hub;
use super::jobs::{AttemptFinish, AttemptProgress, ClaimRequest, Claimed, Finished, Held, NewJob};
use super::{Abort, OnAvailable, StoreError, dialect};
use crate::supervision::{Beyond, ChildSpec, RestartPolicy, Sender, Shutdown, Supervisor};

/// The writer's name in the supervision tree.
const NAME: &str = "writer";

/// Writes that may wait for the writer before further callers wait to hand theirs over: several full batches, so that the
/// writer never runs dry, and few enough that their memory does not matter.
const WAITING_MAX: usize = 4096;

/// The longest wait before the thread is started again after a failure: every request that writes waits for it.
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// What a caught panic said.
pub(super) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    crate::supervision::panic_text(payload)
}

/// How the writer is supervised.
fn spec() -> ChildSpec {
    ChildSpec::new(NAME)
        .mailbox(WAITING_MAX)
        // Whoever waits for the end of the tree has a limit of its own; what was accepted is not given up before.
        .ending(Shutdown::Unbounded)
        .policy(RestartPolicy {
            backoff_max: BACKOFF_MAX,
            // Without a writer every request fails, and no part of the service is of use.
            beyond: Beyond::Escalate,
            ..RestartPolicy::default()
        })
}

/// A handle on the writer's thread; clones share it.
#[derive(Clone)]
pub(super) struct Writer {
    sender: Sender<Member>,
    closures: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(
        path: &Path,
        on_available: OnAvailable,
        hub: Hub,
        supervisor: &Supervisor,
    ) -> Result<Self, StoreError> {
        // Here, so that who opens the store hears why it cannot be opened. Later lives open their own.
        let first = Mutex::new(Some(dialect::connect(path)?));
        let path = path.to_owned();
        let closures = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&closures);
        let sender = supervisor.start_thread(spec(), move |context| {
            let connection = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            thread::Thread::new(&path, connection, &on_available, &hub, &counted).run(context);
            Ok(())
        });
        Ok(Self { sender, closures })
    }

    pub(super) async fn closure<T, E, F>(&self, write: F) -> Result<T, Abort<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, Abort<E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let member = Member::Closure(Box::new(Closure::new(write, reply)));
        self.hand_over(member).await?;
        answer
            .await
            .unwrap_or_else(|_dropped| Err(Abort::Store(self.unanswered())))
    }

    pub(super) async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<(), StoreError> {
        self.data(jobs, Member::Enqueue).await
    }

    pub(super) async fn claim(&self, request: ClaimRequest) -> Result<Claimed, StoreError> {
        self.data(request, Member::Claim).await
    }

    pub(super) async fn finish(&self, finish: AttemptFinish) -> Result<Finished, StoreError> {
        self.data(finish, Member::Finish).await
    }

    pub(super) async fn progress(&self, progress: AttemptProgress) -> Result<Held, StoreError> {
        self.data(progress, Member::Progress).await
    }

    /// How many transactions with a closure were committed; counted before any of its callers is answered.
    pub(super) fn closures_committed(&self) -> u64 {
        self.closures.load(Ordering::SeqCst)
    }

    async fn data<I, O>(&self, input: I, member: fn(Pending<I, O>) -> Member) -> Result<O, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.hand_over(member(Pending::new(input, reply))).await?;
        answer.await.unwrap_or_else(|_dropped| Err(self.unanswered()))
    }

    async fn hand_over(&self, member: Member) -> Result<(), StoreError> {
        // A full mailbox has callers wait, so that only a closed one refuses.
        self.sender.tell(member).await.map_err(|_refused| StoreError::Closed)
    }

    /// Why a member went without an answer: it was not reached before the end, or the thread failed while it had it.
    fn unanswered(&self) -> StoreError {
        if self.sender.is_closed() {
            return StoreError::Closed;
        }
        StoreError::Unavailable {
            what: "the writer failed before it answered",
        }
    }
}

#[cfg(test)]
mod lives_tests;
#[cfg(test)]
mod tests;

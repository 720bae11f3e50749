//! The one writer: a thread that turns what waits into shared transactions.
//!
//! Guarantees: an answer is given only after the commit; members answer for themselves alone (a refused or panicking
//! closure rolls back its own savepoint, a statement that fails loses the shared transaction and every member is then run
//! again alone); the thread survives whatever a member does. What waits is bounded: beyond that, callers wait.

mod batch;
mod member;
mod thread;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

pub use member::Tx;
use member::{Closure, Member, Pending};

use super::jobs::{AttemptFinish, AttemptProgress, ClaimRequest, Claimed, Finished, Held, NewJob};
use super::{Abort, OnAvailable, StoreError, dialect};
use crate::telemetry::names::event;

/// Writes that may wait for the writer before further callers wait to hand theirs over: several full batches, so that the
/// writer never runs dry, and few enough that their memory does not matter.
const WAITING_MAX: usize = 4096;

/// What a caught panic said.
pub(super) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    crate::supervision::panic_text(payload)
}

/// A handle on the writer's thread; clones share it.
#[derive(Clone)]
pub(super) struct Writer {
    sender: mpsc::Sender<Member>,
    closures: Arc<AtomicU64>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Writer {
    pub(super) fn start(path: &Path, on_available: OnAvailable) -> Result<Self, StoreError> {
        let connection = dialect::connect(path)?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let path = path.to_owned();
        let closures = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&closures);
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                let mut thread = thread::Thread::new(&path, connection, &on_available, &counted);
                thread.run(receiver);
            })
            .map_err(|source| StoreError::Io {
                what: "starting the writer's thread",
                source,
            })?;
        Ok(Self {
            sender,
            closures,
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    pub(super) async fn closure<T, E, F>(&self, write: F) -> Result<T, Abort<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, Abort<E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let member = Member::Closure(Box::new(Closure::new(write, reply)));
        self.sender.send(member).await.map_err(closed)?;
        answer.await.unwrap_or(Err(Abort::Store(StoreError::Closed)))
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
        self.sender
            .send(member(Pending::new(input, reply)))
            .await
            .map_err(closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Has the thread finish what was handed to it, and waits for its end.
    pub(super) async fn close(&self) {
        // A refusal means that it has ended already.
        if self.sender.send(Member::Close).await.is_err() {
            tracing::debug!("the writer had ended already");
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!(event = event::WRITER_DIED, "the writer's thread ended with a panic");
            }
        }
    }
}

fn closed(_: mpsc::error::SendError<Member>) -> StoreError {
    StoreError::Closed
}

#[cfg(test)]
mod tests;

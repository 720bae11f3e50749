//! The writers: supervised threads that turn what waits into shared transactions. A file has one, a server several.
//!
//! Guarantees: an answer is given only after the commit; members answer for themselves alone (a refused or panicking
//! closure rolls back its own savepoint, a statement that fails loses the shared transaction and every member is then run
//! again alone). What a member does cannot end the thread; should anything else, its supervisor starts another, with a
//! connection of its own: what waits in the mailbox is kept, and who was answered nothing is told to try again. What waits
//! is bounded: beyond that, callers wait. Told to end, it first writes what it has accepted.

mod batch;
mod member;
mod thread;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

pub use member::Tx;
use member::{Closure, Member, Pending};

use super::credentials::CredentialWatch;
use super::events::Hub;
use super::jobs::{AttemptFinish, AttemptProgress, ClaimRequest, Claimed, Finished, Held, NewJob};
use super::source::{Access, Source};
use super::{Abort, OnAvailable, StoreError};
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

/// The name of the writer with this number, from 0.
fn name(number: u32) -> String {
    match number {
        0 => NAME.to_owned(),
        number => format!("{NAME}-{}", number + 1),
    }
}

/// How a writer is supervised.
fn spec(number: u32) -> ChildSpec {
    ChildSpec::new(name(number))
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

/// A handle on the threads that write; clones share them.
#[derive(Clone)]
pub(super) struct Writer {
    senders: Arc<[Sender<Member>]>,
    /// Whose turn is the next write that any of them may take.
    turn: Arc<AtomicUsize>,
}

/// Those who are told of what was committed.
#[derive(Clone)]
pub(super) struct Told {
    /// Of queues in which jobs became available.
    pub(super) on_available: OnAvailable,
    /// Of changes of jobs.
    pub(super) hub: Hub,
    /// Of changes to who may come in, before these are answered.
    pub(super) credentials: CredentialWatch,
}

impl Writer {
    pub(super) fn start(source: &Source, count: u32, told: &Told, supervisor: &Supervisor) -> Result<Self, StoreError> {
        let count = match source {
            Source::Sqlite(_) => 1,
            Source::Postgres(..) => count.max(1),
        };
        let mut senders = Vec::new();
        for number in 0..count {
            // Here, so that who opens the store hears why it cannot be opened. Later lives open their own.
            let first = Mutex::new(Some(source.connect(Access::Write)?));
            let (source, told) = (source.clone(), told.clone());
            senders.push(supervisor.start_thread(spec(number), move |context| {
                let connection = first.lock().unwrap_or_else(PoisonError::into_inner).take();
                thread::Thread::new(&source, connection, &told).run(context);
                Ok(())
            }));
        }
        Ok(Self {
            senders: senders.into(),
            turn: Arc::default(),
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

    async fn data<I, O>(&self, input: I, member: fn(Pending<I, O>) -> Member) -> Result<O, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.hand_over(member(Pending::new(input, reply))).await?;
        answer.await.unwrap_or_else(|_dropped| Err(self.unanswered()))
    }

    async fn hand_over(&self, member: Member) -> Result<(), StoreError> {
        let sender = self.taker_of(&member).ok_or(StoreError::Closed)?;
        // A full mailbox has callers wait, so that only a closed one refuses.
        sender.tell(member).await.map_err(|_refused| StoreError::Closed)
    }

    /// Who writes it. What is about attempts of this node goes to the first, so that no two transactions of a node wait for the
    /// same rows, and a claim shares its commit with the finishes that made room for it; the rest take turns.
    fn taker_of(&self, member: &Member) -> Option<&Sender<Member>> {
        let index = match member {
            Member::Claim(_) | Member::Finish(_) | Member::Progress(_) => 0,
            Member::Enqueue(_) | Member::Closure(_) => {
                self.turn.fetch_add(1, Ordering::Relaxed) % self.senders.len().max(1)
            }
        };
        self.senders.get(index)
    }

    /// Why a member went without an answer: it was not reached before the end, or the thread failed while it had it.
    fn unanswered(&self) -> StoreError {
        if self.senders.iter().any(Sender::is_closed) {
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

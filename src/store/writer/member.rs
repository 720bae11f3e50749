//! What a shared transaction is made of: one caller's write, and the way back to the caller.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::store::dialect::prelude::*;
use diesel::result::Error as DieselError;
use tokio::sync::oneshot;

use super::panic_text;
use crate::domain::job::Queue;
use crate::store::events::Effects;
use crate::store::jobs::{self, AttemptFinish, AttemptProgress, ClaimRequest, Claimed, Finished, Held, NewJob};
use crate::store::{Abort, Connection, StoreError};

/// The inside of a transaction, as closures see it.
pub struct Tx<'a> {
    connection: &'a mut Connection,
    effects: &'a mut Effects,
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a mut Connection, effects: &'a mut Effects) -> Self {
        Self { connection, effects }
    }

    /// The connection, and what the transaction brings about beside rows.
    pub(in crate::store) fn parts(&mut self) -> (&mut Connection, &mut Effects) {
        (self.connection, self.effects)
    }

    /// The connection, for the queries of the entities.
    pub fn connection(&mut self) -> &mut Connection {
        self.connection
    }

    /// Inserts a job: it exists once this transaction is committed, and not if it is rolled back.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn enqueue(&mut self, job: &NewJob) -> Result<(), StoreError> {
        Ok(jobs::insert(self.connection, &[job], self.effects)?)
    }

    /// Inserts jobs, in few statements however many they are. None of them may have a unique key or wait for another.
    ///
    /// # Errors
    /// When a statement fails.
    pub fn enqueue_all(&mut self, new: &[NewJob]) -> Result<(), StoreError> {
        let new: Vec<&NewJob> = new.iter().collect();
        Ok(jobs::insert(self.connection, &new, self.effects)?)
    }

    /// Runs `part` in a savepoint of its own: what it refuses is undone alone, and nothing is told of it.
    ///
    /// # Errors
    /// What `part` answers, and when the savepoint cannot be made or left.
    pub(in crate::store) fn part<T, E>(
        &mut self,
        part: impl FnOnce(&mut Tx<'_>) -> Result<T, Abort<E>>,
    ) -> Result<T, Abort<E>> {
        let mut own = Effects::default();
        let done = self
            .connection
            .transaction(|connection| part(&mut Tx::new(connection, &mut own)))?;
        self.effects.append(own);
        Ok(done)
    }

    /// Tells the workers of `queue`, once this transaction is committed, that a job became available by other means than
    /// [`Tx::enqueue`].
    pub fn became_available(&mut self, queue: Queue) {
        self.effects.became_available(queue);
    }
}

/// A write as data, its outcome, and who waits for it.
pub(super) struct Pending<I, O> {
    pub(super) input: I,
    pub(super) outcome: Option<O>,
    reply: oneshot::Sender<Result<O, StoreError>>,
}

impl<I, O> Pending<I, O> {
    pub(super) fn new(input: I, reply: oneshot::Sender<Result<O, StoreError>>) -> Self {
        Self {
            input,
            outcome: None,
            reply,
        }
    }

    fn answer(self, committed: Result<(), StoreError>) {
        let answer = committed.and_then(|()| self.outcome.ok_or(StoreError::Closed));
        // Whoever waited may have gone; what was committed stays so.
        if self.reply.send(answer).is_err() {
            tracing::trace!("nobody waits for this write any more");
        }
    }
}

/// One caller's part of a shared transaction.
pub(super) enum Member {
    Closure(Box<dyn ClosureMember>),
    Enqueue(Pending<Vec<NewJob>, ()>),
    Finish(Pending<AttemptFinish, Finished>),
    Progress(Pending<AttemptProgress, Held>),
    Claim(Pending<ClaimRequest, Claimed>),
}

impl Member {
    /// Rows that it adds to a multi-row statement, so that batches are bounded by rows and not by callers.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Enqueue(pending) => pending.input.len().max(1),
            _ => 1,
        }
    }

    /// Tells the caller what became of it.
    pub(super) fn answer(self, committed: Result<(), StoreError>) {
        match self {
            Self::Closure(closure) => closure.answer(committed),
            Self::Enqueue(pending) => pending.answer(committed),
            Self::Finish(pending) => pending.answer(committed),
            Self::Progress(pending) => pending.answer(committed),
            Self::Claim(pending) => pending.answer(committed),
        }
    }
}

/// A closure of whatever types, run inside a savepoint.
pub(super) trait ClosureMember: Send {
    /// Runs it; its own failure is kept for the answer and rolls back its savepoint alone.
    fn run(&mut self, connection: &mut Connection, effects: &mut Effects) -> QueryResult<()>;
    /// Answers its caller.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

pub(super) struct Closure<T, E, F> {
    write: F,
    outcome: Option<Result<T, Abort<E>>>,
    reply: oneshot::Sender<Result<T, Abort<E>>>,
}

impl<T, E, F> Closure<T, E, F> {
    pub(super) fn new(write: F, reply: oneshot::Sender<Result<T, Abort<E>>>) -> Self {
        Self {
            write,
            outcome: None,
            reply,
        }
    }
}

/// What makes diesel roll the savepoint back: the closure's own failure, or the savepoint's.
enum Undo<E> {
    Closure(Abort<E>),
    Savepoint(DieselError),
}

impl<E> From<DieselError> for Undo<E> {
    fn from(error: DieselError) -> Self {
        Self::Savepoint(error)
    }
}

impl<T, E, F> ClosureMember for Closure<T, E, F>
where
    T: Send,
    E: Send,
    F: FnMut(&mut Tx<'_>) -> Result<T, Abort<E>> + Send,
{
    fn run(&mut self, connection: &mut Connection, effects: &mut Effects) -> QueryResult<()> {
        let mut own = Effects::default();
        // Inside a transaction this is a savepoint. The panic is caught inside it, so that diesel sees an error and rolls
        // back, and its count of open savepoints stays right.
        let outcome = connection.transaction(|connection| {
            let mut tx = Tx::new(connection, &mut own);
            match catch_unwind(AssertUnwindSafe(|| (self.write)(&mut tx))) {
                Ok(result) => result.map_err(Undo::Closure),
                Err(payload) => Err(Undo::Closure(Abort::Store(StoreError::Panicked {
                    text: panic_text(payload.as_ref()),
                }))),
            }
        });
        self.outcome = Some(match outcome {
            Ok(value) => {
                effects.append(own);
                Ok(value)
            }
            Err(Undo::Closure(abort)) => Err(abort),
            Err(Undo::Savepoint(error)) => return Err(error),
        });
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            // A refusal stands whether or not the others' changes were committed.
            (Err(_), Some(Err(Abort::Refused(refused)))) => Err(Abort::Refused(refused)),
            (Err(error), _) => Err(Abort::Store(error)),
            (Ok(()), None) => Err(Abort::Store(StoreError::Closed)),
        };
        if self.reply.send(answer).is_err() {
            tracing::trace!("nobody waits for this write any more");
        }
    }
}

//! The writer's thread: takes what waits, commits it together, answers, and starts again.
//!
//! Guarantees: it ends only when told to, and then writes first what it has accepted; a lost transaction is run again member
//! by member; a connection that is no longer sound is replaced.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::result::Error as DieselError;

use super::batch::{self, Done};
use super::member::Member;
use super::{Told, WAITING_MAX, panic_text};
use crate::store::events::Effects;
use crate::store::security::Noted;
use crate::store::source::{Access, Source};
use crate::store::{Connection, StoreError, dialect};
use crate::supervision::ThreadContext;
use crate::telemetry;
use crate::telemetry::names::event;

/// Rows in one transaction. At 256 rows SQLite commits 232,000 rows a second and at 1,024 only a quarter more, while each
/// caller waits for all of them: beyond this, waiting grows faster than what is saved.
const BATCH_ROWS_MAX: usize = 512;

/// Why a write is refused while another process holds the database for longer than a statement waits.
const LOCKED: &str = "another process holds it";

/// Why a write is refused whose connection was lost. What it was to write may be there all the same.
const CUT_OFF: &str = "the connection to it was lost";

/// What the thread works with.
pub(super) struct Thread<'a> {
    source: &'a Source,
    /// None after it was given up, and in a life that follows a failure; the next transaction opens another.
    connection: Option<Connection>,
    told: &'a Told,
}

impl<'a> Thread<'a> {
    pub(super) fn new(source: &'a Source, connection: Option<Connection>, told: &'a Told) -> Self {
        Self {
            source,
            connection,
            told,
        }
    }

    /// Works until the order to end, and through what was accepted by then.
    pub(super) fn run(&mut self, context: &mut ThreadContext<Member>) {
        while let Some(first) = context.receive() {
            let members = take_waiting(first, context);
            self.commit(members);
        }
        // No more than the mailbox holds: told to start anew, which leaves it open, it must come to an end too.
        let mut left = WAITING_MAX;
        while left > 0
            && let Some(first) = context.try_receive()
        {
            let members = take_waiting(first, context);
            left = left.saturating_sub(members.len());
            self.commit(members);
        }
    }

    fn commit(&mut self, mut members: Vec<Member>) {
        match self.transact(&mut members) {
            Ok(Done { effects, noticed }) => {
                // Before anybody is answered: a key that was revoked must not come in after that.
                if let Some(noticed) = &noticed {
                    self.told.credentials.committed(noticed);
                }
                for member in members {
                    answer(member, Ok(()));
                }
                self.tell(&effects);
            }
            Err(StoreError::Busy(error)) if dialect::is_locked(&error) => {
                // None of them is guilty, and each alone would wait as long again: the last would be answered hours later.
                tracing::warn!(
                    event = event::DATABASE_LOCKED,
                    members = members.len(),
                    "another process holds the database; the writes that waited are refused"
                );
                refuse(members, LOCKED);
            }
            Err(StoreError::Busy(error)) if dialect::is_cut_off(&error) => {
                // Whether it was committed nobody knows, so that none of them is run again; each alone would fail as well.
                tracing::warn!(
                    event = event::DATABASE_LOST,
                    members = members.len(),
                    error = telemetry::chain(&error),
                    "the connection to the database was lost; the writes that waited are refused"
                );
                refuse(members, CUT_OFF);
            }
            Err(StoreError::Unavailable { what }) => refuse(members, what),
            Err(error) => {
                if members.len() == 1 {
                    // There is one, and so nobody else to run again.
                    if let Some(member) = members.pop() {
                        answer(member, Err(error));
                    }
                    return;
                }
                tracing::warn!(
                    event = event::TRANSACTION_LOST,
                    members = members.len(),
                    error = telemetry::chain(&error),
                    "a shared transaction was lost; its members are run again one by one"
                );
                for member in members {
                    self.commit(vec![member]);
                }
            }
        }
    }

    /// Tells of jobs that became available, of all that changed, and of what was written into the security log. A panic there costs the wake, which a poll makes good,
    /// and not the writer.
    fn tell(&self, effects: &Effects) {
        self.told.hub.committed(effects.told());
        effects.noted().iter().for_each(Noted::log);
        let queues = effects.queues();
        if queues.is_empty() {
            return;
        }
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (self.told.on_available)(&queues))) {
            let error = panic_text(payload.as_ref());
            tracing::error!(
                event = event::WAKE_FAILED,
                error,
                "whoever is told of available jobs panicked"
            );
        }
    }

    /// Runs the batch on a sound connection, opening a new one if the last was given up.
    fn transact(&mut self, members: &mut [Member]) -> Result<Done, StoreError> {
        // One that was lost while it lay idle has told nobody's write to the database yet: nobody need be refused for it.
        let kept = self.connection.take();
        let mut connection = match kept.and_then(|mut kept| kept.is_sound().then_some(kept)) {
            Some(connection) => connection,
            None => reconnect(self.source)?,
        };
        // Closures catch their own panics; this is for a panic of ours, after which the connection is not to be trusted.
        let seen = self.told.credentials.seen();
        match catch_unwind(AssertUnwindSafe(|| batch::run(&mut connection, members, seen))) {
            Ok(Ok(done)) => {
                self.connection = Some(connection);
                Ok(done)
            }
            Ok(Err(error)) => {
                if is_sound_after(&error) && connection.is_sound() {
                    self.connection = Some(connection);
                }
                Err(error.into())
            }
            Err(payload) => Err(StoreError::Panicked {
                text: panic_text(payload.as_ref()),
            }),
        }
    }
}

/// Tells a caller what became of its member. One that is gone leaves its answer to be dropped here, and its panic with it.
fn answer(member: Member, committed: Result<(), StoreError>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| member.answer(committed))) {
        let error = panic_text(payload.as_ref());
        tracing::error!(event = event::ANSWER_FAILED, error, "the answer to a write panicked");
    }
}

/// Tells all callers that the database cannot serve them now.
fn refuse(members: Vec<Member>, what: &'static str) {
    for member in members {
        answer(member, Err(StoreError::Unavailable { what }));
    }
}

/// `first` and whatever else waits, up to the limit.
fn take_waiting(first: Member, context: &mut ThreadContext<Member>) -> Vec<Member> {
    let mut rows = first.weight();
    let mut members = vec![first];
    while rows < BATCH_ROWS_MAX
        && let Some(member) = context.try_receive()
    {
        rows += member.weight();
        members.push(member);
    }
    members
}

/// A new connection in place of one that was given up, which a full disk or too many open files may prevent for a while.
fn reconnect(source: &Source) -> Result<Connection, StoreError> {
    match source.connect(Access::Write) {
        Err(StoreError::Open { text }) => {
            tracing::warn!(
                event = event::REOPEN_FAILED,
                error = text,
                "the database could not be opened again"
            );
            Err(StoreError::Unavailable {
                what: "it could not be opened again",
            })
        }
        other => other,
    }
}

/// Whether the connection has no open transaction and may be used again after `error`.
fn is_sound_after(error: &DieselError) -> bool {
    !matches!(
        error,
        DieselError::BrokenTransactionManager
            | DieselError::RollbackErrorOnCommit { .. }
            | DieselError::RollbackTransaction
            | DieselError::AlreadyInTransaction
    ) && !dialect::is_transient(error)
}

//! The address of a supervised actor: the only way for messages to reach it.
//!
//! Guarantees: no message passes the mailbox's bound; an accepted message is handled once, or was the one whose handler
//! panicked, or is counted as undelivered when the child stops; messages of one sender are handled in the order of sending.
//!
//! Left out: a way to send without minding the bound, and actix's own `Addr`, which has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};
use tokio::sync::oneshot;

use super::child::Child;
use super::context::Context;
use super::delivery::{Asker, Delivery};
use super::mailbox::{MailboxGauge, Refusal};
use super::recipient::Recipient;

/// An actor that a [`Tree`](super::Tree) can start; [`supervised!`](super::supervised) makes one of any actor whose
/// context is [`Context`].
pub trait Supervised: Actor<Context = Context<Self>> + actix::Supervised + Handler<Delivery<Self>> {}

impl<A> Supervised for A where A: Actor<Context = Context<A>> + actix::Supervised + Handler<Delivery<A>> {}

/// Why [`Address::try_tell`] did not take a message; hands it back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TellError<M> {
    /// The mailbox holds as many messages as it may.
    #[error("the actor's mailbox is full")]
    Full(M),
    /// The child was stopped, or never started.
    #[error("the actor is stopped")]
    Closed(M),
}

impl<M> TellError<M> {
    /// The message that was not taken.
    pub fn into_message(self) -> M {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }
}

impl<M> std::fmt::Debug for TellError<M> {
    /// Names the cause only: a message need not be printable, and may hold what must not be printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

/// The child was stopped, or never started; the message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the actor is stopped")]
pub struct Closed;

/// Why [`Address::ask`] has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The child was stopped before it began with the message, which had no effect.
    #[error("the actor is stopped")]
    Closed,
    /// The actor began with the message, and panicked or ended before it answered: what the message did is unknown.
    #[error("the actor ended before it answered")]
    Panicked,
}

impl From<Closed> for AskError {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

/// The address of a supervised actor. Cheap to clone; may be used from any thread.
///
/// It outlives the actor's restarts: messages sent while the actor backs off wait for it.
pub struct Address<A: Supervised> {
    child: Arc<Child>,
    actix: Addr<A>,
}

impl<A: Supervised> Address<A> {
    pub(super) fn new(child: Arc<Child>, actix: Addr<A>) -> Self {
        Self { child, actix }
    }

    /// Leaves a message, if there is room for it now.
    ///
    /// # Errors
    /// [`TellError::Full`] or [`TellError::Closed`], with the message. A message that is accepted while a stop goes on
    /// elsewhere may end as undelivered.
    pub fn try_tell<M>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        match self.child.gate().try_enter() {
            Ok(slot) => {
                self.push(Delivery::new(slot, message, None));
                Ok(())
            }
            Err(Refusal::Full) => {
                self.child.mailbox_full();
                Err(TellError::Full(message))
            }
            Err(Refusal::Closed) => Err(TellError::Closed(message)),
        }
    }

    /// Leaves a message, after waiting for room in the order of asking.
    ///
    /// Dropping the future before it is ready withdraws the message.
    ///
    /// # Errors
    /// [`Closed`] if the child is stopped, now or while this waits.
    pub async fn tell<M>(&self, message: M) -> Result<(), Closed>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let slot = self.child.gate().enter().await?;
        self.push(Delivery::new(slot, message, None));
        Ok(())
    }

    /// Leaves a message as [`tell`](Self::tell) does, and waits for the answer.
    ///
    /// It has no time limit of its own. Dropping the future while it waits for room withdraws the message; later, the
    /// message is handled all the same and its answer is dropped.
    ///
    /// # Errors
    /// [`AskError`], which tells whether the message may have had an effect.
    pub async fn ask<M>(&self, message: M) -> Result<M::Result, AskError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let slot = self.child.gate().enter().await?;
        let (answer, answered) = oneshot::channel();
        let begun = Arc::new(AtomicBool::new(false));
        self.push(Delivery::new(
            slot,
            message,
            Some(Asker {
                answer,
                begun: Arc::clone(&begun),
            }),
        ));
        match answered.await {
            Ok(result) => Ok(result),
            Err(_) if begun.load(Ordering::SeqCst) => Err(AskError::Panicked),
            Err(_) => Err(AskError::Closed),
        }
    }

    /// An address for messages of one type only, which does not name the actor.
    #[must_use]
    pub fn recipient<M>(&self) -> Recipient<M>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        Recipient::new(self.clone())
    }

    /// How the mailbox stands.
    #[must_use]
    pub fn mailbox(&self) -> MailboxGauge {
        self.child.gate().gauge()
    }

    /// Whether the actor is up: false while it backs off, is degraded and not on trial, or is stopped.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.child.is_running()
    }

    /// The child's name in the tree.
    #[must_use]
    pub fn name(&self) -> &str {
        self.child.name()
    }

    fn push(&self, delivery: Delivery<A>)
    where
        Context<A>: ToEnvelope<A, Delivery<A>>,
    {
        // Actix's queue is unbounded here, the gate holds the bound; so it refuses only once its receiver is gone, which
        // is a stop that overtook this message: dropping the envelope counts it as undelivered.
        drop(self.actix.try_send(delivery));
    }
}

impl<A: Supervised> Clone for Address<A> {
    fn clone(&self) -> Self {
        Self {
            child: Arc::clone(&self.child),
            actix: self.actix.clone(),
        }
    }
}

impl<A: Supervised> std::fmt::Debug for Address<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Address").field(&self.child.name()).finish()
    }
}

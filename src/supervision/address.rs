//! The address of a supervised actor: the only way for messages to reach it.
//!
//! Guarantees: no message passes the mailbox's bound; an accepted message is handled once, or was the one whose handler
//! panicked, or is counted as evicted or undelivered and handed to the hook of the spec; messages of one sender are handled
//! in the order of sending.
//!
//! Left out: a way to send without minding the bound, and actix's own `Addr`, which has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::{Actor, Handler, Message};
use tokio::sync::oneshot;

use super::child::Child;
use super::context::Context;
use super::delivery::{Asker, Delivery};
use super::gate::{MailboxGauge, Refusal, Slot};
use super::queue::{Parcel, Queue};
use super::recipient::Recipient;
use super::spec::WhenFull;
use super::stopped::Stopped;
use super::watch::sealed::{Sealed, Watched};

/// An actor that a [`Tree`](super::Tree) can start; [`supervised!`](super::supervised) makes one of any actor whose
/// context is [`Context`].
pub trait Supervised: Actor<Context = Context<Self>> + actix::Supervised {}

impl<A> Supervised for A where A: Actor<Context = Context<A>> + actix::Supervised {}

/// Why a message was not taken; hands it back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TellError<M> {
    /// The mailbox holds as many messages as it may.
    #[error("the actor's mailbox is full")]
    Full(M),
    /// The child is down, and its spec has messages refused meanwhile.
    #[error("the actor is down")]
    Down(M),
    /// The child was stopped, or never started.
    #[error("the actor is stopped")]
    Closed(M),
}

impl<M> TellError<M> {
    /// The message that was not taken.
    pub fn into_message(self) -> M {
        match self {
            Self::Full(message) | Self::Down(message) | Self::Closed(message) => message,
        }
    }
}

impl<M> std::fmt::Debug for TellError<M> {
    /// Names the cause only: a message need not be printable, and may hold what must not be printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Down(_) => "Down(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

/// Why [`Address::ask`] has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The mailbox was full, for as long as the spec has senders wait. The message had no effect.
    #[error("the actor's mailbox is full")]
    Full,
    /// The child is down, and its spec has messages refused meanwhile. The message had no effect.
    #[error("the actor is down")]
    Down,
    /// A newer message took the place of this one in the mailbox. It had no effect.
    #[error("the message was dropped for a newer one")]
    Evicted,
    /// The child was stopped before it began with the message, which had no effect.
    #[error("the actor is stopped")]
    Closed,
    /// The actor began with the message, and panicked or ended before it answered: what the message did is unknown.
    #[error("the actor ended before it answered")]
    Panicked,
}

impl<M> From<TellError<M>> for AskError {
    fn from(refused: TellError<M>) -> Self {
        match refused {
            TellError::Full(_) => Self::Full,
            TellError::Down(_) => Self::Down,
            TellError::Closed(_) => Self::Closed,
        }
    }
}

/// The address of a supervised actor. Cheap to clone; may be used from any thread.
///
/// It outlives the actor's restarts: messages sent while the actor backs off wait for it, or are refused, as the spec says.
pub struct Address<A: Supervised> {
    child: Arc<Child>,
    queue: Arc<Queue<Delivery<A>>>,
}

impl<A: Supervised> Address<A> {
    pub(super) fn new(child: Arc<Child>, queue: Arc<Queue<Delivery<A>>>) -> Self {
        Self { child, queue }
    }

    pub(super) fn child(&self) -> &Arc<Child> {
        &self.child
    }

    pub(super) fn queue(&self) -> &Arc<Queue<Delivery<A>>> {
        &self.queue
    }

    /// Leaves a message, if there is room for it now, or the spec has the oldest make room.
    ///
    /// # Errors
    /// [`TellError`], with the message. A message that is accepted while a stop goes on elsewhere may end as undelivered.
    pub fn try_tell<M>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        match admit_now(&self.child, &*self.queue) {
            Ok(slot) => {
                self.queue.push(slot, Delivery::new(message, None));
                Ok(())
            }
            Err(refusal) => Err(refusal.of(message)),
        }
    }

    /// Leaves a message. With a full mailbox it does what the spec says: by default it waits for room, in the order of
    /// asking.
    ///
    /// Dropping the future before it is ready withdraws the message.
    ///
    /// # Errors
    /// [`TellError`], with the message, if it is refused by the spec, or the child is stopped, now or while this waits.
    pub async fn tell<M>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        match admit(&self.child, &*self.queue).await {
            Ok(slot) => {
                self.queue.push(slot, Delivery::new(message, None));
                Ok(())
            }
            Err(refusal) => Err(refusal.of(message)),
        }
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
        let slot = match admit(&self.child, &*self.queue).await {
            Ok(slot) => slot,
            Err(refusal) => return Err(refusal.of(()).into()),
        };
        let (answer, answered) = oneshot::channel();
        let begun = Arc::new(AtomicBool::new(false));
        let asker = Asker {
            answer,
            begun: Arc::clone(&begun),
        };
        self.queue.push(slot, Delivery::new(message, Some(asker)));
        match answered.await {
            Ok(result) => Ok(result),
            Err(_) if begun.load(Ordering::SeqCst) => Err(AskError::Panicked),
            Err(_) if self.child.gate.is_closed() => Err(AskError::Closed),
            Err(_) => Err(AskError::Evicted),
        }
    }

    /// Ready once the child has left the tree for good, with what became of it.
    pub async fn ended(&self) -> Stopped {
        self.child.settled().await
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

    /// Whether nothing is accepted any more: the actor was stopped, or never started.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.child.gate.is_closed()
    }

    /// How the mailbox stands.
    #[must_use]
    pub fn mailbox(&self) -> MailboxGauge {
        self.child.gate.gauge()
    }

    /// Whether the actor is up: false while it backs off, is degraded and not on trial, or is stopped.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.child.is_running()
    }

    /// The child's name in the tree.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.child.name
    }
}

/// A place for a message, if there is one now or the spec has the oldest make room.
pub(super) fn admit_now<'a, T: Parcel>(child: &'a Child, queue: &Queue<T>) -> Result<Slot<'a>, Refusal> {
    if child.refuses_while_down() {
        return Err(if child.gate.is_closed() {
            Refusal::Closed
        } else {
            Refusal::Down
        });
    }
    loop {
        match child.gate.try_enter() {
            Err(Refusal::Full) if child.spec.when_full == WhenFull::DropOldest => queue.evict(),
            Err(Refusal::Full) => {
                child.gate.refused();
                child.mailbox_full();
                return Err(Refusal::Full);
            }
            other => return other,
        }
    }
}

/// A place for a message, after doing what the spec says about a full mailbox.
pub(super) async fn admit<'a, T: Parcel>(child: &'a Child, queue: &Queue<T>) -> Result<Slot<'a>, Refusal> {
    let limit = match child.spec.when_full {
        WhenFull::Refuse | WhenFull::DropOldest => return admit_now(child, queue),
        WhenFull::Wait => None,
        WhenFull::WaitUpTo(limit) => Some(limit),
    };
    if child.refuses_while_down() {
        return admit_now(child, queue);
    }
    match child.gate.try_enter() {
        // Boxed, or every sender's future would have room for a wait that is rare.
        Err(Refusal::Full) => Box::pin(wait_for_room(child, limit)).await,
        other => other,
    }
}

/// A place for a message, when there is one: in the order of asking, within the limit.
async fn wait_for_room(child: &Child, limit: Option<Duration>) -> Result<Slot<'_>, Refusal> {
    let Some(limit) = limit else {
        return child.gate.enter().await;
    };
    match tokio::time::timeout(limit, child.gate.enter()).await {
        Ok(entered) => entered,
        Err(_) => {
            child.gate.refused();
            child.mailbox_full();
            Err(Refusal::Full)
        }
    }
}

impl<A: Supervised> Sealed for Address<A> {
    fn watched(&self) -> Watched<'_> {
        Watched(&self.child)
    }
}

impl<A: Supervised> Clone for Address<A> {
    fn clone(&self) -> Self {
        Self {
            child: Arc::clone(&self.child),
            queue: Arc::clone(&self.queue),
        }
    }
}

impl<A: Supervised> std::fmt::Debug for Address<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Address").field(&self.child.name).finish()
    }
}

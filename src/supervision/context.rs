//! The execution context of a supervised actor: actix's own, plus the actor's name and address in the tree and the fresh
//! value that a restart puts in the place of a broken one.

use std::sync::Arc;

use actix::dev::{AsyncContextParts, ContextParts, Envelope, Mailbox, ToEnvelope};
use actix::{Actor, ActorContext, ActorFuture, ActorState, Addr, AsyncContext, Handler, Message, SpawnHandle};

use super::address::{Address, Supervised};
use super::child::Child;

/// An actor handles at most this many messages in a row before the others on its thread get a turn: actix itself goes on
/// for as long as the mailbox holds any. About 0.1 ms of small messages.
const MESSAGES_IN_A_ROW_MAX: u32 = 128;

/// The context of a supervised actor: `type Context = supervision::Context<Self>`.
///
/// It is an ordinary actix context (`spawn`, `wait`, `run_interval`, `notify`, …). A restart drops what was spawned on it;
/// work that must survive belongs to a task of its own.
pub struct Context<A: Supervised> {
    parts: ContextParts<A>,
    address: Address<A>,
    child: Arc<Child>,
    /// Set by the child's future for the moment of a restart, taken by [`rebuild`](Self::rebuild).
    fresh: Option<A>,
    /// Set by the child's future for the moment at which it ends the actor's life unasked.
    farewell: bool,
    /// Messages handled since the others on this thread had a turn.
    in_a_row: u32,
}

impl<A: Supervised> Context<A> {
    pub(super) fn new(mailbox: &Mailbox<A>, child: Arc<Child>, address: Address<A>) -> Self {
        Self {
            parts: ContextParts::new(mailbox.sender_producer()),
            address,
            child,
            fresh: None,
            farewell: false,
            in_a_row: 0,
        }
    }

    /// The actor's own address.
    ///
    /// An actor that waits for room in its own full mailbox waits for ever; use [`Address::try_tell`] or
    /// `AsyncContext::notify` within an actor.
    #[must_use]
    pub fn address(&self) -> Address<A> {
        self.address.clone()
    }

    /// The child's name in the tree.
    #[must_use]
    pub fn name(&self) -> &str {
        self.child.name()
    }

    /// Ends this life of the actor. The child is permanent: it is restarted by its policy, and this counts as a failure.
    pub fn stop(&mut self) {
        self.parts.stop();
    }

    /// Puts the fresh value in the actor's place. For [`supervised!`](super::supervised) only; elsewhere it does nothing.
    pub fn rebuild(&mut self, actor: &mut A) {
        if std::mem::take(&mut self.farewell) {
            actor.stopped(self);
        }
        if let Some(fresh) = self.fresh.take() {
            drop(std::mem::replace(actor, fresh));
        }
    }

    pub(super) fn set_fresh(&mut self, fresh: Option<A>) {
        self.fresh = fresh;
    }

    pub(super) fn set_farewell(&mut self, farewell: bool) {
        self.farewell = farewell;
    }

    /// Stops the run through the mailbox if an order waits, or if others on this thread are due.
    pub(super) fn after_message(&mut self) {
        self.in_a_row += 1;
        if self.in_a_row >= MESSAGES_IN_A_ROW_MAX || self.child.orders().is_pending() {
            self.in_a_row = 0;
            self.parts
                .wait(actix::fut::wrap_future::<_, A>(tokio::task::yield_now()));
        }
    }
}

impl<A: Supervised> std::fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("name", &self.name())
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl<A: Supervised> ActorContext for Context<A> {
    fn stop(&mut self) {
        self.parts.stop();
    }

    fn terminate(&mut self) {
        self.parts.terminate();
    }

    fn state(&self) -> ActorState {
        self.parts.state()
    }
}

impl<A: Supervised> AsyncContext<A> for Context<A> {
    /// Actix's own address, which the trait asks for. Messages sent through it are neither bounded nor counted: use
    /// [`Context::address`].
    fn address(&self) -> Addr<A> {
        self.parts.address()
    }

    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.parts.spawn(future)
    }

    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.parts.wait(future);
    }

    fn waiting(&self) -> bool {
        self.parts.waiting()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.parts.cancel_future(handle)
    }
}

impl<A: Supervised> AsyncContextParts<A> for Context<A> {
    fn parts(&mut self) -> &mut ContextParts<A> {
        &mut self.parts
    }
}

impl<A, M> ToEnvelope<A, M> for Context<A>
where
    A: Supervised + Handler<M> + Actor<Context = Self>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, answer: Option<actix::dev::OneshotSender<M::Result>>) -> Envelope<A> {
        Envelope::new(message, answer)
    }
}

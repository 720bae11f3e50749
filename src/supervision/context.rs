//! The execution context of a supervised actor: actix's own, plus the actor's name and address in the tree, tasks that end
//! with it, and watches of others.

use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll};

use actix::dev::{AsyncContextParts, ContextParts, Envelope, Mailbox, ToEnvelope};
use actix::{Actor, ActorContext, ActorFuture, ActorState, Addr, AsyncContext, Handler, Message, SpawnHandle};
use tokio::task::{AbortHandle, JoinSet};

use super::address::{Address, Supervised};
use super::delivery::Delivery;
use super::pump::Pump;
use super::queue::Queue;
use super::watch::{About, Down, Tie, Watchable, Watcher};

/// An actor handles at most this many messages in a row before the others on its thread get a turn: actix itself goes on
/// for as long as the mailbox holds any. About 0.1 ms of small messages.
const MESSAGES_IN_A_ROW_MAX: u32 = 128;

/// The context of a supervised actor: `type Context = supervision::Context<Self>`.
///
/// It is an ordinary actix context (`spawn`, `wait`, `run_interval`, `notify`, …) that lasts for one life of the actor. What
/// was spawned on it ends with that life; work that must survive belongs to a task of its own.
pub struct Context<A: Supervised> {
    parts: ContextParts<A>,
    address: Address<A>,
    /// Keeps actix's own mailbox connected, without which it takes the actor for one that nobody needs.
    _connected: Addr<A>,
    /// The number of the life.
    life: u64,
    tasks: JoinSet<()>,
    /// Why the actor ended itself, if it gave a reason.
    failure: Option<String>,
    /// Set for the moment at which the actor's life is ended unasked.
    farewell: bool,
    /// Messages handled since the others on this thread had a turn.
    in_a_row: u32,
}

impl<A: Supervised> Context<A> {
    pub(super) fn new(mailbox: &Mailbox<A>, address: Address<A>, life: u64) -> Self {
        let mut parts = ContextParts::new(mailbox.sender_producer());
        parts.spawn(Pump {
            child: address.child().clone(),
            queue: address.queue().clone(),
            life,
        });
        Self {
            parts,
            address,
            _connected: mailbox.address(),
            life,
            tasks: JoinSet::new(),
            failure: None,
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
        self.address.name()
    }

    /// Ends this life of the actor, in order. A permanent child is restarted all the same, and this counts as a failure; a
    /// transient or temporary one is done, and leaves the tree.
    pub fn stop(&mut self) {
        self.parts.stop();
    }

    /// Ends this life of the actor as a failed one, for the reason given; its hooks run.
    pub fn fail(&mut self, why: impl std::fmt::Display) {
        self.failure.get_or_insert_with(|| why.to_string());
        self.parts.stop();
    }

    /// Starts a task that ends with this life of the actor: it is dropped then, wherever it is, and polled no more. Should
    /// it panic, the actor fails.
    ///
    /// It runs beside the actor, on the same thread, and is polled only when it has something to do; a future spawned by
    /// `AsyncContext::spawn` can reach the actor's state, but is polled at each of the actor's turns.
    pub fn task(&mut self, future: impl Future<Output = ()> + 'static) -> AbortHandle {
        let handle = self.tasks.spawn_local(future);
        // A future that is ready has actix poll all that is spawned once more, so that the end of the task is heard of.
        self.parts.spawn(actix::fut::ready(()));
        handle
    }

    /// Watches another child: this actor is sent a [`Down`] for every end of a life of it, until this life is over or the
    /// other has left for good. If it has left already, it is told so at once. Watching twice is as good as once.
    pub fn watch(&mut self, other: &impl Watchable)
    where
        A: Handler<Down>,
    {
        self.watch_with(other, Tie::Watch, |down| Delivery::new(down, None));
    }

    /// Ties this actor's life to another child's: should a life of the other end by a failure, this one fails too, and both
    /// are restarted as their specs say. For both directions, both link.
    pub fn link(&mut self, other: &impl Watchable) {
        self.watch_with(other, Tie::Link, Delivery::link);
    }

    fn watch_with(&self, other: &impl Watchable, tie: Tie, parcel: fn(Down) -> Delivery<A>) {
        let other = other.watched().0;
        other.watch(Box::new(Watching {
            queue: Arc::downgrade(self.address.queue()),
            life: self.life,
            by: (self.address.child().id, tie),
            about: (other.id, tie),
            parcel,
        }));
    }

    pub(super) fn set_farewell(&mut self, farewell: bool) {
        self.farewell = farewell;
    }

    /// Calls the actor's `stopped` hook if its life is being ended unasked. For [`supervised!`](super::supervised) only;
    /// elsewhere it does nothing.
    pub fn farewell(&mut self, actor: &mut A) {
        if std::mem::take(&mut self.farewell) {
            actor.stopped(self);
        }
    }

    pub(super) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.parts.waiting()
    }

    pub(super) fn wait_for(&mut self, future: impl ActorFuture<A, Output = ()> + 'static) {
        self.parts.wait(future);
    }

    /// Looks at tasks that have ended; asks to be woken when others do.
    pub(super) fn reap_tasks(&mut self, task: &mut TaskContext<'_>) {
        while !self.tasks.is_empty()
            && let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(task)
        {
            if let Err(error) = ended
                && let Ok(payload) = error.try_into_panic()
            {
                let text = super::panics::panic_text(&*payload);
                self.fail(format!("a task of it panicked: {text}"));
            }
        }
    }

    /// Stops the run through the mailbox if an order waits, or if others on this thread are due.
    pub(super) fn after_message(&mut self) {
        self.in_a_row += 1;
        let orders = &self.address.child().orders;
        if self.in_a_row >= MESSAGES_IN_A_ROW_MAX || orders.is_pending() || orders.is_suspended() {
            self.in_a_row = 0;
            self.parts
                .wait(actix::fut::wrap_future::<_, A>(tokio::task::yield_now()));
        }
    }
}

/// One life's watch of another child.
struct Watching<A: Supervised> {
    queue: Weak<Queue<Delivery<A>>>,
    life: u64,
    by: About,
    about: About,
    parcel: fn(Down) -> Delivery<A>,
}

impl<A: Supervised> Watcher for Watching<A> {
    fn by(&self) -> About {
        self.by
    }

    fn life(&self) -> u64 {
        self.life
    }

    fn tell(&self, down: &Down) {
        if let Some(queue) = self.queue.upgrade() {
            queue.notify(self.life, self.about, down.clone(), self.parcel);
        }
    }

    fn is_there(&self) -> bool {
        self.queue.upgrade().is_some_and(|queue| queue.is_life(self.life))
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

//! The envelope in which every message travels to its actor.
//!
//! An envelope of our own, rather than the bare message, is what lets the bound, the depth and the waiting time be counted
//! in one place for all kinds of message.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Handler, Message};

use super::address::Supervised;
use super::context::Context;
use super::mailbox::Slot;
use super::panics::caught;

type Work<A> = Box<dyn FnOnce(&mut A, &mut Context<A>) + Send>;

/// Who waits for the answer to a message.
pub(super) struct Asker<T> {
    pub(super) answer: OneshotSender<T>,
    /// Set when the handler begins: without an answer it tells whether the message may have had an effect.
    pub(super) begun: Arc<AtomicBool>,
}

impl<T> Asker<T> {
    fn begin(self) -> OneshotSender<T> {
        self.begun.store(true, Ordering::SeqCst);
        self.answer
    }
}

/// A message on its way to the actor `A`. Only [`supervised!`](super::supervised) needs to name it.
pub struct Delivery<A: Supervised> {
    slot: Option<Slot>,
    work: Option<Work<A>>,
}

impl<A: Supervised> Delivery<A> {
    pub(super) fn new<M>(slot: Slot, message: M, asker: Option<Asker<M::Result>>) -> Self
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let work: Work<A> = Box::new(move |actor, ctx| {
            let answer = asker.map(Asker::begin);
            <A as Handler<M>>::handle(actor, message, ctx).handle(ctx, answer);
        });
        Self {
            slot: Some(slot),
            work: Some(work),
        }
    }

    /// Hands the message to its handler.
    pub fn open(mut self, actor: &mut A, ctx: &mut Context<A>) {
        if let (Some(slot), Some(work)) = (self.slot.take(), self.work.take()) {
            slot.begin();
            work(actor, ctx);
            ctx.after_message();
        }
    }
}

impl<A: Supervised> Drop for Delivery<A> {
    fn drop(&mut self) {
        let work = self.work.take();
        if work.is_some() {
            // The destructor of a message that was never delivered must not take the rest of the mailbox with it. Its
            // panic has no actor to be blamed on; the panic hook has logged it.
            let _panic = caught(|| drop(work));
        }
    }
}

impl<A: Supervised> Message for Delivery<A> {
    type Result = ();
}

impl<A: Supervised> std::fmt::Debug for Delivery<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

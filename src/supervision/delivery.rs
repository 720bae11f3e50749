//! The envelope in which every message travels to its actor.
//!
//! An envelope of our own, rather than the bare message, is what lets messages of all types wait in one queue, and be
//! handed out whole when they are never handled.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Handler, Message};

use super::address::Supervised;
use super::context::Context;
use super::queue::Parcel;
use super::watch::Down;

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

/// A message on its way to the actor `A`.
pub(super) struct Delivery<A: Supervised>(Box<dyn Letter<A>>);

impl<A: Supervised> Delivery<A> {
    pub(super) fn new<M>(message: M, asker: Option<Asker<M::Result>>) -> Self
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        Self(Box::new(Sealed { message, asker }))
    }

    /// A notice that fails the actor if it tells of a failure.
    pub(super) fn link(down: Down) -> Self {
        Self(Box::new(Linked(down)))
    }

    /// Hands the message to its handler.
    pub(super) fn open(self, actor: &mut A, ctx: &mut Context<A>) {
        self.0.open(actor, ctx);
    }

    /// Notes that the handler began, for one that is not going to end.
    pub(super) fn begin(&self) {
        self.0.begin();
    }
}

impl<A: Supervised> Parcel for Delivery<A> {
    const MAY_GO_UNTIMED: bool = true;

    fn message_type(&self) -> &'static str {
        self.0.message_type()
    }

    fn into_message(self) -> Box<dyn Any + Send> {
        self.0.into_message()
    }
}

trait Letter<A: Supervised>: Send {
    fn open(self: Box<Self>, actor: &mut A, ctx: &mut Context<A>);
    fn begin(&self);
    fn message_type(&self) -> &'static str;
    fn into_message(self: Box<Self>) -> Box<dyn Any + Send>;
}

struct Sealed<M: Message> {
    message: M,
    asker: Option<Asker<M::Result>>,
}

impl<A, M> Letter<A> for Sealed<M>
where
    A: Supervised + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn open(self: Box<Self>, actor: &mut A, ctx: &mut Context<A>) {
        let Self { message, asker } = *self;
        let answer = asker.map(Asker::begin);
        <A as Handler<M>>::handle(actor, message, ctx).handle(ctx, answer);
    }

    fn begin(&self) {
        if let Some(asker) = &self.asker {
            asker.begun.store(true, Ordering::SeqCst);
        }
    }

    fn message_type(&self) -> &'static str {
        std::any::type_name::<M>()
    }

    fn into_message(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(self.message)
    }
}

struct Linked(Down);

impl<A: Supervised> Letter<A> for Linked {
    fn open(self: Box<Self>, _: &mut A, ctx: &mut Context<A>) {
        let Down { child, cause, .. } = self.0;
        if cause.is_failure() {
            ctx.fail(format_args!("{child}, to which it is linked, failed: {}", cause.text));
        }
    }

    fn begin(&self) {}

    fn message_type(&self) -> &'static str {
        std::any::type_name::<Down>()
    }

    fn into_message(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(self.0)
    }
}

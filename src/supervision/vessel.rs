//! The actor of a child with its context, through all of its lives.
//!
//! Guarantees: every call of the actor's code (handlers, hooks, futures, factory, destructors) is made where its panic is
//! caught; an actor that panicked is called no more.
//!
//! The one panic that cannot be caught is that of a destructor which runs because another panic unwinds: Rust ends the
//! process then.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use actix::ActorContext;
use actix::dev::channel::channel;
use actix::dev::{AsyncContextParts, ContextFut, Mailbox};
use futures_util::FutureExt;
use futures_util::task::noop_waker;

use super::address::{Address, Supervised};
use super::cause::{Cause, CauseKind};
use super::context::Context;
use super::faults::panic_as_asked;
use super::panics::{Panic, caught};
use super::queue::AnyQueue;

pub(super) type Factory<A> = Arc<dyn Fn() -> A + Send + Sync>;

/// What a child is at while its factory is.
const BUILDING: &str = "building the actor";

pub(super) struct Vessel<A: Supervised> {
    factory: Factory<A>,
    address: Address<A>,
    /// None between two lives.
    body: Option<ContextFut<A, Context<A>>>,
}

impl<A: Supervised> Vessel<A> {
    pub(super) fn new(factory: Factory<A>, address: Address<A>) -> Self {
        Self {
            factory,
            address,
            body: None,
        }
    }

    /// Builds the actor for its life of that number.
    pub(super) fn raise(&mut self, life: u64) -> Result<(), Panic> {
        let child = Arc::clone(self.address.child());
        let fails = child.faults.fails_start();
        let queue = Arc::clone(self.address.queue());
        queue.beat(life, BUILDING);
        let actor = caught(|| {
            if fails {
                panic_as_asked();
            }
            (self.factory)()
        })?;
        queue.idle(life);
        // Actix's own mailbox only ever holds what the actor sends itself by actix's own means.
        let (sender, receiver) = channel(0);
        drop(sender);
        let mailbox = Mailbox::new(receiver);
        let context = Context::new(&mailbox, self.address.clone(), life);
        self.body = Some(ContextFut::new(context, actor, mailbox));
        Ok(())
    }

    /// After a failure: drops the actor and all that was spawned on its context, uncalled.
    pub(super) fn lay_low(&mut self) -> Result<(), Panic> {
        let Some(mut future) = self.body.take() else {
            return Ok(());
        };
        // Actix polls an actor once more when its future is dropped; for one that panicked this would call a broken value,
        // and a panic of that would end the process. A terminated one is left alone.
        future.ctx().terminate();
        caught(move || drop(future))
    }

    /// Ends the present life between two messages, unasked: the actor's `stopped` hook runs, what was spawned is dropped.
    ///
    /// Terminating the context instead would have actix call `started` once more at the next poll.
    pub(super) fn cut_off(&mut self) -> Result<(), Panic> {
        let Some(future) = &mut self.body else { return Ok(()) };
        let hook = caught(|| {
            let started = future.ctx().parts().started();
            future.ctx().set_farewell(started);
            // Calls the hook by way of `actix::Supervised::restarting`.
            future.restart();
        });
        let dropped = self.lay_low();
        hook.and(dropped)
    }

    /// Asks the actor to stop; its `stopping` hook may put that off.
    pub(super) fn stop(&mut self) {
        if let Some(future) = &mut self.body {
            future.ctx().parts().stop();
        }
    }

    /// Lets the actor work; ready when it has ended, in order or by a panic.
    pub(super) fn poll(&mut self, task: &mut TaskContext<'_>) -> Poll<Cause> {
        let Some(future) = &mut self.body else {
            return Poll::Ready(Cause::new(CauseKind::Finished, ""));
        };
        match caught(|| future.poll_unpin(task)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => {
                let failed = future.ctx().take_failure();
                Poll::Ready(failed.map_or_else(
                    || Cause::new(CauseKind::Finished, ""),
                    |error| Cause::new(CauseKind::Failed, error),
                ))
            }
            Err(panic) => Poll::Ready(panic.into()),
        }
    }

    /// Drops the actor. One that still runs (its arbiter ends) is stopped first, with its hooks.
    pub(super) fn close(&mut self) -> Result<(), Panic> {
        let mut stopped = Ok(());
        if let Some(future) = &mut self.body
            && !std::thread::panicking()
            && future.alive()
        {
            future.ctx().parts().stop();
            let waker = noop_waker();
            stopped = caught(|| future.poll_unpin(&mut TaskContext::from_waker(&waker))).map(|_| ());
        }
        let dropped = self.lay_low();
        stopped.and(dropped)
    }
}

impl<A: Supervised> Drop for Vessel<A> {
    fn drop(&mut self) {
        // Nobody is left to tell of a panic; the panic hook has logged it.
        let _panic = self.close();
    }
}

//! The actor of a child with its mailbox, through all of its lives.
//!
//! Guarantees: every call of the actor's code (handlers, hooks, futures, factory, destructors) is made where its panic is
//! caught; an actor that panicked is called no more, and its value is replaced or dropped; the mailbox and the messages in
//! it survive all of that until the child ends.
//!
//! The one panic that cannot be caught is that of a destructor which runs because another panic unwinds: Rust ends the
//! process then.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use actix::ActorContext;
use actix::dev::{AsyncContextParts, ContextFut, Mailbox};
use futures_util::FutureExt;
use futures_util::future::poll_fn;
use futures_util::task::noop_waker;

use super::address::Supervised;
use super::context::Context;
use super::panics::caught;

pub(super) type Factory<A> = Arc<dyn Fn() -> A + Send + Sync>;

pub(super) struct Vessel<A: Supervised> {
    factory: Factory<A>,
    body: Body<A>,
}

/// The context and mailbox, before and after there is an actor to go with them.
enum Body<A: Supervised> {
    Unborn(Context<A>, Mailbox<A>),
    /// `sound` is false from a failure to the next successful build.
    Born {
        future: ContextFut<A, Context<A>>,
        sound: bool,
    },
    Gone,
}

impl<A: Supervised> Vessel<A> {
    pub(super) fn new(factory: Factory<A>, context: Context<A>, mailbox: Mailbox<A>) -> Self {
        Self {
            factory,
            body: Body::Unborn(context, mailbox),
        }
    }

    /// Builds the actor, for the first time or in the place of the old one.
    pub(super) fn raise(&mut self) -> Result<(), String> {
        let fresh = caught(|| (self.factory)())?;
        match std::mem::replace(&mut self.body, Body::Gone) {
            Body::Unborn(context, mailbox) => {
                self.body = Body::Born {
                    future: ContextFut::new(context, fresh, mailbox),
                    sound: true,
                };
                Ok(())
            }
            Body::Born { mut future, .. } => {
                future.ctx().set_fresh(Some(fresh));
                let restarted = caught(|| {
                    // Refuses only without any address, and the context holds one.
                    future.restart();
                });
                self.body = Body::Born {
                    future,
                    sound: restarted.is_ok(),
                };
                restarted
            }
            Body::Gone => Ok(()),
        }
    }

    /// After a failure: drops what was spawned on the context now rather than after the backoff, so that whoever waits for
    /// an answer from it hears so at once. The broken value itself is kept, uncalled, until the next [`raise`](Self::raise).
    pub(super) fn lay_low(&mut self) -> Result<(), String> {
        self.set_down(false)
    }

    /// Ends the present life between two messages, unasked: the actor's `stopped` hook runs, what was spawned is dropped.
    pub(super) fn cut_off(&mut self) -> Result<(), String> {
        self.set_down(true)
    }

    /// A restart of the context with no fresh value set, which clears it and leaves the actor in its place.
    ///
    /// Terminating the context instead would have actix call `started` once more at the next poll.
    fn set_down(&mut self, farewell: bool) -> Result<(), String> {
        let Body::Born { future, sound } = &mut self.body else {
            return Ok(());
        };
        *sound = false;
        caught(|| {
            let started = future.ctx().parts().started();
            future.ctx().set_fresh(None);
            future.ctx().set_farewell(farewell && started);
            future.restart();
        })
    }

    /// Asks the actor to stop; its `stopping` hook may put that off.
    pub(super) fn stop(&mut self) {
        if let Body::Born { future, .. } = &mut self.body {
            future.ctx().parts().stop();
        }
    }

    /// Runs the actor until it ends, in order or by a panic.
    pub(super) async fn ended(&mut self) -> Result<(), String> {
        poll_fn(|task| self.poll(task)).await
    }

    fn poll(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<(), String>> {
        let Body::Born { future, sound: true } = &mut self.body else {
            return Poll::Ready(Ok(()));
        };
        match caught(|| future.poll_unpin(task)) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }

    /// Drops actor and mailbox. An actor that still runs (its arbiter ends) is stopped first, with its hooks.
    pub(super) fn close(&mut self) -> Result<(), String> {
        match std::mem::replace(&mut self.body, Body::Gone) {
            Body::Unborn(context, mailbox) => caught(move || drop((mailbox, context))),
            Body::Born { mut future, sound } => {
                let mut stopped = Ok(());
                if sound && !std::thread::panicking() && future.alive() {
                    future.ctx().parts().stop();
                    let waker = noop_waker();
                    stopped = caught(|| future.poll_unpin(&mut TaskContext::from_waker(&waker))).map(|_| ());
                }
                // Actix polls an actor once more when its future is dropped; for one that panicked this would call a broken
                // value, and a panic of that would end the process. A terminated one is left alone.
                future.ctx().terminate();
                let dropped = caught(move || drop(future));
                stopped.and(dropped)
            }
            Body::Gone => Ok(()),
        }
    }
}

impl<A: Supervised> Drop for Vessel<A> {
    fn drop(&mut self) {
        // Nobody is left to tell of a panic; the panic hook has logged it.
        let _panic = self.close();
    }
}

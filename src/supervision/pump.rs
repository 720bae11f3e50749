//! Hands the waiting messages to an actor, from within its own context.
//!
//! It is the first future spawned on every context, so that actix itself sees to it that no message is handled while the
//! actor waits for something or is stopping.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use actix::ActorFuture;
use actix::fut::wrap_future;

use super::address::Supervised;
use super::child::Child;
use super::context::Context;
use super::delivery::Delivery;
use super::faults::{Twist, panic_as_asked};
use super::queue::{Next, Queue};

pub(super) struct Pump<A: Supervised> {
    pub(super) child: Arc<Child>,
    pub(super) queue: Arc<Queue<Delivery<A>>>,
    pub(super) life: u64,
}

impl<A: Supervised> ActorFuture<A> for Pump<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, actor: &mut A, ctx: &mut Context<A>, task: &mut TaskContext<'_>) -> Poll<()> {
        ctx.reap_tasks(task);
        // While the actor waits or stops it is not polled, or has nothing to do; actix polls it again afterwards.
        while !ctx.is_waiting() {
            let delivery = match self.queue.next(self.life, Some(task.waker())) {
                Next::Message(delivery) => delivery,
                // A superseded life gets no message, and its task ends at this turn.
                Next::Nothing | Next::Superseded => return Poll::Pending,
            };
            match self.child.faults.on_message() {
                None => delivery.open(actor, ctx),
                Some(Twist::Panic) => {
                    delivery.begin();
                    panic_as_asked();
                }
                Some(Twist::Hang) => {
                    delivery.begin();
                    ctx.wait_for(wrap_future::<_, A>(async move {
                        std::future::pending::<()>().await;
                        drop(delivery);
                    }));
                }
            }
            ctx.after_message();
        }
        Poll::Pending
    }
}

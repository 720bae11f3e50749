//! The task of an actor: waits to be told to rise, runs a life to its end, tells of it, and waits again.
//!
//! It runs on the thread of the child's arbiter. Orders are looked at before the actor's own work at every turn; whether
//! there is another life is the supervisor's to say.

use std::future::poll_fn;
use std::task::Poll;

use tokio::time::{Instant, sleep};

use super::address::Supervised;
use super::cause::{Cause, CauseKind};
use super::child::Notice;
use super::ends::EndGuard;
use super::faults::panic_as_asked;
use super::orders::Order;
use super::panics::caught;
use super::vessel::Vessel;

/// An actor's task and what it owns. Fields are dropped in this order: the actor is gone when its end is told.
pub(super) struct Life<A: Supervised> {
    pub(super) vessel: Vessel<A>,
    pub(super) guard: EndGuard,
}

/// What comes after a life.
enum Then {
    /// The child waits for orders.
    Wait(Cause),
    /// It is built anew at once: an operator's order.
    Again,
    /// It was told to stop for good.
    End(Cause),
    /// Another task has taken over.
    Superseded,
}

impl<A: Supervised> Life<A> {
    pub(super) async fn run(mut self) {
        while rises(&self.guard).await {
            let then = loop {
                let began = Instant::now();
                let then = self.live().await;
                if self.guard.is_superseded() {
                    break Then::Superseded;
                }
                match then {
                    Then::Again if self.guard.child.is_final() => break Then::End(Cause::ordered()),
                    Then::Again => {}
                    Then::Wait(cause) => {
                        if !self.guard.went_down(cause, began.elapsed()) {
                            break Then::Superseded;
                        }
                        break Then::Again;
                    }
                    then => break then,
                }
            };
            match then {
                Then::End(cause) => {
                    // A failure on the way out is told before the end.
                    self.guard.went_down(cause, std::time::Duration::ZERO);
                    break;
                }
                Then::Superseded => break,
                Then::Wait(_) | Then::Again => {}
            }
        }
        let closed = self.vessel.close();
        if let Err(panic) = closed {
            self.guard.went_down(panic.into(), std::time::Duration::ZERO);
        }
    }

    /// One life, from the factory to the end.
    async fn live(&mut self) -> Then {
        let child = &self.guard.child;
        if let Some(delay) = child.starts_late()
            && let Some(order) = ordered_within(&self.guard, delay).await
        {
            return match order {
                Order::Kill | Order::Stop if child.orders.stop_given() => Then::End(Cause::ordered()),
                Order::Restart => Then::Again,
                _ => Then::Wait(Cause::ordered()),
            };
        }
        let Some(life) = self.guard.begin_life() else {
            return Then::Superseded;
        };
        if let Err(panic) = self.vessel.raise(life) {
            return Then::Wait(panic.into());
        }
        if !self.guard.came_up() {
            // Built too late: another lives in its place, and this one has no life that its hooks could speak of.
            let _panic = self.vessel.lay_low();
            return Then::Superseded;
        }
        // A factory that took its time and came to an end all the same.
        child.orders.take_back(Order::Unstick);
        self.last().await
    }

    /// Runs the actor that was built to its end.
    async fn last(&mut self) -> Then {
        let Self { vessel, guard } = self;
        let child = &guard.child;
        let mut ending = None;
        let calm = sleep(child.spec.policy.calm);
        tokio::pin!(calm);
        let was_degraded = child.is_degraded();
        let mut is_calm = false;
        loop {
            let cause = tokio::select! {
                biased;
                order = guard.order() => match order {
                    Order::Kill => vessel.cut_off().map_or_else(Into::into, |()| Cause::ordered()),
                    Order::Stop | Order::LieDown => {
                        ending = Some(order);
                        vessel.stop();
                        continue;
                    }
                    Order::Restart | Order::Rise | Order::Unstick | Order::Panic if ending.is_some() => continue,
                    Order::Restart | Order::Rise => match vessel.cut_off() {
                        Ok(()) if guard.is_superseded() => return Then::Superseded,
                        Ok(()) => {
                            child.orders.suspend(false);
                            return Then::Again;
                        }
                        Err(panic) => panic.into(),
                    },
                    Order::Unstick => {
                        // A panic of its hook says less than why it was cut off.
                        let _panic = vessel.cut_off();
                        Cause::new(CauseKind::Stuck, STUCK)
                    }
                    Order::Panic => {
                        let injected = caught(panic_as_asked);
                        let _panic = vessel.lay_low();
                        injected.map_or_else(Into::into, |()| Cause::ordered())
                    }
                },
                () = &mut calm, if was_degraded && !is_calm => {
                    is_calm = true;
                    child.tell(Notice::Calm(child.id));
                    continue;
                }
                cause = poll_fn(|task| {
                    if guard.is_superseded() {
                        return Poll::Ready(Cause::ordered());
                    }
                    if child.orders.is_suspended() && ending.is_none() {
                        return Poll::Pending;
                    }
                    let poll = vessel.poll(task);
                    if guard.is_superseded() { Poll::Ready(Cause::ordered()) } else { poll }
                }) => {
                    // A panic while a broken actor is dropped says less than the failure that led to it.
                    let _second_panic = vessel.lay_low();
                    if ending.is_some() && !cause.is_failure() { Cause::ordered() } else { cause }
                }
            };
            return if child.orders.stop_given() {
                Then::End(cause)
            } else {
                Then::Wait(cause)
            };
        }
    }
}

/// The text of an end for want of progress.
pub(super) const STUCK: &str = "made no progress";

/// Waits until the child is told to rise; false if it is told to end.
pub(super) async fn rises(guard: &EndGuard) -> bool {
    let child = &guard.child;
    loop {
        if child.is_final() {
            return false;
        }
        match guard.order().await {
            Order::Rise => return !child.is_final(),
            Order::Stop => return false,
            Order::LieDown => {
                // The supervisor changed its mind before the child had a turn, and waits for an answer.
                if child.orders.take_back(Order::Rise) {
                    child.tell(Notice::Down(child.id, Cause::ordered(), std::time::Duration::ZERO));
                }
            }
            // It is for the supervisor to end the wait for a backoff.
            Order::Restart => child.tell(Notice::Restart(child.id)),
            Order::Kill | Order::Unstick | Order::Panic => {}
        }
    }
}

/// The next order, if it comes in time.
pub(super) async fn ordered_within(guard: &EndGuard, delay: std::time::Duration) -> Option<Order> {
    tokio::time::timeout(delay, guard.order()).await.ok()
}

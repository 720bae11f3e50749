//! The task of a supervisor: hears what becomes of its children, lets its plan decide, and does what it says.
//!
//! Guarantees: it never waits for a child, so that an order to stop reaches it whatever its children do; a child that hangs
//! is found while the supervisor's own thread runs.

use std::sync::Arc;
use std::time::Duration;

use actix::ArbiterHandle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use super::cause::{Cause, CauseKind};
use super::child::Notice;
use super::ends::EndGuard;
use super::faults::panic_as_asked;
use super::life::rises;
use super::liveness::Rounds;
use super::nest::Nest;
use super::orders::Order;
use super::panics::caught;
use super::plan::{Act, End, Facts, Plan, Why};

pub(super) struct Watchman {
    nest: Arc<Nest>,
    plan: Plan,
    notices: UnboundedReceiver<Notice>,
    rounds: Rounds,
    /// Why the supervisor's life is over, from the plan's word to the end of the turn.
    over: Option<Why>,
    /// How the life ended that the plan was told of last.
    last_end: Option<Cause>,
    /// The cause that a life of the supervisor ends with, if it is an injected fault.
    injected: Option<Cause>,
    guard: EndGuard,
}

/// Starts the task of a supervisor.
pub(super) fn launch(nest: Arc<Nest>, notices: UnboundedReceiver<Notice>, guard: EndGuard, arbiter: &ArbiterHandle) {
    let watchman = Watchman {
        plan: Plan::new(nest.rules.strategy, nest.rules.intensity, nest.rules.auto_shutdown),
        nest,
        notices,
        rounds: Rounds::default(),
        over: None,
        last_end: None,
        injected: None,
        guard,
    };
    // A refusal drops the guard, which ends the supervisor.
    arbiter.spawn_fn(move || {
        actix::spawn(watchman.run());
    });
}

impl Watchman {
    async fn run(mut self) {
        let child = Arc::clone(&self.guard.child);
        let mut again = false;
        while std::mem::take(&mut again) || rises(&self.guard).await {
            // No other task ever takes over.
            self.guard.begin_life();
            self.guard.came_up();
            let began = Instant::now();
            self.plan.begin(began);
            let why = self.watch().await;
            let cause = match why {
                // Not by an order to itself, which would take back one of its parent's that came meanwhile.
                Why::Recycled => {
                    again = !child.is_final();
                    continue;
                }
                Why::Stopped => break,
                Why::LaidDown => Cause::ordered(),
                Why::Finished => Cause::new(CauseKind::Finished, ""),
                Why::Injected => self.injected.take().unwrap_or_else(Cause::ordered),
                Why::Escalated(id) => self.escalation(id),
            };
            if child.is_root() {
                // There is nobody to restart it: all ends, and the application is told.
                child.failed(&cause, None);
                child.order_stop();
                break;
            }
            self.guard.went_down(cause, began.elapsed());
        }
        // Whatever it was that ended it: nothing beneath it stays.
        self.nest.close();
        while let Ok(notice) = self.notices.try_recv() {
            self.hear(notice);
        }
        self.plan.descend(Why::Stopped, Instant::now());
        if self.act().is_none() {
            self.watch().await;
        }
    }

    /// One life of the supervisor, or its way down.
    async fn watch(&mut self) -> Why {
        loop {
            if let Some(why) = self.act() {
                return why;
            }
            let now = Instant::now();
            let far = now + Duration::from_secs(3_600);
            let deadline = self.plan.deadline().unwrap_or(far);
            if deadline <= now {
                // A timer would take a millisecond for no time at all. What is due comes of a notice each time, so that
                // orders get their turn.
                self.plan.tick(now);
                continue;
            }
            let round = self.rounds.next().unwrap_or(far);
            if round <= now {
                // However many notices there are; the next is never due at once.
                self.look_round();
                continue;
            }
            tokio::select! {
                biased;
                order = self.guard.order() => self.ordered(order),
                // The task holds a sender itself, by the nest.
                Some(notice) = self.notices.recv() => self.hear(notice),
                () = sleep_until(deadline) => self.plan.tick(Instant::now()),
                () = sleep_until(round) => self.look_round(),
            }
        }
    }

    fn ordered(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Stop => self.plan.descend(Why::Stopped, now),
            Order::LieDown => self.plan.descend(Why::LaidDown, now),
            Order::Kill => {
                // It comes before the order whose time is over, if both came at once.
                let is_final = self.guard.child.is_final();
                self.plan
                    .descend(if is_final { Why::Stopped } else { Why::LaidDown }, now);
                self.plan.hurry(now);
            }
            Order::Restart => self.plan.descend(Why::Recycled, now),
            Order::Panic => {
                self.injected = caught(panic_as_asked).err().map(Cause::from);
                self.plan.descend(Why::Injected, now);
            }
            Order::Rise | Order::Unstick => {}
        }
    }

    fn hear(&mut self, notice: Notice) {
        let now = Instant::now();
        match notice {
            Notice::Added(child) => {
                self.rounds.includes(&child, now);
                self.plan.added(child.id, Facts::from(&*child), now);
            }
            Notice::Up(id) => self.plan.up(id, now),
            Notice::Down(id, cause, lived) => self.down(id, &cause, lived, now),
            Notice::Calm(id) => self.plan.calm(id),
            Notice::Gone(id) => {
                self.plan.gone(id, now);
                if let Some(child) = self.nest.get(id) {
                    child.around.note_end(&child);
                    self.nest.forget(&child);
                }
            }
            Notice::Restart(id) => self.plan.restart(id, now),
            Notice::Stop(id) => self.plan.stop(id, now),
        }
    }

    fn down(&mut self, id: u64, cause: &Cause, lived: Duration, now: Instant) {
        // Without a random number the wait is the shortest of its range; nothing else depends on it.
        let random = getrandom::u32().unwrap_or(0);
        let end = match cause.kind {
            CauseKind::Ordered => End::Ordered,
            CauseKind::Finished => End::Finished,
            _ => End::Failed,
        };
        self.last_end = Some(cause.clone());
        self.plan.down(id, end, lived, random, now);
        // Now, while it is known which failure the acts are about.
        self.do_acts();
    }

    fn look_round(&mut self) {
        let now = Instant::now();
        let children = self.nest.list();
        for child in self.rounds.look(&children, now) {
            let lived = Duration::ZERO;
            let cause = Cause::new(CauseKind::Stuck, super::life::STUCK);
            child.went_down_unheard(&cause);
            self.down(child.id, &cause, lived, now);
        }
    }

    /// Does what the plan says; whether the supervisor's life is over.
    fn act(&mut self) -> Option<Why> {
        self.do_acts();
        self.over.take()
    }

    fn do_acts(&mut self) {
        for act in self.plan.acts() {
            match act {
                Act::Over(why) => self.over = Some(why),
                Act::Raise(id) => self.order(id, Order::Rise),
                Act::LieDown(id) => self.order(id, Order::LieDown),
                Act::Recycle(id) => self.order(id, Order::Restart),
                Act::Stop(id) => {
                    if let Some(child) = self.nest.get(id) {
                        child.order_stop();
                    }
                }
                Act::Kill(id) => {
                    if let Some(child) = self.nest.get(id) {
                        child.order_kill();
                    }
                }
                Act::Abandon(id) => {
                    if let Some(child) = self.nest.get(id) {
                        if child.orders.stop_given() {
                            child.give_up();
                            child.around.note_end(&child);
                        } else if let Some(relaunch) = child.relaunch.get() {
                            relaunch(&child);
                        }
                    }
                }
                Act::Failed(id, verdict) => {
                    if let (Some(child), Some(cause)) = (self.nest.get(id), &self.last_end) {
                        child.failed(cause, verdict);
                    }
                }
                Act::Recovered(id) => {
                    if let Some(child) = self.nest.get(id) {
                        child.recovered();
                    }
                }
                // Known to the plan only; what is shown is looked after when the end is told.
                Act::Forget(_) => {}
            }
        }
    }

    fn order(&self, id: u64, order: Order) {
        if let Some(child) = self.nest.get(id) {
            child.orders.give(order);
        }
    }

    /// The failure of a supervisor whose child `id` failed once more than it bears. What others did on the way down since
    /// says less.
    fn escalation(&self, id: u64) -> Cause {
        let child = self.nest.get(id);
        let text = child.map_or_else(
            || "a child failed too often".to_owned(),
            |child| match &child.status().last_failure {
                Some(failure) => format!("{} failed too often, at last: {}", child.name, failure.error),
                None => format!("{} failed too often", child.name),
            },
        );
        Cause::new(CauseKind::Escalated, text)
    }
}

impl Drop for Watchman {
    /// Its arbiter may have ended under it, and children of it live on others: nothing beneath it stays.
    fn drop(&mut self) {
        self.nest.close();
        for child in self.nest.list().iter().rev().filter(|child| !child.has_ended()) {
            child.order_stop();
        }
    }
}

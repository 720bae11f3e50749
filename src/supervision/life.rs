//! The life of a child: built, run, rebuilt after failures, ended by an order.
//!
//! This is the child's own task, on its arbiter's thread. Orders are looked at before the actor's own work at every turn.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::address::Supervised;
use super::child::{Child, EndGuard};
use super::event::EventKind;
use super::orders::Order;
use super::policy::Record;
use super::vessel::Vessel;

/// The text of a failure that was no panic.
const STOPPED_BY_ITSELF: &str = "stopped by itself";

/// A child's task and what it owns. Fields are dropped in this order: the mailbox is empty and counted when the end is told.
pub(super) struct Life<A: Supervised> {
    pub(super) vessel: Vessel<A>,
    pub(super) guard: EndGuard,
}

/// How one build of the actor ended.
enum End {
    /// By a stop order; with the panic of a hook, if one did.
    Stopped(Result<(), String>),
    /// By an operator's restart.
    Ordered,
    /// By itself.
    Failed {
        kind: EventKind,
        error: String,
        lived: Duration,
    },
}

impl<A: Supervised> Life<A> {
    pub(super) async fn run(mut self) {
        let mut record = Record::default();
        self.go_on(&mut record).await;
        if let Err(panic) = self.vessel.close() {
            self.guard.0.failed(EventKind::Panicked, panic, None);
        }
    }

    async fn go_on(&mut self, record: &mut Record) {
        let child = &self.guard.0;
        let vessel = &mut self.vessel;
        while !child.is_final() {
            let end = match vessel.raise() {
                Ok(()) => {
                    child.came_up();
                    one_life(vessel, child, record).await
                }
                Err(error) => End::Failed {
                    kind: EventKind::Panicked,
                    error,
                    lived: Duration::ZERO,
                },
            };
            let (kind, error, lived) = match end {
                End::Ordered => continue,
                End::Stopped(Ok(())) => return,
                End::Stopped(Err(panic)) => (EventKind::Panicked, panic, None),
                End::Failed { kind, error, lived } => (kind, error, Some(lived)),
            };
            // A panic while the broken actor's futures are dropped says less than the failure that led to it.
            let _second_panic = vessel.lay_low();
            let Some(lived) = lived.filter(|_| !child.is_final()) else {
                child.failed(kind, error, None);
                return;
            };
            // Without a random number the wait is the shortest of its range; nothing else depends on it.
            let random = getrandom::u32().unwrap_or(0);
            let verdict = record.failed(lived, child.policy(), random);
            child.failed(kind, error, Some(verdict));
            back_off(child, verdict.wait()).await;
        }
    }
}

/// Runs one build of the actor to its end.
async fn one_life<A: Supervised>(vessel: &mut Vessel<A>, child: &Child, record: &mut Record) -> End {
    let began = Instant::now();
    let failed = |kind, error| End::Failed {
        kind,
        error,
        lived: began.elapsed(),
    };
    let mut stopping = false;
    let calm = sleep(child.policy().calm);
    tokio::pin!(calm);
    loop {
        tokio::select! {
            biased;
            order = child.orders().next() => match order {
                Order::Kill => return End::Stopped(vessel.cut_off()),
                Order::Stop => {
                    stopping = true;
                    vessel.stop();
                }
                Order::Restart if stopping => {}
                Order::Restart => match vessel.cut_off() {
                    Ok(()) => return End::Ordered,
                    Err(error) => return failed(EventKind::Panicked, error),
                },
            },
            () = &mut calm, if record.is_degraded() => {
                record.calmed();
                child.recovered();
            }
            ended = vessel.ended() => return match ended {
                ended if stopping => End::Stopped(ended),
                Ok(()) => failed(EventKind::Ended, STOPPED_BY_ITSELF.to_owned()),
                Err(error) => failed(EventKind::Panicked, error),
            },
        }
    }
}

/// Waits, or until an order: a restart is what follows anyway, and a stop is remembered by the child.
async fn back_off(child: &Child, wait: Duration) {
    tokio::select! {
        biased;
        _order = child.orders().next() => {}
        () = sleep(wait) => {}
    }
}

//! The scheduler: makes the jobs of schedules at their ticks.
//!
//! It looks each second, and at the moment of the next tick. Each node that performs jobs has one, and none of them is special:
//! whoever comes first settles a tick, and the others find it settled. So a tick is made once however many look at once, and at
//! the time of the fastest clock; clocks are corrected by the database's. At its start, and so after each upgrade, it puts right
//! the ticks that the rules of time zones have moved.
//!
//! Guarantees: one look at a time; what fails is tried again at the next.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler, Message, SpawnHandle};
use tokio::task::JoinHandle;

use super::POLL_EVERY;
use super::retiming::retime;
use super::ticking::settle_due;
use crate::clock::{Clock, Timestamp};
use crate::domain::job::Queue;
use crate::domain::schedule::Zones;
use crate::jobs::Registry;
use crate::store::Store;
use crate::store::reports::KeptMax;
use crate::store::schedules::Schedule;
use crate::supervision;

/// The shortest wait for the next tick, as for jobs that are due.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// Whether a workspace may have another job of a schedule in this queue now; if not, why, for people.
pub type Admit = Arc<dyn Fn(&Schedule, Queue) -> Result<(), String> + Send + Sync>;

/// What a scheduler is made of; it is rebuilt from the same parts after a panic.
#[derive(Clone)]
pub struct SchedulerParts {
    /// Where schedules are kept.
    pub store: Store,
    /// The kinds that this process performs; schedules of others are left to other nodes.
    pub registry: Registry,
    /// The time.
    pub clock: Clock,
    /// The time zones.
    pub zones: Zones,
    /// Asked before each job.
    pub admit: Admit,
    /// How much a bounded workspace may keep.
    pub kept_max: KeptMax,
}

/// Looks and settles; see the module.
pub struct Scheduler {
    parts: Arc<SchedulerParts>,
    /// The timer for the next tick.
    next: Option<(Timestamp, SpawnHandle)>,
    looking: Option<JoinHandle<()>>,
}

/// A look has settled what was due.
#[derive(Message)]
#[rtype(result = "()")]
struct Looked {
    next: Option<Timestamp>,
}

impl Scheduler {
    /// A scheduler of these parts.
    #[must_use]
    pub fn new(parts: Arc<SchedulerParts>) -> Self {
        Self {
            parts,
            next: None,
            looking: None,
        }
    }

    fn look(&mut self, ctx: &supervision::Context<Self>) {
        if self.looking.as_ref().is_some_and(|look| !look.is_finished()) {
            return;
        }
        let (parts, me) = (Arc::clone(&self.parts), ctx.address());
        self.looking = Some(tokio::spawn(async move {
            let next = settle_due(&parts).await;
            if me.try_tell(Looked { next }).is_err() {
                tracing::debug!("the scheduler is busy or stopped; its poll finds what is due");
            }
        }));
    }
}

impl Actor for Scheduler {
    type Context = supervision::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let parts = Arc::clone(&self.parts);
        tokio::spawn(async move { retime(&parts).await });
        self.look(ctx);
        ctx.run_interval(POLL_EVERY, |scheduler, ctx| scheduler.look(ctx));
    }
}

supervision::supervised!(Scheduler);

impl Handler<Looked> for Scheduler {
    type Result = ();

    fn handle(&mut self, Looked { next }: Looked, ctx: &mut Self::Context) {
        let Some(next) = next else { return };
        let wait = next.since(self.parts.clock.now());
        if wait >= POLL_EVERY || self.next.is_some_and(|(at, _)| at <= next) {
            return;
        }
        if let Some((_, timer)) = self.next.take() {
            ctx.cancel_future(timer);
        }
        let timer = ctx.run_later(wait.max(WAIT_MIN), |scheduler, ctx| {
            scheduler.next = None;
            scheduler.look(ctx);
        });
        self.next = Some((next, timer));
    }
}

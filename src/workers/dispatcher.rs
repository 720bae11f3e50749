//! The dispatcher: claims waiting jobs and sends them to their workers.
//!
//! It is woken by commits that made jobs available, by slots that become free, by the time of the next job that is due, and
//! by a poll. It also finds cancels that were asked for and whose
//! message was lost (the row comes first, the message second), running jobs whose deadline came unnoticed, and jobs that run
//! here by the database and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler, Message, SpawnHandle};

use tokio::task::JoinHandle;

use super::{Lane, Wake, Wakes};
use crate::clock::{Clock, Timestamp};
use crate::domain::id::NodeId;
use crate::domain::job::Queue;
use crate::jobs::StopCause;
use crate::store::{Store, jobs};
use crate::supervision;
use crate::telemetry;
use crate::telemetry::names::event;

/// How often it looks without being woken: the most that a lost wake or a lost cancel costs.
pub const POLL_EVERY: Duration = Duration::from_secs(1);

/// How often it looks for running jobs of this node that no attempt of it has. A lost answer is rare, and its jobs wait that
/// long.
const UNLISTED_EVERY: Duration = Duration::from_secs(10);

/// The shortest wait for a job that is due: a clock that jumps must not make a busy loop.
const DUE_WAIT_MIN: Duration = Duration::from_millis(1);

/// What a dispatcher is made of; it is rebuilt from the same parts after a panic.
pub struct DispatcherParts {
    /// The queues that this process performs.
    pub lanes: Vec<Arc<Lane>>,
    /// Where jobs are kept.
    pub store: Store,
    /// This process.
    pub node: NodeId,
    /// The time.
    pub clock: Clock,
    /// Told which wakes arrived.
    pub wakes: Wakes,
}

/// Claims and sends; see the module.
pub struct Dispatcher {
    parts: Arc<DispatcherParts>,
    /// The timer for the next job that is due.
    due: Option<(Timestamp, SpawnHandle)>,
    /// The look for work that this node does not know that it has.
    looking: Option<JoinHandle<()>>,
}

/// A lane has claimed what it could.
#[derive(Message)]
#[rtype(result = "()")]
struct Served {
    next_due: Option<Timestamp>,
}

impl Dispatcher {
    /// A dispatcher of these parts.
    #[must_use]
    pub fn new(parts: Arc<DispatcherParts>) -> Self {
        Self {
            parts,
            due: None,
            looking: None,
        }
    }

    fn serve(&self, queue: Queue, ctx: &supervision::Context<Self>) {
        let Some(lane) = self.parts.lanes.iter().find(|lane| lane.queue() == queue) else {
            return;
        };
        let (lane, me) = (Arc::clone(lane), ctx.address());
        tokio::spawn(async move {
            let next_due = lane.serve().await;
            if me.try_tell(Served { next_due }).is_err() {
                tracing::debug!("the dispatcher is busy or stopped; its poll finds what is due");
            }
        });
    }

    fn serve_all(&self, ctx: &supervision::Context<Self>) {
        for lane in &self.parts.lanes {
            self.serve(lane.queue(), ctx);
        }
    }

    /// One look at a time.
    fn take_back_unlisted(&mut self) {
        if self.looking.as_ref().is_some_and(|look| !look.is_finished()) {
            return;
        }
        let parts = Arc::clone(&self.parts);
        self.looking = Some(tokio::spawn(async move {
            for lane in &parts.lanes {
                lane.take_back_unlisted().await;
            }
        }));
    }

    fn find_what_is_to_stop(&self) {
        let parts = Arc::clone(&self.parts);
        if parts.lanes.iter().all(|lane| lane.attempts().in_flight() == 0) {
            return;
        }
        tokio::spawn(async move {
            let (node, now) = (parts.node, parts.clock.now());
            let read = parts.store.read(move |connection| {
                let asked = jobs::cancel_requested(connection, node)?;
                Ok((asked, jobs::running_overdue(connection, node, now)?))
            });
            match read.await {
                Ok((asked, overdue)) => {
                    let asked = asked.into_iter().map(|job| (job, StopCause::CancelRequested));
                    let overdue = overdue.into_iter().map(|job| (job, StopCause::DeadlinePassed));
                    for (job, cause) in asked.chain(overdue) {
                        parts.lanes.iter().any(|lane| lane.attempts().stop(job, cause));
                    }
                }
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tracing::warn!(
                        event = event::CANCELS_UNSEEN,
                        error,
                        "cancels could not be looked for; the next poll tries again"
                    );
                }
            }
        });
    }
}

impl Actor for Dispatcher {
    type Context = supervision::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        for queue in Queue::ALL {
            self.parts.wakes.heard(*queue);
        }
        self.serve_all(ctx);
        ctx.run_interval(POLL_EVERY, |dispatcher, ctx| {
            dispatcher.serve_all(ctx);
            dispatcher.find_what_is_to_stop();
        });
        ctx.run_interval(UNLISTED_EVERY, |dispatcher, _| dispatcher.take_back_unlisted());
    }
}

supervision::supervised!(Dispatcher);

impl Handler<Wake> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Wake(queue): Wake, ctx: &mut Self::Context) {
        // Before the look, so that what comes after it is a wake of its own.
        self.parts.wakes.heard(queue);
        self.serve(queue, ctx);
    }
}

impl Handler<Served> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Served { next_due }: Served, ctx: &mut Self::Context) {
        let Some(next) = next_due else { return };
        let wait = next.since(self.parts.clock.now());
        if wait >= POLL_EVERY || self.due.is_some_and(|(due, _)| due <= next) {
            return;
        }
        if let Some((_, timer)) = self.due.take() {
            ctx.cancel_future(timer);
        }
        let timer = ctx.run_later(wait.max(DUE_WAIT_MIN), |dispatcher, ctx| {
            dispatcher.due = None;
            dispatcher.serve_all(ctx);
        });
        self.due = Some((next, timer));
    }
}

//! `jobs.bulk`: what an operator orders of many jobs at once, done a portion at a time.
//!
//! Guarantees:
//! - Jobs are taken in the order of their ids, each once: a portion's changes and how far it came are one transaction, under
//!   the fence of the attempt, so that whatever ends the attempt (`kill -9` too) leaves a place from which the next one goes
//!   on, and no job is run again twice by one order.
//! - What came to be meant after the order was accepted is left alone, so that an order ends.
//! - At a rate, no more jobs a second are changed than it says, over restarts too (`domain::job::Cadence`).
//! - One that takes long makes way: where another order has waited for [`SHARE`], it gives its place up and goes on behind that
//!   one, so that slow orders keep nobody from ordering anything, such as their own cancel.
//! - Each is changed as by an order for it alone: by the same function, with the same events. The attempts of running ones
//!   are told at once if they run here, and elsewhere by their node's next poll.
//!
//! Left out: doing it all at once. What is ordered for many is seen in its progress, and can be cancelled half-way.

mod course;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::course::Course;
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::{Backoff, BulkAction, Cadence, JobState, Queue, Selection, WhenUncertain};
use crate::jobs::{Depths, JobContext, Kind, Outcome};
use crate::store::jobs::{self, Carrier, ChangedArgs, ChangedJob, Done, Meant, PORTION_MAX, Portion, PortionDone};
use crate::store::{Abort, Held, KnownKind, Store, StoreError};
use crate::telemetry;
use crate::telemetry::names::event;

/// The longest wait for a turn before the clock is looked at again: it may have been set.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long one attempt goes on before it gives itself back and goes on as another: half of its time, so that an order that
/// takes days by its rate never runs out of an attempt's time.
const TURN: Duration = Duration::from_secs(12 * 3600);

/// How long an order has its place before it looks whether others wait, and how long those must have waited to be let in.
const SHARE: Duration = Duration::from_secs(10);

/// How long it stands back for others, so that they are there before it.
const STANDS_BACK: Duration = Duration::from_secs(1);

/// Tells attempts of this process to end; what it is told by is set once there are some.
#[derive(Clone, Default)]
pub struct Hurry(Arc<OnceLock<CancelAttempt>>);

/// Tells the attempt of a job to end, and answers whether it runs here.
type CancelAttempt = Box<dyn Fn(JobId) -> bool + Send + Sync>;

impl Hurry {
    /// From now on attempts are told by `cancel`; of two, the first stays.
    pub fn by(&self, cancel: impl Fn(JobId) -> bool + Send + Sync + 'static) {
        drop(self.0.set(Box::new(cancel)));
    }

    pub(super) fn tell(&self, job: JobId) {
        if let Some(cancel) = self.0.get() {
            cancel(job);
        }
    }
}

/// Does with many jobs what an operator ordered.
pub struct JobsBulk {
    store: Store,
    depths: Depths,
    hurry: Hurry,
}

/// Which jobs, and what is to be done with them.
#[derive(Debug, Serialize, Deserialize)]
pub struct JobsBulkArgs {
    /// What.
    pub action: BulkAction,
    /// With which.
    pub selection: Selection,
    /// With so many a second; as fast as it goes if there is no number.
    pub rate_per_s: Option<u32>,
    /// Other arguments for those that run again.
    pub changed: Option<OtherArgs>,
    /// How many there were when it was ordered, if they were counted.
    pub total: Option<u64>,
}

/// Arguments that take the place of a job's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OtherArgs {
    /// As they are stored.
    pub args: String,
    /// The version of their shape.
    pub version: u32,
}

/// Why an attempt ends before all is done.
enum Ended {
    /// It was told to stop, or is no longer this attempt.
    Stopped,
    /// It has gone on for its turn, or makes way for others.
    GoesOn,
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl JobsBulk {
    /// Finds and changes jobs in `store`; tells `depths` what waits and what waits no more.
    #[must_use]
    pub fn new(store: Store, depths: Depths, hurry: Hurry) -> Self {
        Self { store, depths, hurry }
    }

    async fn go(&self, args: JobsBulkArgs, course: &mut Course, ctx: &JobContext) -> Result<(), Ended> {
        let began = ctx.now();
        let mut looked_at = began;
        let (action, total) = (args.action, args.total);
        let meant = Meant::by(args.selection, action, ctx.accepted_at(), Some(ctx.job()));
        let changed = args.changed.map(|other| ChangedArgs {
            args: other.args,
            version: other.version,
        });
        let mut cadence = args.rate_per_s.map(|per_s| Cadence::new(per_s, course.next_at));
        loop {
            course.tell(total, ctx);
            let now = ctx.now();
            if now.since(began) >= TURN {
                return Err(Ended::GoesOn);
            }
            if now.since(looked_at) >= SHARE {
                looked_at = now;
                if self.keeps_others_waiting(now).await? {
                    return Err(Ended::GoesOn);
                }
            }
            if let Some(cadence) = &cadence {
                turn(cadence, ctx).await?;
            }
            if ctx.stop_cause().is_some() {
                return Err(Ended::Stopped);
            }
            let limit = cadence.map_or(PORTION_MAX, |cadence| cadence.portion(PORTION_MAX));
            let (asked, behind) = (meant.clone(), course.behind);
            let read = self
                .store
                .read(move |connection| jobs::meant_page(connection, &asked, behind, limit));
            let page = read.await?;
            if !page.jobs.is_empty() {
                let now = ctx.now();
                let portion = Portion {
                    action,
                    meant: meant.clone(),
                    jobs: page.jobs,
                    changed: changed.clone(),
                    carrier: Carrier {
                        job: ctx.job(),
                        fence: ctx.fence(),
                    },
                    now,
                };
                if let Some(cadence) = &mut cadence {
                    cadence.spend(portion.jobs.len(), now);
                }
                let next_at = cadence.and_then(|cadence| cadence.next());
                *course = self.change(portion, course.clone(), next_at).await?;
            }
            match page.next {
                Some(next) => course.behind = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Whether another order has waited long enough to be let in.
    async fn keeps_others_waiting(&self, now: Timestamp) -> Result<bool, StoreError> {
        let known = KnownKind {
            name: Self::NAME,
            version: Self::VERSION,
        };
        let read = self
            .store
            .read(move |connection| jobs::oldest(connection, Self::QUEUE, &[known]));
        Ok(read.await?.is_some_and(|since| now.since(since) >= SHARE))
    }

    /// Changes the jobs of a portion, and answers how far it has come by that.
    async fn change(&self, portion: Portion, before: Course, next_at: Option<Timestamp>) -> Result<Course, Ended> {
        let behind = portion.jobs.last().map(|last| last.id);
        let write = self.store.write(move |tx| {
            let mut course = before.clone();
            let done = jobs::do_portion(tx, &portion, |all| {
                course.count(all);
                course.behind = behind;
                course.next_at = next_at;
                course.to_json()
            });
            Ok::<_, Abort<()>>((done?, course))
        });
        let (done, course) = write.await.map_err(|abort| match abort {
            Abort::Store(error) => Ended::Store(error),
            Abort::Refused(()) => Ended::Stopped,
        })?;
        match done {
            PortionDone::Yes(all) => {
                for done in all {
                    if let Done::Changed(job) = done {
                        self.note(&job);
                    }
                }
                Ok(course)
            }
            PortionDone::Stopped(Held::Yes { .. } | Held::No) => Err(Ended::Stopped),
        }
    }

    /// Tells of a job that was changed whoever keeps something of it.
    fn note(&self, job: &ChangedJob) {
        if job.state == JobState::Running {
            self.hurry.tell(job.id);
        }
        let Ok(queue) = job.queue.parse::<Queue>() else { return };
        match job.state {
            JobState::Cancelled => self.depths.left(queue, [job.workspace]),
            JobState::Available => self.depths.add(queue, job.workspace, 1),
            _ => {}
        }
    }
}

/// Waits until the next portion may go.
async fn turn(cadence: &Cadence, ctx: &JobContext) -> Result<(), Ended> {
    loop {
        let wait = cadence.wait(ctx.now());
        if wait.is_zero() {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = ctx.stopped() => return Err(Ended::Stopped),
            () = tokio::time::sleep(wait.min(LOOK_AGAIN)) => {}
        }
    }
}

impl Kind for JobsBulk {
    type Args = JobsBulkArgs;

    const NAME: &'static str = "jobs.bulk";
    const QUEUE: Queue = Queue::Operations;
    /// An attempt fails by the database alone, and the next one goes on where it was: so often that an outage of an hour is
    /// outlived.
    const MAX_ATTEMPTS: u32 = 100;
    /// A day, of which it uses half.
    const TIMEOUT: Duration = Duration::from_secs(24 * 3600);
    const BACKOFF: Backoff = Backoff {
        base: Duration::from_secs(1),
        cap: Duration::from_secs(60),
    };

    fn when_uncertain(&self, _args: &JobsBulkArgs) -> WhenUncertain {
        // How far it has come is written with what it did.
        WhenUncertain::Repeat
    }

    async fn perform(&self, args: JobsBulkArgs, ctx: JobContext) -> Outcome {
        let mut course = Course::of(ctx.earlier_result());
        let total = args.total;
        let ended = self.go(args, &mut course, &ctx).await;
        course.tell(total, &ctx);
        match ended {
            Ok(()) => Outcome::Completed(Some(course.to_value())),
            Err(Ended::Stopped) => Outcome::Cancelled,
            Err(Ended::GoesOn) => Outcome::Snoozed {
                wait: STANDS_BACK,
                why: Some("it goes on in another attempt".to_owned()),
            },
            Err(Ended::Store(error)) => {
                let error = telemetry::chain(&error);
                tracing::warn!(event = event::BULK_FAILED, job = %ctx.job(), %error, "an order for many jobs stopped half-way");
                Outcome::retry("the database could not serve it; it goes on where it was")
            }
        }
    }
}

#[cfg(test)]
mod tests;

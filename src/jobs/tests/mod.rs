//! One attempt after another, alone: what it is told, what it answers, and what is written of it.
//!
//! Time is paused, so that limits and graces pass at once; the ledger is memory, or one that fails as told.

mod arguments;
mod ending;
mod progressing;
mod returning;
mod sending;
mod writing;

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{AttemptEnd, Backoff, Queue, Retry, WhenUncertain};
use crate::store::{AttemptFinish, ClaimedJob};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const LIMIT: Duration = Duration::from_secs(60);

/// What an attempt of a test does.
type Work = Box<dyn FnOnce(JobContext) -> BoxFuture<'static, Outcome> + Send>;

/// A kind whose next attempt does what the test says.
struct Scripted {
    work: Mutex<Option<Work>>,
    rule: WhenUncertain,
}

impl Kind for Scripted {
    type Args = ();

    const NAME: &'static str = "test.scripted";
    const VERSION: u32 = 2;
    const QUEUE: Queue = Queue::Probes;
    const MAX_ATTEMPTS: u32 = 3;
    const TIMEOUT: Duration = LIMIT;
    const BACKOFF: Backoff = Backoff {
        base: Duration::from_secs(10),
        cap: Duration::from_secs(100),
    };

    fn when_uncertain(&self, (): &()) -> WhenUncertain {
        self.rule
    }

    async fn perform(&self, (): (), ctx: JobContext) -> Outcome {
        let work = self.work.lock().unwrap().take().expect("performed twice");
        work(ctx).await
    }
}

fn scripted<F>(rule: WhenUncertain, work: impl FnOnce(JobContext) -> F + Send + 'static) -> Arc<dyn ErasedKind>
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let work: Work = Box::new(move |ctx| work(ctx).boxed());
    Arc::new(Scripted {
        work: Mutex::new(Some(work)),
        rule,
    })
}

/// A claimed job of the second attempt, its place in the list of attempts, and where it writes.
struct Bench {
    job: ClaimedJob,
    attempts: Attempts,
    ledger: MemoryLedger,
    clock: Clock,
}

impl Bench {
    fn new() -> Self {
        Self {
            job: ClaimedJob {
                id: JobId::generate(),
                workspace: WorkspaceId::SERVICE,
                kind: Scripted::NAME.to_owned(),
                queue: Queue::Probes,
                args: "null".into(),
                args_version: 2,
                attempt: 2,
                max_attempts: 3,
                timeout: LIMIT,
                fence: 5,
                created_at: NOW,
                run_at: NOW,
                deadline: None,
                started_at: NOW,
                request_id: None,
                result: None,
                limit_key: String::new(),
            },
            attempts: Attempts::new(),
            ledger: MemoryLedger::new(),
            clock: Clock::manual(NOW),
        }
    }

    fn attempt(&self, kind: Arc<dyn ErasedKind>) -> Attempt {
        self.attempt_with(kind, Arc::new(self.ledger.clone()), Box::new(()))
    }

    fn attempt_with(&self, kind: Arc<dyn ErasedKind>, ledger: Arc<dyn Ledger>, keep: Box<dyn Send + Sync>) -> Attempt {
        Attempt::new(AttemptParts {
            job: self.job.clone(),
            kind,
            handle: self.attempts.begin(self.job.id, self.job.fence),
            ledger,
            clock: self.clock.clone(),
            keep,
        })
    }

    /// Runs a work to its written end.
    async fn run<F>(&self, rule: WhenUncertain, work: impl FnOnce(JobContext) -> F + Send + 'static) -> AttemptFinish
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let attempt = self.attempt(scripted(rule, work));
        let received = attempt.receive();
        attempt.run(received).await.expect("no report");
        self.written().await
    }

    /// The only end that is written, once nothing is in flight.
    async fn written(&self) -> AttemptFinish {
        self.attempts.idle().await;
        let mut ends = self.ledger.finishes();
        assert_eq!(ends.len(), 1, "{ends:?}");
        let end = ends.remove(0);
        assert_eq!((end.job, end.fence, end.at), (self.job.id, self.job.fence, NOW));
        end
    }

    fn stop(&self, cause: StopCause) {
        assert!(self.attempts.stop(self.job.id, cause));
    }
}

/// The retry that the kind's backoff gives its second attempt: twice the base, 20 % more or less.
fn backs_off(retry: Retry) -> bool {
    matches!(retry, Retry::At(at) if (16..=24).contains(&at.since(NOW).as_secs()))
}

fn error(end: &AttemptFinish) -> &str {
    end.error.as_deref().unwrap_or("")
}

async fn forever<T>() -> T {
    pending().await
}

fn is_retried(end: AttemptEnd) -> bool {
    match end {
        AttemptEnd::Failed(retry)
        | AttemptEnd::TimedOut(retry)
        | AttemptEnd::Panicked(retry)
        | AttemptEnd::WorkerPanicked(retry)
        | AttemptEnd::Uncertain(_, retry) => backs_off(retry),
        _ => false,
    }
}

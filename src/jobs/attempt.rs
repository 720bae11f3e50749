//! One attempt, from its claim to its written end.
//!
//! Guarantees: its end is written exactly once (see `conclude`), by whichever comes first: the end of its run, a stop while it
//! waits to begin, or its own drop when its message panicked the worker or was thrown away with a mailbox.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::attempts::AttemptHandle;
use super::conclude::conclude;
use super::ledger::Ledger;
use super::run;
use super::stop::StopCause;
use super::told::Told;
use super::{ArgsError, ErasedKind, Prepared};
use crate::clock::Clock;
use crate::domain::job::{AttemptEnd, AttemptOutcome, JobState, Retry};
use crate::domain::token::random_bytes;
use crate::store::ClaimedJob;
use crate::telemetry;

/// What an attempt is made of.
pub struct AttemptParts {
    /// The claimed job.
    pub job: ClaimedJob,
    /// Its kind.
    pub kind: Arc<dyn ErasedKind>,
    /// Its place in the list of attempts.
    pub handle: AttemptHandle,
    /// Where it writes about itself.
    pub ledger: Arc<dyn Ledger>,
    /// The time.
    pub clock: Clock,
    /// Whatever must be kept until the end is written, such as the worker's slot.
    pub keep: Box<dyn Send + Sync>,
}

/// An attempt that holds its job.
pub struct Attempt {
    /// Where the parts are until it begins, so that a stop can take them from there.
    waiting: Arc<Waiting>,
    /// Set once it began; empty again once its end is being written.
    begun: OnceLock<AttemptParts>,
}

/// An attempt that has not begun: it may wait for long in the mailbox of a worker that is down.
pub(super) struct Waiting {
    parts: Mutex<Option<AttemptParts>>,
}

impl Waiting {
    fn take(&self) -> Option<AttemptParts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends the attempt for this cause, if it has not begun; its message is then an empty one.
    pub(super) fn end(&self, cause: StopCause) {
        if let Some(parts) = self.take() {
            let end = run::stopped_before_it_began(&parts, cause);
            conclude_beside(parts, end);
        }
    }
}

/// What an attempt came to, for whoever sent it.
#[derive(Clone, Debug)]
pub struct Report {
    /// What its record shows.
    pub outcome: AttemptOutcome,
    /// Where the job is now; none if the attempt was no longer ours and nothing was written.
    pub state: Option<JobState>,
    /// What went wrong.
    pub error: Option<String>,
    /// What the work answered, as JSON.
    pub result: Option<String>,
}

/// An end that is to be written.
pub(super) struct End {
    pub(super) end: AttemptEnd,
    pub(super) error: Option<String>,
    pub(super) result: Option<String>,
}

impl End {
    pub(super) fn of(end: AttemptEnd, error: impl Into<String>) -> Self {
        Self {
            end,
            error: Some(error.into()),
            result: None,
        }
    }
}

impl Attempt {
    /// An attempt of these parts.
    #[must_use]
    pub fn new(parts: AttemptParts) -> Self {
        let waiting = Arc::new(Waiting {
            parts: Mutex::default(),
        });
        parts.handle.waits_in(&waiting);
        *waiting.parts.lock().unwrap_or_else(PoisonError::into_inner) = Some(parts);
        Self {
            waiting,
            begun: OnceLock::new(),
        }
    }

    /// Begins: from now on a stop tells the work, and does not end the attempt itself. Answers the job that it holds; none if
    /// it was ended while it waited.
    pub fn begin(&self) -> Option<&ClaimedJob> {
        if let Some(parts) = self.waiting.take() {
            // It is taken once, and so set once.
            self.begun.get_or_init(|| parts);
        }
        self.begun.get().map(|parts| &parts.job)
    }

    /// Begins, if it has not, reads the job's arguments, and calls [`Prepared::received`] on them in the caller's own context.
    ///
    /// # Errors
    /// When the arguments cannot be read; [`Attempt::run`] turns that into the attempt's end.
    pub fn receive(&self) -> Result<Option<Box<dyn Prepared>>, ArgsError> {
        self.begin();
        let Some(parts) = self.begun.get() else { return Ok(None) };
        let prepared = Arc::clone(&parts.kind).prepare(parts.job.args_version, &parts.job.args)?;
        prepared.received();
        Ok(Some(prepared))
    }

    /// Runs the attempt and writes its end.
    pub async fn run(mut self, received: Result<Option<Box<dyn Prepared>>, ArgsError>) -> Option<Report> {
        let told = Arc::new(Told::default());
        let end = match received {
            Ok(Some(prepared)) => run::drive(self.begun.get()?, prepared, &told).await,
            Ok(None) => return None,
            Err(error) => unreadable(self.begun.get()?, &error),
        };
        Some(conclude(self.begun.take()?, end, &told).await)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(parts) = self.begun.take().or_else(|| self.waiting.take()) else {
            return;
        };
        let end = if std::thread::panicking() {
            let retry = retry_after_backoff(&parts);
            End::of(AttemptEnd::WorkerPanicked(retry), "its message panicked the worker")
        } else {
            End::of(AttemptEnd::Drained, "the worker stopped before the attempt began")
        };
        conclude_beside(parts, end);
    }
}

/// Writes the end of an attempt that did not begin, as a task of its own. Without a runtime the process is at its end, and the
/// next start takes the job back.
fn conclude_beside(parts: AttemptParts, end: End) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move { conclude(parts, end, &Told::default()).await });
    }
}

/// The end of an attempt whose arguments cannot be read: those of a newer version wait for a node that knows them, others
/// will never be readable.
fn unreadable(parts: &AttemptParts, error: &ArgsError) -> End {
    /// How long arguments of a newer version wait before they are looked at again.
    const NEWER_WAIT: Duration = Duration::from_secs(60);
    let text = telemetry::chain(error);
    if error.is_newer() {
        End::of(AttemptEnd::Snoozed(parts.clock.now().plus(NEWER_WAIT)), text)
    } else {
        End::of(AttemptEnd::Failed(Retry::Never), text)
    }
}

/// When the next attempt may run after this one failed.
pub(super) fn retry_after_backoff(parts: &AttemptParts) -> Retry {
    // Without randomness the jitter is none: jobs that failed together come back together, which is no reason to fail.
    let random = random_bytes().map(u64::from_le_bytes).unwrap_or(20);
    Retry::At(
        parts
            .clock
            .now()
            .plus(parts.kind.backoff().after(parts.job.attempt, random)),
    )
}

//! One attempt, from its claim to its written end.
//!
//! Guarantees: its end is written exactly once, by whichever comes first: the end of its run, or its own drop when its
//! message panicked the worker or was thrown away with a mailbox. A write that fails is repeated until it succeeds or the
//! store is closed; after that, the next start of the process takes the job back.

use std::sync::Arc;
use std::time::Duration;

use super::attempts::AttemptHandle;
use super::ledger::Ledger;
use super::progress::ProgressCell;
use super::run;
use super::{ArgsError, ErasedKind, Prepared};
use crate::clock::{Clock, Timestamp};
use crate::domain::job::{AttemptEnd, AttemptOutcome, JobState, Retry};
use crate::domain::token::random_bytes;
use crate::store::{AttemptFinish, ClaimedJob, Finished, StoreError};
use crate::telemetry;
use crate::telemetry::names::event;

/// The first wait after a failed write of an end.
const WRITE_RETRY_MIN: Duration = Duration::from_millis(50);
/// The longest wait between two tries: a database that is back is noticed within this.
const WRITE_RETRY_MAX: Duration = Duration::from_secs(5);

/// The longest error text that is kept, in characters.
const ERROR_CHARS_MAX: usize = 2_000;

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
    /// None once the end is being written.
    parts: Option<AttemptParts>,
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
        Self { parts: Some(parts) }
    }

    /// The job that it holds; none once its end is being written.
    #[must_use]
    pub fn job(&self) -> Option<&ClaimedJob> {
        self.parts.as_ref().map(|parts| &parts.job)
    }

    /// Reads the job's arguments, and calls [`Prepared::received`] on them in the caller's own context.
    ///
    /// # Errors
    /// When the arguments cannot be read; [`Attempt::run`] turns that into the attempt's end.
    pub fn receive(&self) -> Result<Option<Box<dyn Prepared>>, ArgsError> {
        let Some(parts) = &self.parts else { return Ok(None) };
        let prepared = Arc::clone(&parts.kind).prepare(parts.job.args_version, &parts.job.args)?;
        prepared.received();
        Ok(Some(prepared))
    }

    /// Runs the attempt and writes its end.
    pub async fn run(mut self, received: Result<Option<Box<dyn Prepared>>, ArgsError>) -> Option<Report> {
        let progress = Arc::new(ProgressCell::default());
        let end = match received {
            Ok(Some(prepared)) => run::drive(self.parts.as_ref()?, prepared, &progress).await,
            Ok(None) => return None,
            Err(error) => unreadable(self.parts.as_ref()?, &error),
        };
        Some(conclude(self.parts.take()?, end, &progress).await)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else { return };
        let end = if std::thread::panicking() {
            let retry = retry_after_backoff(&parts);
            End::of(AttemptEnd::WorkerPanicked(retry), "its message panicked the worker")
        } else {
            End::of(AttemptEnd::Drained, "the worker stopped before the attempt began")
        };
        // Without a runtime the process is at its end; the next start takes the job back.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { conclude(parts, end, &ProgressCell::default()).await });
        }
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

/// Writes the end until it is written, logs it, and lets go of what was kept.
async fn conclude(parts: AttemptParts, end: End, progress: &ProgressCell) -> Report {
    let at = parts.clock.now();
    let finish = AttemptFinish {
        job: parts.job.id,
        fence: parts.job.fence,
        end: end.end,
        error: end.error.map(|error| error.chars().take(ERROR_CHARS_MAX).collect()),
        result: end.result,
        progress: progress.take(),
        at,
    };
    let finished = write(&*parts.ledger, &finish).await;
    let state = match finished {
        Ok(Finished::Written(state)) => Some(state),
        Ok(Finished::LeaseLost) => {
            tracing::warn!(
                event = event::LEASE_LOST,
                job = %finish.job,
                fence = finish.fence,
                "the attempt was no longer ours; nothing was written"
            );
            None
        }
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::error!(
                event = event::OUTCOME_LOST,
                job = %finish.job,
                fence = finish.fence,
                error,
                "the end of an attempt could not be written"
            );
            None
        }
    };
    log_end(&parts.job, &finish, state, at);
    Report {
        outcome: end.end.outcome(),
        state,
        error: finish.error,
        result: finish.result,
    }
}

async fn write(ledger: &dyn Ledger, finish: &AttemptFinish) -> Result<Finished, StoreError> {
    let mut wait = WRITE_RETRY_MIN;
    loop {
        match ledger.finish(finish.clone()).await {
            Err(StoreError::Closed) => return Err(StoreError::Closed),
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(
                    event = event::OUTCOME_RETRIED,
                    job = %finish.job,
                    fence = finish.fence,
                    error,
                    "the end of an attempt is written again"
                );
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(WRITE_RETRY_MAX);
            }
            written => return written,
        }
    }
}

fn log_end(job: &ClaimedJob, finish: &AttemptFinish, state: Option<JobState>, at: Timestamp) {
    let duration_ms = u64::try_from(at.since(job.started_at).as_millis()).unwrap_or(u64::MAX);
    let (outcome, error) = (finish.end.outcome(), finish.error.as_deref());
    let state = state.map(JobState::as_str);
    let request_id = job.request_id.as_deref();
    match state {
        Some("discarded" | "uncertain") => tracing::warn!(
            event = event::JOB_FINISHED, job = %job.id, kind = job.kind, queue = %job.queue, attempt = job.attempt,
            fence = job.fence, %outcome, state, duration_ms, error, request_id, "a job was given up"
        ),
        _ => tracing::info!(
            event = event::JOB_FINISHED, job = %job.id, kind = job.kind, queue = %job.queue, attempt = job.attempt,
            fence = job.fence, %outcome, state, duration_ms, error, request_id, "an attempt ended"
        ),
    }
}

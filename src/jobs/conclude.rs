//! Writing how an attempt ended.
//!
//! Guarantees: a write that the database cannot take now is repeated until it can or is closed, and the attempt's slot is kept
//! until then. A write that would fail for ever, because of what it says or of what its row is, is not: the attempt is given
//! up as failed, in words of ours, and if even that cannot be written, the slot is freed and the job stays `running` until its
//! lane finds that nobody has it (`workers::unlisted`).

use std::time::Duration;

use super::attempt::{AttemptParts, End, Report};
use super::ledger::Ledger;
use super::stop::StopCause;
use super::told::Told;
use crate::clock::Timestamp;
use crate::domain::job::{AttemptEnd, JobState, Retry};
use crate::store::{AttemptFinish, ClaimedJob, Finished, StoreError};
use crate::telemetry;
use crate::telemetry::names::event;

/// The first wait after a failed write of an end.
const WRITE_RETRY_MIN: Duration = Duration::from_millis(50);
/// The longest wait between two tries: a database that is back is noticed within this.
const WRITE_RETRY_MAX: Duration = Duration::from_secs(5);

/// The longest error text that is kept, in characters.
const ERROR_CHARS_MAX: usize = 2_000;

/// Writes the end, logs it, and lets go of what was kept.
pub(super) async fn conclude(parts: AttemptParts, end: End, told: &Told) -> Report {
    let mut at = parts.clock.now();
    if let (Some(StopCause::DeadlinePassed), Some(deadline)) = (parts.handle.stop().cause(), parts.job.deadline) {
        // A timer and the clock by which the deadline is judged may differ by a little.
        at = at.max(deadline);
    }
    let finish = AttemptFinish {
        job: parts.job.id,
        fence: parts.job.fence,
        end: end.end,
        error: end.error.map(|error| error.chars().take(ERROR_CHARS_MAX).collect()),
        result: end.result,
        progress: told.progress.take(),
        transcript: told.take_transcript(),
        suppress: told.progress.take_suppressions(),
        at,
    };
    let (finish, finished) = write_or_give_up(&*parts.ledger, finish).await;
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
                "the end of an attempt could not be written; the job is running until it is found that nobody has it"
            );
            None
        }
    };
    log_end(&parts.job, &finish, state, at);
    Report {
        outcome: finish.end.outcome(),
        state,
        error: finish.error,
        result: finish.result,
    }
}

/// Writes the end, or, where that cannot be written, that the attempt failed. Answers what was to be written last.
async fn write_or_give_up(ledger: &dyn Ledger, finish: AttemptFinish) -> (AttemptFinish, Result<Finished, StoreError>) {
    let error = match write(ledger, &finish).await {
        Err(error) if error.is_permanent() => error,
        written => return (finish, written),
    };
    let (error, outcome) = (telemetry::chain(&error), finish.end.outcome());
    tracing::error!(
        event = event::OUTCOME_REFUSED,
        job = %finish.job,
        fence = finish.fence,
        %outcome,
        error,
        "the end of an attempt cannot be written as it was; the attempt is given up as failed"
    );
    let plain = AttemptFinish {
        end: AttemptEnd::Failed(Retry::Never),
        error: Some(format!("the attempt ended as {outcome}, but that could not be written")),
        result: None,
        progress: None,
        // It may be what cannot be written.
        transcript: None,
        suppress: Vec::new(),
        ..finish
    };
    let written = write(ledger, &plain).await;
    (plain, written)
}

/// Writes the end; what may succeed later is tried until it does.
async fn write(ledger: &dyn Ledger, finish: &AttemptFinish) -> Result<Finished, StoreError> {
    let mut wait = WRITE_RETRY_MIN;
    loop {
        match ledger.finish(finish.clone()).await {
            Err(error) if !matches!(error, StoreError::Closed) && !error.is_permanent() => {
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

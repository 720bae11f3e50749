//! Running the work of one attempt under its panic guard, time limit and stop signal.
//!
//! The ladder of a stop: the signal is given; the work has [`GRACE`] to end by itself, and what it then answers is
//! believed; after that it is dropped, and the end is the one that was imposed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::attempt::{AttemptParts, End, retry_after_backoff};
use super::stop::StopCause;
use super::told::Told;
use super::{Failure, JobContext, Outcome, Prepared, RetryWish};
use crate::domain::job::{AttemptEnd, Retry, WhenUncertain};

/// How long an attempt that was told to stop may take to end by itself.
pub const GRACE: Duration = Duration::from_secs(2);

/// The largest result that is kept, in bytes of JSON: a result is a summary, and larger things are files.
const RESULT_BYTES_MAX: usize = 64 * 1024;

/// What the job's owner is told of a panic.
const PANICKED: &str = "the work panicked";

type Answer = Result<Outcome, Box<dyn Any + Send>>;

/// Runs the work and answers how the attempt ended.
pub(super) async fn drive(parts: &AttemptParts, prepared: Box<dyn Prepared>, told: &Arc<Told>) -> End {
    let stop = parts.handle.stop().clone();
    if let Some(cause) = stop.cause() {
        return stopped_before_it_began(parts, cause);
    }
    // The kind's own code, which may panic: that is the attempt's panic and not its worker's.
    let Ok(rule) = catch_unwind(AssertUnwindSafe(|| prepared.when_uncertain())) else {
        return End::of(AttemptEnd::Panicked(retry_after_backoff(parts)), PANICKED);
    };
    let ctx = JobContext::new(
        &parts.job,
        stop.clone(),
        Arc::clone(told),
        rule,
        Arc::clone(&parts.ledger),
        parts.clock.clone(),
    );
    let (limit, at_limit) = time_limit(parts);
    let mut work: BoxFuture<'static, Answer> = AssertUnwindSafe(prepared.perform(ctx)).catch_unwind().boxed();
    let answer = tokio::select! {
        biased;
        answer = &mut work => Some(answer),
        () = stop.given() => None,
        () = tokio::time::sleep(limit) => {
            stop.give(at_limit);
            None
        }
        () = told.progress.store_to(parts, &stop) => None,
    };
    let answer = match answer {
        Some(answer) => Some(answer),
        None => tokio::time::timeout(GRACE, &mut work).await.ok(),
    };
    // A destructor of the work may panic too.
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(work)));
    let answer = match (answer, dropped) {
        (None, Err(payload)) => Some(Err(payload)),
        (answer, _) => answer,
    };
    let ended = Ended {
        parts,
        cause: stop.cause(),
        past_no_return: told.is_past_no_return(),
        uncertain_wait: told.uncertain_wait(),
        rule,
    };
    ended.end(answer)
}

/// How long the work may run, and why it is told to stop then: its own time, or what is left until the job's deadline.
fn time_limit(parts: &AttemptParts) -> (Duration, StopCause) {
    let left = parts.job.deadline.map(|deadline| deadline.since(parts.clock.now()));
    match left {
        Some(left) if left < parts.job.timeout => (left, StopCause::DeadlinePassed),
        _ => (parts.job.timeout, StopCause::TimedOut),
    }
}

/// The end of an attempt that was told to stop before it began.
pub(super) fn stopped_before_it_began(parts: &AttemptParts, cause: StopCause) -> End {
    let ended = Ended {
        parts,
        cause: Some(cause),
        past_no_return: false,
        uncertain_wait: None,
        // Not asked for: nothing was done.
        rule: WhenUncertain::Repeat,
    };
    ended.stopped("it was told to stop before it began")
}

/// What is known when the work has ended or was dropped.
struct Ended<'a> {
    parts: &'a AttemptParts,
    cause: Option<StopCause>,
    past_no_return: bool,
    uncertain_wait: Option<Duration>,
    rule: WhenUncertain,
}

impl Ended<'_> {
    fn end(&self, answer: Option<Answer>) -> End {
        match answer {
            Some(Ok(Outcome::Completed(result))) => completed(result),
            Some(Ok(Outcome::Failed(failure))) => self.failed(failure),
            Some(Ok(Outcome::Snoozed { wait, why })) => End {
                end: AttemptEnd::Snoozed(self.parts.clock.now().plus(wait)),
                error: why,
                result: None,
            },
            Some(Ok(Outcome::Uncertain { why, hold })) => {
                let rule = if hold { WhenUncertain::Hold } else { self.rule };
                End::of(AttemptEnd::Uncertain(rule, self.repetition()), why)
            }
            Some(Ok(Outcome::Cancelled)) => self.stopped("it ended when it was told to stop"),
            // What the panic said is in the log: it is ours, and the attempt's error is shown to the job's owner.
            Some(Err(_payload)) if self.past_no_return => self.uncertain(PANICKED),
            Some(Err(_payload)) => End::of(AttemptEnd::Panicked(self.retry()), PANICKED),
            None if self.past_no_return && self.cause == Some(StopCause::Draining) => self.shut_down(),
            None if self.past_no_return => self.uncertain("it was ended past its point of no return"),
            None => self.stopped("it did not end when it was told to stop, and was dropped"),
        }
    }

    fn failed(&self, failure: Failure) -> End {
        let retry = match failure.retry {
            RetryWish::Backoff => self.retry(),
            RetryWish::After(wait) => Retry::At(self.parts.clock.now().plus(wait)),
            RetryWish::Never => Retry::Never,
        };
        End {
            // What is too large to keep is left out, and what went wrong matters more than that.
            result: failure.result.and_then(|result| completed(Some(result)).result),
            ..End::of(AttemptEnd::Failed(retry), failure.error)
        }
    }

    /// The end that the cause of the stop imposes.
    fn stopped(&self, how: &str) -> End {
        match self.cause {
            Some(StopCause::CancelRequested) | None => End::of(AttemptEnd::Cancelled, how),
            Some(StopCause::DeadlinePassed) => {
                End::of(AttemptEnd::Cancelled, format!("the job's deadline passed; {how}"))
            }
            Some(StopCause::TimedOut) => {
                let limit = self.parts.job.timeout.as_millis();
                End::of(
                    AttemptEnd::TimedOut(self.retry()),
                    format!("it ran longer than {limit} ms; {how}"),
                )
            }
            Some(StopCause::Draining) => End::of(AttemptEnd::Drained, "the service shut down"),
            // Refused by the fence when it is written; there is no better word for it.
            Some(StopCause::LeaseLost) => End::of(AttemptEnd::Drained, "the attempt was no longer ours"),
        }
    }

    fn uncertain(&self, why: &str) -> End {
        End::of(
            AttemptEnd::Uncertain(self.rule, self.repetition()),
            format!("{why}; its effect may have happened"),
        )
    }

    /// It was dropped past its point of no return by a shutdown. Where it is repeated that costs no attempt, as `kill -9` at
    /// the same instant would not.
    fn shut_down(&self) -> End {
        let end = self.uncertain("the service shut down past its point of no return");
        let wait = self.uncertain_wait.unwrap_or_default();
        match end.end {
            AttemptEnd::Uncertain(WhenUncertain::Repeat, _) => End {
                end: AttemptEnd::Uncertain(WhenUncertain::Repeat, Retry::Unspent(self.parts.clock.now().plus(wait))),
                ..end
            },
            _ => end,
        }
    }

    /// When what is uncertain is repeated, if it is.
    fn repetition(&self) -> Retry {
        match self.uncertain_wait {
            Some(wait) => Retry::At(self.parts.clock.now().plus(wait)),
            None => self.retry(),
        }
    }

    fn retry(&self) -> Retry {
        retry_after_backoff(self.parts)
    }
}

fn completed(result: Option<Value>) -> End {
    let text = result.map(|value| value.to_string());
    match text {
        Some(text) if text.len() > RESULT_BYTES_MAX => End {
            end: AttemptEnd::Completed,
            error: Some(format!(
                "the result of {} bytes was larger than {RESULT_BYTES_MAX} and is not kept",
                text.len()
            )),
            result: None,
        },
        result => End {
            end: AttemptEnd::Completed,
            error: None,
            result,
        },
    }
}

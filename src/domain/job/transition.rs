//! The one function that decides what becomes of a job.
//!
//! Guarantees: it is total (every state meets every event with an answer or a refusal), a finished job leaves its state only
//! by a person's retry (or, where it is uncertain, by what a person knows of it), a cancel that was asked for and a deadline
//! that has passed win over every further attempt, and an attempt that was ended from outside past its point of no return is
//! never simply run again. A job whose effect may have happened, and which nothing repeats any more, is uncertain, whatever
//! keeps it from being repeated.

use super::state::{AttemptOutcome, Cause, JobState};
use crate::clock::Timestamp;

/// How many times a job's message may panic its worker before the job is quarantined.
pub const WORKER_PANICS_MAX: u32 = 3;
/// How many deaths of the process in a row, during one job, quarantine it. High, since neighbours share a death.
pub const DEATHS_MAX: u32 = 20;

/// What the row of a job says before the event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Where it is.
    pub state: JobState,
    /// Attempts spent, the running one included.
    pub attempt: u32,
    /// Attempts it may spend.
    pub max_attempts: u32,
    /// From when it may run.
    pub run_at: Timestamp,
    /// Whether a cancel was asked for.
    pub cancel_requested: bool,
    /// Whether the running attempt wrote down that its effect may have happened.
    pub past_no_return: bool,
    /// How often its message panicked the worker.
    pub worker_panics: u32,
    /// Deaths of the process during this job since an attempt last ended otherwise.
    pub deaths: u32,
    /// When all of its attempts must have ended, if it has such a time.
    pub deadline: Option<Timestamp>,
}

impl Standing {
    /// Whether the job's deadline has passed at `now`.
    fn is_overdue(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// Whether a failed attempt is followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not before this time, if attempts are left.
    At(Timestamp),
    /// Not before this time, and the attempt does not count.
    Unspent(Timestamp),
    /// Trying again is of no use.
    Never,
}

/// What a kind of work wants when an effect may have happened and nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUncertain {
    /// Run it again: twice is better than not at all.
    Repeat,
    /// Stop and show it: not at all is better than twice.
    Hold,
}

/// A [`WhenUncertain`] in the words of those who order a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUncertain {
    /// Try again.
    Retry,
    /// Wait for a person's decision.
    Hold,
}

impl OnUncertain {
    /// The rule that it names.
    #[must_use]
    pub const fn rule(self) -> WhenUncertain {
        match self {
            Self::Retry => WhenUncertain::Repeat,
            Self::Hold => WhenUncertain::Hold,
        }
    }
}

/// What a person knows of a job whose effect was uncertain. (Who wants it run again retries it.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Its effect has happened.
    Completed,
    /// Its effect has not happened, and is not wanted any more.
    Discarded,
}

impl Resolution {
    /// Where the job is then.
    #[must_use]
    pub const fn state(self) -> JobState {
        match self {
            Self::Completed => JobState::Completed,
            Self::Discarded => JobState::Discarded,
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The work is done.
    Completed,
    /// The work said that it failed.
    Failed(Retry),
    /// The work asked to be run again at this time; the attempt is given back.
    Snoozed(Timestamp),
    /// The work ended because it was told that the job is cancelled, or decided that it should be.
    Cancelled,
    /// The work does not know whether its effect happened.
    Uncertain(WhenUncertain, Retry),
    /// It ran out of its time and was ended.
    TimedOut(Retry),
    /// It panicked.
    Panicked(Retry),
    /// Its message panicked the worker before the attempt began.
    WorkerPanicked(Retry),
    /// The node is shutting down and ended it; the attempt is given back.
    Drained,
    /// Its node died; the attempt is given back.
    Lost,
}

impl AttemptEnd {
    /// The outcome that the attempt's record shows.
    #[must_use]
    pub const fn outcome(self) -> AttemptOutcome {
        match self {
            Self::Completed => AttemptOutcome::Completed,
            Self::Failed(_) => AttemptOutcome::Failed,
            Self::Snoozed(_) | Self::Drained => AttemptOutcome::Snoozed,
            Self::Cancelled => AttemptOutcome::Cancelled,
            Self::Uncertain(..) => AttemptOutcome::Uncertain,
            Self::TimedOut(_) => AttemptOutcome::TimedOut,
            Self::Panicked(_) | Self::WorkerPanicked(_) => AttemptOutcome::Panicked,
            Self::Lost => AttemptOutcome::Lost,
        }
    }

    /// Whether the end was forced on the work, so that it had no say about its effect.
    const fn is_imposed(self) -> bool {
        matches!(
            self,
            Self::TimedOut(_) | Self::Panicked(_) | Self::WorkerPanicked(_) | Self::Drained | Self::Lost
        )
    }
}

/// Something that happens to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its time has come.
    Due,
    /// A worker takes it.
    Claimed,
    /// The attempt that holds it ended.
    Ended(AttemptEnd),
    /// Somebody asks to cancel it.
    CancelRequested,
    /// A person asks to run it again.
    RetryRequested,
    /// A person knows what became of it, and says so.
    Resolved(Resolution),
    /// Its deadline passed.
    DeadlinePassed,
    /// All that it waited for has ended, and it may run from this time on.
    AwaitedEnded(Timestamp),
    /// All that it waited for has ended, not all of it well, and it is of no use without.
    AwaitedFailed,
}

/// What the row of a job says after the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Where it is now.
    pub state: JobState,
    /// Attempts spent.
    pub attempt: u32,
    /// Attempts it may spend.
    pub max_attempts: u32,
    /// From when it may run.
    pub run_at: Timestamp,
    /// Whether a cancel stands.
    pub cancel_requested: bool,
    /// Why, where the state alone does not say it.
    pub cause: Option<Cause>,
    /// How often its message panicked the worker.
    pub worker_panics: u32,
    /// Deaths of the process in a row.
    pub deaths: u32,
    /// When all of its attempts must have ended; a person's retry lifts one that has passed.
    pub deadline: Option<Timestamp>,
    /// What the attempt's record shows, if an attempt ended.
    pub outcome: Option<AttemptOutcome>,
}

/// Why an event is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The job has ended and stays so.
    #[error("the job has ended as {0}")]
    Finished(JobState),
    /// The event needs another state.
    #[error("the job is {0}")]
    NotNow(JobState),
    /// The job's deadline has passed, and no attempt of it may begin.
    #[error("the job's deadline has passed")]
    Overdue,
    /// The job has no deadline, or it is still to come.
    #[error("the job's deadline has not passed")]
    NotOverdue,
}

/// Decides what becomes of a job that stands so when `event` happens at `now`.
///
/// # Errors
/// [`Refused`] when the event cannot happen to a job in this state; the job then stays as it is.
pub fn transition(standing: &Standing, event: Event, now: Timestamp) -> Result<Next, Refused> {
    let state = standing.state;
    match event {
        Event::Due if matches!(state, JobState::Scheduled | JobState::Retryable) => {
            Ok(unchanged(standing).into_state(JobState::Available))
        }
        Event::Claimed if state == JobState::Available && standing.is_overdue(now) => Err(Refused::Overdue),
        Event::Claimed if state == JobState::Available => {
            let mut next = unchanged(standing).into_state(JobState::Running);
            next.attempt = standing.attempt.saturating_add(1);
            Ok(next)
        }
        Event::Ended(end) if state == JobState::Running => Ok(ended(standing, end, now)),
        Event::CancelRequested if state.is_waiting() => Ok(unchanged(standing).cancelled()),
        Event::CancelRequested if state == JobState::Running => {
            let mut next = unchanged(standing);
            next.cancel_requested = true;
            Ok(next)
        }
        // Asking twice is answered like asking once, so that a client may repeat a request whose answer it lost.
        Event::CancelRequested if state == JobState::Cancelled => Ok(unchanged(standing).cancelled()),
        Event::RetryRequested if state.can_run_again() => Ok(again(standing, now)),
        Event::Resolved(resolution) if state == JobState::Uncertain => Ok(unchanged(standing).resolved(resolution)),
        Event::DeadlinePassed if !state.is_final() && !standing.is_overdue(now) => Err(Refused::NotOverdue),
        Event::DeadlinePassed if state.is_waiting() => Ok(unchanged(standing).overdue()),
        // Its attempt is told to stop, and its end decides: work that completes all the same has completed.
        Event::DeadlinePassed if state == JobState::Running => Ok(unchanged(standing)),
        Event::AwaitedEnded(from) if state == JobState::Scheduled => Ok(unchanged(standing).released(from, now)),
        Event::AwaitedFailed if state == JobState::Scheduled => Ok(unchanged(standing).forsaken()),
        Event::CancelRequested | Event::DeadlinePassed => Err(Refused::Finished(state)),
        Event::Due | Event::Claimed | Event::Ended(_) | Event::AwaitedEnded(_) | Event::AwaitedFailed
            if state.is_final() =>
        {
            Err(Refused::Finished(state))
        }
        Event::Due
        | Event::Claimed
        | Event::Ended(_)
        | Event::AwaitedEnded(_)
        | Event::AwaitedFailed
        | Event::Resolved(_)
        | Event::RetryRequested => Err(Refused::NotNow(state)),
    }
}

/// Where a job goes whose row cannot be read, so that [`transition`] cannot be asked about it: it is given up, so that it
/// does not hold up those behind it.
///
/// # Errors
/// [`Refused`] for one that has ended, which stays as it is.
pub fn set_aside(state: JobState) -> Result<(JobState, Cause), Refused> {
    if state.is_final() {
        return Err(Refused::Finished(state));
    }
    Ok((JobState::Discarded, Cause::Corrupt))
}

/// A person's retry: at once, with one attempt more if the job had ended, and without a deadline that has passed, which would
/// end it again.
fn again(standing: &Standing, now: Timestamp) -> Next {
    let mut next = unchanged(standing).into_state(JobState::Available);
    if standing.state.is_final() {
        next.max_attempts = standing.max_attempts.max(standing.attempt).saturating_add(1);
    }
    next.run_at = now;
    next.cancel_requested = false;
    next.worker_panics = 0;
    next.deaths = 0;
    if standing.is_overdue(now) {
        next.deadline = None;
    }
    next
}

fn ended(standing: &Standing, end: AttemptEnd, now: Timestamp) -> Next {
    let next = ended_in_time(standing, end, now);
    // Whether its effect happened, and that a person cancelled it, is worth more to know than that it was late.
    let stands = match next.state {
        JobState::Completed | JobState::Uncertain => true,
        JobState::Cancelled => standing.cancel_requested,
        _ => false,
    };
    let begins_late = !next.state.is_final() && standing.is_overdue(next.run_at);
    if !stands && (standing.is_overdue(now) || begins_late) {
        if next.outcome == Some(AttemptOutcome::Uncertain) {
            return next.overdue().into_state(JobState::Uncertain);
        }
        return Next {
            cancel_requested: standing.cancel_requested,
            ..next.overdue()
        };
    }
    next
}

/// What becomes of the job if no deadline stands against it.
fn ended_in_time(standing: &Standing, end: AttemptEnd, now: Timestamp) -> Next {
    let mut next = unchanged(standing);
    next.outcome = Some(end.outcome());
    next.deaths = if end == AttemptEnd::Lost {
        standing.deaths.saturating_add(1)
    } else {
        0
    };
    if matches!(end, AttemptEnd::WorkerPanicked(_)) {
        next.worker_panics = standing.worker_panics.saturating_add(1);
    }
    // The row's own note decides, not the caller: whoever writes the end of an attempt that died cannot know better.
    if end.is_imposed() && standing.past_no_return {
        next.outcome = Some(AttemptOutcome::Uncertain);
        return next.into_state(JobState::Uncertain);
    }
    if next.worker_panics >= WORKER_PANICS_MAX || next.deaths >= DEATHS_MAX {
        return next.discarded(Cause::Quarantined);
    }
    match end {
        AttemptEnd::Completed => next.into_state(JobState::Completed),
        AttemptEnd::Cancelled => next.cancelled(),
        AttemptEnd::Uncertain(WhenUncertain::Hold, _) => next.into_state(JobState::Uncertain),
        AttemptEnd::Snoozed(until) => next.given_back(until, now),
        AttemptEnd::Drained | AttemptEnd::Lost => next.given_back(standing.run_at, now),
        AttemptEnd::Failed(retry)
        | AttemptEnd::TimedOut(retry)
        | AttemptEnd::Panicked(retry)
        | AttemptEnd::WorkerPanicked(retry) => next.spent(retry, now),
        AttemptEnd::Uncertain(WhenUncertain::Repeat, retry) => next.repeated(retry, now),
    }
}

fn unchanged(standing: &Standing) -> Next {
    Next {
        state: standing.state,
        attempt: standing.attempt,
        max_attempts: standing.max_attempts,
        run_at: standing.run_at,
        cancel_requested: standing.cancel_requested,
        cause: None,
        worker_panics: standing.worker_panics,
        deaths: standing.deaths,
        deadline: standing.deadline,
        outcome: None,
    }
}

impl Next {
    fn into_state(mut self, state: JobState) -> Self {
        self.state = state;
        self
    }

    fn cancelled(mut self) -> Self {
        self.cancel_requested = true;
        self.cause = Some(Cause::Requested);
        self.into_state(JobState::Cancelled)
    }

    fn overdue(mut self) -> Self {
        self.cause = Some(Cause::Deadline);
        self.into_state(JobState::Cancelled)
    }

    /// It waited for others until now: before that it could not have run, whatever time was asked for.
    fn released(mut self, from: Timestamp, now: Timestamp) -> Self {
        self.run_at = from.max(now);
        let state = if from > now {
            JobState::Scheduled
        } else {
            JobState::Available
        };
        self.into_state(state)
    }

    fn forsaken(mut self) -> Self {
        self.cause = Some(Cause::DependencyFailed);
        self.into_state(JobState::Cancelled)
    }

    fn resolved(mut self, resolution: Resolution) -> Self {
        self.cause = Some(Cause::Resolved);
        self.into_state(resolution.state())
    }

    fn discarded(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self.into_state(JobState::Discarded)
    }

    /// The attempt does not count; the job waits until `until`.
    fn given_back(mut self, until: Timestamp, now: Timestamp) -> Self {
        self.attempt = self.attempt.saturating_sub(1);
        if self.cancel_requested {
            return self.cancelled();
        }
        self.run_at = until;
        let state = if until > now {
            JobState::Scheduled
        } else {
            JobState::Available
        };
        self.into_state(state)
    }

    /// As [`Self::spent`], but that a job which is not repeated is uncertain.
    fn repeated(self, retry: Retry, now: Timestamp) -> Self {
        let next = self.spent(retry, now);
        if next.state.is_final() {
            next.into_state(JobState::Uncertain)
        } else {
            next
        }
    }

    /// The attempt counts; the job waits for the next one, or ends.
    fn spent(mut self, retry: Retry, now: Timestamp) -> Self {
        match retry {
            Retry::Never => self.discarded(Cause::Permanent),
            Retry::Unspent(until) => self.given_back(until, now),
            Retry::At(_) if self.cancel_requested => self.cancelled(),
            Retry::At(_) if self.attempt >= self.max_attempts => self.discarded(Cause::AttemptsSpent),
            Retry::At(at) => {
                self.run_at = at;
                self.into_state(JobState::Retryable)
            }
        }
    }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;

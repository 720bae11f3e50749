//! The names of the states, outcomes, queues and causes, as they stand in code, SQL and JSON alike.

use crate::domain::named::named;

pub use crate::domain::named::UnknownName;

named! {
    /// Where a job is.
    JobState {
        /// Waits for its time.
        Scheduled = "scheduled",
        /// May be claimed now.
        Available = "available",
        /// An attempt holds it.
        Running = "running",
        /// An attempt failed; waits for the next one's time.
        Retryable = "retryable",
        /// Done.
        Completed = "completed",
        /// Given up: no attempts left, a permanent error, or quarantined.
        Discarded = "discarded",
        /// Stopped: somebody asked for it, or its deadline passed.
        Cancelled = "cancelled",
        /// The effect may have happened, and the rule of its kind says not to repeat it.
        Uncertain = "uncertain",
    }
}

impl JobState {
    /// Whether the job has ended; exactly then it has a `finished_at`.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Discarded | Self::Cancelled | Self::Uncertain
        )
    }

    /// Whether a person may have the job run again: it has ended, or waits for its next attempt.
    #[must_use]
    pub const fn can_run_again(self) -> bool {
        self.is_final() || matches!(self, Self::Retryable)
    }

    /// Whether the job waits, for its time or for a free slot.
    #[must_use]
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Scheduled | Self::Available | Self::Retryable)
    }
}

named! {
    /// What an attempt came to.
    AttemptOutcome {
        /// The work is done.
        Completed = "completed",
        /// The work said that it failed.
        Failed = "failed",
        /// It ran longer than its time.
        TimedOut = "timed_out",
        /// It asked to be run later; the attempt was given back.
        Snoozed = "snoozed",
        /// It ended because somebody cancelled the job.
        Cancelled = "cancelled",
        /// It panicked, or its message panicked the worker.
        Panicked = "panicked",
        /// Its node died; the attempt was given back.
        Lost = "lost",
        /// It ended past its point of no return without an answer.
        Uncertain = "uncertain",
    }
}

named! {
    /// The lane in which jobs of one worker wait.
    Queue {
        /// Mails, performed by the mailer.
        Mail = "mail",
        /// Probes, performed by the prober.
        Probes = "probes",
        /// Reports, built by the reporter.
        Reports = "reports",
        /// What operators order of many jobs at once, done by the operator.
        Operations = "operations",
    }
}

named! {
    /// Why a job ended or waits, where its state alone does not say it.
    Cause {
        /// All attempts are spent.
        AttemptsSpent = "attempts_spent",
        /// The work said that trying again is of no use.
        Permanent = "permanent",
        /// Somebody asked for the cancel.
        Requested = "requested",
        /// Its deadline passed before it completed.
        Deadline = "deadline",
        /// A job that it waited for did not complete, or the batch was cancelled that it was to finish.
        DependencyFailed = "dependency_failed",
        /// It killed its worker or its process too often.
        Quarantined = "quarantined",
        /// It was uncertain, and a person said what became of it.
        Resolved = "resolved",
        /// Its row holds what cannot be read.
        Corrupt = "corrupt",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_others_are_refused_with_the_known_ones() {
        for state in JobState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
        let error = "done".parse::<JobState>().unwrap_err();
        assert!(error.to_string().contains("completed"), "{error}");
    }

    #[test]
    fn no_state_is_both_final_and_waiting_and_only_running_is_neither() {
        for state in JobState::ALL {
            assert!(!(state.is_final() && state.is_waiting()));
            assert_eq!(!state.is_final() && !state.is_waiting(), *state == JobState::Running);
        }
    }
}

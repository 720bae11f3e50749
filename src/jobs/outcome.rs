//! What the work itself says about an attempt.

use std::time::Duration;

use serde_json::Value;

/// What [`crate::jobs::Kind::perform`] answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done, with a result for whoever reads the job.
    Completed(Option<Value>),
    /// It failed.
    Failed(Failure),
    /// Nothing is wrong with the work, but it cannot be done now. The attempt is not counted.
    Snoozed {
        /// Run it again after this long.
        wait: Duration,
        /// What it waits for, for people; no secret and no full address.
        why: Option<String>,
    },
    /// It ended because it was told to, or found that there is nothing to do any more.
    Cancelled,
    /// The effect may have happened, and nobody can say.
    Uncertain {
        /// Why; no secret and no full address.
        why: String,
        /// Whether it is not to be repeated although the rule for this job is to: it was, often enough.
        hold: bool,
    },
}

/// Why an attempt failed, and whether another is of use.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What went wrong, for people; no secret and no full address.
    pub error: String,
    /// Whether another attempt is of use.
    pub retry: RetryWish,
    /// What was done all the same, which the next attempt finds as [`crate::jobs::JobContext::earlier_result`].
    pub result: Option<Value>,
}

/// When the work would like to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryWish {
    /// After the backoff of its kind.
    Backoff,
    /// After this long, as the other side asked.
    After(Duration),
    /// Never: it would fail again.
    Never,
}

impl Outcome {
    /// Done, with nothing to show.
    #[must_use]
    pub fn completed() -> Self {
        Self::Completed(None)
    }

    /// Failed in a way that another attempt may cure.
    #[must_use]
    pub fn retry(error: impl Into<String>) -> Self {
        Self::Failed(Failure {
            error: error.into(),
            retry: RetryWish::Backoff,
            result: None,
        })
    }

    /// Failed in a way that no attempt will cure.
    #[must_use]
    pub fn permanent(error: impl Into<String>) -> Self {
        Self::Failed(Failure {
            error: error.into(),
            retry: RetryWish::Never,
            result: None,
        })
    }
}

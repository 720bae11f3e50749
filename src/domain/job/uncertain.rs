//! Effects that may have happened: what is to become of them, as a kind, an order and a person say it.

use serde::{Deserialize, Serialize};

use super::state::JobState;

/// What a kind of work wants when an effect may have happened and nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUncertain {
    /// Run it again: twice is better than not at all.
    Repeat,
    /// Stop and show it: not at all is better than twice.
    Hold,
}

/// A [`WhenUncertain`] in the words of those who order a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

//! Unique keys: by its key a job is the only one of its workspace, for as long as the key holds.
//!
//! Guarantees: whether a key holds is seen from the job that has it and from the time, so that nothing is written about keys
//! when a job is claimed or ends. Left out: who wins of two (`store`).

use std::time::Duration;

use super::state::JobState;
use crate::clock::Timestamp;
use crate::domain::named::named;

/// A key, and how long it is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey {
    /// The key, unique within its workspace.
    pub key: String,
    /// How long it holds.
    pub hold: UniqueHold,
}

/// How long a unique key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniqueHold {
    /// As long as its job waits: until it is claimed.
    Waiting,
    /// As long as its job has not ended.
    Unfinished,
    /// For this long, from when its job was accepted.
    For(Duration),
}

impl UniqueKey {
    /// The longest key, in bytes: a name, an address or a hash fits.
    pub const KEY_BYTES_MAX: usize = 200;
    /// The longest time for which a key holds: 30 days, as long as a job that failed is kept.
    pub const FOR_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
}

impl UniqueHold {
    /// As it is stored.
    #[must_use]
    pub const fn scope(self) -> UniqueScope {
        match self {
            Self::Waiting => UniqueScope::Waiting,
            Self::Unfinished => UniqueScope::Unfinished,
            Self::For(_) => UniqueScope::Time,
        }
    }

    /// Until when it holds, where that is a time.
    #[must_use]
    pub fn until(self, accepted: Timestamp) -> Option<Timestamp> {
        match self {
            Self::For(time) => Some(accepted.plus(time)),
            Self::Waiting | Self::Unfinished => None,
        }
    }
}

named! {
    /// What decides whether a key holds.
    UniqueScope {
        /// That its job waits.
        Waiting = "waiting",
        /// That its job has not ended.
        Unfinished = "unfinished",
        /// The time.
        Time = "time",
    }
}

impl UniqueScope {
    /// Whether a key of this scope holds at `now`, while its job is in `state`.
    #[must_use]
    pub fn holds(self, state: JobState, held_until: Option<Timestamp>, now: Timestamp) -> bool {
        match self {
            Self::Waiting => state.is_waiting(),
            Self::Unfinished => !state.is_final(),
            Self::Time => held_until.is_some_and(|until| now < until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_holds_by_its_jobs_state_or_until_its_time() {
        let now = Timestamp::from_micros(1_000_000);
        let until = UniqueHold::For(Duration::from_secs(1)).until(now);
        let later = now.plus(Duration::from_secs(1));
        for &state in JobState::ALL {
            assert_eq!(UniqueScope::Waiting.holds(state, None, now), state.is_waiting());
            assert_eq!(UniqueScope::Unfinished.holds(state, None, now), !state.is_final());
            assert!(UniqueScope::Time.holds(state, until, now));
            assert!(!UniqueScope::Time.holds(state, until, later), "{state}");
        }
    }
}

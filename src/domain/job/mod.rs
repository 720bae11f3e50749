//! The life of a job: its states, what may happen to it, and the one function that decides what follows.
//!
//! Guarantees: no state of a job is ever written that [`transition`] did not decide; the SQL CHECKs of the migrations hold
//! the same rules once more. Left out: when things happen and who writes them (`store`), and what the work is (`jobs`).

mod after;
mod cadence;
mod limit;
mod limit_key;
#[cfg(test)]
mod model;
mod progress;
mod retry;
mod selection;
mod state;
mod transition;
mod turn;
mod unique;

pub use after::{AFTER_MAX, After, OnFailure};
pub use cadence::Cadence;
pub use limit::{Limit, Rate, Room};
pub use limit_key::{LimitKey, NotALimitKey};
pub use progress::{Pace, Progress};
pub use retry::Backoff;
pub use selection::{BulkAction, Selection, StateSet};
pub use state::{AttemptOutcome, Cause, JobState, Queue, UnknownName};
pub use transition::{
    AttemptEnd, DEATHS_MAX, Event, Next, OnUncertain, Refused, Resolution, Retry, Standing, WORKER_PANICS_MAX,
    WhenUncertain, set_aside, transition,
};
pub use turn::{Turn, Waiting};
pub use unique::{UniqueHold, UniqueKey, UniqueScope};

/// The lowest priority a job can have. Ten steps below the usual one.
pub const PRIORITY_MIN: i32 = -10;
/// The highest priority a job can have. Ten steps above the usual one.
pub const PRIORITY_MAX: i32 = 10;
/// How many microseconds of waiting one step of priority is worth: a job that has waited a minute longer goes before one
/// with a priority one higher, so that nothing waits for ever.
pub const PRIORITY_STEP_MICROS: i64 = 60_000_000;

/// The number by which jobs of a queue are claimed, lowest first: the time from which the job may run, less what its
/// priority is worth. It does not change while the job waits, so that an index can serve it.
#[must_use]
pub fn rank(run_at: crate::clock::Timestamp, priority: i32) -> i64 {
    run_at
        .as_micros()
        .saturating_sub(i64::from(priority).saturating_mul(PRIORITY_STEP_MICROS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_higher_priority_goes_first_until_the_lower_one_has_waited_long_enough() {
        let early = Timestamp::from_micros(1_000_000_000);
        let soon = early.plus(std::time::Duration::from_secs(59));
        let late = early.plus(std::time::Duration::from_secs(61));
        assert!(rank(soon, 1) < rank(early, 0));
        assert!(rank(early, 0) < rank(late, 1));
    }
}

//! Jobs that wait for others.
//!
//! Guarantees: whoever is waited for was there before who waits for it, so that no two jobs wait for each other.

use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::named::named;

/// The most jobs that one may wait for.
pub const AFTER_MAX: usize = 100;

named! {
    /// What becomes of a job that waited, where one of those that it waited for did not complete.
    OnFailure {
        /// It is cancelled.
        Cancel = "cancel",
        /// It runs all the same.
        Run = "run",
    }
}

/// Whom a job waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// The jobs, all of which must have ended; at most [`AFTER_MAX`].
    pub jobs: Vec<JobId>,
    /// What becomes of it where one of them did not complete.
    pub on_failure: OnFailure,
}

impl After {
    /// From when a job may run, in its row, while it waits for others: beyond every time that can be asked for, so that it
    /// never comes due by itself.
    pub const HELD: Timestamp = Timestamp::from_micros(i64::MAX / 2);
}

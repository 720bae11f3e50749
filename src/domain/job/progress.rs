//! How far an attempt has come.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// How far an attempt has come, in the work's own units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all, if they are known.
    pub total: Option<u64>,
    /// What is being done, for people; at most [`Progress::NOTE_MAX`] characters.
    pub note: Option<String>,
}

impl Progress {
    /// The longest note that is kept, in characters: one line on a page.
    pub const NOTE_MAX: usize = 200;

    /// Progress of `done` units out of `total`; a note longer than the limit is cut.
    #[must_use]
    pub fn new(done: u64, total: Option<u64>, note: Option<&str>) -> Self {
        Self {
            done,
            total,
            note: note.map(|text| text.chars().take(Self::NOTE_MAX).collect()),
        }
    }
}

/// How fast an attempt goes, as far as its progress tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Units a second.
    pub rate_per_s: Option<f64>,
    /// How long the rest takes at that rate, in seconds, rounded up.
    pub remaining_s: Option<u64>,
}

impl Progress {
    /// How fast an attempt goes that began at `started` and was so far at `at`; nothing is said before its first unit is done.
    #[must_use]
    pub fn pace(&self, started: Timestamp, at: Timestamp) -> Pace {
        let elapsed = at.since(started).as_secs_f64();
        if self.done == 0 || elapsed <= 0.0 {
            return Pace::default();
        }
        let rate = float(self.done) / elapsed;
        let left = self.total.map(|total| float(total.saturating_sub(self.done)));
        Pace {
            // A tenth of a percent is as much as anybody reads, and more would tell of the clock.
            rate_per_s: Some((rate * 1000.0).round() / 1000.0).filter(|rate| *rate > 0.0),
            remaining_s: left
                .and_then(|left| Duration::try_from_secs_f64(left / rate).ok())
                .map(|left| left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0))),
        }
    }
}

/// The float nearest to a number.
fn float(number: u64) -> f64 {
    Duration::from_secs(number).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_000_000);

    #[test]
    fn the_rate_is_of_the_attempt_and_the_rest_takes_as_long_at_it() {
        let progress = Progress::new(30, Some(100), None);
        let pace = progress.pace(START, START.plus(Duration::from_secs(10)));
        assert_eq!(
            (pace.rate_per_s, pace.remaining_s),
            (Some(3.0), Some(24)),
            "23.3 s are left"
        );
        let all = Progress::new(100, Some(100), None).pace(START, START.plus(Duration::from_secs(1)));
        assert_eq!(all.remaining_s, Some(0));
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let later = START.plus(Duration::from_secs(1));
        assert_eq!(Progress::new(0, Some(5), None).pace(START, later), Pace::default());
        assert_eq!(Progress::new(3, Some(5), None).pace(START, START), Pace::default());
        assert_eq!(
            Progress::new(3, Some(5), None).pace(later, START),
            Pace::default(),
            "a clock that was set back"
        );
        assert_eq!(Progress::new(3, None, None).pace(START, later).remaining_s, None);
        let huge = Progress::new(1, Some(u64::MAX), None).pace(START, START.plus(Duration::from_secs(3_000_000)));
        assert_eq!(
            (huge.rate_per_s, huge.remaining_s),
            (None, None),
            "beyond what can be counted"
        );
    }
}

//! Time as a parameter: the only reader of the wall clock.
//!
//! Guarantees: whoever needs the time is handed a [`Clock`] or a [`Timestamp`], so that a test can hold it still or move
//! it. Deadlines that only measure how long something takes use `tokio::time`, which tests pause; a [`Clock`] is for times
//! that are stored, compared or shown.
//!
//! Left out: time zones, which schedules alone need (`domain::schedule`).

mod timestamp;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub use timestamp::{ParseTimestampError, Timestamp};

/// A source of the present time: the machine's clock, or one that a test moves by hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's wall clock.
    #[default]
    System,
    /// The machine's wall clock, corrected by so many microseconds; clones share the correction.
    Corrected(Arc<AtomicI64>),
    /// A clock that stands still until [`Clock::advance`] moves it; clones share it.
    Manual(Arc<AtomicI64>),
    /// A clock that goes with the time of tokio's timers, which a test pauses: the second moment is the first of the timers.
    #[cfg(feature = "testing")]
    Timers(Timestamp, tokio::time::Instant),
}

impl Clock {
    /// The machine's wall clock, until [`Clock::correct`] sets it by another one.
    #[must_use]
    pub fn corrected() -> Self {
        Self::Corrected(Arc::default())
    }

    /// A clock that stands at `now` until it is advanced.
    #[must_use]
    pub fn manual(now: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now.as_micros())))
    }

    /// A clock that stands at `now` and goes with tokio's timers from there, so that an hour of paused time is an hour of it.
    ///
    /// On a thread that is not within the runtime whose time is paused, it shows the machine's time since then instead.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn timers(now: Timestamp) -> Self {
        Self::Timers(now, tokio::time::Instant::now())
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::from_system_clock(),
            Self::Corrected(offset) => Timestamp::from_system_clock().shifted(offset.load(Ordering::SeqCst)),
            Self::Manual(micros) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
            #[cfg(feature = "testing")]
            Self::Timers(start, since) => start.plus(since.elapsed()),
        }
    }

    /// Sets a corrected clock by another one, which showed `reference` at some moment between those at which this one showed
    /// `before` and `after`: by as little as makes that possible, so that two clocks that agree are left alone. Answers by
    /// how many microseconds this clock was off; others are not set.
    pub fn correct(&self, before: Timestamp, reference: Timestamp, after: Timestamp) -> i64 {
        let off = reference.as_micros().saturating_sub(if reference < before {
            before.as_micros()
        } else {
            reference.min(after).as_micros()
        });
        if let Self::Corrected(offset) = self {
            offset.fetch_add(off, Ordering::SeqCst);
        }
        off
    }

    /// Moves a manual clock forward; others cannot be moved and stay as they are.
    pub fn advance(&self, by: std::time::Duration) {
        if let Self::Manual(micros) = self {
            micros.fetch_add(timestamp::micros_of(by), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_clones_share_it() {
        let clock = Clock::manual(Timestamp::from_micros(1_000));
        let other = clock.clone();
        assert_eq!(clock.now(), clock.now());
        other.advance(Duration::from_millis(2));
        assert_eq!(clock.now().as_micros(), 3_000);
    }

    #[test]
    fn a_corrected_clock_is_set_into_the_bounds_of_what_was_measured_and_no_further() {
        let clock = Clock::corrected();
        let at = Timestamp::from_micros;
        assert_eq!(clock.correct(at(100), at(150), at(200)), 0, "it may be right");
        assert_eq!(clock.correct(at(100), at(90), at(200)), -10);
        assert_eq!(clock.correct(at(100), at(207), at(200)), 7);
        let hour = 3_600_000_000;
        let (before, real) = (Timestamp::from_system_clock(), clock.clone());
        assert_eq!(clock.correct(at(0), at(hour), at(0)), hour);
        let ahead = real.now().since(before);
        assert!(
            ahead > Duration::from_secs(3_590) && ahead < Duration::from_secs(3_610),
            "{ahead:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_of_the_timers_goes_exactly_as_far_as_they_do() {
        let (clock, begun) = (
            Clock::timers(Timestamp::from_micros(1_000)),
            tokio::time::Instant::now(),
        );
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now(), Timestamp::from_micros(1_000).plus(begun.elapsed()));
        assert!(clock.now().as_micros() >= 3_600_001_000);
    }
}

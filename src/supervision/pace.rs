//! Which messages are timed.
//!
//! Reading a clock takes as long as all else that a small message costs, and three readings belong to each: accepted, begun,
//! done. So while a child is brisk, one message in 32 is timed and stands for the others. A child is brisk if the
//! message timed last took less than ten microseconds; beyond that all are timed, which then costs nothing to speak of.
//! So are all while the child is down, suspended or silent, and those of children that are not actors.

use std::time::Duration;

use tokio::time::Instant;

/// One message in so many is timed while the child is brisk.
const BRISK_EVERY: u32 = 32;

/// What a message takes less than, for its child to be brisk: some hundred times as long as the clock's three readings.
const BRISK: Duration = Duration::from_micros(10);

/// What is known of the time of one accepted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// When it was accepted; for one that is not timed, a moment before that at which the clock was read.
    pub(super) at: Instant,
    /// How many messages it stands for; 0 if it is not timed.
    pub(super) weight: u32,
}

#[derive(Debug)]
pub(super) struct Pace {
    /// Whether messages may go untimed at all.
    is_lenient: bool,
    is_brisk: bool,
    /// When the clock was read last.
    read: Option<Instant>,
    /// Messages accepted since the last that is timed.
    untimed: u32,
}

impl Pace {
    pub(super) const fn new(is_lenient: bool) -> Self {
        Self {
            is_lenient,
            is_brisk: false,
            read: None,
            untimed: 0,
        }
    }

    /// The stamp of a message that is accepted now.
    pub(super) fn stamp(&mut self) -> Stamp {
        if self.is_brisk
            && self.untimed + 1 < BRISK_EVERY
            && let Some(at) = self.read
        {
            self.untimed += 1;
            return Stamp { at, weight: 0 };
        }
        let at = Instant::now();
        self.read = Some(at);
        let weight = self.untimed + 1;
        self.untimed = 0;
        Stamp { at, weight }
    }

    /// A timed message is done.
    pub(super) fn took(&mut self, took: Duration) {
        self.is_brisk = self.is_lenient && took < BRISK;
    }

    /// The clock was read anyway.
    pub(super) fn reads(&mut self, now: Instant) {
        self.read = Some(now);
    }

    /// All are timed until the child is seen to be brisk again.
    pub(super) fn slacken(&mut self) {
        self.is_brisk = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(pace: &mut Pace, count: u32) -> Vec<u32> {
        (0..count).map(|_| pace.stamp().weight).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn every_message_is_timed_until_the_child_is_brisk_and_then_one_in_32_for_all() {
        let mut pace = Pace::new(true);
        assert_eq!(weights(&mut pace, 3), [1, 1, 1]);
        pace.took(Duration::from_micros(9));
        let brisk = weights(&mut pace, 64);
        assert_eq!(brisk.iter().filter(|weight| **weight > 0).count(), 2);
        assert_eq!(brisk.iter().sum::<u32>(), 64, "none is left out or counted twice");
        pace.took(Duration::from_micros(10));
        assert_eq!(weights(&mut pace, 3), [1, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_not_timed_was_accepted_after_its_stamp_and_one_that_is_at_it() {
        let mut pace = Pace::new(true);
        let first = pace.stamp().at;
        pace.took(Duration::ZERO);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(pace.stamp(), Stamp { at: first, weight: 0 });
        pace.reads(Instant::now());
        assert_eq!(
            pace.stamp(),
            Stamp {
                at: Instant::now(),
                weight: 0
            }
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        pace.slacken();
        assert_eq!(
            pace.stamp(),
            Stamp {
                at: Instant::now(),
                weight: 3
            }
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_that_must_be_exact_has_every_message_timed() {
        let mut pace = Pace::new(false);
        pace.took(Duration::ZERO);
        assert_eq!(weights(&mut pace, 70), [1; 70]);
    }
}

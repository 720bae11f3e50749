//! How many attempts a worker may have at once: a fixed number, or more the faster they end.
//!
//! An attempt holds its slot while it is claimed and while its end is written, too. Where attempts end by thousands a second,
//! these take longer than the work, and few slots leave it idle; where they end slowly, many slots hold jobs that others could
//! have, and that later ones of higher priority cannot pass. So the number is what ends in [`AHEAD`].
//!
//! Guarantees: never fewer than the least and never more than the most; after a rest it is the least again. Pure: the present
//! is a parameter.

use std::time::Duration;

use tokio::time::Instant;

/// For how long there is work in all slots together, between the least and the most: a few commits on a slow disk, and less than
/// anybody notices who waits behind it.
const AHEAD: Duration = Duration::from_millis(50);

/// How long ends are counted before the number is decided anew: many commits, so that it does not follow each.
const WINDOW: Duration = Duration::from_millis(100);

/// How many attempts a worker may have at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// However slowly they end.
    pub least: usize,
    /// However fast they end; not below `least`.
    pub most: usize,
}

impl Slots {
    /// Always so many.
    #[must_use]
    pub const fn fixed(count: usize) -> Self {
        Self {
            least: count,
            most: count,
        }
    }
}

/// How many there are now.
#[derive(Debug)]
pub(super) struct Pace {
    slots: Slots,
    now: usize,
    /// When the ends began to be counted, and how many there had been by then.
    since: Instant,
    before: u64,
}

impl Pace {
    /// At first the least.
    pub(super) fn new(slots: Slots, now: Instant) -> Self {
        Self {
            slots,
            now: slots.least,
            since: now,
            before: 0,
        }
    }

    /// The number, where so many attempts have `ended` since the worker's first, those not counted that were put off.
    pub(super) fn slots(&mut self, ended: u64, now: Instant) -> usize {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= WINDOW {
            let counted = u128::from(ended.saturating_sub(self.before));
            let ahead = counted.saturating_mul(AHEAD.as_micros()) / elapsed.as_micros().max(1);
            let ahead = usize::try_from(ahead).unwrap_or(usize::MAX);
            self.now = ahead.min(self.slots.most).max(self.slots.least);
            self.since = now;
            self.before = ended;
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLOTS: Slots = Slots { least: 24, most: 248 };

    #[test]
    fn there_are_more_the_faster_attempts_end_and_the_least_after_a_rest() {
        let start = Instant::now();
        let mut pace = Pace::new(SLOTS, start);
        let mut at = |ms: u64, ended: u64| pace.slots(ended, start + Duration::from_millis(ms));
        assert_eq!(at(0, 0), 24);
        assert_eq!(at(99, 1_000), 24, "too early to say");
        assert_eq!(at(100, 300), 150, "300 in 100 ms are 150 in 50");
        assert_eq!(at(150, 1_000), 150);
        assert_eq!(at(200, 1_300), 248, "1,000 in 100 ms are 500 in 50");
        assert_eq!(at(300, 1_301), 24);
        assert_eq!(at(400, 1_601), 150);
        assert_eq!(at(60_400, 1_901), 24, "300 in a minute are none in 50 ms");
    }

    proptest! {
        #[test]
        fn there_are_never_fewer_than_the_least_nor_more_than_the_most(
            least in 0..300_usize,
            more in 0..300_usize,
            looks in prop::collection::vec((0..10_000_000_u64, any::<u32>()), 0..50),
        ) {
            let slots = Slots { least, most: least + more };
            let (mut now, mut ended) = (Instant::now(), 0);
            let mut pace = Pace::new(slots, now);
            for (micros, ends) in looks {
                now += Duration::from_micros(micros);
                ended += u64::from(ends);
                let count = pace.slots(ended, now);
                prop_assert!((least..=least + more).contains(&count));
            }
        }
    }
}

//! What may run at once and how fast it may start.
//!
//! Guarantees: a rate is never exceeded: over any span of time no more start than its burst and what comes in over that span
//! (a token bucket, kept as the one time at which it is full again). Left out: whose limit it is and what runs under it
//! (`store`).

use std::time::Duration;

use crate::clock::Timestamp;

/// A limit: of how many may run at once, of how fast they may start, or of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// At most this many run at once; 0 has none start.
    pub concurrency: Option<u32>,
    /// How fast they may start.
    pub rate: Option<Rate>,
}

/// So many starts in each period, and as many as the burst at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Starts in a period, at least one.
    pub jobs: u32,
    /// The period, from [`Rate::PERIOD_MIN`] to [`Rate::PERIOD_MAX`].
    pub period: Duration,
    /// The most that start at once, at least one.
    pub burst: u32,
}

/// What limits leave: how many may start now, and when more may, if time alone brings them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many may start now; no limit if there is none.
    pub now: Option<u64>,
    /// When the next may start, if none may now and it is the rate that says so.
    pub next_at: Option<Timestamp>,
}

impl Room {
    /// No limit.
    pub const ENDLESS: Self = Self {
        now: None,
        next_at: None,
    };
    /// Nothing, for a reason that time does not end.
    pub const NONE: Self = Self {
        now: Some(0),
        next_at: None,
    };

    /// What two limits leave together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let now = match (self.now, other.now) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        // The later of the two; where one of them is full for another reason, no time helps.
        let next_at = match (self.is_full(), other.is_full()) {
            (true, true) => self.next_at.zip(other.next_at).map(|(one, other)| one.max(other)),
            (true, false) => self.next_at,
            (false, true) => other.next_at,
            (false, false) => None,
        };
        Self { now, next_at }
    }

    /// Whether none may start now.
    #[must_use]
    pub fn is_full(self) -> bool {
        self.now == Some(0)
    }
}

impl Limit {
    /// The most that may be asked for at once, and in a period.
    pub const COUNT_MAX: u32 = 1_000_000;

    /// What it leaves to start, while so many run and the bucket is full again at `full_at`.
    #[must_use]
    pub fn room(&self, running: u64, full_at: Option<Timestamp>, now: Timestamp) -> Room {
        let at_once = self.concurrency.map_or(Room::ENDLESS, |most| Room {
            now: Some(u64::from(most).saturating_sub(running)),
            next_at: None,
        });
        let by_rate = self.rate.map_or(Room::ENDLESS, |rate| rate.room(full_at, now));
        at_once.and(by_rate)
    }
}

impl Rate {
    /// The shortest period: a second.
    pub const PERIOD_MIN: Duration = Duration::from_secs(1);
    /// The longest period: a day.
    pub const PERIOD_MAX: Duration = Duration::from_hours(24);

    /// What it leaves to start, when the bucket is full again at `full_at`; one that was never used is full.
    #[must_use]
    pub fn room(&self, full_at: Option<Timestamp>, now: Timestamp) -> Room {
        let missing = full_at.map_or(0, |full_at| (micros(full_at) - micros(now)).max(0));
        let (period, jobs) = (self.period_micros(), i128::from(self.jobs));
        let tokens = (i128::from(self.burst) * period - missing * jobs).div_euclid(period);
        // The time at which what is missing is one token less than the burst.
        let next_at = full_at.filter(|_| tokens < 1).map(|full_at| {
            let but_one = (i128::from(self.burst) - 1) * period / jobs.max(1);
            timestamp(micros(full_at) - but_one)
        });
        Room {
            now: Some(u64::try_from(tokens).unwrap_or(0)),
            next_at,
        }
    }

    /// When the bucket is full again after `started` more have started. Rounded up, so that nothing is gained by it.
    #[must_use]
    pub fn used(&self, full_at: Option<Timestamp>, started: u64, now: Timestamp) -> Timestamp {
        let from = full_at.map_or(micros(now), |full_at| micros(full_at).max(micros(now)));
        let (taken, jobs) = (i128::from(started) * self.period_micros(), i128::from(self.jobs).max(1));
        timestamp(from + (taken + jobs - 1).div_euclid(jobs))
    }

    fn period_micros(&self) -> i128 {
        i128::try_from(self.period.as_micros()).map_or(1, |period| period.max(1))
    }
}

fn micros(at: Timestamp) -> i128 {
    i128::from(at.as_micros())
}

fn timestamp(micros: i128) -> Timestamp {
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn rate(jobs: u32, secs: u64, burst: u32) -> Rate {
        Rate {
            jobs,
            period: Duration::from_secs(secs),
            burst,
        }
    }

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_one_at_a_time() {
        let rate = rate(2, 1, 5);
        assert_eq!(
            rate.room(None, NOW),
            Room {
                now: Some(5),
                next_at: None
            }
        );
        let full_at = rate.used(None, 5, NOW);
        assert_eq!(full_at, NOW.plus(Duration::from_millis(2_500)));
        let next_at = Some(NOW.plus(Duration::from_millis(500)));
        assert_eq!(rate.room(Some(full_at), NOW), Room { now: Some(0), next_at });
        for (millis, tokens) in [(499, 0), (500, 1), (999, 1), (1_000, 2), (9_999, 5)] {
            let later = NOW.plus(Duration::from_millis(millis));
            assert_eq!(rate.room(Some(full_at), later).now, Some(tokens), "{millis}");
        }
    }

    #[test]
    fn what_two_limits_leave_is_the_less_and_comes_when_both_let_it() {
        let full = |next_at| Room { now: Some(0), next_at };
        let some = Room {
            now: Some(3),
            next_at: None,
        };
        let (soon, late) = (NOW.plus(Duration::from_secs(1)), NOW.plus(Duration::from_secs(2)));
        assert_eq!(some.and(Room::ENDLESS), some);
        assert_eq!(full(Some(soon)).and(full(Some(late))), full(Some(late)));
        assert_eq!(full(Some(soon)).and(Room::NONE), Room::NONE, "time does not help");
        assert_eq!(full(Some(soon)).and(some), full(Some(soon)));
        let both = Limit {
            concurrency: Some(2),
            rate: Some(rate(1, 1, 1)),
        };
        assert_eq!(both.room(1, None, NOW).now, Some(1));
        assert_eq!(both.room(2, None, NOW), Room::NONE);
        assert_eq!(
            both.room(3, None, NOW),
            Room::NONE,
            "more run than a lower limit allows"
        );
    }

    proptest! {
        #[test]
        fn no_span_of_time_sees_more_than_the_burst_and_what_comes_in_over_it(
            jobs in 1_u32..50, secs in 1_u64..100, burst in 1_u32..20,
            asks in proptest::collection::vec((0_u64..30_000, 1_u64..10), 1..60),
        ) {
            let rate = rate(jobs, secs, burst);
            let (mut now, mut full_at, mut starts) = (NOW, None, Vec::new());
            for (wait, wanted) in asks {
                now = now.plus(Duration::from_millis(wait));
                let room = rate.room(full_at, now);
                let taken = wanted.min(room.now.unwrap());
                if let Some(next_at) = room.next_at {
                    prop_assert!(next_at > now);
                    prop_assert!(rate.room(full_at, next_at).now >= Some(1), "it comes when it was said");
                    let before = Timestamp::from_micros(next_at.as_micros() - 1);
                    prop_assert_eq!(rate.room(full_at, before).now, Some(0), "and not before");
                }
                if taken > 0 {
                    full_at = Some(rate.used(full_at, taken, now));
                    starts.push((now, taken));
                }
            }
            for (index, (from, _)) in starts.iter().enumerate() {
                let mut sum = 0;
                for (to, taken) in &starts[index..] {
                    sum += taken;
                    let came = to.since(*from).as_secs_f64() * f64::from(jobs) / Duration::from_secs(secs).as_secs_f64();
                    prop_assert!(f64::from(u32::try_from(sum).unwrap()) <= f64::from(burst) + came + 1e-6);
                }
            }
        }
    }
}

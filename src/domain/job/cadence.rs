//! How fast many jobs are handled one after another: so many a second, by the clock that is handed in.
//!
//! Guarantees: whoever waits as told and says what they did never does more than the rate allows, but for two portions, in
//! whatever span of time, also where they go on from [`Cadence::next`] after a restart; and over a long run no fewer, as long
//! as they come back within the time of one portion.

use std::time::Duration;

use crate::clock::Timestamp;

/// A rate, and from when the next portion may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    per_s: u32,
    next: Option<Timestamp>,
}

impl Cadence {
    /// The highest rate, in jobs a second.
    pub const PER_S_MAX: u32 = 10_000;
    /// Portions in a second, where the rate has as many jobs: so that what it feeds is fed evenly.
    const PORTIONS_A_SECOND: u32 = 10;

    /// So many jobs a second, at least one; the next portion may go at `next`, or at once.
    #[must_use]
    pub const fn new(per_s: u32, next: Option<Timestamp>) -> Self {
        let per_s = if per_s == 0 { 1 } else { per_s };
        Self { per_s, next }
    }

    /// How many jobs to handle at once, at most `max`.
    #[must_use]
    pub fn portion(&self, max: usize) -> usize {
        let even = self.per_s / Self::PORTIONS_A_SECOND;
        usize::try_from(even).unwrap_or(max).clamp(1, max.max(1))
    }

    /// How long until the next portion may go.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.since(now))
    }

    /// From when the next portion may go, to be kept over a restart; at once if none went yet.
    #[must_use]
    pub const fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Notes that so many jobs were handled at `now`.
    pub fn spend(&mut self, jobs: usize, now: Timestamp) {
        let micros = u64::try_from(jobs).unwrap_or(u64::MAX).saturating_mul(1_000_000);
        let step = Duration::from_micros(micros.div_ceil(u64::from(self.per_s)));
        // Whoever comes a little late makes up for it; whoever was away does not.
        let from = self.next.map_or(now, |next| next.max(now.minus(step)));
        self.next = Some(from.plus(step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    proptest! {
        #[test]
        fn no_span_of_time_has_more_than_the_rate_and_two_portions_also_over_restarts(
            per_s in 1_u32..=Cadence::PER_S_MAX,
            lates in proptest::collection::vec((0_u64..3_000_000, any::<bool>()), 1..200),
        ) {
            let (mut cadence, mut now) = (Cadence::new(per_s, None), START);
            let (mut went, portion) = (Vec::new(), Cadence::new(per_s, None).portion(100));
            for (late, restarts) in lates {
                now = now.plus(cadence.wait(now)).plus(Duration::from_micros(late * late % 3_000_000));
                cadence.spend(portion, now);
                went.push(now);
                if restarts {
                    cadence = Cadence::new(per_s, cadence.next());
                }
            }
            for (first, from) in went.iter().enumerate() {
                for (last, to) in went.iter().enumerate().skip(first) {
                    let jobs = u64::try_from((last - first + 1) * portion).unwrap();
                    let allowed = to.since(*from).as_micros() * u128::from(per_s) / 1_000_000;
                    let allowed = u64::try_from(allowed).unwrap() + 2 * u64::try_from(portion).unwrap();
                    prop_assert!(jobs <= allowed, "{jobs} in {:?} at {per_s}", to.since(*from));
                }
            }
        }

        #[test]
        fn whoever_comes_back_in_time_loses_nothing_of_the_rate(per_s in 1_u32..=1_000, lates in proptest::collection::vec(0_u64..1_000, 100)) {
            let (mut cadence, mut now, mut jobs) = (Cadence::new(per_s, None), START, 0_u64);
            let portion = cadence.portion(100);
            for late in lates {
                now = now.plus(cadence.wait(now)).plus(Duration::from_micros(late));
                cadence.spend(portion, now);
                jobs += u64::try_from(portion).unwrap();
            }
            let due = now.since(START).as_micros() * u128::from(per_s) / 1_000_000;
            // A microsecond of rounding a portion.
            prop_assert!(u128::from(jobs) + 1 >= due, "{jobs} of {due} at {per_s}");
        }
    }
}

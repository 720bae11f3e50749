//! How fast a queue drains.

use std::time::Duration;

use tokio::time::Instant;

/// The time after which what was before counts for a third: long enough to be steady, short enough to follow a queue that
/// stops.
const MEMORY: Duration = Duration::from_secs(10);
/// The shortest time over which a rate is measured.
const MEASURED_MIN: Duration = Duration::from_millis(500);

/// An exponentially weighted rate of a number that grows.
#[derive(Debug)]
pub(super) struct Rate {
    at: Instant,
    total: u64,
    per_s: f64,
}

impl Rate {
    /// Nothing happened until `now`.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            at: now,
            total: 0,
            per_s: 0.0,
        }
    }

    /// Notes how much there was in all by `now`, and answers the rate.
    pub(super) fn at(&mut self, now: Instant, total: u64) -> f64 {
        let gone = now.saturating_duration_since(self.at);
        if gone >= MEASURED_MIN {
            let seconds = gone.as_secs_f64();
            let more = u32::try_from(total.saturating_sub(self.total)).unwrap_or(u32::MAX);
            let kept = (-seconds / MEMORY.as_secs_f64()).exp();
            self.per_s = self.per_s * kept + f64::from(more) / seconds * (1.0 - kept);
            (self.at, self.total) = (now, total);
        }
        self.per_s
    }
}

/// How long a queue takes for so many jobs at this rate: 1 s to an hour; a minute if it does not drain at all, since then
/// nobody knows.
pub(super) fn wait_for(jobs: u64, per_s: f64) -> Duration {
    /// Below this, a rate is what is left in its memory of a queue that has stopped.
    const STANDING: f64 = 0.001;
    if per_s < STANDING {
        return Duration::from_secs(60);
    }
    let jobs = f64::from(u32::try_from(jobs).unwrap_or(u32::MAX));
    Duration::from_secs_f64((jobs / per_s).ceil().clamp(1.0, 3_600.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_steady_rate_is_found_and_one_that_stops_fades() {
        let mut now = Instant::now();
        let mut rate = Rate::new(now);
        let mut total = 0;
        for _ in 0..60 {
            now += Duration::from_secs(1);
            total += 50;
            rate.at(now, total);
        }
        assert!((rate.at(now, total) - 50.0).abs() < 1.0, "{rate:?}");
        for _ in 0..60 {
            now += Duration::from_secs(1);
            rate.at(now, total);
        }
        assert!(rate.at(now, total) < 0.5, "{rate:?}");
    }

    proptest! {
        #[test]
        fn a_wait_is_from_a_second_to_an_hour_and_shorter_the_faster_it_drains(jobs in 0_u64..10_000_000, per_s in 0.0_f64..1e6) {
            let wait = wait_for(jobs, per_s);
            prop_assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(3_600));
            prop_assert!(per_s < 0.001 || wait_for(jobs, per_s * 2.0) <= wait);
        }
    }
}

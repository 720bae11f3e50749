//! When a child that failed is tried again: backoff and intensity, as plain arithmetic.
//!
//! Guarantees: no clock and no random source in here, both are parameters; the same history gives the same answer.
//!
//! The intensity counts failures within a period of *time that the child was up*. Were the waits of the backoff part of
//! the period, the backoff alone would hold any child below the intensity (20 failures at 50 ms doubling to 2 s take half
//! a minute), and one that can never work would be tried every two seconds for ever.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What happens when a child fails more often than it may be restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Beyond {
    /// The child alone bears it: it is degraded, and tried again at long intervals or by an operator. Its failures are
    /// counted apart, by the [`intensity`](RestartPolicy::intensity) of its own policy.
    #[default]
    Degrade,
    /// Its supervisor bears it, as in OTP: failures of all such children count together against the supervisor's
    /// [`Intensity`]; beyond that the supervisor ends its children and fails in turn. The policy's own `intensity`,
    /// `period` and `degraded_retry` are not used.
    Escalate,
}

/// How many restarts of its escalating children a supervisor bears. The default is that of the service: 20 in 10 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// How many failures within the period are met with a restart; one more ends the supervisor's life.
    /// `u32::MAX` is no limit.
    pub restarts: u32,
    /// The span of time over which they are counted. Time in which an escalating child waits for its backoff does not
    /// count, or the backoff would hide what the intensity is to find.
    pub period: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Self {
            restarts: 20,
            period: Duration::from_secs(10),
        }
    }
}

/// How a child that failed is tried again. The default is that of the service's workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// How many failures within [`period`](Self::period) are met with a restart; one more makes the child degraded.
    /// `u32::MAX` is no limit. Default 20.
    pub intensity: u32,
    /// The span of the child's own running time over which failures are counted. Default 10 s.
    pub period: Duration,
    /// The wait after the first failure; each further one doubles it. Default 50 ms.
    pub backoff_min: Duration,
    /// The longest wait before a child that is not degraded is tried again. Default 2 s.
    pub backoff_max: Duration,
    /// After running this long without a failure the backoff starts anew, and a degraded child has recovered.
    /// Default 10 s.
    pub calm: Duration,
    /// The wait between two tries of a degraded child. Default 10 s.
    pub degraded_retry: Duration,
    /// Who bears more failures than that. Default [`Beyond::Degrade`].
    pub beyond: Beyond,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            intensity: 20,
            period: Duration::from_secs(10),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
            calm: Duration::from_secs(10),
            degraded_retry: Duration::from_secs(10),
            beyond: Beyond::Degrade,
        }
    }
}

/// What follows a failure, and how long to wait first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Restart after the backoff.
    Backoff(Duration),
    /// Too many failures: degraded, tried again after the wait.
    Degraded(Duration),
}

impl Verdict {
    /// The wait before the next try.
    pub(super) const fn wait(self) -> Duration {
        match self {
            Self::Backoff(wait) | Self::Degraded(wait) => wait,
        }
    }
}

/// The failures of a supervisor's escalating children.
#[derive(Debug, Default)]
pub(super) struct Strain {
    /// The running time at each failure that may still lie within the period; at most `restarts + 1` of them.
    failures: VecDeque<Duration>,
    /// Running time up to `since`.
    up: Duration,
    /// When the clock of running time was started; none while it stands.
    since: Option<Instant>,
}

impl Strain {
    /// Notes a failure; true if it is one more than the supervisor bears.
    pub(super) fn failed(&mut self, now: Instant, intensity: &Intensity) -> bool {
        let up = self.up(now);
        note(&mut self.failures, up, intensity.period, intensity.restarts)
    }

    /// Starts the clock of running time, or stops it while a child waits.
    pub(super) fn clock(&mut self, now: Instant, running: bool) {
        self.up = self.up(now);
        self.since = running.then_some(now);
    }

    fn up(&self, now: Instant) -> Duration {
        let running = self
            .since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.up.saturating_add(running)
    }
}

/// What a child's failures have come to so far.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Failures since the last calm period; the exponent of the backoff.
    streak: u32,
    /// The child's running time over all of its lives.
    up: Duration,
    /// The running time at each failure that may still lie within the period; at most `intensity + 1` of them.
    failures: VecDeque<Duration>,
    /// Whether the intensity was exceeded and no calm period came since.
    degraded: bool,
}

impl Record {
    /// Notes a failure after `lived` of running; `random` is any number, evenly spread.
    pub(super) fn failed(&mut self, lived: Duration, policy: &RestartPolicy, random: u32) -> Verdict {
        if lived >= policy.calm {
            self.calmed();
        }
        self.up = self.up.saturating_add(lived);
        let is_beyond = note(&mut self.failures, self.up, policy.period, policy.intensity);
        if self.degraded || is_beyond {
            self.degraded = true;
            self.failures.clear();
            return Verdict::Degraded(policy.degraded_retry);
        }
        let wait = backoff(policy, self.streak, random);
        self.streak = self.streak.saturating_add(1);
        Verdict::Backoff(wait)
    }

    /// Notes a failure that the supervisor bears: the backoff alone.
    pub(super) fn borne(&mut self, lived: Duration, policy: &RestartPolicy, random: u32) -> Verdict {
        if lived >= policy.calm {
            self.calmed();
        }
        let wait = backoff(policy, self.streak, random);
        self.streak = self.streak.saturating_add(1);
        Verdict::Backoff(wait)
    }

    /// Notes that the child ran for a calm period; true if it was degraded and has thereby recovered.
    pub(super) fn calmed(&mut self) -> bool {
        self.streak = 0;
        std::mem::take(&mut self.degraded)
    }
}

/// Notes a failure at `up` of running time, and forgets those before the period; true if more are left than `intensity`.
/// Running time only grows, so that the oldest come first.
fn note(failures: &mut VecDeque<Duration>, up: Duration, period: Duration, intensity: u32) -> bool {
    if intensity == u32::MAX {
        // Without a limit there is nothing to count, and a child that fails at once each time would fill the memory.
        return false;
    }
    failures.push_back(up);
    let from = up.saturating_sub(period);
    while failures.front().is_some_and(|at| *at < from) {
        failures.pop_front();
    }
    failures.len() > usize::try_from(intensity).unwrap_or(usize::MAX)
}

/// The wait after `streak` earlier failures: doubling from the shortest to the longest, 20 % more or less so that
/// children that failed together do not come back together, never beyond the longest.
fn backoff(policy: &RestartPolicy, streak: u32, random: u32) -> Duration {
    let doubled = 1_u32
        .checked_shl(streak)
        .and_then(|factor| policy.backoff_min.checked_mul(factor))
        .map_or(policy.backoff_max, |wait| wait.min(policy.backoff_max));
    let per_mille = 800 + random % 401;
    doubled
        .checked_mul(per_mille)
        .map_or(policy.backoff_max, |wait| (wait / 1_000).min(policy.backoff_max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Leaves the wait as it is, between 20 % less and 20 % more.
    const EVEN: u32 = 200;

    #[test]
    fn the_backoff_doubles_up_to_the_longest_and_starts_anew_after_a_calm_period() {
        let policy = RestartPolicy::default();
        let mut record = Record::default();
        let waits: Vec<u128> = (0..8)
            .map(|_| record.failed(Duration::ZERO, &policy, EVEN).wait().as_millis())
            .collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(
            record.failed(policy.calm, &policy, EVEN),
            Verdict::Backoff(policy.backoff_min)
        );
    }

    #[test]
    fn one_failure_more_than_the_intensity_degrades_and_only_a_calm_period_ends_that() {
        let policy = RestartPolicy::default();
        let mut record = Record::default();
        for _ in 0..policy.intensity {
            assert!(matches!(
                record.failed(Duration::ZERO, &policy, EVEN),
                Verdict::Backoff(_)
            ));
        }
        let degraded = Verdict::Degraded(policy.degraded_retry);
        assert_eq!(record.failed(Duration::ZERO, &policy, EVEN), degraded);
        assert_eq!(
            record.failed(policy.calm - Duration::from_millis(1), &policy, EVEN),
            degraded
        );
        assert!(record.calmed(), "it was degraded");
        assert!(!record.calmed(), "and is no more");
        assert_eq!(
            record.failed(Duration::ZERO, &policy, EVEN),
            Verdict::Backoff(policy.backoff_min)
        );
    }

    proptest! {
        #[test]
        fn a_wait_is_within_a_fifth_of_the_doubled_one_and_never_beyond_the_longest(
            streak in 0_u32..70, random in any::<u32>(), min_ms in 1_u64..5_000, max_ms in 1_u64..60_000,
        ) {
            let (min, max) = (Duration::from_millis(min_ms.min(max_ms)), Duration::from_millis(max_ms));
            let policy = RestartPolicy { backoff_min: min, backoff_max: max, ..RestartPolicy::default() };
            let wait = backoff(&policy, streak, random);
            let doubled = Duration::from_millis(
                u64::try_from((u128::from(min_ms.min(max_ms)) << streak).min(u128::from(max_ms))).unwrap(),
            );
            prop_assert!(wait <= max);
            prop_assert!(wait >= doubled.mul_f64(0.799) && wait <= doubled.mul_f64(1.201));
        }

        #[test]
        fn a_child_is_degraded_exactly_when_more_failures_than_the_intensity_fall_in_the_period(
            lives_ms in proptest::collection::vec(0_u64..9_000, 1..80), intensity in 0_u32..12,
        ) {
            let policy = RestartPolicy { intensity, ..RestartPolicy::default() };
            let mut record = Record::default();
            let mut failed_at_ms: Vec<u64> = Vec::new();
            let mut expected = false;
            for lived in lives_ms {
                let at = failed_at_ms.last().copied().unwrap_or(0) + lived;
                failed_at_ms.push(at);
                let recent = failed_at_ms.iter().filter(|earlier| at - **earlier <= 10_000).count();
                // No life here is as long as the calm period, so that once degraded it stays so.
                expected |= recent > usize::try_from(intensity).unwrap();
                let verdict = record.failed(Duration::from_millis(lived), &policy, EVEN);
                prop_assert_eq!(matches!(verdict, Verdict::Degraded(_)), expected);
            }
        }
    }
}

//! When a failed attempt is tried again: exponential, capped, with jitter.

use std::time::Duration;

/// How long to wait after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failed attempt.
    pub base: Duration,
    /// The longest wait, before jitter.
    pub cap: Duration,
}

impl Backoff {
    /// Most that jitter takes from or adds to a wait, as a part of a hundred: ±20 %, so that jobs that failed together do
    /// not come back together.
    pub const JITTER_PERCENT: u64 = 20;

    /// The wait after the `attempt`-th attempt (counted from 1) failed: `base × 2^(attempt − 1)`, at most `cap`, then moved
    /// by up to ±20 % as `random` says (any number; all of its values are equally good).
    #[must_use]
    pub fn after(&self, attempt: u32, random: u64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(32);
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        let base = u64::try_from(self.base.as_millis()).unwrap_or(u64::MAX);
        let cap = u64::try_from(self.cap.as_millis()).unwrap_or(u64::MAX);
        let wait = base.saturating_mul(factor).min(cap);
        let spread = 2 * Self::JITTER_PERCENT + 1;
        let percent = 100 - Self::JITTER_PERCENT + random % spread;
        let jittered = u128::from(wait) * u128::from(percent) / 100;
        Duration::from_millis(u64::try_from(jittered).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_secs(1),
        cap: Duration::from_secs(60),
    };

    #[test]
    fn waits_double_until_the_cap() {
        let waits: Vec<u64> = (1..=8).map(|attempt| BACKOFF.after(attempt, 20).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_beyond_the_cap_and_its_jitter(attempt in 0_u32..u32::MAX, random in any::<u64>()) {
            let wait = BACKOFF.after(attempt, random);
            prop_assert!(wait <= BACKOFF.cap * 12 / 10);
            prop_assert!(wait >= BACKOFF.base * 8 / 10);
        }
    }
}

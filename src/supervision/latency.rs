//! How long something takes, as a histogram of fixed size whose percentiles are right within a quarter.
//!
//! A histogram crate keeps some kilobytes for each recorder, and a tree may hold ten thousand.

use std::time::Duration;

/// Steps in each doubling: the upper bound of a step is at most a quarter above its lower one.
const STEPS: usize = 4;

/// Doublings of a microsecond: the last step begins at 2²⁷ µs, more than two minutes.
const DOUBLINGS: usize = 28;

/// Counts of durations from under a microsecond to over two minutes.
#[derive(Clone, Debug)]
pub(super) struct Latency {
    counts: Box<[u32; STEPS * DOUBLINGS]>,
    total: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            counts: Box::new([0; STEPS * DOUBLINGS]),
            total: 0,
        }
    }
}

impl Latency {
    /// Notes a duration, as often as `times` says.
    pub(super) fn record(&mut self, took: Duration, times: u32) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(step_of(micros)) {
            *count = count.saturating_add(times);
            self.total = self.total.saturating_add(u64::from(times));
        }
    }

    /// The upper bound, in microseconds, of the step within which `per_mille` of all durations end; 0 if there are none.
    pub(super) fn percentile_us(&self, per_mille: u64) -> u64 {
        let wanted = self.total.saturating_mul(per_mille).div_ceil(1_000);
        let mut seen = 0_u64;
        for (step, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted && wanted > 0 {
                return bound_of(step);
            }
        }
        0
    }
}

/// The step in which `micros` lies: the doubling by its highest bit, the quarter by the next two.
fn step_of(micros: u64) -> usize {
    let Some(highest) = micros.checked_ilog2() else {
        return 0;
    };
    let quarter = if highest >= 2 {
        (micros >> (highest - 2)) & 3
    } else {
        (micros << (2 - highest)) & 3
    };
    let quarter = usize::try_from(quarter).unwrap_or(0);
    let doubling = usize::try_from(highest).unwrap_or(usize::MAX);
    (doubling.saturating_mul(STEPS) + quarter).min(STEPS * DOUBLINGS - 1)
}

/// The smallest number of whole microseconds beyond a step.
fn bound_of(step: usize) -> u64 {
    let (doubling, quarter) = (step / STEPS, step % STEPS);
    let shift = u32::try_from(doubling).unwrap_or(0);
    let quarters = u64::try_from(quarter).unwrap_or(0) + 5;
    (quarters << shift).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_percentiles_of_a_thousand_durations_are_those_of_the_sorted_list_within_a_quarter() {
        let mut times = Latency::default();
        assert_eq!(times.percentile_us(500), 0);
        for micros in 1..=1_000 {
            times.record(Duration::from_micros(micros), 1);
        }
        let (p50, p99) = (times.percentile_us(500), times.percentile_us(990));
        assert!((500..=640).contains(&p50), "{p50}");
        assert!((990..=1_280).contains(&p99), "{p99}");
    }

    proptest! {
        #[test]
        fn a_duration_lies_below_the_bound_of_its_step_and_within_a_quarter_of_it(micros in 4_u64..(1 << 27)) {
            let bound = bound_of(step_of(micros));
            prop_assert!(micros < bound, "{micros} < {bound}");
            prop_assert!(bound <= micros + micros.div_ceil(4) + 1, "{bound} near {micros}");
        }
    }
}

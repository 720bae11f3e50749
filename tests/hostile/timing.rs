//! Whether two kinds of request take the same time, by statistics that a busy machine does not fool.
//!
//! The requests are sent in pairs, one of each kind, in an order that alternates, so that whatever else the machine does falls on
//! both kinds alike. What is judged is the median of the differences within pairs, with an interval from a bootstrap that
//! holds it with 99.9 %. The kinds are the same if that interval lies within the tolerance, and differ if it lies beyond it;
//! while it does neither, more pairs are sent. So the outcome is not whether some difference exists, which with enough samples
//! is always so, but whether one of a size that matters does: noise makes the test longer, not wrong.

use std::time::Duration;

/// The fewest and the most pairs, and how many come between two looks.
const PAIRS_MIN: usize = 300;
const PAIRS_MAX: usize = 2_400;
const PAIRS_STEP: usize = 100;

/// Resamplings of the bootstrap, and how many of them are cut off at each end of the interval: 99.9 % remain.
const RESAMPLINGS: usize = 4_000;
const CUT: usize = 2;

/// How the two kinds compare.
#[derive(Debug)]
pub(super) struct Compared {
    /// The median of how much longer the first kind took, in microseconds.
    pub(super) median_us: f64,
    /// Where that lies with 99.9 %, in microseconds.
    pub(super) interval_us: (f64, f64),
    /// In what share of the pairs the first kind took longer; a half if they are the same.
    pub(super) share: f64,
    /// So many pairs.
    pub(super) pairs: usize,
    /// Whether the interval lies within the tolerance.
    pub(super) is_same: bool,
}

/// Sends pairs until it is known whether the two kinds take the same time, up to `tolerance`. `ask` sends a request of the first
/// kind for `true`, with the number of its pair, and answers how long it took.
pub(super) async fn compare(tolerance: Duration, mut ask: impl AsyncFnMut(bool, usize) -> Duration) -> Compared {
    let mut differences = Vec::new();
    let tolerance_us = tolerance.as_secs_f64() * 1e6;
    loop {
        for _ in 0..PAIRS_STEP {
            let pair = differences.len();
            let first_goes_first = pair.is_multiple_of(2);
            let one = ask(first_goes_first, pair).await;
            let other = ask(!first_goes_first, pair).await;
            let (first, second) = if first_goes_first { (one, other) } else { (other, one) };
            differences.push((first.as_secs_f64() - second.as_secs_f64()) * 1e6);
        }
        if differences.len() < PAIRS_MIN {
            continue;
        }
        let compared = judged(&differences, tolerance_us);
        let (low, high) = compared.interval_us;
        let differs = low > tolerance_us || high < -tolerance_us;
        if compared.is_same || differs || differences.len() >= PAIRS_MAX {
            return compared;
        }
    }
}

fn judged(differences: &[f64], tolerance_us: f64) -> Compared {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut medians: Vec<f64> = (0..RESAMPLINGS)
        .map(|_| {
            let drawn = (0..differences.len()).map(|_| differences[random.below(differences.len())]);
            median(drawn.collect())
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let interval_us = (medians[CUT], medians[RESAMPLINGS - 1 - CUT]);
    let longer = differences.iter().filter(|difference| **difference > 0.0).count();
    Compared {
        median_us: median(differences.to_vec()),
        interval_us,
        share: f64::from(u32::try_from(longer).unwrap()) / f64::from(u32::try_from(differences.len()).unwrap()),
        pairs: differences.len(),
        is_same: interval_us.0 > -tolerance_us && interval_us.1 < tolerance_us,
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    let middle = all.len() / 2;
    *all.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// A generator of numbers that are random enough to draw samples (splitmix64), the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// Times with a noise far larger than what is looked for, half of a busy machine's kind: now and then a long pause.
async fn simulated(shift_us: f64) -> Compared {
    let mut random = Random(7);
    compare(Duration::from_micros(1_000), async |first, _| {
        let noise = 5_000 + random.below(2_000) + if random.below(10) == 0 { random.below(50_000) } else { 0 };
        let noise = f64::from(u32::try_from(noise).unwrap());
        Duration::from_secs_f64((noise + if first { shift_us } else { 0.0 }) / 1e6)
    })
    .await
}

#[tokio::test]
async fn noise_is_no_difference_and_a_difference_is_found_in_noise() {
    let same = simulated(0.0).await;
    assert!(same.is_same && (0.4..0.6).contains(&same.share), "{same:?}");
    assert!((PAIRS_MIN..=PAIRS_MAX).contains(&same.pairs), "{same:?}");
    // Far below the tolerance: it is there, and does not matter.
    let little = simulated(100.0).await;
    assert!(little.is_same, "{little:?}");
    for shift_us in [2_000.0, 20_000.0] {
        let other = simulated(shift_us).await;
        assert!(
            !other.is_same && (other.median_us - shift_us).abs() < 500.0,
            "{other:?}"
        );
    }
}

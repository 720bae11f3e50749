//! How much is measured: in full, or little of everything to see that it works.

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    /// Rounds of each measurement; what is said is their median.
    pub(crate) rounds: usize,
    /// How long wrk and pgbench put load on a server, in seconds.
    pub(crate) seconds: u32,
    /// What numbers of jobs are divided by.
    divisor: u64,
}

impl Scale {
    /// What the README's figures are measured with.
    pub(crate) const FULL: Self = Self {
        rounds: 3,
        seconds: 10,
        divisor: 1,
    };
    /// One short round of a hundredth of the jobs. Its figures say nothing.
    pub(crate) const SMALL: Self = Self {
        rounds: 1,
        seconds: 1,
        divisor: 100,
    };

    /// So many jobs at this scale.
    pub(crate) fn jobs(self, count: u64) -> u64 {
        (count / self.divisor).max(1)
    }
}

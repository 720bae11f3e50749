//! How many jobs this process may still accept, before what waits is counted again.
//!
//! Guarantees: to take costs two atomics, and waits for nobody. What one process may accept until the next count is its
//! share of what was left at its last one. Where it is alone, the share is all of it, and what it claims itself may be taken
//! again at once. Where there are others, all shares that are not used up yet amount to no more than a quarter of the limit
//! and one job for each node, so that the limit is passed by no more than that, whoever counts when.

use std::sync::atomic::{AtomicI64, Ordering};

/// The part of a limit, as one over it, that nodes may hold unused beside one another.
const HELD_PART: u64 = 4;

/// One limit, as one process keeps it.
#[derive(Debug)]
pub(super) struct Allowance {
    /// Jobs taken less those given back, ever.
    used: AtomicI64,
    /// `used` when it is full.
    full_at: AtomicI64,
    /// `used` when the count that is under way began.
    marked: AtomicI64,
    /// What was counted, less `used` then: with `used` it is what waits now, as far as this process knows.
    base: AtomicI64,
}

impl Allowance {
    /// One of which nothing waits yet, and of which this many may be taken.
    pub(super) fn of(share: u64) -> Self {
        Self {
            used: AtomicI64::new(0),
            full_at: AtomicI64::new(signed(share)),
            marked: AtomicI64::new(0),
            base: AtomicI64::new(0),
        }
    }

    /// Takes one job; answers whether there was one to be had.
    pub(super) fn take(&self) -> bool {
        if self.used.fetch_add(1, Ordering::SeqCst) < self.full_at.load(Ordering::SeqCst) {
            return true;
        }
        self.used.fetch_sub(1, Ordering::SeqCst);
        false
    }

    /// Notes that so many more wait, whether or not they may.
    pub(super) fn add(&self, jobs: u64) {
        self.used.fetch_add(signed(jobs), Ordering::SeqCst);
    }

    /// Notes that others need know of so many no more: they wait no longer, but nothing may be taken for them before the
    /// next count, since the others count that room as well.
    pub(super) fn forget(&self, jobs: u64) {
        self.base.fetch_sub(signed(jobs), Ordering::SeqCst);
    }

    /// Notes that so many wait no more, and may be taken again.
    pub(super) fn give_back(&self, jobs: u64) {
        self.used.fetch_sub(signed(jobs), Ordering::SeqCst);
    }

    /// Notes that a count begins.
    pub(super) fn mark(&self) {
        self.marked.store(self.used.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Notes what was counted since the mark, and how many may be taken from there. What was taken meanwhile is taken to have
    /// come after the count.
    pub(super) fn counted(&self, waiting: u64, share: u64) {
        let marked = self.marked.load(Ordering::SeqCst);
        self.base
            .store(signed(waiting).saturating_sub(marked), Ordering::SeqCst);
        self.full_at
            .store(marked.saturating_add(signed(share)), Ordering::SeqCst);
    }

    /// Notes how many may be taken from now on.
    pub(super) fn bound_anew(&self, share: u64) {
        let used = self.used.load(Ordering::SeqCst);
        self.full_at.store(used.saturating_add(signed(share)), Ordering::SeqCst);
    }

    /// How many were taken since the mark, less those given back.
    pub(super) fn moved(&self) -> i64 {
        self.used
            .load(Ordering::SeqCst)
            .saturating_sub(self.marked.load(Ordering::SeqCst))
    }

    /// How many wait, as far as this process knows.
    pub(super) fn waiting(&self) -> u64 {
        let known = self
            .base
            .load(Ordering::SeqCst)
            .saturating_add(self.used.load(Ordering::SeqCst));
        u64::try_from(known).unwrap_or(0)
    }
}

/// What a node may take of a limit of `max` of which `waiting` are used, beside so many nodes in all.
pub(super) fn share(max: u64, waiting: u64, nodes: u64, is_alone: bool) -> u64 {
    let left = max.saturating_sub(waiting);
    if is_alone {
        return left;
    }
    let nodes = nodes.max(1);
    left.div_ceil(nodes).min(max.div_ceil(HELD_PART * nodes))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the nodes do.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// A node is asked to accept so many, one by one.
        Ask(usize, u64),
        /// It begins to count, or ends what it began.
        Count(usize),
        /// So many are claimed by a node.
        Claim(usize, u64),
    }

    fn step(nodes: usize) -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..nodes, 1_u64..200).prop_map(|(node, jobs)| Step::Ask(node, jobs)),
            3 => (0..nodes).prop_map(Step::Count),
            1 => (0..nodes, 1_u64..100).prop_map(|(node, jobs)| Step::Claim(node, jobs)),
        ]
    }

    proptest! {
        #[test]
        fn several_nodes_pass_a_limit_by_no_more_than_a_quarter_and_one_job_each(
            (nodes, steps) in (1_usize..6).prop_flat_map(|nodes| (Just(nodes), prop::collection::vec(step(nodes), 1..300))),
            max in 1_u64..1_000,
        ) {
            let count = u64::try_from(nodes).unwrap();
            let all: Vec<Allowance> = (0..nodes).map(|_| Allowance::of(share(max, 0, count, false))).collect();
            let mut under_way: Vec<Option<u64>> = vec![None; nodes];
            let mut waiting = 0_u64;
            for step in steps {
                match step {
                    Step::Ask(node, jobs) => {
                        for _ in 0..jobs {
                            waiting += u64::from(all[node].take());
                        }
                    }
                    Step::Count(node) => match under_way[node].take() {
                        None => {
                            all[node].mark();
                            under_way[node] = Some(waiting);
                        }
                        Some(seen) => all[node].counted(seen, share(max, seen, count, false)),
                    },
                    Step::Claim(node, jobs) => {
                        let jobs = jobs.min(waiting);
                        waiting -= jobs;
                        all[node].forget(jobs);
                    }
                }
                prop_assert!(waiting <= max + max.div_ceil(HELD_PART) + count, "{waiting} of {max}");
            }
        }

        #[test]
        fn one_that_is_alone_never_passes_its_limit_and_accepts_up_to_it(
            steps in prop::collection::vec(step(1), 1..300),
            max in 1_u64..1_000,
        ) {
            let allowance = Allowance::of(max);
            let (mut waiting, mut seen) = (0_u64, None);
            for step in steps {
                match step {
                    Step::Ask(_, jobs) => {
                        for _ in 0..jobs {
                            let taken = allowance.take();
                            prop_assert_eq!(taken, waiting < max);
                            waiting += u64::from(taken);
                        }
                    }
                    Step::Count(_) => {
                        // Nothing comes between the beginning and the end here: what does is told above.
                        allowance.mark();
                        seen = Some(waiting);
                        allowance.counted(waiting, share(max, waiting, 1, true));
                    }
                    Step::Claim(_, jobs) => {
                        let jobs = jobs.min(waiting);
                        waiting -= jobs;
                        allowance.give_back(jobs);
                    }
                }
                prop_assert_eq!(allowance.waiting(), waiting, "{:?}", seen);
            }
        }
    }

    #[test]
    fn what_is_taken_while_it_is_counted_is_not_forgotten() {
        let allowance = Allowance::of(10);
        allowance.mark();
        assert!(allowance.take() && allowance.take());
        allowance.counted(8, share(10, 8, 1, true));
        assert!(!allowance.take(), "8 were there, and 2 came");
        assert_eq!(allowance.waiting(), 10);
    }
}

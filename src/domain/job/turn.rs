//! Whose turn it is: how workspaces share what may start in a queue.
//!
//! A deficit round robin. Workspaces that have something waiting stand in a circle, ordered by their ids; each may start as
//! many jobs as its weight, then it is the next one's turn. Where the turn is, a claimer keeps between its claims.
//!
//! Guarantees: nothing that could start is left while there is room (it is work-conserving); of workspaces that always have
//! something waiting, none is ahead of its share by more than its weight; one that comes anew waits for one turn of each of
//! the others at most. Left out: what each has waiting and what limits leave (`store`).

use std::collections::BTreeMap;

use crate::domain::id::WorkspaceId;

/// Workspaces of which it is kept at which key their keys' turn is; of more, it begins anew.
const KEYS_KEPT_MAX: usize = 1_000;

/// Where the turn is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The workspace that was served last.
    at: Option<WorkspaceId>,
    /// How many more it may start before it is the next one's turn.
    credit: u32,
    /// How many it has started of that turn.
    spent: u32,
    /// For workspaces with more keys than one look sees, the key that was seen last.
    keys: BTreeMap<WorkspaceId, String>,
}

/// A workspace that has something waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Whose.
    pub workspace: WorkspaceId,
    /// Its share, from 1.
    pub weight: u32,
    /// How many of its jobs may start as far as limits go; no bound if there is none.
    pub room: Option<u64>,
}

impl Turn {
    /// From where to look for the next: from a workspace on, and whether that one is left out.
    #[must_use]
    pub fn from(&self) -> Option<(WorkspaceId, bool)> {
        self.at.map(|at| (at, self.credit == 0))
    }

    /// How many the workspace whose turn is not over has started of it already.
    #[must_use]
    pub fn spent(&self) -> u32 {
        self.spent
    }

    /// The key behind which the keys of this workspace are to be looked at; from the first on if there is none.
    #[must_use]
    pub fn key_of(&self, workspace: WorkspaceId) -> Option<&str> {
        self.keys.get(&workspace).map(String::as_str)
    }

    /// Notes the last key that was seen of a workspace that has more, or that all were seen.
    pub fn seen(&mut self, workspace: WorkspaceId, key: Option<String>) {
        match key {
            Some(key) if self.keys.len() < KEYS_KEPT_MAX || self.keys.contains_key(&workspace) => {
                self.keys.insert(workspace, key);
            }
            Some(_) => {}
            None => drop(self.keys.remove(&workspace)),
        }
    }

    /// Deals `limit` starts out among those that wait, which are to stand in the order of the circle from [`Turn::from`] on;
    /// answers how many each may start. `is_whole` says that nobody else has anything waiting: then they are gone round until
    /// nothing is left to deal or to start, and once otherwise.
    pub fn deal(&mut self, waiting: &[Waiting], is_whole: bool, limit: u64) -> Vec<u64> {
        let mut dealt = vec![0_u64; waiting.len()];
        let mut left = limit;
        // What is left of a turn that was cut short by the limit of the deal before.
        let is_first = |one: &&Waiting| Some(one.workspace) == self.at && self.credit > 0;
        let mut rest = waiting.first().filter(is_first).map(|_| self.credit);
        loop {
            let before = left;
            for (one, dealt) in waiting.iter().zip(&mut dealt) {
                if left == 0 {
                    break;
                }
                let credit = rest.take().unwrap_or(one.weight);
                let room = one.room.map_or(u64::MAX, |room| room.saturating_sub(*dealt));
                let starts = u64::from(credit).min(room).min(left);
                (*dealt, left) = (*dealt + starts, left - starts);
                self.at = Some(one.workspace);
                // Whoever can start nothing more has no claim on the rest of its turn.
                let spent = u32::try_from(starts).unwrap_or(u32::MAX);
                self.credit = if starts == room {
                    0
                } else {
                    credit.saturating_sub(spent)
                };
                self.spent = if self.credit == 0 {
                    0
                } else {
                    one.weight.saturating_sub(self.credit)
                };
            }
            if left == 0 || left == before || !is_whole {
                return dealt;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn workspace(number: usize) -> WorkspaceId {
        WorkspaceId::from_bits(u128::try_from(number).unwrap() + 1)
    }

    /// Those of these workspaces that have a backlog, from the turn on.
    fn circle(turn: &Turn, weights: &[u32], backlog: &[u64]) -> Vec<Waiting> {
        let all: Vec<Waiting> = weights
            .iter()
            .zip(backlog)
            .enumerate()
            .filter(|(_, (_, backlog))| **backlog > 0)
            .map(|(number, (weight, backlog))| Waiting {
                workspace: workspace(number),
                weight: *weight,
                room: Some(*backlog),
            })
            .collect();
        let Some((from, is_out)) = turn.from() else { return all };
        let is_ahead = |one: &&Waiting| {
            if is_out {
                one.workspace > from
            } else {
                one.workspace >= from
            }
        };
        let ahead = all.iter().filter(is_ahead);
        let behind = all.iter().filter(|one| !is_ahead(one));
        ahead.chain(behind).copied().collect()
    }

    #[test]
    fn a_limit_that_cuts_a_turn_short_leaves_the_rest_of_it_for_the_next_deal() {
        let mut turn = Turn::default();
        let (weights, backlog) = ([3, 2], [100, 100]);
        let mut order = Vec::new();
        for _ in 0..10 {
            let waiting = circle(&turn, &weights, &backlog);
            let dealt = turn.deal(&waiting, true, 1);
            let who = dealt.iter().position(|dealt| *dealt == 1).unwrap();
            order.push(waiting[who].workspace);
        }
        let expected = [0, 0, 0, 1, 1, 0, 0, 0, 1, 1].map(workspace);
        assert_eq!(order, expected);
        assert_eq!(turn.spent(), 0, "that turn is over");
        turn.deal(&circle(&turn, &weights, &backlog), true, 2);
        assert_eq!(turn.spent(), 2);
    }

    #[test]
    fn whoever_cannot_start_is_passed_over_and_keeps_nothing() {
        let mut turn = Turn::default();
        let of = |number, room| Waiting {
            workspace: workspace(number),
            weight: 5,
            room,
        };
        assert_eq!(
            turn.deal(&[of(0, Some(0)), of(1, Some(2)), of(2, None)], true, 20),
            [0, 2, 18]
        );
        assert_eq!(turn.deal(&[of(0, Some(0))], true, 20), [0]);
        assert_eq!(turn.deal(&[], true, 20), [0_u64; 0]);
        let one = turn.deal(&[of(0, None), of(1, None)], false, 20);
        assert_eq!(one, [5, 5], "once round, where others may be waiting");
    }

    #[test]
    fn keys_are_kept_of_no_more_workspaces_than_may_be() {
        let mut turn = Turn::default();
        for number in 0..KEYS_KEPT_MAX + 10 {
            turn.seen(workspace(number), Some("a".to_owned()));
        }
        assert_eq!(turn.keys.len(), KEYS_KEPT_MAX);
        turn.seen(workspace(0), Some("b".to_owned()));
        turn.seen(workspace(1), None);
        assert_eq!(
            (turn.key_of(workspace(0)), turn.key_of(workspace(1))),
            (Some("b"), None)
        );
    }

    proptest! {
        #[test]
        fn nothing_is_left_that_could_start_and_nobody_gets_more_than_waits(
            parts in proptest::collection::vec((1_u32..=100, 0_u64..50), 0..20),
            limits in proptest::collection::vec(0_u64..300, 1..20),
        ) {
            let (weights, mut backlog): (Vec<u32>, Vec<u64>) = parts.into_iter().unzip();
            let mut turn = Turn::default();
            for limit in limits {
                let waiting = circle(&turn, &weights, &backlog);
                let dealt = turn.deal(&waiting, true, limit);
                prop_assert_eq!(dealt.iter().sum::<u64>(), limit.min(backlog.iter().sum()));
                for (one, dealt) in waiting.iter().zip(dealt) {
                    prop_assert!(Some(dealt) <= one.room);
                    let number = weights.iter().enumerate().position(|(number, _)| workspace(number) == one.workspace);
                    backlog[number.unwrap()] -= dealt;
                }
            }
        }

        #[test]
        fn those_that_always_wait_get_their_shares_within_one_turn(
            weights in proptest::collection::vec(1_u32..=20, 1..15), limit in 1_u64..64, deals in 1_usize..200,
        ) {
            let backlog = vec![u64::MAX; weights.len()];
            let mut turn = Turn::default();
            let mut started = vec![0_u64; weights.len()];
            for _ in 0..deals {
                let waiting = circle(&turn, &weights, &backlog);
                for (one, dealt) in waiting.iter().zip(turn.deal(&waiting, true, limit)) {
                    let number = (0..weights.len()).find(|number| workspace(*number) == one.workspace).unwrap();
                    started[number] += dealt;
                }
                // Turns that are over, by each one's count: they differ by one at most.
                let turns: Vec<u64> = started.iter().zip(&weights).map(|(started, weight)| started / u64::from(*weight)).collect();
                prop_assert!(turns.iter().max().unwrap() - turns.iter().min().unwrap() <= 1, "{started:?} of {weights:?}");
            }
        }

        #[test]
        fn whoever_comes_anew_waits_for_one_turn_of_each_other_at_most(
            weights in proptest::collection::vec(1_u32..=20, 2..15), newcomer in 0_usize..15, before in 0_usize..50,
            limit in 1_u64..40,
        ) {
            let newcomer = newcomer % weights.len();
            let mut backlog = vec![1_000_000; weights.len()];
            backlog[newcomer] = 0;
            let mut turn = Turn::default();
            for _ in 0..before {
                let waiting = circle(&turn, &weights, &backlog);
                turn.deal(&waiting, true, limit);
            }
            backlog[newcomer] = 1;
            let others: u64 = weights.iter().enumerate().filter(|(number, _)| *number != newcomer).map(|(_, weight)| u64::from(*weight)).sum();
            let mut passed = 0;
            loop {
                let waiting = circle(&turn, &weights, &backlog);
                let dealt = turn.deal(&waiting, true, limit);
                let its = waiting.iter().zip(&dealt).find(|(one, _)| one.workspace == workspace(newcomer)).unwrap();
                if *its.1 == 1 {
                    break;
                }
                passed += dealt.iter().sum::<u64>();
                prop_assert!(passed <= others, "{passed} before it of {weights:?}");
            }
        }
    }
}

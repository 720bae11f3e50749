//! What holds in every order of steps, and that each guard is needed for it.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use stateright::{Checker as _, HasDiscoveries, Model as _};

use super::{CLAIMS_MAX, Life, World};

pub(super) const ONE_END: &str = "at most one end of an attempt is accepted";
pub(super) const FINISHED_STAYS: &str = "no finished job changes without a person";
pub(super) const CANCEL_WINS: &str = "no attempt begins after a cancel was asked for";
pub(super) const DEADLINE_WINS: &str = "no attempt begins after the deadline";
pub(super) const NOT_AFTER_HANDOVER: &str = "nothing of an attempt is accepted after its job was handed on";
pub(super) const LIVING_KEEP: &str = "no work is taken from a node whose lease holds";

/// All guards kept.
const WHOLE: Life = Life {
    checks_fence: true,
    looks_at_lease_again: true,
    checks_state: true,
    deadline: None,
    orders: 1,
    crashes: 1,
};

/// The same for a job that has a deadline.
const WITH_DEADLINE: Life = Life {
    deadline: Some(1),
    ..WHOLE
};

#[test]
fn with_all_guards_every_rule_holds_in_every_order_of_steps() {
    for life in [WHOLE, WITH_DEADLINE] {
        let checked = life.checker().threads(2).spawn_bfs().join();
        checked.assert_properties();
        assert!(
            checked.unique_state_count() > 10_000,
            "{life:?} explores next to nothing"
        );
    }
}

/// The rule that is broken without a guard; the check stops at the first.
fn broken(life: Life, rule: &'static str) {
    let enough = HasDiscoveries::AllOf(BTreeSet::from([rule]));
    let checked = life.checker().threads(2).finish_when(enough).spawn_bfs().join();
    let found = checked.discovery(rule);
    assert!(found.is_some(), "{life:?} keeps the rule that {rule}");
}

#[test]
fn without_a_look_at_the_fence_a_late_end_is_accepted() {
    let life = Life {
        checks_fence: false,
        ..WHOLE
    };
    broken(life, NOT_AFTER_HANDOVER);
    broken(life, ONE_END);
}

#[test]
fn without_a_second_look_at_the_lease_work_is_taken_from_a_living_node() {
    let life = Life {
        looks_at_lease_again: false,
        ..WHOLE
    };
    broken(life, LIVING_KEEP);
}

#[test]
fn without_a_look_at_the_state_a_claim_runs_what_another_claimed_or_ended() {
    let life = Life {
        checks_state: false,
        ..WHOLE
    };
    broken(life, FINISHED_STAYS);
    broken(life, CANCEL_WINS);
}

/// From every state that can be reached the job can still end, unless the bound on claims is what keeps it from it.
#[test]
fn from_wherever_it_is_an_accepted_job_can_reach_an_end() {
    for life in [WHOLE, WITH_DEADLINE] {
        let mut numbers: HashMap<World, usize> = HashMap::new();
        let mut before: Vec<Vec<usize>> = Vec::new();
        let mut good = VecDeque::new();
        let mut left: VecDeque<World> = life.init_states().into();
        for world in &left {
            numbers.insert(world.clone(), 0);
            before.push(Vec::new());
        }
        while let Some(world) = left.pop_front() {
            let here = numbers[&world];
            if world.standing.state.is_final() || world.fence == CLAIMS_MAX {
                good.push_back(here);
                if world.standing.state.is_final() {
                    // What a person does after the end is a life of its own.
                    continue;
                }
            }
            for next in life.next_states(&world) {
                let fresh = numbers.len();
                let number = *numbers.entry(next.clone()).or_insert(fresh);
                if number == fresh {
                    before.push(Vec::new());
                    left.push_back(next);
                }
                before[number].push(here);
            }
        }
        let mut can_end: HashSet<usize> = good.iter().copied().collect();
        while let Some(state) = good.pop_front() {
            for earlier in &before[state] {
                if can_end.insert(*earlier) {
                    good.push_back(*earlier);
                }
            }
        }
        assert_eq!(can_end.len(), numbers.len(), "{life:?}");
    }
}

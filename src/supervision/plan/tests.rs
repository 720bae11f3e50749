//! The plan alone: inputs in, acts out, no task and no clock.

use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;

use super::*;
use crate::supervision::policy::{Beyond, RestartPolicy};
use crate::supervision::spec::Shutdown;

const SECOND: Duration = Duration::from_secs(1);

fn facts(restart: Restart) -> Facts {
    Facts {
        restart,
        significant: false,
        shutdown: Shutdown::Within(SECOND),
        phase: None,
        policy: RestartPolicy {
            beyond: Beyond::Escalate,
            ..RestartPolicy::default()
        },
        grace: CUT_OFF_GRACE,
    }
}

fn running(strategy: Strategy, children: u64) -> (Plan, Instant) {
    let intensity = Intensity {
        restarts: 3,
        period: 10 * SECOND,
    };
    let mut plan = Plan::new(strategy, intensity, AutoShutdown::Never);
    let now = Instant::now();
    plan.begin(now);
    for id in 1..=children {
        plan.added(id, facts(Restart::Permanent), now);
        plan.up(id, now);
    }
    plan.acts();
    (plan, now)
}

/// Answers every act as a child that does what it is told would, until nothing is left to do.
fn obey(plan: &mut Plan, now: Instant) -> Vec<Act> {
    let mut all = Vec::new();
    loop {
        let acts = plan.acts();
        if acts.is_empty() {
            return all;
        }
        for act in acts {
            match act {
                Act::Raise(id) => plan.up(id, now),
                Act::LieDown(id) => plan.down(id, End::Ordered, Duration::ZERO, 0, now),
                Act::Stop(id) => plan.gone(id, now),
                _ => {}
            }
            all.push(act);
        }
    }
}

fn orders(acts: &[Act]) -> Vec<Act> {
    acts.iter()
        .filter(|act| matches!(act, Act::Raise(_) | Act::LieDown(_) | Act::Stop(_)))
        .cloned()
        .collect()
}

#[tokio::test]
async fn one_for_all_ends_the_others_from_the_last_to_the_first_and_raises_all_in_order() {
    let (mut plan, now) = running(Strategy::OneForAll, 3);
    plan.down(2, End::Failed, Duration::ZERO, 0, now);
    assert_eq!(orders(&obey(&mut plan, now)), [Act::LieDown(3), Act::LieDown(1)]);
    let later = now + SECOND;
    plan.tick(later);
    let acts = orders(&obey(&mut plan, later));
    assert_eq!(acts, [Act::Raise(1), Act::Raise(2), Act::Raise(3)]);
}

#[tokio::test]
async fn a_transient_child_that_is_done_on_the_way_down_does_not_come_back() {
    for by_itself in [true, false] {
        let (mut plan, now) = running(Strategy::OneForOne, 2);
        plan.added(3, facts(Restart::Transient), now);
        plan.up(3, now);
        plan.acts();
        if by_itself {
            // Before its turn, which comes after that of a fourth.
            plan.added(4, facts(Restart::Permanent), now);
            plan.up(4, now);
            plan.acts();
        }
        plan.descend(Why::LaidDown, now);
        plan.down(3, End::Finished, Duration::ZERO, 0, now);
        let acts = plan.acts();
        assert!(acts.contains(&Act::Stop(3)), "{acts:?}");
        plan.gone(3, now);
        if by_itself {
            plan.down(4, End::Ordered, Duration::ZERO, 0, now);
        }
        let acts = obey(&mut plan, now);
        assert_eq!(acts.last(), Some(&Act::Over(Why::LaidDown)));
        plan.begin(now);
        let raised = orders(&plan.acts());
        assert!(!raised.contains(&Act::Raise(3)), "{raised:?}");
    }
}

#[tokio::test]
async fn a_significant_transient_child_that_is_done_as_its_group_is_ended_ends_the_supervisor() {
    let (mut plan, now) = running(Strategy::OneForAll, 2);
    plan.auto_shutdown = AutoShutdown::AnySignificant;
    let significant = Facts {
        significant: true,
        ..facts(Restart::Transient)
    };
    plan.added(3, significant, now);
    plan.up(3, now);
    plan.acts();
    plan.down(1, End::Failed, Duration::ZERO, 0, now);
    assert!(plan.acts().contains(&Act::LieDown(3)));
    plan.down(3, End::Finished, Duration::ZERO, 0, now);
    assert!(plan.acts().contains(&Act::Stop(3)));
    plan.gone(3, now);
    assert_eq!(obey(&mut plan, now).last(), Some(&Act::Over(Why::Finished)));
}

#[tokio::test]
async fn rest_for_one_restarts_the_child_and_those_started_after_it() {
    let (mut plan, now) = running(Strategy::RestForOne, 4);
    plan.down(2, End::Failed, Duration::ZERO, 0, now);
    assert_eq!(orders(&obey(&mut plan, now)), [Act::LieDown(4), Act::LieDown(3)]);
    plan.tick(now + SECOND);
    let acts = orders(&obey(&mut plan, now + SECOND));
    assert_eq!(acts, [Act::Raise(2), Act::Raise(3), Act::Raise(4)]);
}

#[tokio::test]
async fn a_failure_on_the_way_up_of_a_rest_leaves_those_alone_that_rose_before_it() {
    let (mut plan, now) = running(Strategy::RestForOne, 3);
    plan.down(1, End::Failed, Duration::ZERO, 0, now);
    obey(&mut plan, now);
    let later = now + SECOND;
    plan.tick(later);
    assert_eq!(plan.acts(), [Act::Raise(1)]);
    plan.up(1, later);
    assert_eq!(plan.acts(), [Act::Raise(2)]);
    plan.down(2, End::Failed, Duration::ZERO, 0, later);
    assert_eq!(orders(&obey(&mut plan, later)), []);
    plan.tick(later + SECOND);
    let acts = orders(&obey(&mut plan, later + SECOND));
    assert_eq!(acts, [Act::Raise(2), Act::Raise(3)]);
}

#[tokio::test]
async fn a_child_that_does_not_end_is_killed_then_given_up_and_holds_nobody_up() {
    let (mut plan, now) = running(Strategy::OneForAll, 2);
    plan.down(1, End::Failed, Duration::ZERO, 0, now);
    assert_eq!(orders(&plan.acts()), [Act::LieDown(2)]);
    plan.tick(now + SECOND);
    assert_eq!(plan.acts(), [Act::Kill(2)]);
    plan.tick(now + SECOND + CUT_OFF_GRACE);
    assert_eq!(plan.acts(), [Act::Abandon(2), Act::Raise(1)]);
}

#[tokio::test]
async fn one_failure_more_than_the_intensity_ends_all_children_and_then_the_supervisor() {
    let (mut plan, mut now) = running(Strategy::OneForOne, 2);
    for _ in 0..3 {
        plan.down(1, End::Failed, Duration::ZERO, 0, now);
        now += SECOND;
        plan.tick(now);
        assert_eq!(orders(&obey(&mut plan, now)), [Act::Raise(1)]);
    }
    plan.down(1, End::Failed, Duration::ZERO, 0, now);
    let acts = obey(&mut plan, now);
    assert_eq!(
        acts,
        [Act::Failed(1, None), Act::LieDown(2), Act::Over(Why::Escalated(1))]
    );
}

#[tokio::test]
async fn the_wait_of_a_backoff_does_not_count_as_time_in_which_nothing_failed() {
    let (mut plan, mut now) = running(Strategy::OneForOne, 1);
    let mut failures = 0;
    loop {
        failures += 1;
        plan.down(1, End::Failed, Duration::ZERO, 400, now);
        let acts = plan.acts();
        if acts.contains(&Act::Over(Why::Escalated(1))) {
            break;
        }
        // Far longer than the period, and still within one backoff.
        now += 100 * SECOND;
        plan.tick(now);
        obey(&mut plan, now);
    }
    assert_eq!(failures, 4);
}

/// What may happen to a plan in the property test; children are meant by their place.
#[derive(Clone, Debug)]
enum Step {
    Add(Restart, Shutdown, bool),
    End(usize, End),
    Restart(usize),
    Stop(usize),
    Wait(u64),
    LieDown,
    StopAll,
    Hurry,
    /// The nth of the orders that no child has obeyed yet is obeyed.
    Obey(usize),
}

fn step() -> impl Generator<Value = Step> {
    let restart = prop_oneof![
        Just(Restart::Permanent),
        Just(Restart::Transient),
        Just(Restart::Temporary)
    ];
    let shutdown = prop_oneof![
        Just(Shutdown::Kill),
        Just(Shutdown::Unbounded),
        (1_u64..3_000).prop_map(|ms| Shutdown::Within(Duration::from_millis(ms)))
    ];
    let end = prop_oneof![Just(End::Failed), Just(End::Finished)];
    prop_oneof![
        3 => (restart, shutdown, any::<bool>()).prop_map(|(restart, shutdown, phase)| Step::Add(restart, shutdown, phase)),
        5 => (0_usize..8, end).prop_map(|(child, end)| Step::End(child, end)),
        1 => (0_usize..8).prop_map(Step::Restart),
        1 => (0_usize..8).prop_map(Step::Stop),
        6 => (1_u64..4_000).prop_map(Step::Wait),
        1 => Just(Step::LieDown),
        1 => Just(Step::StopAll),
        1 => Just(Step::Hurry),
        12 => (0_usize..8).prop_map(Step::Obey),
    ]
}

/// Children as they truly are, by what they were told and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Down,
    Up,
    Gone,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_happens_no_child_rises_twice_none_after_the_stop_and_the_way_down_always_ends(
        strategy in prop_oneof![
            Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne), Just(Strategy::Dynamic)
        ],
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _entered = runtime.enter();
        let mut now = Instant::now();
        let intensity = Intensity { restarts: 3, period: 10 * SECOND };
        let mut plan = Plan::new(strategy, intensity, AutoShutdown::Never);
        plan.begin(now);
        let mut truth: Vec<Truth> = Vec::new();
        let mut open: Vec<Act> = Vec::new();
        let mut over = None;
        let mut stopped = false;
        let drain = 4_000;
        for turn in 0..steps.len() + drain {
            // After the random steps: a stop, and time, with nobody obeying any more.
            let step = steps.get(turn).cloned().unwrap_or(if turn == steps.len() { Step::StopAll } else { Step::Wait(1_000) });
            let child = |place: usize| (place < truth.len()).then(|| (u64::try_from(place).unwrap() + 1, place));
            match step {
                Step::Add(restart, shutdown, phase) => {
                    if stopped { continue }
                    truth.push(Truth::Down);
                    let mut facts = facts(restart);
                    facts.shutdown = shutdown;
                    facts.phase = phase.then_some("one");
                    plan.added(u64::try_from(truth.len()).unwrap(), facts, now);
                }
                Step::End(place, end) => if let Some((id, place)) = child(place) && truth[place] == Truth::Up {
                    truth[place] = Truth::Down;
                    plan.down(id, end, Duration::ZERO, 7, now);
                },
                Step::Restart(place) => if let Some((id, _)) = child(place) { plan.restart(id, now) },
                Step::Stop(place) => if let Some((id, place)) = child(place) && truth[place] != Truth::Gone { plan.stop(id, now) },
                Step::Wait(ms) => {
                    now += Duration::from_millis(ms);
                    plan.tick(now);
                }
                Step::LieDown => plan.descend(Why::LaidDown, now),
                Step::StopAll => { stopped = true; plan.descend(Why::Stopped, now) }
                Step::Hurry => plan.hurry(now),
                Step::Obey(nth) => if nth < open.len() {
                    match open.remove(nth) {
                        Act::Raise(id) => {
                            let place = usize::try_from(id).unwrap() - 1;
                            if truth[place] == Truth::Down { truth[place] = Truth::Up; plan.up(id, now) }
                        }
                        Act::LieDown(id) => {
                            let place = usize::try_from(id).unwrap() - 1;
                            if truth[place] == Truth::Up { truth[place] = Truth::Down; plan.down(id, End::Ordered, Duration::ZERO, 0, now) }
                        }
                        Act::Stop(id) => {
                            let place = usize::try_from(id).unwrap() - 1;
                            if truth[place] != Truth::Gone { truth[place] = Truth::Gone; plan.gone(id, now) }
                        }
                        _ => {}
                    }
                },
            }
            for act in plan.acts() {
                match &act {
                    Act::Raise(id) => {
                        prop_assert!(!stopped, "nothing rises after the stop");
                        prop_assert!(over.is_none(), "nothing rises while the supervisor has no life");
                        let open_rise = open.iter().any(|other| matches!(other, Act::Raise(other) if other == id));
                        prop_assert!(!open_rise, "told to rise twice");
                    }
                    Act::Over(why) => over = Some(*why),
                    // Given up: what it was told does not matter any more.
                    Act::Abandon(id) => {
                        let id = *id;
                        open.retain(|other| !matches!(other, Act::LieDown(other) | Act::Stop(other) | Act::Raise(other) if *other == id));
                        truth[usize::try_from(id).unwrap() - 1] = if stopped { Truth::Gone } else { Truth::Down };
                    }
                    _ => {}
                }
                if let Act::LieDown(id) | Act::Stop(id) = &act {
                    let id = *id;
                    open.retain(|other| !matches!(other, Act::Raise(other) if *other == id));
                }
                if matches!(act, Act::Raise(_) | Act::LieDown(_) | Act::Stop(_)) {
                    open.push(act);
                }
            }
            if over == Some(Why::Stopped) { break }
            if over.is_some() && !stopped {
                // Its parent has it rise again.
                over = None;
                plan.begin(now);
                for act in plan.acts() {
                    if let Act::Raise(_) = act { open.push(act) }
                }
            }
            // Children that must not be cut off obey in the end.
            if turn > steps.len() {
                for id in open.iter().filter_map(|act| if let Act::Stop(id) = act { Some(*id) } else { None }).collect::<Vec<_>>() {
                    plan.gone(id, now);
                }
                open.clear();
            }
        }
        prop_assert_eq!(over, Some(Why::Stopped));
    }
}

//! Random plans against a model of a dozen lines: the report says what the model says, and nothing begins too early.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;

/// How a task ends if it is let.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Done,
    Fails,
    Panics,
}

#[derive(Clone, Debug)]
struct TaskPlan {
    takes: Duration,
    ending: Ending,
}

#[derive(Clone, Debug)]
struct PhasePlan {
    limit: Duration,
    rule: OutOfTime,
    gives_up_on_failure: bool,
    is_wanted: bool,
    tasks: Vec<TaskPlan>,
}

fn plans() -> impl Strategy<Value = Vec<PhasePlan>> {
    let ending = prop_oneof![6 => Just(Ending::Done), 1 => Just(Ending::Fails), 1 => Just(Ending::Panics)];
    let task = (0..25_u64, ending).prop_map(|(tens, ending)| TaskPlan {
        takes: ms(tens * 10),
        ending,
    });
    let rule = prop_oneof![
        4 => Just(OutOfTime::CutOff),
        3 => Just(OutOfTime::RunOn),
        1 => Just(OutOfTime::GiveUp),
    ];
    let phase = (
        0..20_u64,
        rule,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.9),
        prop::collection::vec(task, 0..4),
    );
    let phase = phase.prop_map(|(tens, rule, gives_up_on_failure, is_wanted, tasks)| PhasePlan {
        limit: ms(tens * 10),
        rule,
        gives_up_on_failure,
        is_wanted,
        tasks,
    });
    prop::collection::vec(phase, 0..6)
}

/// What a plan comes to, by the model: for each phase how it ends, when it begins and how long it takes, and for each of
/// its tasks how it ends and how long that takes.
type Expected = Vec<(PhaseEnd, Duration, Duration, Vec<(TaskEnd, Duration)>)>;

fn model(plans: &[PhasePlan]) -> (Expected, Duration) {
    let (mut expected, mut now, mut given_up) = (Expected::new(), Duration::ZERO, false);
    let end_of = |task: &TaskPlan| match task.ending {
        Ending::Done => TaskEnd::Done,
        Ending::Fails => TaskEnd::Failed,
        Ending::Panics => TaskEnd::Panicked,
    };
    for plan in plans {
        if given_up || !plan.is_wanted {
            let how = if given_up {
                PhaseEnd::NotReached
            } else {
                PhaseEnd::Skipped
            };
            let tasks = vec![(TaskEnd::NotBegun, Duration::ZERO); plan.tasks.len()];
            expected.push((how, now, Duration::ZERO, tasks));
            continue;
        }
        let needed = plan.tasks.iter().map(|task| task.takes).max().unwrap_or_default();
        let in_time = needed <= plan.limit;
        let fails = |task: &TaskPlan| task.ending != Ending::Done && task.takes <= plan.limit;
        let failed = plan.tasks.iter().any(fails);
        let tasks = plan.tasks.iter().map(|task| match task.takes <= plan.limit {
            true => (end_of(task), task.takes),
            false if plan.rule == OutOfTime::RunOn => (TaskEnd::StillRunning, Duration::ZERO),
            false => (TaskEnd::CutOff, plan.limit),
        });
        let how = match (in_time, failed) {
            (true, false) => PhaseEnd::Done,
            (true, true) => PhaseEnd::Failed,
            (false, _) => PhaseEnd::OutOfTime,
        };
        expected.push((how, now, needed.min(plan.limit), tasks.collect()));
        given_up = !in_time && plan.rule == OutOfTime::GiveUp || failed && plan.gives_up_on_failure;
        now += needed.min(plan.limit);
    }
    for (plan, (_, begun, _, tasks)) in plans.iter().zip(&mut expected) {
        for (task, end) in plan
            .tasks
            .iter()
            .zip(tasks)
            .filter(|(_, end)| end.0 == TaskEnd::StillRunning)
        {
            let left = now - *begun;
            *end = if task.takes < left {
                (end_of(task), task.takes)
            } else {
                (TaskEnd::CutOff, left)
            };
        }
    }
    (expected, now)
}

/// A task of a random plan that began, or is gone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Begun { phase: usize, task: usize, at: Duration },
    Gone { phase: usize, task: usize },
}

type Sight = Arc<Mutex<Vec<Seen>>>;

struct Leaves(Sight, Seen);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1);
    }
}

fn build(plans: &[PhasePlan], sight: &Sight, zero: Instant) -> Shutdown {
    let mut shutdown = Shutdown::new();
    for (number, plan) in plans.iter().enumerate() {
        let is_wanted = plan.is_wanted;
        let mut phase = Phase::new(number.to_string())
            .within(plan.limit)
            .when_out_of_time(plan.rule)
            .only_if(move |_| is_wanted);
        if plan.gives_up_on_failure {
            phase = phase.give_up_on_failure();
        }
        for (task, TaskPlan { takes, ending }) in plan.tasks.iter().cloned().enumerate() {
            let sight = Arc::clone(sight);
            phase = phase.task(task.to_string(), move || {
                let at = zero.elapsed();
                sight.lock().unwrap().push(Seen::Begun {
                    phase: number,
                    task,
                    at,
                });
                async move {
                    let _leaves = Leaves(sight, Seen::Gone { phase: number, task });
                    if !takes.is_zero() {
                        tokio::time::sleep(takes).await;
                    }
                    match ending {
                        Ending::Done => Ok(()),
                        Ending::Fails => Err(std::io::Error::other("as planned")),
                        Ending::Panics => panic!("as planned"),
                    }
                }
            });
        }
        shutdown = shutdown.phase(phase);
    }
    shutdown
}

proptest! {
    #[test]
    fn the_report_agrees_with_the_model_and_nothing_begins_before_the_phases_ahead_of_it_are_over(plans in plans()) {
        let sight = Sight::default();
        let report = paused(async { build(&plans, &sight, Instant::now()).run().await });

        let (expected, whole) = model(&plans);
        prop_assert_eq!(report.duration, whole);
        prop_assert_eq!(report.phases.len(), plans.len());
        for ((phase, plan), (how, _, took, tasks)) in report.phases.iter().zip(&plans).zip(&expected) {
            prop_assert_eq!((phase.how, phase.limit, phase.duration), (*how, plan.limit, *took));
            for (task, (end, took)) in phase.tasks.iter().zip(tasks) {
                // What runs on and would end with the shutdown itself may be seen to end, or be cut off.
                let tie = *end == TaskEnd::CutOff && plan.rule == OutOfTime::RunOn && *took > plan.limit;
                prop_assert!(task.how == *end || tie && task.duration == *took, "{:?} {:?} {:?}", phase.name, task, end);
                prop_assert_eq!(task.duration, *took);
            }
        }

        let seen = sight.lock().unwrap().clone();
        for (at, one) in seen.iter().enumerate() {
            let Seen::Begun { phase, at: moment, .. } = *one else { continue };
            prop_assert_eq!(moment, expected[phase].1);
            for (ahead, plan) in plans.iter().enumerate().take(phase).filter(|(_, plan)| plan.rule != OutOfTime::RunOn) {
                let gone = |task| seen[..at].contains(&Seen::Gone { phase: ahead, task });
                let begun = |how| !matches!(how, PhaseEnd::Skipped | PhaseEnd::NotReached);
                prop_assert!(!begun(expected[ahead].0) || (0..plan.tasks.len()).all(gone), "{:?}", seen);
            }
        }
        let begun: usize = seen.iter().filter(|one| matches!(one, Seen::Begun { .. })).count();
        let wanted = expected.iter().flat_map(|(.., tasks)| tasks).filter(|(end, _)| *end != TaskEnd::NotBegun);
        prop_assert_eq!(begun, wanted.count());
        prop_assert_eq!(seen.len(), 2 * begun, "each that began is gone in the end");
    }
}

//! The answers to running out of time.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_cut_off_is_gone_before_the_next_phase_begins() {
    let diary = Diary::default();
    let (slow, quick, next) = (diary.clone(), diary.clone(), diary.clone());
    let report = Shutdown::new()
        .phase(
            Phase::new("first")
                .within(ms(100))
                .task("slow", move || slow.task("slow", ms(101)))
                .task("quick", move || quick.task("quick", ms(40))),
        )
        .phase(Phase::new("second").task("next", move || next.task("next", ms(10))))
        .run()
        .await;
    let entries = diary.entries();
    assert_eq!(entries[4..6], ["slow gone", "next begins"], "{entries:?}");
    assert!(!entries.contains(&"slow ends".to_owned()));
    assert_eq!(how(&report), [PhaseEnd::OutOfTime, PhaseEnd::Done]);
    let ends: Vec<_> = report.phases[0]
        .tasks
        .iter()
        .map(|task| (task.how, task.duration))
        .collect();
    assert_eq!(ends, [(TaskEnd::CutOff, ms(100)), (TaskEnd::Done, ms(40))]);
    assert_eq!(report.cut_off(), ["first/slow"]);
    assert_eq!((report.duration, report.is_clean()), (ms(110), false));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_in_the_last_moment_is_in_time() {
    let phase = Phase::new("only").within(ms(100));
    let report = Shutdown::new()
        .phase(phase.task("work", || tokio::time::sleep(ms(100))))
        .run()
        .await;
    assert_eq!(how(&report), [PhaseEnd::Done]);
}

#[tokio::test(start_paused = true)]
async fn what_runs_on_goes_on_beside_the_later_phases_and_no_longer() {
    let diary = Diary::default();
    let (late, never, next) = (diary.clone(), diary.clone(), diary.clone());
    let report = Shutdown::new()
        .phase(
            Phase::new("first")
                .within(ms(100))
                .when_out_of_time(OutOfTime::RunOn)
                .task("late", move || late.task("late", ms(150)))
                .task("never", move || never.task("never", ms(9_999))),
        )
        .phase(
            Phase::new("second")
                .only_if(|so_far| so_far.cut_off() == ["first/late", "first/never"])
                .task("next", move || next.task("next", ms(200))),
        )
        .run()
        .await;
    let wanted = [
        "late begins",
        "never begins",
        "next begins",
        "late ends",
        "late gone",
        "next ends",
        "next gone",
        "never gone",
    ];
    assert_eq!(diary.entries(), wanted);
    assert_eq!(how(&report), [PhaseEnd::OutOfTime, PhaseEnd::Done]);
    let ends: Vec<_> = report.phases[0]
        .tasks
        .iter()
        .map(|task| (task.how, task.duration))
        .collect();
    assert_eq!(ends, [(TaskEnd::Done, ms(150)), (TaskEnd::CutOff, ms(300))]);
    assert_eq!((report.phases[0].duration, report.duration), (ms(100), ms(300)));
    assert_eq!(report.cut_off(), ["first/never"]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_is_given_up_begins_nothing_more_and_leaves_nothing_running() {
    let diary = Diary::default();
    let (on, vital, after) = (diary.clone(), diary.clone(), diary.clone());
    let report = Shutdown::new()
        .phase(
            Phase::new("first")
                .within(ms(10))
                .when_out_of_time(OutOfTime::RunOn)
                .task("on", move || on.task("on", ms(9_999))),
        )
        .phase(
            Phase::new("second")
                .within(ms(50))
                .when_out_of_time(OutOfTime::GiveUp)
                .task("vital", move || vital.task("vital", ms(51))),
        )
        .phase(Phase::new("third").task("after", move || after.task("after", ms(1))))
        .phase(Phase::new("fourth").only_if(|_| panic!("nobody asks")))
        .run()
        .await;
    assert_eq!(diary.entries(), ["on begins", "vital begins", "vital gone", "on gone"]);
    let not_reached = PhaseEnd::NotReached;
    assert_eq!(
        how(&report),
        [PhaseEnd::OutOfTime, PhaseEnd::OutOfTime, not_reached, not_reached]
    );
    assert_eq!(report.phases[2].tasks[0].how, TaskEnd::NotBegun);
    assert_eq!(report.not_reached(), ["third", "fourth"]);
    assert_eq!(report.duration, ms(60));
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_all_clocks_is_no_limit() {
    let phase = Phase::new("only").within(Duration::MAX);
    let report = Shutdown::new()
        .phase(phase.task("work", || tokio::time::sleep(ms(100))))
        .run()
        .await;
    assert_eq!(how(&report), [PhaseEnd::Done]);
}

//! Panics and errors of tasks.

use super::*;

/// A value that panics when it is dropped.
struct Nasty;

impl Drop for Nasty {
    fn drop(&mut self) {
        // Not while another panic unwinds: Rust ends the process for that.
        assert!(std::thread::panicking(), "the destructor panics");
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct Full(#[source] std::io::Error);

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_task_and_nothing_else() {
    let diary = Diary::default();
    let (beside, next) = (diary.clone(), diary.clone());
    let report = Shutdown::new()
        .phase(
            Phase::new("first")
                .within(ms(200))
                .task("late", || panics(ms(30), "after a while"))
                .task("unmade", || -> std::future::Ready<()> { panic!("before it is made") })
                .task("done", || async {
                    let _nasty = Nasty;
                })
                .task("cut", || async {
                    let _nasty = Nasty;
                    std::future::pending::<()>().await;
                })
                .task("beside", move || beside.task("beside", ms(100))),
        )
        .phase(Phase::new("second").task("next", move || next.task("next", ms(10))))
        .run()
        .await;
    assert_eq!(diary.entries().len(), 6, "the others did all that they had to do");
    let ends: Vec<_> = report.phases[0]
        .tasks
        .iter()
        .map(|task| (task.how, task.duration, task.error.as_deref()))
        .collect();
    let wanted = [
        (TaskEnd::Panicked, ms(30), Some("after a while")),
        (TaskEnd::Panicked, ms(0), Some("before it is made")),
        (TaskEnd::Panicked, ms(0), Some("the destructor panics")),
        (TaskEnd::CutOff, ms(200), Some("the destructor panics")),
        (TaskEnd::Done, ms(100), None),
    ];
    assert_eq!(ends, wanted);
    assert_eq!(how(&report), [PhaseEnd::OutOfTime, PhaseEnd::Done]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_dropped_unbegun_or_midway_hurts_nobody_either() {
    let nasty = Nasty;
    let given_up = Phase::new("first")
        .give_up_on_failure()
        .task("one", || panics(ms(0), "at once"));
    let report = Shutdown::new()
        .phase(given_up)
        .phase(Phase::new("second").task("two", move || async move {
            let _nasty = nasty;
        }))
        .run()
        .await;
    assert_eq!(how(&report), [PhaseEnd::Failed, PhaseEnd::NotReached]);

    let midway = Shutdown::new().phase(Phase::new("only").task("one", || async {
        let _nasty = Nasty;
        std::future::pending::<()>().await;
    }));
    assert!(tokio::time::timeout(ms(10), midway.run()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_panics_lets_its_phase_begin() {
    let phase = Phase::new("only").only_if(|_| panic!("no answer"));
    let report = Shutdown::new().phase(phase.task("work", || async {})).run().await;
    assert_eq!(how(&report), [PhaseEnd::Done]);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_told_with_its_causes_and_the_next_phase_begins() {
    let full = || async { Err::<(), _>(Full(std::io::Error::other("no space left"))) };
    let report = Shutdown::new()
        .phase(
            Phase::new("first")
                .task("flush", full)
                .task("fine", || async { Ok::<(), Full>(()) }),
        )
        .phase(Phase::new("second"))
        .run()
        .await;
    assert_eq!(how(&report), [PhaseEnd::Failed, PhaseEnd::Done]);
    let task = &report.phases[0].tasks[0];
    assert_eq!(task.how, TaskEnd::Failed);
    assert_eq!(task.error.as_deref(), Some("the disk is full: no space left"));
    assert_eq!(report.phases[0].tasks[1].how, TaskEnd::Done);
    assert!(report.cut_off().is_empty() && !report.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_failure_ends_the_shutdown_once_the_other_tasks_of_the_phase_are_over_if_the_phase_says_so() {
    let diary = Diary::default();
    let beside = diary.clone();
    let part = |how| PartReport {
        name: "part".into(),
        how,
    };
    let with = |phase: Phase| Shutdown::new().phase(phase).phase(Phase::new("second")).run();
    let failing = Phase::new("first")
        .give_up_on_failure()
        .task("fails", || panics(ms(0), "at once"))
        .task("beside", move || beside.task("beside", ms(100)));
    assert_eq!(how(&with(failing).await), [PhaseEnd::Failed, PhaseEnd::NotReached]);
    assert_eq!(diary.entries(), ["beside begins", "beside ends", "beside gone"]);
    for (end, second) in [(TaskEnd::Done, PhaseEnd::Done), (TaskEnd::CutOff, PhaseEnd::NotReached)] {
        let phase = Phase::new("first").give_up_on_failure();
        let told = phase.task("tells", move || async move { TaskOutput::from_iter([part(end)]) });
        assert_eq!(how(&with(told).await)[1], second);
    }
    // Running out of time is no failure: there is a rule for it.
    let slow = Phase::new("first").give_up_on_failure().within(ms(10));
    let slow = slow.task("slow", || tokio::time::sleep(ms(11)));
    assert_eq!(how(&with(slow).await), [PhaseEnd::OutOfTime, PhaseEnd::Done]);
}

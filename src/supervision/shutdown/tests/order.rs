//! What begins when.

use super::*;

#[tokio::test(start_paused = true)]
async fn phases_come_one_after_the_other_and_the_tasks_of_one_side_by_side() {
    let diary = Diary::default();
    let (long, short, last) = (diary.clone(), diary.clone(), diary.clone());
    let report = Shutdown::new()
        .phase(
            Phase::new("first")
                .within(ms(1_000))
                .task("long", move || long.task("long", ms(300)))
                .task("short", move || short.task("short", ms(200))),
        )
        .phase(Phase::new("empty"))
        .phase(Phase::new("second").task("last", move || last.task("last", ms(100))))
        .run()
        .await;
    let wanted = [
        "long begins",
        "short begins",
        "short ends",
        "short gone",
        "long ends",
        "long gone",
        "last begins",
        "last ends",
        "last gone",
    ];
    assert_eq!(diary.entries(), wanted);
    assert_eq!(how(&report), [PhaseEnd::Done; 3]);
    assert!(report.is_clean());
    let took: Vec<_> = report.phases.iter().map(|phase| phase.duration).collect();
    assert_eq!(took, [ms(300), ms(0), ms(100)]);
    let tasks: Vec<_> = report.phases[0].tasks.iter().map(|task| task.duration).collect();
    assert_eq!(tasks, [ms(300), ms(200)]);
    assert_eq!(report.duration, ms(400));
}

#[tokio::test(start_paused = true)]
async fn a_task_is_made_when_its_phase_begins_and_not_before() {
    let diary = Diary::default();
    let (first, made, second) = (diary.clone(), diary.clone(), diary.clone());
    let shutdown = Shutdown::new()
        .phase(Phase::new("first").task("one", move || first.task("one", ms(50))))
        .phase(Phase::new("second").task("two", move || {
            made.note("two made");
            second.task("two", ms(50))
        }));
    tokio::time::sleep(ms(10)).await;
    assert_eq!(diary.entries(), [""; 0]);
    assert!(shutdown.run().await.is_clean());
    let (before, after) = (diary.entries(), "two made".to_owned());
    assert_eq!(before.iter().position(|entry| *entry == after), Some(3), "{before:?}");
}

#[tokio::test(start_paused = true)]
async fn a_phase_that_is_only_for_what_came_before_begins_or_is_passed_over() {
    let hurry = |limit| {
        let made = Diary::default();
        let hurried = made.clone();
        let shutdown = Shutdown::new()
            .phase(
                Phase::new("drain")
                    .within(limit)
                    .task("work", || tokio::time::sleep(ms(100))),
            )
            .phase(
                Phase::new("hurry")
                    .only_if(|so_far| so_far.ran_out("drain"))
                    .task("work", move || hurried.task("work", ms(1))),
            );
        async move { (shutdown.run().await, made.entries()) }
    };
    let (report, made) = hurry(ms(200)).await;
    assert_eq!(how(&report), [PhaseEnd::Done, PhaseEnd::Skipped]);
    assert_eq!(report.phases[1].tasks[0].how, TaskEnd::NotBegun);
    assert_eq!(made, [""; 0]);
    assert!(report.is_clean(), "what was not needed is not missing");
    let (report, made) = hurry(ms(50)).await;
    assert_eq!(how(&report), [PhaseEnd::OutOfTime, PhaseEnd::Done]);
    assert_eq!(made.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_is_dropped_midway_drops_what_is_at_work_and_begins_nothing_more() {
    let diary = Diary::default();
    let (one, two, three) = (diary.clone(), diary.clone(), diary.clone());
    let run = Shutdown::new()
        .phase(
            Phase::new("first")
                .within(ms(10))
                .when_out_of_time(OutOfTime::RunOn)
                .task("one", move || one.task("one", ms(500))),
        )
        .phase(Phase::new("second").task("two", move || two.task("two", ms(500))))
        .phase(Phase::new("third").task("three", move || three.task("three", ms(500))))
        .run();
    tokio::select! {
        _ = run => panic!("nothing has ended yet"),
        () = tokio::time::sleep(ms(100)) => {}
    }
    let mut entries = diary.entries();
    entries.sort();
    assert_eq!(entries, ["one begins", "one gone", "two begins", "two gone"]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_may_be_run_by_a_task_of_any_thread() {
    let plan = Shutdown::new().phase(Phase::new("only").task("work", || tokio::time::sleep(ms(20))));
    let report = tokio::spawn(plan.run()).await.unwrap();
    assert_eq!(report.duration, ms(20));
}

//! More failures than a supervisor bears.

use super::*;

#[actix::test]
async fn one_failure_more_than_the_intensity_ends_the_supervisor_and_all_its_children_in_reverse() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let scene = Scene::of(group(strategy));
        let all = scene.enter_all(["a", "b", "c"]);
        for failing in [0, 2] {
            panics(&all[failing]).await;
            pass(5 * SECOND).await;
        }
        lives(&all).await;
        scene.stage.mark();
        panics(&all[1]).await;
        pass(HOUR).await;
        assert!(!scene.has("group"), "{strategy:?}");
        assert_eq!(scene.stage.stopped(), ["c", "a"]);
        assert!(scene.stage.built().is_empty());
        assert_eq!(scene.stage.alive(), 0);
        assert_eq!(scene.count("group", EventKind::Escalated), 1);
        for address in &all {
            assert!(is_closed(address));
        }
        scene.close().await;
    }
}

#[actix::test]
async fn an_intensity_of_none_bears_nothing() {
    let scene = Scene::of(group(Strategy::OneForOne).intensity(0, HOUR));
    let [one] = scene.enter_all(["one"]);
    panics(&one).await;
    pass(HOUR).await;
    assert!(!scene.has("group"));
    assert_eq!(scene.stage.built(), ["one"]);
    scene.close().await;
}

#[actix::test]
async fn failures_further_apart_than_the_period_are_borne_for_ever() {
    let scene = Scene::of(group(Strategy::OneForOne).intensity(1, SECOND));
    let [one] = scene.enter_all(["one"]);
    for _ in 0..20 {
        panics(&one).await;
        life(&one).await;
        pass(2 * SECOND).await;
    }
    assert!(scene.has("group"));
    for _ in 0..2 {
        one.tell(Boom(0)).await.unwrap();
        pass(SECOND / 2).await;
    }
    pass(5 * SECOND).await;
    assert!(!scene.has("group"), "two within one second are too many");
    scene.close().await;
}

#[actix::test]
async fn each_try_of_a_factory_that_fails_counts_though_the_child_never_ran() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let scene = Scene::of(group(strategy).intensity(4, HOUR));
        let all = scene.enter_all(["a", "b"]);
        lives(&all).await;
        scene.stage.part("b", |part| part.factory_fails = u32::MAX);
        panics(&all[1]).await;
        pass(HOUR).await;
        assert!(!scene.has("group"), "{strategy:?}");
        let failed = scene
            .stage
            .acts()
            .iter()
            .filter(|act| matches!(act, stage::Act::Failed(_)))
            .count();
        assert_eq!(failed, 4, "the panic, and four tries to come back from it");
        assert_eq!(scene.stage.alive(), 0);
        scene.close().await;
    }
}

#[actix::test]
async fn a_first_start_that_fails_is_tried_again_and_holds_up_nobody() {
    let scene = Scene::of(group(Strategy::OneForOne));
    scene.stage.part("b", |part| part.factory_fails = 2);
    let all = scene.enter_all(["a", "b", "c"]);
    life(&all[2]).await;
    assert_eq!(scene.stage.built(), ["a", "c"]);
    life(&all[1]).await;
    scene.close().await;
}

#[actix::test]
async fn a_supervisor_that_escalated_is_restarted_by_its_parent_with_its_children_and_a_clean_record() {
    let scene = Scene::of(group(Strategy::OneForOne).restart(Restart::Permanent));
    let all = scene.enter_all(["a", "b"]);
    let bystander = scene.enter(child("bystander").restart(Restart::Temporary));
    for _ in 0..2 {
        panics(&all[0]).await;
        life(&all[0]).await;
    }
    life(&bystander).await;
    scene.stage.mark();
    panics(&all[0]).await;
    pass(5 * SECOND).await;
    assert_eq!(scene.stage.stopped(), ["bystander", "b"]);
    assert_eq!(scene.stage.built(), ["a", "b"], "temporary ones are gone");
    assert_eq!(scene.tree.inspect("group").unwrap().restarts, 1);
    for _ in 0..2 {
        panics(&all[1]).await;
        life(&all[1]).await;
    }
    assert_eq!(scene.tree.inspect("group").unwrap().restarts, 1, "two are borne again");
    scene.close().await;
}

#[actix::test]
async fn a_transient_supervisor_that_escalated_has_failed_and_is_restarted() {
    // In OTP a supervisor that gives up ends as if it had been shut down, and a transient one is not restarted.
    let scene = Scene::of(
        group(Strategy::OneForOne)
            .intensity(0, HOUR)
            .restart(Restart::Transient),
    );
    let [one] = scene.enter_all(["one"]);
    let before = life(&one).await;
    panics(&one).await;
    assert_ne!(life(&one).await, before);
    scene.close().await;
}

#[actix::test]
async fn a_parent_that_restarts_all_for_one_takes_the_siblings_of_the_one_that_escalated_along() {
    let scene = Scene::of(group(Strategy::OneForAll));
    let inner = |name: &str| {
        let spec = SupervisorSpec::new(name).intensity(1, HOUR).policy(borne());
        scene.group.supervisor(spec)
    };
    let (left, right) = (inner("left"), inner("right"));
    let start = |of: &Supervisor, name: &str| of.start(child(name), scene.stage.factory(name));
    let all = [
        start(&left, "l1"),
        start(&left, "l2"),
        start(&right, "r1"),
        start(&right, "r2"),
    ];
    let before = lives(&all).await;
    panics(&all[3]).await;
    pass(5 * SECOND).await;
    let after = lives(&all).await;
    assert_eq!(after[..3], before[..3], "the failure stays within its own supervisor");

    scene.stage.mark();
    panics(&all[3]).await;
    pass(5 * SECOND).await;
    assert_eq!(
        scene.stage.stopped(),
        ["r1", "l2", "l1"],
        "depth first, from the last to the first"
    );
    assert_eq!(scene.stage.built(), ["l1", "l2", "r1", "r2"]);
    assert!(lives(&all).await.iter().all(|life| !after.contains(life)));
    scene.close().await;
}

#[actix::test]
async fn intensities_multiply_on_the_way_up() {
    let scene = Scene::of(group(Strategy::OneForOne).intensity(2, HOUR));
    let inner = scene
        .group
        .supervisor(SupervisorSpec::new("inner").intensity(3, HOUR).policy(borne()));
    scene.stage.part("one", |part| part.started_fails = true);
    inner.start(child("one"), scene.stage.factory("one"));
    pass(HOUR).await;
    assert!(!scene.has("group"));
    assert_eq!(scene.stage.built().len(), (3 + 1) * (2 + 1));
    assert_eq!(scene.stage.alive(), 0);
    scene.close().await;
}

#[actix::test]
async fn a_degraded_child_troubles_neither_its_supervisor_nor_its_neighbours() {
    let scene = Scene::of(group(Strategy::OneForOne).intensity(0, HOUR));
    let alone = RestartPolicy {
        intensity: 3,
        ..RestartPolicy::default()
    };
    scene.stage.part("weak", |part| part.started_fails = true);
    let weak = scene.enter(ChildSpec::new("weak").policy(alone));
    let [other] = scene.enter_all(["other"]);
    let before = life(&other).await;
    pass(HOUR).await;
    assert_eq!(scene.state("weak"), NodeState::Degraded);
    assert_eq!(life(&other).await, before);
    scene.stage.part("weak", |part| part.started_fails = false);
    life(&weak).await;
    pass(20 * SECOND).await;
    assert_eq!(scene.count("weak", EventKind::Recovered), 1);
    scene.close().await;
}

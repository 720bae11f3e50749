//! Who is restarted with whom, and in what order.

use super::*;

#[actix::test]
async fn children_start_in_the_order_of_their_specs_and_are_stopped_in_the_reverse() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let names = ["seven", "three", "ten", "two", "five"];
    lives(&scene.enter_all(names)).await;
    assert_eq!(scene.stage.built(), names);
    let stage = scene.stage.clone();
    scene.close().await;
    let mut reverse = names;
    reverse.reverse();
    assert_eq!(stage.stopped(), reverse);
}

#[actix::test]
async fn one_for_one_restarts_the_child_alone() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let all = scene.enter_all(["a", "b", "c"]);
    let before = lives(&all).await;
    panics(&all[1]).await;
    pass(5 * SECOND).await;
    let after = lives(&all).await;
    assert_eq!((after[0], after[2]), (before[0], before[2]));
    assert_ne!(after[1], before[1]);
    scene.close().await;
}

#[actix::test]
async fn one_for_all_ends_the_others_in_reverse_and_starts_all_in_order() {
    for failing in 0..3 {
        let scene = Scene::of(group(Strategy::OneForAll));
        let all = scene.enter_all(["a", "b", "c"]);
        let before = lives(&all).await;
        scene.stage.mark();
        panics(&all[failing]).await;
        pass(5 * SECOND).await;
        let mut others = vec!["c", "b", "a"];
        others.remove(2 - failing);
        assert_eq!(scene.stage.stopped(), others, "a broken actor is not called again");
        assert_eq!(scene.stage.built(), ["a", "b", "c"]);
        assert!(lives(&all).await.iter().all(|life| !before.contains(life)));
        assert_eq!(scene.stage.alive(), 3, "no life of before is left");
        scene.close().await;
    }
}

#[actix::test]
async fn rest_for_one_restarts_the_child_and_those_started_after_it() {
    let scene = Scene::of(group(Strategy::RestForOne));
    let all = scene.enter_all(["a", "b", "c", "d", "e"]);
    let before = lives(&all).await;
    scene.stage.mark();
    panics(&all[2]).await;
    pass(5 * SECOND).await;
    assert_eq!(scene.stage.stopped(), ["e", "d"]);
    assert_eq!(scene.stage.built(), ["c", "d", "e"]);
    let after = lives(&all).await;
    assert_eq!(after[..2], before[..2]);
    assert_eq!(scene.stage.alive(), 5);

    scene.stage.mark();
    panics(&all[4]).await;
    pass(5 * SECOND).await;
    assert_eq!(scene.stage.built(), ["e"], "the last one has nobody after it");
    scene.close().await;
}

#[actix::test]
async fn the_others_of_a_group_are_all_down_before_the_first_rises() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let scene = Scene::of(group(strategy));
        let all = scene.enter_all(["a", "b", "c"]);
        lives(&all).await;
        for name in ["b", "c"] {
            scene.stage.part(name, |part| part.stops_after = SECOND);
        }
        scene.stage.mark();
        let began = tokio::time::Instant::now();
        panics(&all[0]).await;
        life(&all[0]).await;
        assert!(
            began.elapsed() >= 2 * SECOND,
            "each takes its second, one after the other"
        );
        let acts = scene.stage.since_mark();
        let is_end = |act: &stage::Act| matches!(act, stage::Act::Stopped(..));
        let is_build = |act: &stage::Act| matches!(act, stage::Act::Built(..));
        assert!(
            acts.iter().rposition(is_end) < acts.iter().position(is_build),
            "{acts:?}"
        );
        scene.close().await;
    }
}

#[actix::test]
async fn a_group_restart_is_one_failure_whatever_the_size_of_the_group() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let scene = Scene::of(group(strategy));
        let all = scene.enter_all(["a", "b", "c", "d", "e"]);
        for _ in 0..2 {
            panics(&all[0]).await;
            lives(&all).await;
        }
        assert!(scene.has("group"));
        panics(&all[0]).await;
        pass(5 * SECOND).await;
        assert!(!scene.has("group"));
        assert_eq!(scene.stage.alive(), 0);
        scene.close().await;
    }
}

#[actix::test]
async fn one_for_all_begins_anew_from_the_first_if_one_fails_on_the_way_up() {
    let scene = Scene::of(group(Strategy::OneForAll));
    let all = scene.enter_all(["a", "b"]);
    lives(&all).await;
    scene.stage.part("b", |part| part.factory_fails = 1);
    scene.stage.mark();
    panics(&all[0]).await;
    pass(5 * SECOND).await;
    assert_eq!(scene.stage.built(), ["a", "a", "b"]);
    assert_eq!(
        scene.stage.stopped(),
        ["b", "a"],
        "the one that had risen was ended again"
    );
    assert_eq!(scene.stage.alive(), 2);
    scene.close().await;
}

#[actix::test]
async fn rest_for_one_goes_on_from_the_one_that_fails_on_the_way_up() {
    let scene = Scene::of(group(Strategy::RestForOne));
    let all = scene.enter_all(["a", "b", "c"]);
    lives(&all).await;
    scene.stage.part("b", |part| part.factory_fails = 1);
    scene.stage.mark();
    panics(&all[0]).await;
    pass(5 * SECOND).await;
    assert_eq!(
        scene.stage.built(),
        ["a", "b", "c"],
        "the first had risen, and is left alone"
    );
    assert_eq!(scene.stage.stopped(), ["c", "b"]);
    scene.close().await;
}

#[actix::test]
async fn children_that_fail_together_come_back_together() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let scene = Scene::of(group(strategy).intensity(3, HOUR));
        let all = scene.enter_all(["a", "b", "c"]);
        lives(&all).await;
        for address in &all {
            address.try_tell(Boom(0)).unwrap();
        }
        pass(20 * SECOND).await;
        lives(&all).await;
        assert_eq!(scene.stage.alive(), 3, "{strategy:?}");
        for name in ["a", "b", "c"] {
            assert_eq!(scene.state(name), NodeState::Running);
        }
        scene.close().await;
    }
}

#[actix::test]
async fn a_transient_child_that_is_done_touches_nobody() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let scene = Scene::of(group(strategy));
        let done = scene.enter(child("done").restart(Restart::Transient));
        let all = scene.enter_all(["a", "b"]);
        let before = lives(&all).await;
        done.tell(Quit).await.unwrap();
        pass(5 * SECOND).await;
        assert!(!scene.has("done"));
        assert_eq!(lives(&all).await, before, "{strategy:?}");
        panics(&all[0]).await;
        pass(5 * SECOND).await;
        assert!(!scene.has("done"), "nor does it come back with its group");
        scene.close().await;
    }
}

#[actix::test]
async fn a_transient_child_that_fails_is_restarted_with_its_group() {
    let scene = Scene::of(group(Strategy::OneForAll));
    let first = scene.enter(child("first").restart(Restart::Transient));
    let second = scene.enter(child("second").restart(Restart::Transient));
    let before = lives(&[first.clone(), second.clone()]).await;
    panics(&second).await;
    pass(5 * SECOND).await;
    let after = lives(&[first, second]).await;
    assert!(before[0] != after[0] && before[1] != after[1]);
    scene.close().await;
}

#[actix::test]
async fn messages_wait_through_the_restart_of_a_group() {
    let scene = Scene::of(group(Strategy::OneForAll));
    let all = scene.enter_all(["a", "b"]);
    lives(&all).await;
    scene.stage.mark();
    all[0].try_tell(Boom(0)).unwrap();
    for number in 1..=3 {
        all[0].try_tell(Note(number)).unwrap();
    }
    settle().await;
    for number in 4..=6 {
        all[1].try_tell(Note(number)).unwrap();
    }
    lives(&all).await;
    let handled = scene.stage.since_mark().into_iter().filter_map(|act| match act {
        stage::Act::Handled(_, _, number) => Some(number),
        _ => None,
    });
    let mut handled: Vec<u32> = handled.collect();
    handled.sort_unstable();
    assert_eq!(handled, [1, 2, 3, 4, 5, 6]);
    scene.close().await;
}

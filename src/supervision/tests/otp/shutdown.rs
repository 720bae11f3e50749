//! How children are ended: at once, within a time, without limit; in order, or all together.

use super::*;

#[actix::test]
async fn each_child_is_down_before_the_next_is_told() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let all = scene.enter_all(["a", "b", "c"]);
    lives(&all).await;
    scene.stage.part("c", |part| part.stops_after = 2 * SECOND);
    scene.stage.part("b", |part| part.stops_after = SECOND);
    let stage = scene.stage.clone();
    let closing = scene.close().await;
    assert!(about(closing.took, 3 * SECOND));
    assert_eq!(stage.stopped(), ["c", "b", "a"]);
    assert!(closing.is_clean());
}

#[actix::test]
async fn a_child_that_does_not_stop_in_time_is_cut_off_and_the_others_are_not() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let first = scene.enter(child("first").shutdown(SECOND));
    let second = scene.enter(child("second").shutdown(SECOND));
    lives(&[first, second]).await;
    scene.stage.part("first", |part| part.stops_after = SECOND / 2);
    scene.stage.part("second", |part| part.stops_after = HOUR);
    let closing = scene.close().await;
    assert_eq!(
        (closing.how("second"), closing.how("first")),
        (StopKind::CutOff, StopKind::Clean)
    );
    assert!(about(closing.took, SECOND + SECOND / 2));
}

#[actix::test]
async fn a_child_at_work_on_a_message_is_ended_with_its_mailbox_counted() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let one = scene.enter(child("one").shutdown(SECOND));
    one.tell(Hold(Arc::new(Semaphore::new(0)))).await.unwrap();
    settle().await;
    for number in 0..3 {
        one.try_tell(Note(number)).unwrap();
    }
    let closing = scene.close().await;
    assert_eq!(
        closing
            .stopped
            .iter()
            .find(|child| child.name == "one")
            .unwrap()
            .undelivered,
        3
    );
}

#[actix::test]
async fn a_child_that_is_to_be_killed_gets_no_time() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let first = scene.enter(child("first"));
    let second = scene.enter(child("second").ending(Shutdown::Kill));
    lives(&[first, second]).await;
    scene.stage.part("second", |part| part.stops_after = HOUR);
    let closing = scene.close().await;
    assert_eq!(closing.took, Duration::ZERO);
    assert_eq!(closing.how("second"), StopKind::CutOff);
    assert_eq!(closing.how("first"), StopKind::Clean);
}

#[actix::test]
async fn a_child_without_limit_is_awaited_as_long_as_it_takes() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let worker = scene.enter(child("worker").ending(Shutdown::Unbounded));
    let inner = scene.group.supervisor(SupervisorSpec::new("inner"));
    let leaf = inner.start(child("leaf").ending(Shutdown::Unbounded), scene.stage.factory("leaf"));
    lives(&[worker, leaf]).await;
    for name in ["worker", "leaf"] {
        scene.stage.part(name, |part| part.stops_after = HOUR);
    }
    let closing = scene.close().await;
    assert!(about(closing.took, 2 * HOUR));
    assert!(closing.is_clean(), "{:?}", closing.stopped);
}

#[actix::test]
async fn nobody_is_restarted_who_ends_by_itself_while_the_stop_is_under_way() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let mut all = Vec::new();
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        for way in ["finishes", "panics"] {
            all.push((way, scene.enter(child(&format!("{restart:?} {way}")).restart(restart))));
        }
    }
    let last = scene.enter(child("last"));
    life(&last).await;
    scene.stage.part("last", |part| part.stops_after = SECOND);
    let (tree, stage, group) = (scene.tree.clone(), scene.stage.clone(), scene.group.clone());
    stage.mark();
    let stopping = actix::spawn(scene.close());
    settle().await;
    for (way, address) in &all {
        let told = if *way == "finishes" {
            address.try_tell(Quit).is_ok()
        } else {
            address.try_tell(Boom(0)).is_ok()
        };
        assert!(told, "its turn has not come");
    }
    let closing = stopping.await.unwrap();
    assert!(stage.built().is_empty());
    assert!(closing.is_clean(), "{:?}", closing.stopped);
    assert_eq!(tree.snapshot().state, NodeState::Stopped);
    let late = group.start(child("late"), stage.factory("late"));
    assert!(is_closed(&late));
    assert!(stage.built().is_empty(), "nor is anybody new");
}

#[actix::test]
async fn nested_supervisors_end_depth_first_from_the_last_to_the_first() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let [a] = scene.enter_all(["a"]);
    let inner = scene
        .group
        .supervisor(SupervisorSpec::new("inner").strategy(Strategy::RestForOne));
    let start = |of: &Supervisor, name: &str| of.start(child(name), scene.stage.factory(name));
    let b = start(&inner, "b");
    let deep = inner.supervisor(SupervisorSpec::new("deep").strategy(Strategy::OneForAll));
    let rest = [start(&deep, "c"), start(&deep, "d"), start(&inner, "e")];
    let [f] = scene.enter_all(["f"]);
    lives(&[a, b, f]).await;
    lives(&rest).await;
    let (tree, stage) = (scene.tree.clone(), scene.stage.clone());
    let closing = scene.close().await;
    assert_eq!(stage.stopped(), ["f", "e", "d", "c", "b", "a"]);
    let names: Vec<&str> = closing.stopped.iter().map(|child| child.name.as_str()).collect();
    assert_eq!(names, ["f", "e", "d", "c", "deep", "b", "inner", "a", "group"]);
    assert_eq!(tree.snapshot().state, NodeState::Stopped);
}

#[actix::test]
async fn a_supervisor_whose_time_is_over_has_its_children_cut_off() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let inner = scene
        .group
        .supervisor(SupervisorSpec::new("inner").ending(Shutdown::Within(SECOND)));
    let start = |name: &str| {
        scene.stage.part(name, |part| part.stops_after = HOUR);
        inner.start(child(name).ending(Shutdown::Unbounded), scene.stage.factory(name))
    };
    lives(&[start("a"), start("b"), start("c")]).await;
    let closing = scene.close().await;
    assert!(about(closing.took, SECOND));
    for name in ["a", "b", "c"] {
        assert_eq!(closing.how(name), StopKind::CutOff);
    }
}

#[actix::test]
async fn a_stop_in_the_midst_of_a_group_restart_lets_nobody_rise() {
    // In each of its steps: while the others are ended, while it waits, and while it rises.
    for (after, slow) in [
        (Duration::ZERO, true),
        (SECOND, false),
        (Duration::from_millis(1_201), false),
    ] {
        let scene = Scene::of(group(Strategy::OneForAll));
        let wait = RestartPolicy {
            backoff_min: Duration::from_millis(1_500),
            ..borne()
        };
        let first = scene.enter(child("first").policy(wait));
        let second = scene.enter(child("second"));
        lives(&[first.clone(), second]).await;
        if slow {
            scene.stage.part("second", |part| part.stops_after = SECOND);
        }
        panics(&first).await;
        pass(after).await;
        scene.stage.mark();
        let stage = scene.stage.clone();
        let closing = scene.close().await;
        assert!(stage.built().is_empty(), "after {after:?}");
        assert!(closing.took <= SECOND + Duration::from_millis(1));
    }
}

#[actix::test]
async fn two_who_stop_the_same_child_both_hear_of_its_end_and_it_ends_once() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let [one] = scene.enter_all(["one"]);
    life(&one).await;
    scene.stage.part("one", |part| part.stops_after = SECOND);
    let (first, second, tree) = (scene.tree.clone(), scene.tree.clone(), scene.tree.clone());
    let first = actix::spawn(async move { first.stop_child("one").await.unwrap() });
    let second = actix::spawn(async move { second.stop_child("one").await.unwrap() });
    settle().await;
    let whole = actix::spawn(async move { tree.stop().await });
    assert_eq!(first.await.unwrap().how, StopKind::Clean);
    assert_eq!(second.await.unwrap().how, StopKind::Clean);
    whole.await.unwrap();
    assert_eq!(scene.stage.stopped(), ["one"]);
    scene.close().await;
}

#[actix::test]
async fn a_supervisor_that_is_to_be_killed_has_its_children_cut_off_at_once_however_deep_they_are() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let outer = scene
        .group
        .supervisor(SupervisorSpec::new("outer").ending(Shutdown::Kill));
    let inner = outer.supervisor(SupervisorSpec::new("inner"));
    let start = |under: &Supervisor, name: &str| {
        scene.stage.part(name, |part| part.stops_after = HOUR);
        under.start(child(name).ending(Shutdown::Unbounded), scene.stage.factory(name))
    };
    lives(&[start(&outer, "leaf"), start(&inner, "deep leaf")]).await;
    let closing = scene.close().await;
    assert!(about(closing.took, Duration::ZERO), "{:?}", closing.took);
    for name in ["leaf", "deep leaf"] {
        assert_eq!(closing.how(name), StopKind::CutOff);
    }
}

//! Children that operators stop and start.

use super::*;

#[actix::test]
async fn a_child_stopped_by_hand_leaves_and_its_name_is_free_for_another() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let all = scene.enter_all(["a", "b"]);
    let before = lives(&all).await;
    scene.tree.stop_child("a").await.unwrap();
    assert!(!scene.has("a"));
    let names: Vec<String> = scene
        .tree
        .inspect("group")
        .unwrap()
        .children
        .into_iter()
        .map(|child| child.name)
        .collect();
    assert!(names.contains(&"b".to_owned()));
    assert!(scene.tree.stop_child("a").await.is_err(), "there is none any more");
    assert!(scene.tree.restart("a").is_err());
    let [again] = scene.enter_all(["a"]);
    assert_eq!(again.name(), "a");
    assert_ne!(life(&again).await, before[0]);
    assert_eq!(life(&all[1]).await, before[1]);
    scene.close().await;
}

#[actix::test]
async fn an_unknown_name_is_an_error_and_touches_nobody() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let all = scene.enter_all(["a", "b"]);
    let before = lives(&all).await;
    assert!(scene.tree.stop_child("nobody").await.is_err());
    assert!(scene.tree.restart("nobody").is_err());
    assert!(scene.tree.inspect("nobody").is_err());
    assert!(scene.tree.suspend("nobody").is_err());
    assert!(scene.tree.resume("nobody").is_err());
    assert_eq!(lives(&all).await, before);
    scene.close().await;
}

#[actix::test]
async fn a_restart_by_hand_is_no_failure_and_touches_nobody_else() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let scene = Scene::of(group(strategy).intensity(0, HOUR));
        let all = scene.enter_all(["a", "b", "c"]);
        let before = lives(&all).await;
        for _ in 0..5 {
            scene.tree.restart("b").unwrap();
            life(&all[1]).await;
        }
        let after = lives(&all).await;
        assert_eq!((after[0], after[2]), (before[0], before[2]), "{strategy:?}");
        assert!(after[1] >= before[1] + 5);
        scene.close().await;
    }
}

#[actix::test]
async fn a_restart_by_hand_whose_factory_fails_is_a_failure_like_any_other() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let all = scene.enter_all(["a", "b"]);
    let before = lives(&all).await;
    scene.stage.part("a", |part| part.factory_fails = 1);
    scene.tree.restart("a").unwrap();
    assert_ne!(life(&all[0]).await, before[0]);
    assert_eq!(life(&all[1]).await, before[1]);
    scene.close().await;
}

#[actix::test]
async fn a_supervisor_restarted_by_hand_comes_back_with_its_children_in_order() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let all = scene.enter_all(["a", "b"]);
    let before = lives(&all).await;
    scene.stage.mark();
    scene.tree.restart("group").unwrap();
    pass(5 * SECOND).await;
    assert_eq!(scene.stage.stopped(), ["b", "a"]);
    assert_eq!(scene.stage.built(), ["a", "b"]);
    assert!(lives(&all).await.iter().all(|life| !before.contains(life)));
    scene.close().await;
}

#[actix::test]
async fn a_supervisor_stopped_by_hand_takes_its_children_along_and_leaves_its_neighbours() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let inner = scene.group.supervisor(SupervisorSpec::new("inner"));
    let leaf = inner.start(child("leaf"), scene.stage.factory("leaf"));
    let [neighbour] = scene.enter_all(["neighbour"]);
    let before = lives(&[leaf.clone(), neighbour.clone()]).await;
    scene.tree.stop_child("inner").await.unwrap();
    assert!(!scene.has("inner") && !scene.has("leaf"));
    assert!(is_closed(&leaf));
    assert_eq!(life(&neighbour).await, before[1]);
    scene.close().await;
}

#[actix::test]
async fn a_suspended_child_handles_nothing_until_it_is_resumed_and_loses_nothing() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let [one] = scene.enter_all(["one"]);
    let before = life(&one).await;
    scene.tree.suspend("one").unwrap();
    settle().await;
    for number in 1..=3 {
        one.try_tell(Note(number)).unwrap();
    }
    pass(HOUR).await;
    assert_eq!((scene.state("one"), one.mailbox().depth), (NodeState::Suspended, 3));
    scene.tree.resume("one").unwrap();
    assert_eq!(life(&one).await, before, "it was not taken for stuck");
    assert_eq!(one.mailbox().depth, 0);
    scene.close().await;
}

#[actix::test]
async fn a_suspended_child_is_stopped_like_any_other() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let all = scene.enter_all(["a", "b"]);
    lives(&all).await;
    scene.tree.suspend("a").unwrap();
    settle().await;
    all[0].try_tell(Note(1)).unwrap();
    let began = tokio::time::Instant::now();
    let stopped = scene.tree.stop_child("a").await.unwrap();
    assert_eq!((stopped.how, stopped.undelivered), (StopKind::Clean, 1));
    assert_eq!(began.elapsed(), Duration::ZERO);
    scene.tree.suspend("b").unwrap();
    scene.close().await;
}

#[actix::test]
async fn a_suspended_child_goes_down_and_comes_up_with_its_group_and_stays_suspended() {
    let scene = Scene::of(group(Strategy::OneForAll));
    let all = scene.enter_all(["a", "b"]);
    lives(&all).await;
    scene.tree.suspend("a").unwrap();
    settle().await;
    all[0].try_tell(Note(1)).unwrap();
    scene.stage.mark();
    panics(&all[1]).await;
    pass(20 * SECOND).await;
    assert_eq!(scene.stage.built(), ["a", "b"]);
    assert_eq!((scene.state("a"), all[0].mailbox().depth), (NodeState::Suspended, 1));
    scene.tree.resume("a").unwrap();
    life(&all[0]).await;
    assert_eq!(all[0].mailbox().depth, 0);
    scene.close().await;
}

#[actix::test]
async fn stopped_children_are_shown_in_bounds_and_take_nobodys_place() {
    let scene = Scene::of(group(Strategy::OneForOne).children_max(1));
    for number in 0..100 {
        let child = scene.enter(child(&format!("child {number}")));
        life(&child).await;
        scene.tree.stop_child(child.name()).await.unwrap();
        settle().await;
    }
    let shown = scene.tree.inspect("group").unwrap();
    assert_eq!(shown.children_count, 64, "the last of them");
    assert_eq!(shown.children[63].name, "child 99");
    scene.close().await;
}

#[actix::test]
async fn a_restart_by_hand_ends_a_suspension_of_a_child_or_of_all_beneath_a_supervisor_and_says_so() {
    for name in ["a", "group"] {
        let scene = Scene::of(group(Strategy::OneForOne));
        let all = scene.enter_all(["a", "b"]);
        lives(&all).await;
        scene.tree.suspend(name).unwrap();
        scene.tree.restart(name).unwrap();
        lives(&all).await;
        for child in ["a", "b"] {
            let suspended = scene.count(child, EventKind::Suspended);
            assert_eq!(suspended, usize::from(child == "a" || name == "group"));
            assert_eq!(scene.count(child, EventKind::Resumed), suspended);
        }
        scene.close().await;
    }
}

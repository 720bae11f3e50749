//! Restart loops: a child that cannot come back, and orders that come meanwhile.

use super::*;

/// Children of a group that bears nearly everything, of whom the second fails at every try to come back.
async fn looping(strategy: Strategy) -> (Scene, [Address<Player>; 3]) {
    let scene = Scene::of(group(strategy).intensity(1_000, SECOND));
    let all = scene.enter_all(["a", "b", "c"]);
    lives(&all).await;
    scene.stage.part("b", |part| part.factory_fails = u32::MAX);
    scene.stage.mark();
    panics(&all[1]).await;
    pass(20 * SECOND).await;
    (scene, all)
}

#[actix::test]
async fn a_child_in_a_restart_loop_is_shown_as_such_and_its_neighbours_go_on() {
    let (scene, all) = looping(Strategy::OneForOne).await;
    assert_eq!(scene.state("b"), NodeState::BackingOff);
    assert!(!all[1].is_running());
    life(&all[0]).await;
    life(&all[2]).await;
    assert!(scene.stage.built().is_empty());
    scene.close().await;
}

#[actix::test]
async fn a_child_in_a_restart_loop_is_stopped_at_once_and_stays_so() {
    let (scene, all) = looping(Strategy::OneForOne).await;
    let began = tokio::time::Instant::now();
    assert_eq!(scene.tree.stop_child("b").await.unwrap().how, StopKind::Clean);
    assert_eq!(began.elapsed(), Duration::ZERO);
    let tries = scene.stage.acts().len();
    pass(HOUR).await;
    assert_eq!(scene.stage.acts().len(), tries, "no more tries");
    life(&all[0]).await;
    scene.close().await;
}

#[actix::test]
async fn a_tree_with_a_restart_loop_is_stopped_at_once() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let (scene, _all) = looping(strategy).await;
        scene.stage.mark();
        let stage = scene.stage.clone();
        let closing = scene.close().await;
        assert_eq!(closing.took, Duration::ZERO, "{strategy:?}");
        assert!(stage.built().is_empty());
    }
}

#[actix::test]
async fn a_restart_by_hand_ends_the_wait_of_a_loop_for_one_more_try() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let (scene, all) = looping(strategy).await;
        scene.stage.part("b", |part| part.factory_fails = 0);
        scene.tree.restart("b").unwrap();
        let began = tokio::time::Instant::now();
        lives(&all).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "{strategy:?}");
        scene.close().await;
    }
}

#[actix::test]
async fn those_after_a_child_in_a_loop_are_not_started_without_it_by_rest_for_one() {
    let (scene, all) = looping(Strategy::RestForOne).await;
    assert!(all[0].is_running(), "the one before it never went down");
    assert!(!all[1].is_running() && !all[2].is_running());
    assert!(scene.stage.built().is_empty());
    scene.stage.part("b", |part| part.factory_fails = 0);
    lives(&all).await;
    assert_eq!(scene.stage.built(), ["b", "c"]);
    scene.close().await;
}

#[actix::test]
async fn the_rest_rises_once_the_child_that_held_it_up_is_stopped() {
    // OTP would leave the rest down until somebody starts it by hand.
    let (scene, all) = looping(Strategy::RestForOne).await;
    scene.tree.stop_child("b").await.unwrap();
    life(&all[2]).await;
    assert_eq!(scene.stage.built(), ["c"]);
    scene.close().await;
}

#[actix::test]
async fn a_new_child_can_be_started_beside_a_restart_loop() {
    let (scene, _all) = looping(Strategy::OneForOne).await;
    let [new] = scene.enter_all(["new"]);
    life(&new).await;
    scene.close().await;
}

#[actix::test]
async fn a_stop_that_comes_while_the_factory_is_at_work_is_obeyed_after_it() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let (tree, stage) = (scene.tree.clone(), scene.stage.clone());
    let held = Arc::new(Mutex::new(None));
    let stopping = Arc::clone(&held);
    let one = scene.group.start(child("one"), move || {
        let tree = tree.clone();
        *stopping.lock().unwrap() = Some(actix::spawn(async move { tree.stop_child("one").await }));
        stage.player("one")
    });
    settle().await;
    let stopped = held.lock().unwrap().take().unwrap();
    assert_eq!(stopped.await.unwrap().unwrap().how, StopKind::Clean);
    assert!(is_closed(&one));
    scene.close().await;
}

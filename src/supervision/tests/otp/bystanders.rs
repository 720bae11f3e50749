//! Temporary children among others.

use super::*;

#[actix::test]
async fn a_temporary_child_that_goes_with_its_group_does_not_come_back() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let scene = Scene::of(group(strategy));
        let [first] = scene.enter_all(["first"]);
        let bystander = scene.enter(child("bystander").restart(Restart::Temporary));
        let [last] = scene.enter_all(["last"]);
        life(&first).await;
        life(&bystander).await;
        scene.stage.mark();
        first.tell(Quit).await.unwrap();
        pass(5 * SECOND).await;
        assert_eq!(scene.stage.built(), ["first", "last"], "{strategy:?}");
        assert_eq!(scene.stage.stopped(), ["first", "last", "bystander"]);
        assert!(!scene.has("bystander"));
        assert!(is_closed(&bystander));
        assert!(scene.has("group"), "it was one failure, and none for the bystander");
        life(&last).await;
        scene.close().await;
    }
}

#[actix::test]
async fn a_temporary_child_before_the_one_that_fails_is_left_alone_by_rest_for_one() {
    let scene = Scene::of(group(Strategy::RestForOne));
    let bystander = scene.enter(child("bystander").restart(Restart::Temporary));
    let [first] = scene.enter_all(["first"]);
    let before = life(&bystander).await;
    panics(&first).await;
    pass(5 * SECOND).await;
    assert_eq!(life(&bystander).await, before);
    scene.close().await;
}

#[actix::test]
async fn the_end_of_a_temporary_child_touches_nobody() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        for orderly in [true, false] {
            let scene = Scene::of(group(strategy).intensity(0, HOUR));
            let bystander = scene.enter(child("bystander").restart(Restart::Temporary));
            let [other] = scene.enter_all(["other"]);
            let before = life(&other).await;
            if orderly {
                bystander.tell(Quit).await.unwrap();
            } else {
                panics(&bystander).await;
            }
            pass(5 * SECOND).await;
            assert_eq!(life(&other).await, before);
            assert!(!scene.has("bystander") && scene.has("group"));
            scene.close().await;
        }
    }
}

#[actix::test]
async fn a_child_that_comes_while_its_group_is_down_rises_last_with_it() {
    let scene = Scene::of(group(Strategy::OneForAll));
    let [first] = scene.enter_all(["first"]);
    life(&first).await;
    panics(&first).await;
    let late = scene.enter(child("late").restart(Restart::Temporary));
    life(&late).await;
    assert_eq!(scene.stage.built(), ["first", "first", "late"]);
    scene.close().await;
}

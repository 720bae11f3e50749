//! Children that misbehave towards their supervisor, and a supervisor that fails itself.

use super::*;

#[actix::test]
async fn a_child_that_fails_in_each_of_its_hooks_harms_nobody_else() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let scene = Scene::of(group(strategy).intensity(100, HOUR));
        let all = scene.enter_all(["nasty", "nice"]);
        lives(&all).await;
        scene.stage.part("nasty", |part| part.stopped_fails = true);
        scene.tree.restart("nasty").unwrap();
        lives(&all).await;
        scene.stage.part("nasty", |part| {
            part.started_fails = true;
            part.factory_fails = 1;
        });
        panics(&all[0]).await;
        pass(5 * SECOND).await;
        scene.stage.part("nasty", |part| part.started_fails = false);
        lives(&all).await;
        panics(&all[1]).await;
        lives(&all).await;
        let stage = scene.stage.clone();
        let closing = scene.close().await;
        assert!(closing.is_clean(), "{:?}", closing.stopped);
        assert_eq!(
            stage.stopped().last().unwrap(),
            "nasty",
            "told in its turn all the same"
        );
    }
}

#[actix::test]
async fn a_child_may_order_what_it_likes_from_within_its_handlers() {
    let scene = Scene::of(group(Strategy::OneForAll));
    let all = scene.enter_all(["a", "b", "c"]);
    let before = lives(&all).await;
    let orders = |name: &'static str| {
        let tree = scene.tree.clone();
        Run(Box::new(move || {
            tree.restart(name).unwrap();
            assert_eq!(tree.snapshot().state, NodeState::Running);
            tree.inspect(name).unwrap();
        }))
    };
    all[0].tell(orders("a")).await.unwrap();
    all[1].tell(orders("a")).await.unwrap();
    all[1].tell(orders("c")).await.unwrap();
    pass(SECOND).await;
    let after = lives(&all).await;
    assert_eq!(after[1], before[1]);
    assert!(after[0] != before[0] && after[2] != before[2]);
    let tree = scene.tree.clone();
    let stop = Run(Box::new(move || {
        actix::spawn(async move { tree.stop_child("b").await });
    }));
    all[1].tell(stop).await.unwrap();
    settle().await;
    assert!(
        !scene
            .tree
            .inspect("b")
            .is_ok_and(|child| child.state != NodeState::Stopped)
    );
    let tree = scene.tree.clone();
    let (done, is_done) = tokio::sync::oneshot::channel();
    let stop = Run(Box::new(move || {
        actix::spawn(async move { done.send(tree.stop().await) });
    }));
    all[2].tell(stop).await.unwrap();
    assert!(is_done.await.unwrap().iter().all(|child| child.how == StopKind::Clean));
    scene.close().await;
}

#[actix::test]
async fn a_factory_may_start_further_children_under_its_own_supervisor() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let (group, stage) = (scene.group.clone(), scene.stage.clone());
    let parent = scene.group.start(child("parent"), move || {
        group.start(
            child("offspring").restart(Restart::Temporary),
            stage.factory("offspring"),
        );
        stage.player("parent")
    });
    life(&parent).await;
    settle().await;
    assert_eq!(scene.stage.built(), ["parent", "offspring"]);
    panics(&parent).await;
    life(&parent).await;
    settle().await;
    assert_eq!(scene.stage.alive(), 3, "two of the offspring, under two names");
    assert!(scene.has("offspring#2"));
    scene.close().await;
}

#[actix::test]
async fn a_child_that_ends_in_its_first_moment_again_and_again_is_counted_like_any_other() {
    let scene = Scene::of(group(Strategy::OneForOne).intensity(5, HOUR));
    scene.stage.part("brief", |part| part.started_fails = true);
    scene.enter_all(["brief"]);
    pass(HOUR).await;
    assert!(!scene.has("group"));
    assert_eq!(scene.stage.built().len(), 6);
    scene.close().await;
}

#[actix::test]
async fn a_supervisor_that_fails_itself_comes_back_with_its_children_and_leaves_no_orphan() {
    let tree = tree().with_fault_injection();
    let stage = Stage::default();
    let top = tree.supervisor(SupervisorSpec::new("top").strategy(Strategy::OneForAll));
    let middle = top.supervisor(
        SupervisorSpec::new("middle")
            .strategy(Strategy::OneForAll)
            .policy(borne()),
    );
    let server = middle.start(child("server"), stage.factory("server"));
    let beside = top.start(child("beside"), stage.factory("beside"));
    let before = [life(&server).await, life(&beside).await];
    tree.inject_panic("middle").unwrap();
    pass(5 * SECOND).await;
    assert_eq!(tree.inspect("middle").unwrap().restarts, 1);
    assert!(life(&server).await != before[0] && life(&beside).await != before[1]);
    assert_eq!(stage.alive(), 2, "no life of before is left");

    let between = life(&beside).await;
    tree.inject_panic("server").unwrap();
    pass(5 * SECOND).await;
    assert_eq!(
        tree.inspect("middle").unwrap().restarts,
        1,
        "its own failure stays below"
    );
    assert_eq!(life(&beside).await, between);
    tree.stop().await;
    assert_eq!(stage.alive(), 0);
}

#[test]
fn a_child_whose_thread_ends_under_it_is_gone_and_its_supervisor_goes_on() {
    actix::System::new().block_on(async {
        let tree = Tree::new("root", Clock::System);
        let stage = Stage::default();
        let group = tree.supervisor(SupervisorSpec::new("group").strategy(Strategy::OneForAll));
        let arbiter = actix::Arbiter::new();
        let homeless = group.start(child("homeless").on(arbiter.handle()), stage.factory("homeless"));
        let other = group.start(child("other"), stage.factory("other"));
        life(&homeless).await;
        let before = life(&other).await;
        arbiter.stop();
        arbiter.join().unwrap();
        assert!(is_closed(&homeless));
        assert_eq!(life(&other).await, before);
        let stopped = tree.stop().await;
        assert!(stopped.iter().all(|child| child.how == StopKind::Clean), "{stopped:?}");
        assert_eq!(stage.alive(), 0);
    });
}

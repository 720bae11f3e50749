//! Supervisors that end with the work of their children.

use super::*;

const RULES: [AutoShutdown; 3] = [
    AutoShutdown::Never,
    AutoShutdown::AnySignificant,
    AutoShutdown::AllSignificant,
];

fn work(rule: AutoShutdown) -> SupervisorSpec {
    group(Strategy::OneForOne).intensity(5, HOUR).auto_shutdown(rule)
}

#[derive(Clone, Copy, Debug)]
enum Way {
    ByHand,
    Panics,
    Finishes,
}

async fn end(scene: &Scene, address: &Address<Player>, way: Way) {
    life(address).await;
    match way {
        Way::ByHand => drop(scene.tree.stop_child(address.name()).await.unwrap()),
        Way::Panics => panics(address).await,
        Way::Finishes => address.tell(Quit).await.unwrap(),
    }
    pass(5 * SECOND).await;
}

#[actix::test]
async fn a_child_that_is_not_significant_never_ends_its_supervisor() {
    for rule in RULES {
        for restart in [Restart::Transient, Restart::Temporary] {
            for way in [Way::ByHand, Way::Panics, Way::Finishes] {
                let scene = Scene::of(work(rule));
                let plain = scene.enter(child("plain").restart(restart));
                scene.enter(child("significant").restart(restart).significant());
                end(&scene, &plain, way).await;
                assert!(scene.has("group"), "{rule:?} {restart:?} {way:?}");
                assert!(scene.has("significant"));
                scene.close().await;
            }
        }
    }
}

/// What becomes of the group when the first of two significant children ends.
async fn first_of_two(rule: AutoShutdown, restart: Restart, way: Way) -> bool {
    let scene = Scene::of(work(rule));
    let one = scene.enter(child("one").restart(restart).significant());
    let two = scene.enter(child("two").restart(restart).significant());
    let [plain] = scene.enter_all(["plain"]);
    lives(&[two, plain]).await;
    end(&scene, &one, way).await;
    let ended = !scene.has("group");
    if ended {
        assert_eq!(scene.stage.alive(), 0);
        let stopped = scene.stage.stopped();
        assert_eq!(
            stopped[stopped.len() - 2..],
            ["plain", "two"],
            "the rest is ended in reverse"
        );
        assert_eq!(scene.count("group", EventKind::Escalated), 0, "which is no failure");
    }
    scene.close().await;
    ended
}

#[actix::test]
async fn any_significant_child_ends_its_supervisor_when_it_is_done() {
    for (restart, way, ends) in [
        (Restart::Temporary, Way::ByHand, false),
        (Restart::Temporary, Way::Panics, true),
        (Restart::Temporary, Way::Finishes, true),
        (Restart::Transient, Way::ByHand, false),
        (Restart::Transient, Way::Panics, false),
        (Restart::Transient, Way::Finishes, true),
    ] {
        let ended = first_of_two(AutoShutdown::AnySignificant, restart, way).await;
        assert_eq!(ended, ends, "{restart:?} {way:?}");
    }
}

#[actix::test]
async fn the_first_of_several_does_not_where_all_must_be_done() {
    for restart in [Restart::Temporary, Restart::Transient] {
        for way in [Way::ByHand, Way::Panics, Way::Finishes] {
            assert!(!first_of_two(AutoShutdown::AllSignificant, restart, way).await);
            assert!(!first_of_two(AutoShutdown::Never, restart, way).await);
        }
    }
}

#[actix::test]
async fn the_last_significant_child_that_is_done_ends_its_supervisor() {
    for restart in [Restart::Temporary, Restart::Transient] {
        let scene = Scene::of(work(AutoShutdown::AllSignificant));
        let one = scene.enter(child("one").restart(restart).significant());
        let two = scene.enter(child("two").restart(restart).significant());
        let [plain] = scene.enter_all(["plain"]);
        life(&plain).await;
        end(&scene, &one, Way::Finishes).await;
        assert!(scene.has("group") && scene.has("two"));
        end(&scene, &two, Way::Finishes).await;
        assert!(!scene.has("group"));
        assert_eq!(scene.stage.alive(), 0);
        scene.close().await;
    }
}

#[actix::test]
async fn the_last_one_does_not_if_it_is_stopped_by_hand() {
    let scene = Scene::of(work(AutoShutdown::AllSignificant));
    let one = scene.enter(child("one").restart(Restart::Transient).significant());
    let two = scene.enter(child("two").restart(Restart::Transient).significant());
    end(&scene, &one, Way::Finishes).await;
    end(&scene, &two, Way::ByHand).await;
    assert!(scene.has("group"));
    scene.close().await;
}

#[actix::test]
async fn a_significant_child_that_goes_with_its_group_is_not_done() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        for rule in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
            for restart in [Restart::Transient, Restart::Temporary] {
                let scene = Scene::of(work(rule).strategy(strategy));
                let first = scene.enter(child("first").restart(restart).significant());
                let [middle] = scene.enter_all(["middle"]);
                let last = scene.enter(child("last").restart(restart).significant());
                lives(&[first, last]).await;
                panics(&middle).await;
                pass(5 * SECOND).await;
                life(&middle).await;
                assert!(scene.has("group"), "{strategy:?} {rule:?} {restart:?}");
                scene.close().await;
            }
        }
    }
}

#[actix::test]
async fn the_end_of_a_supervisor_that_is_done_ends_its_parent_if_it_is_significant_there() {
    for significant in [true, false] {
        let scene = Scene::of(work(AutoShutdown::AnySignificant));
        let mut spec = SupervisorSpec::new("inner")
            .restart(Restart::Transient)
            .auto_shutdown(AutoShutdown::AnySignificant);
        if significant {
            spec = spec.significant();
        }
        let inner = scene.group.supervisor(spec);
        let spec = child("leaf").restart(Restart::Transient).significant();
        let leaf = inner.start(spec, scene.stage.factory("leaf"));
        end(&scene, &leaf, Way::Finishes).await;
        assert!(!scene.has("inner"), "and is not restarted, since that was in order");
        assert_eq!(scene.has("group"), !significant);
        scene.close().await;
    }
}

#[actix::test]
async fn a_permanent_supervisor_that_is_done_is_restarted_without_a_hang() {
    let scene = Scene::of(group(Strategy::OneForOne).intensity(5, HOUR));
    let spec = SupervisorSpec::new("inner")
        .auto_shutdown(AutoShutdown::AnySignificant)
        .policy(borne());
    let inner = scene.group.supervisor(spec);
    let leaf = inner.start(
        child("leaf").restart(Restart::Transient).significant(),
        scene.stage.factory("leaf"),
    );
    let other = inner.start(child("other"), scene.stage.factory("other"));
    let before = life(&other).await;
    end(&scene, &leaf, Way::Finishes).await;
    assert!(scene.has("inner") && !scene.has("leaf"));
    assert_ne!(life(&other).await, before);
    scene.close().await;
}

#[actix::test]
async fn a_permanent_child_that_is_called_significant_does_not_count_among_those_that_must_be_done() {
    let scene = Scene::of(work(AutoShutdown::AllSignificant));
    scene.enter(child("permanent").significant());
    let last = scene.enter(child("last").restart(Restart::Transient).significant());
    life(&last).await;
    last.tell(Quit).await.unwrap();
    pass(SECOND).await;
    assert!(!scene.has("permanent"), "the supervisor has ended");
    scene.close().await;
}

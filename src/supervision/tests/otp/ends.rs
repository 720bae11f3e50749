//! Each restart type, each way to end.

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It ends by itself, in order.
    Finishes,
    Panics,
    /// It takes too long over a message, and is cut off for it.
    Hangs,
}

const WAYS: [Way; 3] = [Way::Finishes, Way::Panics, Way::Hangs];

async fn end(address: &Address<Player>, way: Way) {
    match way {
        Way::Finishes => address.tell(Quit).await.unwrap(),
        Way::Panics => address.tell(Boom(0)).await.unwrap(),
        Way::Hangs => address.tell(Hold(Arc::new(Semaphore::new(0)))).await.unwrap(),
    }
    pass(20 * SECOND).await;
}

#[actix::test]
async fn a_permanent_child_is_restarted_however_it_ends() {
    for way in WAYS {
        let scene = Scene::of(group(Strategy::OneForOne));
        let [one] = scene.enter_all(["one"]);
        let before = life(&one).await;
        end(&one, way).await;
        assert_ne!(life(&one).await, before, "{way:?}");
        assert_eq!(scene.state("one"), NodeState::Running);
        scene.close().await;
    }
}

#[actix::test]
async fn a_transient_child_is_restarted_after_a_failure_and_leaves_when_it_is_done() {
    for way in WAYS {
        let scene = Scene::of(group(Strategy::OneForOne));
        let one = scene.enter(child("one").restart(Restart::Transient));
        let before = life(&one).await;
        end(&one, way).await;
        if way == Way::Finishes {
            assert!(!scene.has("one"));
            assert!(is_closed(&one));
            assert_eq!(scene.count("one", EventKind::Finished), 1);
            assert_eq!(scene.stage.alive(), 0);
        } else {
            assert_ne!(life(&one).await, before, "{way:?}");
        }
        scene.close().await;
    }
}

#[actix::test]
async fn a_temporary_child_is_never_restarted_and_nothing_of_it_is_kept() {
    for way in WAYS {
        let scene = Scene::of(group(Strategy::OneForOne));
        let held = Arc::new(());
        let (stage, kept) = (scene.stage.clone(), Arc::clone(&held));
        let spec = child("one").restart(Restart::Temporary);
        let one = scene.group.start(spec.clone(), move || {
            let _kept = &kept;
            stage.player("one")
        });
        life(&one).await;
        end(&one, way).await;
        assert!(!scene.has("one"), "{way:?}");
        assert!(is_closed(&one));
        assert_eq!(scene.stage.alive(), 0);
        drop(one);
        settle().await;
        assert_eq!(
            Arc::strong_count(&held),
            1,
            "the factory is dropped with its child ({way:?})"
        );
        pass(HOUR).await;
        assert_eq!(scene.stage.built(), ["one"]);

        let again = scene.enter(spec);
        assert_eq!(again.name(), "one", "the name is free");
        life(&again).await;
        scene.close().await;
    }
}

#[actix::test]
async fn what_is_stopped_by_hand_is_not_restarted_whatever_its_type() {
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        let scene = Scene::of(group(Strategy::OneForOne));
        let one = scene.enter(child("one").restart(restart));
        life(&one).await;
        assert_eq!(scene.tree.stop_child("one").await.unwrap().how, StopKind::Clean);
        pass(HOUR).await;
        assert!(!scene.has("one"), "{restart:?}");
        assert_eq!(scene.stage.built(), ["one"]);
        assert!(scene.has("group"));
        scene.close().await;
    }
}

#[actix::test]
async fn each_restart_counts_and_an_end_that_is_not_followed_by_one_does_not() {
    let scene = Scene::of(group(Strategy::OneForOne));
    let [permanent] = scene.enter_all(["permanent"]);
    for number in 0..5 {
        let transient = scene.enter(child("transient").restart(Restart::Transient));
        transient.tell(Quit).await.unwrap();
        let temporary = scene.enter(child("temporary").restart(Restart::Temporary));
        temporary.tell(Boom(number)).await.unwrap();
        pass(5 * SECOND).await;
    }
    assert!(scene.has("group"));
    for _ in 0..2 {
        permanent.tell(Quit).await.unwrap();
        pass(5 * SECOND).await;
        assert!(scene.has("group"), "two are borne");
    }
    permanent.tell(Quit).await.unwrap();
    pass(5 * SECOND).await;
    assert!(!scene.has("group"));
    scene.close().await;
}

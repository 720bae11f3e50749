//! The longest times that a spec can name: they mean "for ever", and overflow no clock.

use super::*;

#[actix::test]
async fn a_degraded_child_with_an_endless_wait_is_tried_again_by_an_operator_alone() {
    let (tree, world) = (tree(), World::default());
    let policy = RestartPolicy {
        intensity: 0,
        degraded_retry: Duration::MAX,
        ..RestartPolicy::default()
    };
    let scribe = tree.start(ChildSpec::new("scribe").policy(policy), world.factory());
    let other = tree.start(ChildSpec::new("other"), world.factory());
    assert_eq!(scribe.ask(Boom(1)).await, Err(AskError::Panicked));
    pass(Duration::from_secs(86_400)).await;
    assert_eq!(tree.inspect("scribe").unwrap().state, NodeState::Degraded);
    assert_eq!(tree.snapshot().state, NodeState::Degraded, "the supervisor is there");
    assert_eq!(other.ask(Note(1)).await, Ok(1));
    tree.restart("scribe").unwrap();
    assert_eq!(scribe.ask(Note(2)).await, Ok(1));
    tree.stop().await;
}

#[actix::test]
async fn a_child_with_an_endless_time_to_stop_is_awaited() {
    let (tree, world) = (tree(), World::default());
    world.with(|state| state.goes_on = true);
    let spec = ChildSpec::new("scribe").shutdown(Duration::MAX).liveness(None);
    let scribe = tree.start(spec, world.factory());
    let go = Arc::new(Semaphore::new(0));
    scribe.tell(Hold(Arc::clone(&go))).await.unwrap();
    scribe.tell(Quit).await.unwrap();
    let stopping = actix::spawn({
        let tree = tree.clone();
        async move { tree.stop().await }
    });
    pass(Duration::from_secs(86_400)).await;
    go.add_permits(1);
    assert_eq!(stopping.await.unwrap()[0].how, StopKind::Clean);
}

#[actix::test]
async fn a_child_with_an_endless_limit_of_liveness_is_never_stuck() {
    let (tree, world) = (tree(), World::default());
    let spec = ChildSpec::new("scribe").liveness(Some(Duration::MAX));
    let scribe = tree.start(spec, world.factory());
    scribe.tell(Hold(Arc::new(Semaphore::new(0)))).await.unwrap();
    pass(Duration::from_secs(86_400)).await;
    assert_eq!(kinds(&tree), [EventKind::Started]);
    tree.stop().await;
}

#[actix::test]
async fn a_thread_pauses_without_end_until_it_is_told_to() {
    let universe = Universe::new();
    let spec = ChildSpec::new("sleeper");
    universe
        .tree()
        .root()
        .start_thread(spec, |ctx: &mut ThreadContext<()>| {
            assert!(ctx.pause(Duration::MAX));
            Ok(())
        });
    universe.advance(Duration::from_secs(3_600)).await;
    assert_eq!(kinds(universe.tree()), [EventKind::Started]);
    universe.finish().await;
}

//! Failures and what follows them.

use super::*;

fn impatient() -> RestartPolicy {
    RestartPolicy {
        intensity: 3,
        ..RestartPolicy::default()
    }
}

#[actix::test]
async fn a_panic_loses_only_its_message_and_the_rest_is_handled_by_a_rebuilt_actor_at_the_same_address() {
    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    assert_eq!(scribe.ask(Note(1)).await, Ok(1));
    assert_eq!(scribe.ask(Note(2)).await, Ok(2));

    scribe.try_tell(Boom(3)).unwrap();
    scribe.try_tell(Note(4)).unwrap();
    assert_eq!(
        scribe.ask(Note(5)).await,
        Ok(2),
        "the state is that of a new build, which has seen 4 and 5"
    );
    assert_eq!(
        world.log(),
        ["scribe started 1", "1", "2", "boom 3", "scribe started 2", "4", "5"]
    );
    assert_eq!(tree.snapshot().children[0].restarts, 1);
}

#[actix::test]
async fn who_asked_the_message_that_panicked_hears_so_at_once() {
    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    let asked = tokio::time::Instant::now();
    assert_eq!(scribe.ask(Boom(1)).await, Err(AskError::Panicked));
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

#[actix::test]
async fn answers_that_were_under_way_on_the_context_are_given_up_at_once() {
    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    let (asker, asked) = (scribe.clone(), tokio::time::Instant::now());
    let never = actix::spawn(async move { asker.ask(Never).await });
    settle().await;
    scribe.try_tell(Boom(1)).unwrap();
    assert_eq!(never.await.unwrap(), Err(AskError::Panicked));
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

#[actix::test]
async fn messages_told_during_the_backoff_wait_for_its_end() {
    let (tree, world) = (tree(), World::default());
    let mut events = tree.subscribe();
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    scribe.try_tell(Boom(1)).unwrap();
    let failure = next(&mut events, EventKind::Panicked).await;
    assert_eq!(failure.error.as_deref(), Some("boom 1"));
    assert!((40..=60).contains(&failure.backoff_ms.unwrap()), "{failure:?}");
    assert!(!scribe.is_running());
    assert_eq!(tree.snapshot().children[0].state, NodeState::BackingOff);

    scribe.tell(Note(2)).await.unwrap();
    assert_eq!(scribe.mailbox().depth, 1);
    next(&mut events, EventKind::Restarted).await;
    settle().await;
    assert_eq!(scribe.mailbox().depth, 0);
    assert!(scribe.is_running());
    assert_eq!(world.log().last().unwrap(), "2");
}

#[actix::test]
async fn the_backoff_grows_with_each_failure_and_starts_anew_after_a_calm_period() {
    let (tree, world) = (tree(), World::default());
    let mut events = tree.subscribe();
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    for shortest in [40, 80, 160, 320] {
        scribe.tell(Boom(0)).await.unwrap();
        let wait = next(&mut events, EventKind::Panicked).await.backoff_ms.unwrap();
        assert!((shortest..=shortest * 3 / 2).contains(&wait), "{wait} after {shortest}");
        next(&mut events, EventKind::Restarted).await;
    }
    tokio::time::sleep(RestartPolicy::default().calm).await;
    scribe.tell(Boom(0)).await.unwrap();
    assert!(next(&mut events, EventKind::Panicked).await.backoff_ms.unwrap() <= 60);
}

#[actix::test]
async fn too_many_failures_degrade_the_child_which_is_tried_again_and_recovers() {
    let (tree, world) = (tree(), World::default());
    let mut events = tree.subscribe();
    world.with(|state| state.started_panics = true);
    let scribe = tree.start(ChildSpec::new("scribe").policy(impatient()), world.factory());
    scribe.tell(Note(1)).await.unwrap();

    let degraded = next(&mut events, EventKind::Degraded).await;
    assert_eq!((degraded.restarts, degraded.backoff_ms), (3, Some(10_000)));
    assert_eq!(tree.snapshot().state, NodeState::Degraded);
    assert!(!scribe.is_running());
    next(&mut events, EventKind::Degraded).await;
    assert_eq!(
        world.with(|state| state.builds),
        5,
        "tried once more, after the long wait"
    );

    world.with(|state| state.started_panics = false);
    let up = next(&mut events, EventKind::Restarted).await.at;
    assert!(scribe.is_running());
    let since = tokio::time::Instant::now();
    assert!(next(&mut events, EventKind::Recovered).await.at >= up);
    assert!(just(since.elapsed(), RestartPolicy::default().calm));
    assert_eq!(
        world.log().last().unwrap(),
        "1",
        "the message has waited through it all"
    );

    scribe.tell(Boom(2)).await.unwrap();
    assert!(
        next(&mut events, EventKind::Panicked).await.backoff_ms.unwrap() <= 60,
        "recovered means forgiven"
    );
}

#[actix::test]
async fn an_operators_restart_ends_a_degraded_childs_wait_at_once() {
    let (tree, world) = (tree(), World::default());
    let mut events = tree.subscribe();
    world.with(|state| state.factory_panics.extend([true; 4]));
    let scribe = tree.start(ChildSpec::new("scribe").policy(impatient()), world.factory());
    next(&mut events, EventKind::Degraded).await;
    let ordered = tokio::time::Instant::now();
    tree.restart("scribe").unwrap();
    assert_eq!(scribe.ask(Note(1)).await, Ok(1));
    assert_eq!(ordered.elapsed(), Duration::ZERO);
}

#[actix::test]
async fn an_operators_restart_rebuilds_a_running_child_between_two_messages_and_is_no_failure() {
    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    assert_eq!(scribe.ask(Note(1)).await, Ok(1));
    // The actor would rather not; the operator's word counts for more.
    world.with(|state| state.goes_on = true);
    for number in 2..5 {
        scribe.try_tell(Note(number)).unwrap();
    }
    tree.restart("scribe").unwrap();
    assert_eq!(scribe.ask(Note(5)).await, Ok(4));
    assert_eq!(
        world.log(),
        [
            "scribe started 1",
            "1",
            "scribe stopped 1",
            "scribe started 2",
            "2",
            "3",
            "4",
            "5"
        ],
        "an order comes before the messages that wait"
    );
    let child = &tree.snapshot().children[0];
    assert_eq!((child.restarts, &child.last_failure), (1, &None));
    assert_eq!(
        tree.restart("nobody").unwrap_err().to_string(),
        "no running child is called \"nobody\""
    );
}

#[actix::test]
async fn an_order_given_while_the_actor_works_through_its_mailbox_is_obeyed_after_the_message_at_hand() {
    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    let orderer = tree.clone();
    scribe.try_tell(Note(1)).unwrap();
    scribe
        .try_tell(Run(Box::new(move || orderer.restart("scribe").unwrap())))
        .unwrap();
    scribe.try_tell(Note(2)).unwrap();
    scribe.ask(Note(3)).await.unwrap();
    assert_eq!(
        world.log(),
        [
            "scribe started 1",
            "1",
            "scribe stopped 1",
            "scribe started 2",
            "2",
            "3"
        ]
    );
}

#[actix::test]
async fn a_panic_in_stopped_during_an_operators_restart_is_a_failure_and_the_child_comes_back() {
    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    scribe.ask(Note(1)).await.unwrap();
    world.with(|state| state.stopped_panics = true);
    tree.restart("scribe").unwrap();
    assert_eq!(scribe.ask(Note(2)).await, Ok(1));
    assert_eq!(
        kinds(&tree),
        [EventKind::Started, EventKind::Panicked, EventKind::Restarted]
    );
}

#[actix::test]
async fn a_factory_that_panics_is_tried_again_and_messages_wait_for_the_first_build() {
    let (tree, world) = (tree(), World::default());
    world.with(|state| state.factory_panics.extend([true, true]));
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    assert_eq!(scribe.ask(Note(1)).await, Ok(1));
    assert_eq!(
        kinds(&tree),
        [EventKind::Panicked, EventKind::Panicked, EventKind::Started]
    );
    assert_eq!(tree.recent()[0].error.as_deref(), Some("factory failed"));
}

#[actix::test]
async fn an_actor_that_stops_by_itself_has_failed_and_is_restarted() {
    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    scribe.tell(Quit).await.unwrap();
    assert_eq!(scribe.ask(Note(1)).await, Ok(1));
    assert_eq!(
        world.log(),
        ["scribe started 1", "scribe stopped 1", "scribe started 2", "1"]
    );
    assert_eq!(
        kinds(&tree),
        [EventKind::Started, EventKind::Ended, EventKind::Restarted]
    );
    assert_eq!(
        tree.snapshot().children[0].last_failure.as_ref().unwrap().error,
        "stopped by itself"
    );
}

#[actix::test]
async fn one_childs_failures_leave_its_neighbours_alone() {
    let (tree, world) = (tree(), World::default());
    let first = tree.start(ChildSpec::new("first"), world.factory());
    let second = tree.start(ChildSpec::new("second"), world.factory());
    assert_eq!(second.ask(Note(1)).await, Ok(1));
    assert_eq!(first.ask(Boom(2)).await, Err(AskError::Panicked));
    assert_eq!(second.ask(Note(3)).await, Ok(2));
}

#[actix::test]
async fn a_destructor_that_panics_when_a_broken_actor_is_dropped_is_contained_and_says_less_than_the_failure() {
    let (tree, world) = (tree(), World::default());
    let mut events = tree.subscribe();
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    world.with(|state| state.drop_panics = true);
    scribe.tell(Boom(1)).await.unwrap();
    let panicked = next(&mut events, EventKind::Panicked).await;
    assert_eq!(panicked.error.as_deref(), Some("boom 1"));
    next(&mut events, EventKind::Restarted).await;
    world.with(|state| state.drop_panics = false);
    assert_eq!(scribe.ask(Note(2)).await, Ok(1));
    tree.stop().await;
}

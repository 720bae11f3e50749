//! The bound of a mailbox and the rule for when it is met.

use super::*;

/// A scribe of the given capacity that holds until a permit comes, with an empty mailbox.
async fn held(tree: &Tree, world: &World, capacity: usize) -> (Address<Scribe>, Arc<Semaphore>) {
    let scribe = tree.start(ChildSpec::new("scribe").mailbox(capacity), world.factory());
    let go = Arc::new(Semaphore::new(0));
    scribe.tell(Hold(Arc::clone(&go))).await.unwrap();
    settle().await;
    assert_eq!(
        scribe.mailbox().depth,
        0,
        "the message that holds has begun, and takes no place"
    );
    (scribe, go)
}

#[actix::test]
async fn a_mailbox_takes_exactly_its_capacity_and_hands_the_next_message_back() {
    let (tree, world) = (tree(), World::default());
    let (scribe, go) = held(&tree, &world, 3).await;
    let other = scribe.clone();
    for number in 0..3 {
        // Each clone of actix's own address would have a place of its own beyond the bound.
        other.clone().try_tell(Note(number)).unwrap();
    }
    let refused = scribe.try_tell(Note(3)).unwrap_err();
    assert_eq!(
        format!("{refused:?}: {refused}"),
        "Full(..): the actor's mailbox is full"
    );
    assert_eq!(refused.into_message(), Note(3));
    let gauge = scribe.mailbox();
    assert_eq!((gauge.depth, gauge.capacity, gauge.refused), (3, 3, 1));
    go.add_permits(1);
    assert_eq!(scribe.ask(Note(4)).await, Ok(4));
}

#[actix::test]
async fn those_who_wait_for_room_are_admitted_in_their_order_and_nobody_overtakes_them() {
    let (tree, world) = (tree(), World::default());
    let (scribe, go) = held(&tree, &world, 1).await;
    scribe.try_tell(Note(0)).unwrap();
    let mut tellers = Vec::new();
    for number in 1..=20 {
        let scribe = scribe.clone();
        tellers.push(actix::spawn(async move { scribe.tell(Note(number)).await }));
        settle().await;
    }
    assert!(tellers.iter().all(|teller| !teller.is_finished()));
    go.add_permits(1);
    for teller in tellers {
        teller.await.unwrap().unwrap();
    }
    scribe.ask(Note(21)).await.unwrap();
    let expected: Vec<String> = (0..=21).map(|number| number.to_string()).collect();
    assert_eq!(world.log()[1..], expected);
}

#[actix::test]
async fn a_teller_who_gives_up_waiting_withdraws_the_message() {
    let (tree, world) = (tree(), World::default());
    let (scribe, go) = held(&tree, &world, 1).await;
    scribe.try_tell(Note(1)).unwrap();
    assert!(timeout(Duration::from_secs(1), scribe.tell(Note(2))).await.is_err());
    go.add_permits(1);
    scribe.ask(Note(3)).await.unwrap();
    assert_eq!(world.log()[1..], ["1", "3"]);
}

#[actix::test]
async fn the_time_in_the_mailbox_is_measured() {
    let (tree, world) = (tree(), World::default());
    let (scribe, go) = held(&tree, &world, 4).await;
    scribe.try_tell(Note(1)).unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
    go.add_permits(1);
    scribe.ask(Note(2)).await.unwrap();
    let gauge = scribe.mailbox();
    assert_eq!((gauge.handled, gauge.wait_last_us), (3, 0));
    assert!(
        just(Duration::from_micros(gauge.wait_max_us), Duration::from_millis(250)),
        "{gauge:?}"
    );
}

#[actix::test]
async fn a_full_mailbox_is_reported_at_most_once_a_second_with_the_number_refused() {
    let (tree, world) = (tree(), World::default());
    let mut events = tree.subscribe();
    let (scribe, _go) = held(&tree, &world, 1).await;
    scribe.try_tell(Note(0)).unwrap();
    for _ in 0..100 {
        scribe.try_tell(Note(1)).unwrap_err();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    scribe.try_tell(Note(1)).unwrap_err();
    assert_eq!(next(&mut events, EventKind::MailboxFull).await.refused, Some(1));
    assert_eq!(next(&mut events, EventKind::MailboxFull).await.refused, Some(100));
    assert_eq!(kinds(&tree).len(), 3, "one start and two reports");
}

#[actix::test]
async fn a_recipient_reaches_the_actor_without_naming_it() {
    let (tree, world) = (tree(), World::default());
    let recipient: Recipient<Note> = tree
        .start(ChildSpec::new("scribe").mailbox(2), world.factory())
        .recipient();
    let elsewhere = recipient.clone();
    let asked = std::thread::spawn(move || futures_util::FutureExt::now_or_never(elsewhere.tell(Note(1))));
    assert_eq!(asked.join().unwrap(), Some(Ok(())));
    recipient.try_tell(Note(2)).unwrap();
    assert_eq!(recipient.mailbox().depth, 2);
    assert_eq!(recipient.ask(Note(3)).await, Ok(3));
    assert!(recipient.is_running());
    assert_eq!(recipient.name(), "scribe");
    tree.stop().await;
    assert!(!recipient.is_running());
    assert_eq!(recipient.ask(Note(4)).await, Err(AskError::Closed));
}

#[actix::test]
async fn a_busy_actor_lets_others_on_its_thread_have_a_turn() {
    let (tree, world) = (tree(), World::default());
    let (scribe, go) = held(&tree, &world, 1_000).await;
    for number in 0..1_000 {
        scribe.try_tell(Note(number)).unwrap();
    }
    go.add_permits(1);
    let mut turns = 0;
    while scribe.mailbox().depth > 0 {
        tokio::task::yield_now().await;
        turns += 1;
    }
    assert!(turns >= 7, "{turns} turns for 1,000 messages");
}

#[test]
fn handles_and_their_futures_may_be_used_from_any_thread() {
    fn sendable<T: Send>(_: &T) {}
    fn shareable<T: Send + Sync>() {}
    shareable::<Tree>();
    shareable::<Address<Scribe>>();
    shareable::<Recipient<Note>>();
    let tree = Tree::new("root", Clock::System);
    sendable(&tree.stop());
    let scribe = tree.start(ChildSpec::new("scribe"), World::default().factory());
    sendable(&scribe.tell(Note(1)));
    sendable(&scribe.ask(Note(1)));
    sendable(&scribe.recipient::<Note>().ask(Note(1)));
}

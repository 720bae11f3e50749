//! What a mailbox does when it is full or its child is down, and where messages go that are never handled.

use super::*;

/// What a hook was handed: the message, its type's last name, for how many seconds it had waited, and why.
type Handed = (Option<u32>, String, u64, Undeliverable);

/// A scribe that is held at its first message, and the messages that its hook is handed.
async fn held(universe: &Universe, spec: ChildSpec) -> (Address<Scribe>, Arc<Semaphore>, Arc<Mutex<Vec<Handed>>>) {
    let handed = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&handed);
    let spec = spec.undelivered(move |undelivered: Undelivered| {
        let number = undelivered.message.downcast_ref::<Note>().map(|Note(number)| *number);
        let name = undelivered.message_type.rsplit("::").next().unwrap_or_default();
        list.lock()
            .unwrap()
            .push((number, name.to_owned(), undelivered.waited.as_secs(), undelivered.why));
    });
    let scribe = universe.tree().start(spec, World::default().factory());
    let go = Arc::new(Semaphore::new(0));
    scribe.tell(Hold(Arc::clone(&go))).await.unwrap();
    universe.settle().await;
    (scribe, go, handed)
}

#[actix::test]
async fn a_full_mailbox_refuses_at_once_or_after_the_time_that_its_spec_says() {
    let universe = Universe::new();
    let spec = ChildSpec::new("strict").mailbox(1).when_full(WhenFull::Refuse);
    let (strict, _go, _) = held(&universe, spec).await;
    let limit = Duration::from_secs(7);
    let spec = ChildSpec::new("patient")
        .mailbox(1)
        .when_full(WhenFull::WaitUpTo(limit));
    let (patient, go, _) = held(&universe, spec).await;
    strict.tell(Note(1)).await.unwrap();
    patient.tell(Note(1)).await.unwrap();

    let begun = tokio::time::Instant::now();
    assert_eq!(strict.tell(Note(2)).await, Err(TellError::Full(Note(2))));
    assert_eq!(strict.ask(Note(2)).await, Err(AskError::Full));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(patient.tell(Note(2)).await, Err(TellError::Full(Note(2))));
    assert!(just(begun.elapsed(), limit), "{:?}", begun.elapsed());
    assert_eq!((strict.mailbox().refused, patient.mailbox().refused), (2, 1));
    // Room within the time is as good as room.
    let waiter = patient.clone();
    let waits = actix::spawn(async move { waiter.tell(Note(3)).await });
    universe.advance(limit / 2).await;
    go.add_permits(1);
    assert_eq!(waits.await.unwrap(), Ok(()));
    universe.finish().await;
}

#[actix::test]
async fn the_oldest_message_makes_room_is_counted_and_handed_to_the_hook_and_whoever_asked_it_is_told() {
    let universe = Universe::new();
    let spec = ChildSpec::new("scribe").mailbox(2).when_full(WhenFull::DropOldest);
    let (scribe, go, handed) = held(&universe, spec).await;
    let asker = scribe.clone();
    let asked = actix::spawn(async move { asker.ask(Note(1)).await });
    universe.advance(Duration::from_secs(3)).await;
    for number in 2..=4 {
        scribe.try_tell(Note(number)).unwrap();
    }
    assert_eq!(asked.await.unwrap(), Err(AskError::Evicted));
    let expected =
        [(1, 3), (2, 0)].map(|(number, waited)| (Some(number), "Note".to_owned(), waited, Undeliverable::Evicted));
    assert_eq!(*handed.lock().unwrap(), expected);
    let gauge = scribe.mailbox();
    assert_eq!((gauge.depth, gauge.evicted, gauge.refused), (2, 2, 0));
    go.add_permits(1);
    universe.settle().await;
    assert_eq!(scribe.ask(Note(5)).await, Ok(3), "3, 4 and 5 were handled");
    let stopped = universe.finish().await;
    assert_eq!(stopped[0].undelivered, 0, "what was evicted is counted apart");
}

#[actix::test]
async fn a_child_that_is_down_refuses_messages_if_its_spec_says_so_and_takes_them_again_when_it_is_up() {
    let universe = Universe::new();
    let mut events = universe.events();
    let spec = ChildSpec::new("scribe").when_down(WhenDown::Refuse);
    let scribe = universe.tree().start(spec, World::default().factory());
    events.event("scribe", EventKind::Started).await;
    scribe.tell(Boom(1)).await.unwrap();
    scribe.tell(Note(2)).await.unwrap();
    events.event("scribe", EventKind::Panicked).await;
    assert_eq!(scribe.try_tell(Note(3)), Err(TellError::Down(Note(3))));
    assert_eq!(scribe.tell(Note(4)).await, Err(TellError::Down(Note(4))));
    assert_eq!(scribe.ask(Note(5)).await, Err(AskError::Down));
    events.event("scribe", EventKind::Restarted).await;
    assert_eq!(scribe.ask(Note(6)).await, Ok(2), "what was accepted before was kept");
    universe.finish().await;
    assert_eq!(scribe.try_tell(Note(7)), Err(TellError::Closed(Note(7))));
}

#[actix::test]
async fn what_waits_when_a_child_is_stopped_is_handed_to_the_hook_one_by_one() {
    let universe = Universe::new();
    let (scribe, _go, handed) = held(&universe, ChildSpec::new("scribe")).await;
    scribe.tell(Note(1)).await.unwrap();
    universe.advance(Duration::from_secs(2)).await;
    scribe.tell(Quit).await.unwrap();
    let stopped = universe.finish().await;
    assert_eq!(stopped[0].undelivered, 2);
    assert_eq!(
        *handed.lock().unwrap(),
        [
            (Some(1), "Note".to_owned(), 2, Undeliverable::Stopped),
            (None, "Quit".to_owned(), 0, Undeliverable::Stopped),
        ]
    );
}

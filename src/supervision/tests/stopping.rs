//! The end of children, in order and out of it.

use super::*;

#[actix::test]
async fn children_are_stopped_right_to_left_and_waiting_messages_are_counted() {
    let (tree, world) = (tree(), World::default());
    let first = tree.start(ChildSpec::new("first"), world.factory());
    let second = tree.start(ChildSpec::new("second"), world.factory());
    first.ask(Note(1)).await.unwrap();
    second.tell(Hold(Arc::new(Semaphore::new(0)))).await.unwrap();
    settle().await;
    second.try_tell(Note(2)).unwrap();
    let asker = second.clone();
    let asked = actix::spawn(async move { asker.ask(Note(3)).await });
    settle().await;

    let stopped = tree.stop().await;
    let clean = |name: &str, undelivered| Stopped {
        name: name.to_owned(),
        how: StopKind::Clean,
        undelivered,
    };
    assert_eq!(stopped, [clean("second", 2), clean("first", 0)]);
    assert_eq!(world.log()[3..], ["second stopped 2", "first stopped 1"]);
    assert_eq!(
        asked.await.unwrap(),
        Err(AskError::Closed),
        "the message was never begun"
    );
    assert_eq!(first.tell(Note(4)).await, Err(TellError::Closed(Note(4))));
    assert_eq!(first.try_tell(Note(5)).unwrap_err(), TellError::Closed(Note(5)));
    assert_eq!(tree.snapshot().state, NodeState::Stopped);
    assert_eq!(tree.snapshot().undelivered, 2);
    assert_eq!(tree.stop().await, []);
    assert!(tree.restart("first").is_err());
}

#[actix::test]
async fn an_actor_that_goes_on_past_its_time_is_cut_off() {
    let (tree, world) = (tree(), World::default());
    world.with(|state| state.goes_on = true);
    let scribe = tree.start(
        ChildSpec::new("scribe").shutdown(Duration::from_secs(3)),
        world.factory(),
    );
    scribe.ask(Note(1)).await.unwrap();
    let ordered = tokio::time::Instant::now();
    let stopped = tree.stop_child("scribe").await.unwrap();
    assert_eq!(stopped.how, StopKind::CutOff);
    assert!(just(ordered.elapsed(), Duration::from_secs(3)));
    assert_eq!(
        world.log(),
        ["scribe started 1", "1", "scribe stopped 1"],
        "with its hook"
    );
}

#[actix::test]
async fn an_actor_that_asks_to_go_on_may_handle_what_waits_and_stop_itself() {
    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    scribe.ask(Note(0)).await.unwrap();
    world.with(|state| state.goes_on = true);
    let go = Arc::new(Semaphore::new(0));
    scribe.try_tell(Note(1)).unwrap();
    scribe.try_tell(Hold(Arc::clone(&go))).unwrap();
    scribe.try_tell(Note(2)).unwrap();
    scribe.try_tell(Quit).unwrap();
    scribe.try_tell(Note(3)).unwrap();
    let stopper = tree.clone();
    let stopping = actix::spawn(async move { stopper.stop_child("scribe").await });
    settle().await;
    assert_eq!(
        scribe.try_tell(Note(4)).unwrap_err(),
        TellError::Closed(Note(4)),
        "nothing new"
    );
    assert!(!scribe.is_running());
    assert_eq!(tree.snapshot().children[0].state, NodeState::Stopping);
    go.add_permits(1);
    let stopped = stopping.await.unwrap().unwrap();
    assert_eq!((stopped.how, stopped.undelivered), (StopKind::Clean, 1));
    assert_eq!(world.log()[2..], ["1", "2", "scribe stopped 1"]);
}

#[test]
fn an_actor_that_blocks_its_thread_is_reported_as_abandoned() {
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Block(tokio::sync::oneshot::Sender<()>, std::sync::mpsc::Receiver<()>);
    struct Blocker;
    impl Actor for Blocker {
        type Context = Context<Self>;
    }
    supervised!(Blocker);
    impl Handler<Block> for Blocker {
        type Result = ();
        fn handle(&mut self, Block(begun, until): Block, _: &mut Self::Context) {
            begun.send(()).unwrap();
            until.recv().unwrap();
        }
    }

    actix::System::new().block_on(async {
        let (tree, arbiter) = (Tree::new("root", Clock::System), actix::Arbiter::new());
        let spec = ChildSpec::new("blocker")
            .shutdown(Duration::from_millis(10))
            .on(arbiter.handle());
        let blocker = tree.start(spec, || Blocker);
        let (release, until) = std::sync::mpsc::channel();
        let (begun, begins) = tokio::sync::oneshot::channel();
        blocker.tell(Block(begun, until)).await.unwrap();
        begins.await.unwrap();
        assert_eq!(tree.stop_child("blocker").await.unwrap().how, StopKind::Abandoned);
        let mut events = tree.subscribe();
        release.send(()).unwrap();
        next(&mut events, EventKind::Stopped).await;
        assert_eq!(tree.snapshot().children[0].state, NodeState::Stopped);
        arbiter.stop();
    });
}

#[actix::test]
async fn a_panic_in_stopped_is_a_failure_and_does_not_end_the_process() {
    let (tree, world) = (tree(), World::default());
    world.with(|state| state.stopped_panics = true);
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    scribe.ask(Note(1)).await.unwrap();
    assert_eq!(tree.stop().await[0].how, StopKind::Clean);
    assert_eq!(
        kinds(&tree),
        [EventKind::Started, EventKind::Panicked, EventKind::Stopped]
    );
    assert_eq!(tree.recent()[1].error.as_deref(), Some("stopped failed"));
}

#[actix::test]
async fn a_child_is_stopped_at_once_during_its_backoff_and_its_broken_actor_is_not_called_again() {
    let (tree, world) = (tree(), World::default());
    let mut events = tree.subscribe();
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    scribe.tell(Boom(1)).await.unwrap();
    next(&mut events, EventKind::Panicked).await;
    scribe.tell(Note(2)).await.unwrap();
    world.with(|state| {
        state.started_panics = true;
        state.stopped_panics = true;
        state.drop_panics = true;
    });
    let ordered = tokio::time::Instant::now();
    let stopped = tree.stop().await;
    assert_eq!(
        (stopped[0].how, stopped[0].undelivered, ordered.elapsed()),
        (StopKind::Clean, 1, Duration::ZERO)
    );
    assert_eq!(world.log(), ["scribe started 1", "boom 1"]);
    let told = [EventKind::Started, EventKind::Panicked, EventKind::Stopped];
    assert_eq!(kinds(&tree), told);
}

#[actix::test]
async fn nothing_is_started_or_restarted_after_the_stop_of_the_tree_began() {
    let (tree, world) = (tree(), World::default());
    let early = tree.start(ChildSpec::new("early"), world.factory());
    let late = tree.start(ChildSpec::new("late").shutdown(Duration::from_secs(1)), world.factory());
    late.ask(Note(1)).await.unwrap();
    world.with(|state| state.goes_on = true);
    let stopper = tree.clone();
    let stopping = actix::spawn(async move { stopper.stop().await });
    settle().await;
    // The later child takes its time, so that the earlier one still runs, and now fails.
    assert_eq!(early.ask(Boom(2)).await, Err(AskError::Panicked));
    settle().await;
    assert_eq!(
        kinds(&tree).last(),
        Some(&EventKind::Stopped),
        "at once, with no wait for a next try"
    );
    let newcomer = tree.start(ChildSpec::new("newcomer"), world.factory());
    assert_eq!(newcomer.tell(Note(3)).await, Err(TellError::Closed(Note(3))));
    let stopped = stopping.await.unwrap();
    assert_eq!(
        stopped.iter().map(|child| &child.name).collect::<Vec<_>>(),
        ["early", "late"],
        "in the order of their ends"
    );
    assert_eq!(world.with(|state| state.builds), 2);
    assert_eq!(early.tell(Note(4)).await, Err(TellError::Closed(Note(4))));
}

#[test]
fn a_child_ends_with_its_arbiter_and_without_one_it_is_never_started() {
    let world = World::default();
    let system = actix::System::new();
    let (tree, scribe) = system.block_on(async {
        let tree = Tree::new("root", Clock::System);
        let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
        world.with(|state| state.stopped_panics = true);
        scribe.ask(Note(1)).await.unwrap();
        scribe.tell(Note(2)).await.unwrap();
        (tree, scribe)
    });
    drop(system);
    assert_eq!(world.log(), ["scribe started 1", "1", "scribe stopped 1"]);
    assert!(matches!(scribe.try_tell(Note(3)), Err(TellError::Closed(_))));
    assert_eq!(tree.snapshot().children[0].undelivered, 1);

    std::thread::spawn(move || {
        let tree = Tree::new("root", Clock::System);
        let homeless = tree.start(ChildSpec::new("homeless"), world.factory());
        assert!(matches!(homeless.try_tell(Note(1)), Err(TellError::Closed(_))));
        assert_eq!(
            tree.snapshot().state,
            NodeState::Stopped,
            "there is no arbiter to start it on"
        );
    })
    .join()
    .unwrap();
}

#[actix::test]
async fn a_taken_name_gets_a_number_and_that_of_a_stopped_child_is_free() {
    let (tree, world) = (tree(), World::default());
    let start = || tree.start(ChildSpec::new("scribe"), world.factory());
    assert_eq!(
        (start().name(), start().name(), start().name()),
        ("scribe", "scribe#2", "scribe#3")
    );
    tree.stop_child("scribe#2").await.unwrap();
    assert_eq!(start().name(), "scribe#2");
    assert!(tree.stop_child("nobody").await.is_err());
}

#[actix::test]
async fn a_message_whose_destructor_panics_does_not_take_the_rest_of_the_mailbox_with_it() {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            panic!("dropped unhandled");
        }
    }
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Carry(Nasty);
    impl Handler<Carry> for Scribe {
        type Result = ();
        fn handle(&mut self, _: Carry, _: &mut Self::Context) {}
    }

    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    scribe.tell(Hold(Arc::new(Semaphore::new(0)))).await.unwrap();
    settle().await;
    scribe.tell(Carry(Nasty)).await.unwrap();
    scribe.tell(Note(1)).await.unwrap();
    assert_eq!(tree.stop().await[0].undelivered, 2);
}

#[test]
fn a_task_beside_an_actor_on_its_own_arbiter_outlives_it_and_the_thread_ends_with_the_task() {
    /// Tells whoever waits for the end of a thread, when that ends.
    struct Ends(std::sync::mpsc::Sender<()>);
    impl Drop for Ends {
        fn drop(&mut self) {
            let _gone = self.0.send(());
        }
    }
    thread_local! {
        static ENDS: std::cell::RefCell<Option<Ends>> = const { std::cell::RefCell::new(None) };
    }

    // In real time: what is waited for happens on another thread.
    const SOON: Duration = Duration::from_secs(20);
    actix::System::new().block_on(async {
        let (tree, world) = (Tree::new("root", Clock::System), World::default());
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let (ends, ended) = std::sync::mpsc::channel();
        let (done, is_done) = std::sync::mpsc::channel();
        let once = Mutex::new(Some((begin, gone, done, Ends(ends))));
        tree.start(ChildSpec::new("scribe").own_arbiter(), move || {
            if let Some((begin, gone, done, ends)) = once.lock().unwrap().take() {
                ENDS.with(|kept| *kept.borrow_mut() = Some(ends));
                tokio::spawn(async move {
                    begin.send(()).unwrap();
                    gone.await.unwrap();
                    done.send(()).unwrap();
                });
            }
            world.factory()()
        });
        timeout(SOON, begun).await.unwrap().unwrap();
        tree.stop().await;
        assert!(ended.try_recv().is_err(), "the thread ended with its actor");
        go.send(()).unwrap();
        is_done.recv_timeout(SOON).unwrap();
        ended.recv_timeout(SOON).unwrap();
    });
}

#[actix::test]
async fn a_thread_whose_arbiter_ends_is_told_to_end() {
    let arbiter = actix::Arbiter::new();
    let tree = Tree::with(SupervisorSpec::new("root"), Some(arbiter.handle()), Clock::System);
    let (up, is_up) = std::sync::mpsc::channel();
    let (ends, ended) = std::sync::mpsc::channel();
    tree.root()
        .start_thread(ChildSpec::new("scribe"), move |context: &mut ThreadContext<()>| {
            up.send(()).unwrap();
            assert!(context.receive().is_none());
            ends.send(()).unwrap();
            Ok(())
        });
    is_up.recv_timeout(Duration::from_secs(20)).unwrap();
    arbiter.stop();
    ended.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn what_is_beneath_a_supervisor_whose_arbiter_ends_is_stopped_with_it() {
    actix::System::new().block_on(async {
        let (tree, world) = (Tree::new("root", Clock::System), World::default());
        let arbiter = actix::Arbiter::new();
        let group = tree.supervisor(SupervisorSpec::new("group").on(arbiter.handle()));
        let scribe = group.start(ChildSpec::new("scribe"), world.factory());
        assert_eq!(scribe.ask(Note(1)).await, Ok(1));
        arbiter.stop();
        let ended = timeout(Duration::from_secs(60), scribe.ended()).await;
        assert_eq!(ended.map(|stopped| stopped.how), Ok(StopKind::Clean));
        tree.stop().await;
    });
}

//! Children that make no progress: found in time, cut off, left behind with their thread, or shown.

use std::any::type_name;
use std::sync::mpsc;

use tokio::time::Instant;

use super::*;
use crate::supervision::liveness::Rounds;

const LIMIT: Duration = Duration::from_secs(8);

#[actix::test]
async fn an_actor_that_waits_for_ever_is_found_within_a_quarter_more_than_its_limit_and_rebuilt_with_its_mailbox() {
    let (universe, world) = (Universe::new(), World::default());
    let mut events = universe.events();
    let spec = ChildSpec::new("scribe").liveness(Some(LIMIT));
    let scribe = universe.tree().start(spec, world.factory());
    assert_eq!(scribe.ask(Note(1)).await, Ok(1));
    // Just after a round, which is the worst moment.
    universe.advance(LIMIT / 4 + Duration::from_millis(2)).await;
    universe.inject("scribe", Fault::HangAt(1));
    let (asker, hung) = (scribe.clone(), Instant::now());
    let asked = actix::spawn(async move { asker.ask(Note(2)).await });
    universe.settle().await;
    scribe.tell(Note(3)).await.unwrap();

    let stuck = events.event("scribe", EventKind::Stuck).await;
    let took = hung.elapsed();
    assert!(
        took >= LIMIT && took <= LIMIT * 5 / 4 + Duration::from_millis(5),
        "{took:?}"
    );
    assert_eq!(stuck.doing.as_deref(), Some(type_name::<Note>()));
    assert!(stuck.silent_ms.unwrap() >= 8_000, "{stuck:?}");
    let replaced = events.event("scribe", EventKind::Replaced).await;
    assert_eq!(replaced.error.as_deref(), Some("made no progress"));
    assert_eq!(asked.await.unwrap(), Err(AskError::Panicked));
    events.event("scribe", EventKind::Restarted).await;
    universe.settle().await;
    assert_eq!(
        world.log(),
        ["scribe started 1", "1", "scribe stopped 1", "scribe started 2", "3"]
    );
    universe.finish().await;
}

#[actix::test]
async fn an_actor_that_is_idle_or_suspended_is_not_stuck() {
    let (universe, world) = (Universe::new(), World::default());
    let spec = ChildSpec::new("scribe").liveness(Some(LIMIT));
    let scribe = universe.tree().start(spec, world.factory());
    universe.advance(LIMIT * 3).await;
    universe.tree().suspend("scribe").unwrap();
    scribe.tell(Note(1)).await.unwrap();
    universe.advance(LIMIT * 3).await;
    assert_eq!(universe.tree().inspect("scribe").unwrap().state, NodeState::Suspended);
    universe.tree().resume("scribe").unwrap();
    assert_eq!(scribe.ask(Note(2)).await, Ok(2));
    universe.advance(LIMIT * 3).await;
    assert_eq!(
        kinds(universe.tree()),
        [EventKind::Started, EventKind::Suspended, EventKind::Resumed]
    );
    universe.finish().await;
}

#[actix::test]
async fn a_thread_that_gives_a_sign_of_life_is_not_stuck_and_one_that_stops_giving_them_is_until_it_goes_on() {
    let universe = Universe::new();
    let mut events = universe.events();
    let (order, orders) = mpsc::channel::<()>();
    let (done, dones) = mpsc::channel();
    let orders = Mutex::new(orders);
    let spec = ChildSpec::new("sorter").liveness(Some(LIMIT));
    let sorter = universe.tree().root().start_thread(spec, move |ctx| {
        while let Some(()) = ctx.receive() {
            done.send(())?;
            while orders.lock().unwrap().recv().is_ok() {
                ctx.beat("sorting");
                done.send(())?;
            }
        }
        Ok(())
    });
    universe.settle().await;
    // Time goes on although the thread works; what it does is awaited without giving time a turn.
    universe.tree().around().stillness.of_nobody();
    let beat = || {
        order.send(()).unwrap();
        dones.recv().unwrap();
    };
    sorter.tell(()).await.unwrap();
    dones.recv().unwrap();
    for _ in 0..3 {
        universe.advance(LIMIT * 3 / 4).await;
        beat();
    }
    assert_eq!(kinds(universe.tree()), [EventKind::Started]);
    let silent = Instant::now();
    let stuck = events.event("sorter", EventKind::Stuck).await;
    assert!(silent.elapsed() <= LIMIT * 5 / 4 + Duration::from_millis(5));
    assert_eq!(stuck.doing.as_deref(), Some("sorting"));
    assert!(universe.tree().inspect("sorter").unwrap().stuck);
    universe.advance(LIMIT * 2).await;
    beat();
    events.event("sorter", EventKind::Unstuck).await;
    let shown = universe.tree().inspect("sorter").unwrap();
    assert_eq!((shown.stuck, shown.restarts, shown.abandoned), (false, 0, 0));
    // It goes back to its mailbox while no time passes, and holds the time again from then on.
    drop(order);
    while universe.tree().inspect("sorter").unwrap().doing.is_some() {
        std::thread::yield_now();
    }
    universe.tree().around().stillness.of(tokio::runtime::Handle::current());
    universe.finish().await;
}

#[actix::test]
async fn a_thread_that_hangs_is_replaced_if_its_spec_says_so() {
    let universe = Universe::new();
    let mut events = universe.events();
    let mut probe = Probe::<Note>::answering("probe", |_| 0);
    let to = probe.recipient();
    let spec = ChildSpec::new("mule")
        .liveness(Some(LIMIT))
        .when_stuck(WhenStuck::Replace);
    let mule = universe.tree().root().start_thread(spec, move |ctx| {
        while let Some(number) = ctx.receive() {
            to.try_tell(Note(number))?;
        }
        Ok(())
    });
    universe.inject("mule", Fault::HangAt(2));
    for number in 1..=3 {
        mule.tell(number).await.unwrap();
    }
    assert_eq!(probe.next().await, Note(1));
    events.event("mule", EventKind::Stuck).await;
    events.event("mule", EventKind::Replaced).await;
    events.event("mule", EventKind::Restarted).await;
    assert_eq!(probe.next().await, Note(3), "the mailbox is kept");
    universe.finish().await;
}

/// Real threads: something that blocks until it is let go, and says when it has begun.
fn blocking() -> (Run, tokio::sync::oneshot::Receiver<()>, mpsc::Sender<()>) {
    let (begun, begins) = tokio::sync::oneshot::channel();
    let (release, until) = mpsc::channel();
    let run = Run(Box::new(move || {
        begun.send(()).unwrap();
        until.recv().unwrap();
    }));
    (run, begins, release)
}

/// Looks until something holds, of other threads in real time.
async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(60), wait)
        .await
        .expect("it did not come to be");
}

#[test]
fn an_actor_that_blocks_a_thread_of_its_own_is_left_behind_there_and_replaced_on_another() {
    actix::System::new().block_on(async {
        let (tree, world) = (Tree::new("root", Clock::System), World::default());
        let mut events = tree.subscribe();
        let limit = Some(Duration::from_millis(100));
        let scribe = tree.start(ChildSpec::new("scribe").own_arbiter().liveness(limit), world.factory());
        let (run, begins, release) = blocking();
        scribe.tell(run).await.unwrap();
        begins.await.unwrap();
        scribe.tell(Note(1)).await.unwrap();
        next(&mut events, EventKind::Stuck).await;
        next(&mut events, EventKind::Replaced).await;
        next(&mut events, EventKind::Restarted).await;
        assert_eq!(
            scribe.ask(Note(2)).await,
            Ok(2),
            "what waited was handled by the new one"
        );
        assert_eq!(tree.snapshot().abandoned, 1);
        assert_eq!(world.log(), ["scribe started 1", "scribe started 2", "1", "2"]);

        // A message waits when the one that was left behind goes on: it is not for that one.
        let go = Arc::new(Semaphore::new(0));
        scribe.tell(Hold(Arc::clone(&go))).await.unwrap();
        scribe.tell(Note(3)).await.unwrap();
        until(|| scribe.mailbox().depth == 1).await;
        release.send(()).unwrap();
        until(|| tree.snapshot().abandoned == 0).await;
        assert_eq!(scribe.mailbox().depth, 1);
        go.add_permits(1);
        assert_eq!(scribe.ask(Note(4)).await, Ok(4));
        assert_eq!(tree.snapshot().children[0].restarts, 1);
        assert_eq!(tree.stop().await[0].how, StopKind::Clean);
    });
}

#[test]
fn orders_to_a_replaced_actor_are_not_taken_by_the_one_that_was_left_behind() {
    actix::System::new().block_on(async {
        let tree = Tree::new("root", Clock::System);
        let mut events = tree.subscribe();
        let spec = ChildSpec::new("mule")
            .liveness(Some(Duration::from_millis(100)))
            .when_stuck(WhenStuck::Replace)
            .shutdown(Duration::from_secs(60));
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let (release, until) = mpsc::channel::<()>();
        let until = Mutex::new(until);
        let mule = tree.root().start_thread(spec, move |ctx: &mut ThreadContext<bool>| {
            while let Some(blocks) = ctx.receive() {
                begun.send(())?;
                if blocks {
                    until.lock().unwrap().recv()?;
                }
            }
            Ok(())
        });
        mule.tell(true).await.unwrap();
        begins.recv().await.unwrap();
        next(&mut events, EventKind::Restarted).await;
        mule.tell(false).await.unwrap();
        begins.recv().await.unwrap();
        assert_eq!(tree.snapshot().abandoned, 1);
        // Both tasks are at work now; each order is for the second.
        for _ in 0..20 {
            tree.restart("mule").unwrap();
            next(&mut events, EventKind::Restarted).await;
        }
        assert_eq!(tree.stop_child("mule").await.unwrap().how, StopKind::Clean);
        release.send(()).unwrap();
    });
}

#[test]
fn an_actor_that_blocks_a_thread_it_shares_is_shown_as_stuck_and_goes_on_unharmed() {
    actix::System::new().block_on(async {
        let (tree, world, arbiter) = (
            Tree::new("root", Clock::System),
            World::default(),
            actix::Arbiter::new(),
        );
        let mut events = tree.subscribe();
        let limit = Some(Duration::from_millis(100));
        let spec = ChildSpec::new("scribe").on(arbiter.handle()).liveness(limit);
        let scribe = tree.start(spec, world.factory());
        let (run, begins, release) = blocking();
        scribe.tell(run).await.unwrap();
        begins.await.unwrap();
        let stuck = next(&mut events, EventKind::Stuck).await;
        assert_eq!(stuck.doing.as_deref(), Some(type_name::<Run>()));
        let shown = tree.inspect("scribe").unwrap();
        assert!(shown.stuck);
        assert_eq!(shown.doing.unwrap().what, type_name::<Run>());
        // It is told to end, and nobody insists.
        until(|| !tree.around().find("scribe").unwrap().orders.is_pending()).await;
        release.send(()).unwrap();
        next(&mut events, EventKind::Unstuck).await;
        assert_eq!(scribe.ask(Note(1)).await, Ok(1));
        let shown = tree.inspect("scribe").unwrap();
        assert_eq!((shown.stuck, shown.restarts, shown.abandoned), (false, 0, 0));
        assert_eq!(tree.stop().await[0].how, StopKind::Clean);
        arbiter.stop();
    });
}

/// A factory that blocks at its second call until it is let go.
fn blocking_factory(world: &World) -> (impl Fn() -> Scribe + Send + Sync + 'static, mpsc::Sender<()>) {
    let (release, until) = mpsc::channel();
    let (build, until) = (world.factory(), Mutex::new(Some(until)));
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let factory = move || {
        if calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1 {
            let until: mpsc::Receiver<()> = until.lock().unwrap().take().unwrap();
            until.recv().unwrap();
        }
        build()
    };
    (factory, release)
}

#[test]
fn a_factory_that_blocks_a_thread_of_its_own_is_left_behind_and_what_it_makes_at_last_is_nobody() {
    actix::System::new().block_on(async {
        let (tree, world) = (Tree::new("root", Clock::System), World::default());
        let mut events = tree.subscribe();
        let limit = Some(Duration::from_millis(100));
        let (factory, release) = blocking_factory(&world);
        let scribe = tree.start(ChildSpec::new("scribe").own_arbiter().liveness(limit), factory);
        scribe.tell(Boom(1)).await.unwrap();
        scribe.tell(Note(2)).await.unwrap();
        let stuck = next(&mut events, EventKind::Stuck).await;
        assert_eq!(stuck.doing.as_deref(), Some("building the actor"));
        next(&mut events, EventKind::Replaced).await;
        next(&mut events, EventKind::Restarted).await;
        assert_eq!(scribe.ask(Note(3)).await, Ok(2));
        assert_eq!(tree.snapshot().abandoned, 1);

        release.send(()).unwrap();
        until(|| tree.snapshot().abandoned == 0).await;
        assert_eq!(scribe.ask(Note(4)).await, Ok(3));
        let shown = tree.inspect("scribe").unwrap();
        assert_eq!(
            (shown.restarts, shown.stuck, shown.state),
            (1, false, NodeState::Running)
        );
        let started = world.log().iter().filter(|line| line.contains("started")).count();
        assert_eq!(started, 2, "{:?}", world.log());
        tree.stop().await;
    });
}

#[actix::test]
async fn a_task_that_was_left_behind_has_no_say_in_the_childs_lives() {
    let (tree, world) = (tree(), World::default());
    let scribe = tree.start(ChildSpec::new("scribe"), world.factory());
    assert_eq!(scribe.ask(Note(1)).await, Ok(1));
    let child = tree.around().find("scribe").unwrap();
    let left = child.present_task();
    let next = child.leave_task_behind().unwrap();
    assert_eq!(child.leave_task_behind(), None, "nobody lives to be left behind");
    child.begin_life(next).unwrap();
    assert_eq!(child.begin_life(left), None);
    assert!(!child.came_up(left));
    let events = tree.recent().len();
    assert!(!child.went_down(left, Cause::new(CauseKind::Failed, "late"), Duration::ZERO));
    settle().await;
    assert!(child.is_up(), "the next one is up for all that the last says");
    assert_eq!(tree.recent().len(), events, "its supervisor heard of nothing");
    assert!(child.went_down(next, Cause::new(CauseKind::Failed, "now"), Duration::ZERO));
    settle().await;
    assert_eq!(tree.recent().last().unwrap().error.as_deref(), Some("now"));
    tree.stop().await;
}

#[actix::test]
async fn rounds_are_as_frequent_as_those_need_who_are_left() {
    let (tree, world) = (tree(), World::default());
    let mut rounds = Rounds::default();
    let now = Instant::now();
    let start = |name: &str, limit: u64| {
        let spec = ChildSpec::new(name).liveness(Some(Duration::from_secs(limit)));
        tree.start(spec, world.factory());
        tree.around().find(name).unwrap()
    };
    let children = [start("a", 4), start("b", 400)];
    let due = |rounds: &Rounds| rounds.next().map(|next| next.duration_since(now).as_secs());
    for child in &children {
        rounds.includes(child, now);
    }
    assert_eq!(due(&rounds), Some(1));
    assert!(rounds.look(&children, now).is_empty());
    assert_eq!(due(&rounds), Some(1));
    tree.stop_child("a").await.unwrap();
    rounds.look(&children, now);
    assert_eq!(due(&rounds), Some(100));
    tree.stop_child("b").await.unwrap();
    rounds.look(&children, now);
    assert_eq!(due(&rounds), None);
    tree.stop().await;
}

//! Watching another child, and tasks that end with their actor's life.

use super::*;

/// Watches a scribe in its first life, and passes on what it is told.
struct Guard {
    of: Option<Address<Scribe>>,
    to: Recipient<Told>,
}

/// What the guard was told.
#[derive(Message)]
#[rtype(result = "()")]
struct Told(Down);

/// Starts a task of the actor.
#[derive(Message)]
#[rtype(result = "()")]
struct Begin(futures_util::future::BoxFuture<'static, ()>);

impl Actor for Guard {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(of) = &self.of {
            ctx.watch(of);
        }
    }
}

supervised!(Guard);

impl Handler<Down> for Guard {
    type Result = ();

    fn handle(&mut self, down: Down, _: &mut Self::Context) {
        self.to.try_tell(Told(down)).unwrap();
    }
}

/// Watches the scribe as told: once more, or by a link too.
#[derive(Message)]
#[rtype(result = "()")]
struct Also(Address<Scribe>, Tie);

enum Tie {
    Watch,
    Link,
}

impl Handler<Also> for Guard {
    type Result = ();

    fn handle(&mut self, Also(of, tie): Also, ctx: &mut Self::Context) {
        match tie {
            Tie::Watch => ctx.watch(&of),
            Tie::Link => ctx.link(&of),
        }
    }
}

impl Handler<Hold> for Guard {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, Hold(go): Hold, _: &mut Self::Context) -> Self::Result {
        let wait = async move { go.acquire().await.unwrap().forget() };
        AtomicResponse::new(Box::pin(wrap_future::<_, Self>(wait)))
    }
}

impl Handler<Begin> for Guard {
    type Result = ();

    fn handle(&mut self, Begin(task): Begin, ctx: &mut Self::Context) {
        ctx.task(task);
    }
}

/// A scribe, its guard, and what the guard is told.
async fn guarded(universe: &Universe) -> (Address<Scribe>, Address<Guard>, Probe<Told>) {
    let probe = Probe::new("told");
    let scribe = universe
        .tree()
        .start(ChildSpec::new("scribe"), World::default().factory());
    let (first, to) = (Mutex::new(Some(scribe.clone())), probe.recipient());
    let guard = universe.tree().start(ChildSpec::new("guard"), move || Guard {
        of: first.lock().unwrap().take(),
        to: to.clone(),
    });
    universe.settle().await;
    (scribe, guard, probe)
}

#[actix::test]
async fn a_watcher_is_told_of_a_panic_and_of_the_end_for_good() {
    let universe = Universe::new();
    let (scribe, _guard, mut told) = guarded(&universe).await;
    scribe.tell(Boom(1)).await.unwrap();
    let Told(down) = told.next().await;
    assert_eq!((down.child.as_str(), down.for_good, down.ends), ("scribe", false, 1));
    assert_eq!((down.cause.kind, &*down.cause.text), (CauseKind::Panicked, "boom 1"));
    universe.advance(Duration::from_secs(1)).await;
    told.none().await;
    universe.tree().stop_child("scribe").await.unwrap();
    let Told(down) = told.next().await;
    assert_eq!((down.cause.kind, down.for_good), (CauseKind::Ordered, true));
    told.none().await;
    universe.finish().await;
}

#[actix::test]
async fn ends_that_the_watcher_had_no_turn_to_see_are_told_as_one_before_its_messages() {
    let universe = Universe::new();
    let mut events = universe.events();
    let (scribe, guard, mut told) = guarded(&universe).await;
    let go = Arc::new(Semaphore::new(0));
    guard.tell(Hold(Arc::clone(&go))).await.unwrap();
    universe.settle().await;
    for number in 1..=3 {
        scribe.tell(Boom(number)).await.unwrap();
        events.event("scribe", EventKind::Restarted).await;
    }
    told.none().await;
    go.add_permits(1);
    let Told(down) = told.next().await;
    assert_eq!((down.ends, &*down.cause.text), (3, "boom 3"));
    told.none().await;
    universe.finish().await;
}

#[actix::test]
async fn a_watch_ends_with_the_life_that_set_it() {
    let universe = Universe::new();
    let (scribe, _guard, mut told) = guarded(&universe).await;
    universe.tree().restart("guard").unwrap();
    universe.settle().await;
    scribe.tell(Boom(1)).await.unwrap();
    told.none_within(Duration::from_secs(60)).await;
    universe.finish().await;
}

#[actix::test]
async fn a_watch_of_a_child_that_has_left_already_is_told_at_once() {
    let universe = Universe::new();
    let mut told = Probe::new("told");
    let scribe = universe
        .tree()
        .start(ChildSpec::new("scribe"), World::default().factory());
    universe.settle().await;
    universe.tree().stop_child("scribe").await.unwrap();
    let to = told.recipient();
    universe.tree().start(ChildSpec::new("guard"), move || Guard {
        of: Some(scribe.clone()),
        to: to.clone(),
    });
    assert!(told.next().await.0.for_good);
    universe.finish().await;
}

#[actix::test]
async fn a_task_is_dropped_with_the_life_that_began_it() {
    struct Dropped(Recipient<Told>, Down);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.try_tell(Told(self.1.clone())).unwrap();
        }
    }
    let universe = Universe::new();
    let (scribe, guard, mut told) = guarded(&universe).await;
    scribe.tell(Boom(1)).await.unwrap();
    let Told(down) = told.next().await;
    let held = Dropped(told.recipient(), down);
    let task = async move {
        let _held = held;
        std::future::pending::<()>().await;
    };
    guard.tell(Begin(Box::pin(task))).await.unwrap();
    told.none_within(Duration::from_secs(60)).await;
    universe.tree().restart("guard").unwrap();
    told.next().await;
    universe.finish().await;
}

#[actix::test]
async fn a_panic_of_a_task_fails_its_actor() {
    let universe = Universe::new();
    let mut events = universe.events();
    let (_scribe, guard, _told) = guarded(&universe).await;
    let task = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        panic!("the task failed");
    };
    guard.tell(Begin(Box::pin(task))).await.unwrap();
    let failed = events.event("guard", EventKind::Failed).await;
    assert_eq!(failed.error.as_deref(), Some("a task of it panicked: the task failed"));
    events.event("guard", EventKind::Restarted).await;
    universe.finish().await;
}

#[actix::test]
async fn one_that_watches_another_twice_is_told_once_and_leaves_one_watch() {
    let universe = Universe::new();
    let (scribe, guard, mut told) = guarded(&universe).await;
    for _ in 0..10 {
        guard.tell(Also(scribe.clone(), Tie::Watch)).await.unwrap();
    }
    universe.settle().await;
    scribe.tell(Boom(1)).await.unwrap();
    let Told(down) = told.next().await;
    assert_eq!(down.ends, 1);
    told.none().await;
    universe.finish().await;
}

#[actix::test]
async fn one_that_watches_another_and_is_linked_to_it_is_told_and_fails() {
    let universe = Universe::new();
    let mut events = universe.events();
    let (scribe, guard, mut told) = guarded(&universe).await;
    guard.tell(Also(scribe.clone(), Tie::Link)).await.unwrap();
    universe.settle().await;
    scribe.tell(Boom(1)).await.unwrap();
    let Told(down) = told.next().await;
    assert_eq!((down.ends, &*down.cause.text), (1, "boom 1"));
    let failed = events.event("guard", EventKind::Failed).await;
    assert!(failed.error.as_ref().unwrap().contains("boom 1"), "{failed:?}");
    universe.finish().await;
}

#[actix::test]
async fn watches_of_lives_that_are_over_do_not_heap_up() {
    let universe = Universe::new();
    let world = World::default();
    let scribe = universe.tree().start(ChildSpec::new("scribe"), world.factory());
    let told = Probe::new("told");
    for number in 0..100 {
        let (of, to) = (scribe.clone(), told.recipient());
        let name = format!("guard {number}");
        let spec = ChildSpec::new(name.as_str()).restart(Restart::Temporary);
        let guard = universe.tree().start(spec, move || Guard {
            of: Some(of.clone()),
            to: to.clone(),
        });
        universe.settle().await;
        universe.tree().stop_child(guard.name()).await.unwrap();
    }
    let watchers = universe.tree().around().find("scribe").unwrap().watchers().len();
    assert!(watchers <= 32, "{watchers}");
    universe.finish().await;
}

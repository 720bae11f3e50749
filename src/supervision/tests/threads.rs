//! Supervised threads: their messages, their ends, and what is asked of them.

use super::*;

/// What a thread is told to do.
enum Job {
    Note(u32),
    Panic,
    Fail,
    Finish,
}

#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct Full(#[source] std::fmt::Error);

/// A thread that notes numbers; on its way out it notes what still waits.
fn clerk(universe: &Universe, world: &World, spec: ChildSpec) -> Sender<Job> {
    let world = world.clone();
    universe.tree().root().start_thread(spec, move |ctx| {
        world.note(format!("{} begins", ctx.name()));
        while let Some(job) = ctx.receive() {
            match job {
                Job::Note(number) => world.note(number.to_string()),
                Job::Panic => panic!("boom"),
                Job::Fail => return Err(Full(std::fmt::Error).into()),
                Job::Finish => return Ok(()),
            }
        }
        while let Some(job) = ctx.try_receive() {
            if let Job::Note(number) = job {
                world.note(format!("{number} at last"));
            }
        }
        Ok(())
    })
}

#[actix::test]
async fn a_thread_handles_its_messages_in_order_and_a_panic_or_an_error_loses_only_the_one_at_hand() {
    let (universe, world) = (Universe::new(), World::default());
    let clerk = clerk(&universe, &world, ChildSpec::new("clerk"));
    for job in [Job::Note(1), Job::Panic, Job::Note(2), Job::Fail, Job::Note(3)] {
        clerk.tell(job).await.unwrap();
    }
    universe.advance(Duration::from_secs(1)).await;
    assert_eq!(
        world.log(),
        ["clerk begins", "1", "clerk begins", "2", "clerk begins", "3"]
    );
    assert_eq!(
        kinds(universe.tree()),
        [
            EventKind::Started,
            EventKind::Panicked,
            EventKind::Restarted,
            EventKind::Failed,
            EventKind::Restarted
        ]
    );
    let errors: Vec<_> = universe
        .tree()
        .recent()
        .iter()
        .filter_map(|event| event.error.clone())
        .collect();
    assert_eq!(errors[0], "boom");
    assert!(
        errors[1].starts_with("the disk is full: "),
        "with its causes: {}",
        errors[1]
    );
    universe.finish().await;
}

#[actix::test]
async fn a_thread_that_is_told_to_stop_may_finish_what_it_accepted_and_what_is_left_is_undelivered() {
    let (universe, world) = (Universe::new(), World::default());
    let clerk = clerk(&universe, &world, ChildSpec::new("clerk"));
    universe.settle().await;
    universe.tree().suspend("clerk").unwrap();
    clerk.tell(Job::Note(1)).await.unwrap();
    clerk.tell(Job::Note(2)).await.unwrap();
    universe.settle().await;
    let stopped = universe.tree().stop_child("clerk").await.unwrap();
    assert_eq!((stopped.how, stopped.undelivered), (StopKind::Clean, 0));
    assert_eq!(world.log(), ["clerk begins", "1 at last", "2 at last"]);
    assert!(matches!(
        clerk.try_tell(Job::Note(3)),
        Err(TellError::Closed(Job::Note(3)))
    ));
    assert_eq!(clerk.ended().await.how, StopKind::Clean);
    universe.finish().await;
}

#[actix::test]
async fn a_suspended_thread_gets_no_message_until_it_is_resumed() {
    let (universe, world) = (Universe::new(), World::default());
    let spec = ChildSpec::new("clerk").liveness(Some(Duration::from_secs(1)));
    let clerk = clerk(&universe, &world, spec);
    clerk.tell(Job::Note(1)).await.unwrap();
    universe.settle().await;
    universe.tree().suspend("clerk").unwrap();
    clerk.tell(Job::Note(2)).await.unwrap();
    universe.advance(Duration::from_secs(60)).await;
    assert!(!clerk.is_running());
    assert_eq!(clerk.mailbox().depth, 1);
    assert_eq!(universe.tree().inspect("clerk").unwrap().doing, None);
    universe.tree().resume("clerk").unwrap();
    universe.settle().await;
    assert_eq!(world.log(), ["clerk begins", "1", "2"]);
    let told = [EventKind::Started, EventKind::Suspended, EventKind::Resumed];
    assert_eq!(kinds(universe.tree()), told, "and it was not stuck");
    universe.finish().await;
}

#[actix::test]
async fn a_transient_thread_that_returns_is_done_and_a_permanent_one_comes_back() {
    let (universe, world) = (Universe::new(), World::default());
    let mut events = universe.events();
    let once = clerk(&universe, &world, ChildSpec::new("once").restart(Restart::Transient));
    let always = clerk(&universe, &world, ChildSpec::new("always"));
    once.tell(Job::Finish).await.unwrap();
    always.tell(Job::Finish).await.unwrap();
    events.event("once", EventKind::Finished).await;
    events.event("always", EventKind::Restarted).await;
    assert!(universe.tree().inspect("once").is_err());
    universe.finish().await;
}

#[actix::test]
async fn an_injected_panic_reaches_a_thread_that_pauses_and_a_pause_ends_with_the_order_to_stop() {
    let universe = Universe::new();
    let mut events = universe.events();
    let spec = ChildSpec::new("sleeper").liveness(Some(Duration::from_secs(1)));
    universe
        .tree()
        .root()
        .start_thread(spec, |ctx: &mut ThreadContext<()>| {
            ctx.beat("dreaming");
            assert!(ctx.pause(Duration::from_secs(3_600)), "it was told to end");
            Ok(())
        });
    universe.advance(Duration::from_secs(60)).await;
    assert_eq!(kinds(universe.tree()), [EventKind::Started], "a pause is no work");
    universe.tree().inject_panic("sleeper").unwrap();
    events.event("sleeper", EventKind::Panicked).await;
    events.event("sleeper", EventKind::Restarted).await;
    let begun = tokio::time::Instant::now();
    universe.finish().await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[actix::test]
async fn a_suspended_thread_gets_no_message_by_a_look_that_does_not_wait_either() {
    let universe = Universe::new();
    let mut probe = Probe::<Note>::answering("probe", |_| 0);
    let to = probe.recipient();
    let looker = universe
        .tree()
        .root()
        .start_thread(ChildSpec::new("looker"), move |ctx| {
            while !ctx.pause(Duration::from_secs(1)) {
                while let Some(number) = ctx.try_receive() {
                    to.try_tell(Note(number))?;
                }
            }
            // What it accepted it finishes, suspended or not.
            while let Some(number) = ctx.try_receive() {
                to.try_tell(Note(number))?;
            }
            Ok(())
        });
    looker.tell(1).await.unwrap();
    assert_eq!(probe.next().await, Note(1));
    universe.tree().suspend("looker").unwrap();
    looker.tell(2).await.unwrap();
    probe.none_within(Duration::from_secs(60)).await;
    universe.tree().resume("looker").unwrap();
    assert_eq!(probe.next().await, Note(2));
    universe.tree().suspend("looker").unwrap();
    looker.tell(3).await.unwrap();
    assert_eq!(universe.finish().await[0].undelivered, 0);
    assert_eq!(probe.next().await, Note(3));
}

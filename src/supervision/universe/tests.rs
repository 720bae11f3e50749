//! The tools for tests, tested: what they hold still, what they find, and that they fail where they should.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler, Message, Running};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::*;
use crate::supervision::*;

/// Echoes numbers to somebody; never stops of its own will if it is told so.
struct Echo {
    to: Recipient<Number>,
    clings: bool,
}

#[derive(Message, Debug, PartialEq)]
#[rtype(result = "()")]
struct Number(u32);

impl Actor for Echo {
    type Context = Context<Self>;

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        if self.clings { Running::Continue } else { Running::Stop }
    }
}

supervised!(Echo);

impl Handler<Number> for Echo {
    type Result = ();

    fn handle(&mut self, number: Number, ctx: &mut Self::Context) {
        let _refused = self.to.try_tell(number);
        // Another minute later.
        ctx.run_later(Duration::from_secs(60), |echo, _| {
            let _refused = echo.to.try_tell(Number(0));
        });
    }
}

fn echo(universe: &Universe, probe: &Probe<Number>, clings: bool) -> Address<Echo> {
    let to = probe.recipient();
    universe
        .tree()
        .start(ChildSpec::new("echo").own_arbiter(), move || Echo {
            to: to.clone(),
            clings,
        })
}

/// The words with which the test would fail.
async fn failure<T>(work: impl Future<Output = T>) -> String {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(_) => panic!("nothing failed"),
        Err(payload) => panic_text(&*payload),
    }
}

#[actix::test]
async fn time_passes_only_by_waiting_and_the_clock_goes_with_it() {
    let universe = Universe::new();
    let mut probe = Probe::new("probe");
    let echo = echo(&universe, &probe, false);
    let begun = Instant::now();
    echo.tell(Number(7)).await.unwrap();
    assert_eq!(probe.next().await, Number(7));
    universe.settle().await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    universe.advance(Duration::from_secs(59)).await;
    probe.none().await;
    universe.advance(Duration::from_secs(2)).await;
    assert_eq!(probe.next().await, Number(0));
    // To the grain of the timers.
    let passed = begun.elapsed();
    assert!(
        passed >= Duration::from_secs(61) && passed < Duration::from_millis(61_010),
        "{passed:?}"
    );
    assert_eq!(universe.clock().now(), Universe::START.plus(passed));
    assert_eq!(universe.tree().recent()[0].at, Universe::START);
    probe.none_within(Duration::from_secs(3_600)).await;
    assert_eq!(universe.finish().await[0].how, StopKind::Clean);
}

#[actix::test]
async fn no_timer_fires_while_a_thread_works_for_50_ms_of_real_time() {
    let universe = Universe::new();
    let ticks = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&ticks);
    let ticker = actix::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let (seen, done) = (Arc::clone(&ticks), Arc::new(AtomicU64::new(u64::MAX)));
    let told = Arc::clone(&done);
    let worker = universe
        .tree()
        .root()
        .start_thread(ChildSpec::new("worker"), move |ctx| {
            while let Some(()) = ctx.receive() {
                let (begun, before) = (std::time::Instant::now(), seen.load(Ordering::SeqCst));
                while begun.elapsed() < Duration::from_millis(50) {
                    std::hint::spin_loop();
                }
                told.store(seen.load(Ordering::SeqCst) - before, Ordering::SeqCst);
            }
            Ok(())
        });
    universe.advance(Duration::from_millis(10)).await;
    assert!(ticks.load(Ordering::SeqCst) >= 4, "the ticker ticks");
    worker.tell(()).await.unwrap();
    universe.settle().await;
    assert_eq!(done.load(Ordering::SeqCst), 0, "it did not while the thread worked");
    let now = ticks.load(Ordering::SeqCst);
    universe.advance(Duration::from_millis(10)).await;
    assert!(ticks.load(Ordering::SeqCst) > now, "and goes on afterwards");
    ticker.abort();
    universe.finish().await;
}

#[actix::test]
async fn a_thread_pauses_in_the_time_of_the_test_and_sees_it_on_its_clock() {
    let universe = Universe::new();
    let mut probe = Probe::new("probe");
    let (to, clock) = (probe.recipient(), universe.clock().clone());
    universe
        .tree()
        .root()
        .start_thread(ChildSpec::new("ticker"), move |ctx: &mut ThreadContext<()>| {
            while !ctx.pause(Duration::from_secs(600)) {
                let minutes = clock.now().since(Universe::START).as_secs() / 60;
                to.try_tell(Number(u32::try_from(minutes)?))?;
            }
            Ok(())
        });
    let real = std::time::Instant::now();
    for minutes in [10, 20, 30] {
        assert_eq!(probe.next().await, Number(minutes));
    }
    assert!(real.elapsed() < Duration::from_secs(60));
    universe.finish().await;
}

#[actix::test]
async fn an_event_that_does_not_come_fails_with_what_did() {
    let universe = Universe::new();
    let mut events = universe.events();
    let probe = Probe::new("probe");
    let echo = echo(&universe, &probe, false);
    universe.inject("echo", Fault::PanicAt(2));
    echo.tell(Number(1)).await.unwrap();
    echo.tell(Number(2)).await.unwrap();
    assert_eq!(
        events.event("echo", EventKind::Panicked).await.error.as_deref(),
        Some("a panic was asked for")
    );
    events.event("echo", EventKind::Restarted).await;
    let mut events = events.within(Duration::from_secs(5));
    let text = failure(events.event("echo", EventKind::Degraded)).await;
    assert!(
        text.starts_with("echo was not degraded within 5s\nthe last events:\n"),
        "{text}"
    );
    assert!(
        text.contains("2023-11-14T22:13:20.000000Z echo panicked: a panic was asked for\n"),
        "{text}"
    );
    assert!(text.contains("universe/tests.rs"), "{text}");
    universe.finish().await;
}

#[actix::test]
async fn a_start_that_fails_or_is_slow_is_seen_to_be() {
    let universe = Universe::new();
    let mut events = universe.events();
    let mut probe = Probe::new("probe");
    let echo = echo(&universe, &probe, false);
    events.event("echo", EventKind::Started).await;
    universe.inject("echo", Fault::FailedStarts(2));
    universe.inject("echo", Fault::SlowStart(Duration::from_secs(30)));
    let begun = Instant::now();
    universe.tree().restart("echo").unwrap();
    echo.tell(Number(1)).await.unwrap();
    events.event("echo", EventKind::Panicked).await;
    events.event("echo", EventKind::Panicked).await;
    events.event("echo", EventKind::Restarted).await;
    assert_eq!(probe.next().await, Number(1));
    assert!(begun.elapsed() >= Duration::from_secs(90), "{:?}", begun.elapsed());
    universe.finish().await;
}

#[actix::test]
async fn a_probe_that_is_full_refuses_until_its_message_is_taken_and_a_dropped_one_is_closed() {
    let mut probe = Probe::answering("probe", |Number(number): &Number| assert_eq!(*number, 2)).capacity(1);
    let recipient = probe.recipient();
    recipient.try_tell(Number(1)).unwrap();
    assert_eq!(recipient.try_tell(Number(3)), Err(TellError::Full(Number(3))));
    let asker = recipient.clone();
    let asked = actix::spawn(async move { asker.ask(Number(2)).await });
    turns().await;
    assert!(!asked.is_finished(), "it waits for room");
    assert_eq!(probe.next().await, Number(1));
    assert_eq!(asked.await.unwrap(), Ok(()));
    assert_eq!(probe.next().await, Number(2));
    recipient.try_tell(Number(4)).unwrap();
    assert!(failure(probe.none()).await.starts_with("probe was sent a "));
    drop(probe);
    assert_eq!(recipient.try_tell(Number(5)), Err(TellError::Closed(Number(5))));
    assert!(!recipient.is_running());
}

#[actix::test]
async fn a_message_that_does_not_come_fails_the_test() {
    let universe = Universe::new();
    let text = failure(Probe::<Number>::new("probe").next()).await;
    assert!(text.starts_with("probe was sent no "), "{text}");
    universe.finish().await;
}

#[actix::test]
async fn a_child_that_must_be_cut_off_fails_the_test() {
    let universe = Universe::new();
    let probe = Probe::new("probe");
    echo(&universe, &probe, true).tell(Number(1)).await.unwrap();
    universe.settle().await;
    let text = failure(universe.finish()).await;
    assert!(
        text.contains("\necho did not stop in its time, and was cut off\n"),
        "{text}"
    );
}

#[actix::test]
async fn a_task_that_is_left_fails_the_test() {
    let universe = Universe::new();
    let task = tokio::spawn(std::future::pending::<()>());
    let text = failure(universe.finish()).await;
    assert!(text.contains("\ntasks of tokio::spawn that are left: 1\n"), "{text}");
    task.abort();
}

#[actix::test]
async fn a_thread_that_does_not_end_fails_the_test() {
    let universe = Universe::new();
    let goes_on = Arc::new(AtomicBool::new(true));
    let on = Arc::clone(&goes_on);
    let (begun, begins) = std::sync::mpsc::channel();
    let spec = ChildSpec::new("mule").shutdown(Duration::from_millis(10));
    let mule = universe.tree().root().start_thread(spec, move |ctx| {
        while let Some(()) = ctx.receive() {
            begun.send(())?;
            while on.load(Ordering::SeqCst) {
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
        Ok(())
    });
    universe.settle().await;
    // Or the test would take the 10 s for which a thread may hold the time.
    universe.tree().around().stillness.of_nobody();
    mule.tell(()).await.unwrap();
    begins.recv().unwrap();
    let text = failure(universe.finish()).await;
    goes_on.store(false, Ordering::SeqCst);
    assert!(
        text.contains("\nmule did not end: its thread does not answer\n"),
        "{text}"
    );
}

#[actix::test]
async fn a_universe_that_is_not_finished_fails_the_test() {
    let universe = Universe::new();
    let text = failure(async move { drop(universe) }).await;
    assert!(
        text.starts_with("a universe was dropped: end it with finish().await"),
        "{text}"
    );
}

#[tokio::test]
async fn a_universe_outside_of_an_actix_system_says_so() {
    let text = failure(async { Universe::new().finish().await }).await;
    assert!(text.starts_with("a universe lives in an actix system"), "{text}");
}

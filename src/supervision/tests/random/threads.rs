//! The same for threads, in real time: no message is lost, and no thread is left.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Tell(prop::sample::Index, Job),
    Suspend(prop::sample::Index),
    Resume(prop::sample::Index),
    Restart(prop::sample::Index),
    RestartAll,
    Stop(prop::sample::Index),
    Yield,
}

/// What a thread is told to do with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    Note,
    Panic,
    Fail,
    Finish,
}

fn step() -> impl Generator<Value = Step> {
    let which = any::<prop::sample::Index>;
    let job = prop_oneof![6 => Just(Job::Note), 2 => Just(Job::Panic), 1 => Just(Job::Fail), 1 => Just(Job::Finish)];
    prop_oneof![
        12 => (which(), job).prop_map(|(thread, job)| Step::Tell(thread, job)),
        1 => which().prop_map(Step::Suspend),
        2 => which().prop_map(Step::Resume),
        2 => which().prop_map(Step::Restart),
        1 => Just(Step::RestartAll),
        1 => which().prop_map(Step::Stop),
        6 => Just(Step::Yield),
    ]
}

/// What the threads of one test share.
#[derive(Clone, Default)]
struct Shop {
    there: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<u32>>>,
}

/// A thread is there for as long as it has one.
struct Presence(Arc<AtomicUsize>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shop {
    fn enter(&self) -> Presence {
        self.there.fetch_add(1, Ordering::SeqCst);
        Presence(Arc::clone(&self.there))
    }

    fn work(&self, ctx: &mut ThreadContext<(u32, Job)>) -> Result<(), ThreadError> {
        let _presence = self.enter();
        while let Some((number, job)) = ctx.receive() {
            self.seen.lock().unwrap().push(number);
            match job {
                Job::Note => {}
                Job::Panic => panic!("boom {number}"),
                Job::Fail => return Err("failed".into()),
                Job::Finish => return Ok(()),
            }
        }
        Ok(())
    }
}

fn quick() -> RestartPolicy {
    RestartPolicy {
        intensity: u32::MAX,
        backoff_min: Duration::from_micros(10),
        backoff_max: Duration::from_micros(200),
        ..RestartPolicy::default()
    }
}

async fn check(threads: Vec<(Restart, usize)>, strategy: Strategy, steps: Vec<Step>) {
    let (tree, shop) = (Tree::new("root", Clock::System), Shop::default());
    let group = tree.supervisor(SupervisorSpec::new("group").strategy(strategy));
    let lost = Arc::new(Mutex::new(Vec::new()));
    let mut senders = Vec::new();
    for (index, (restart, mailbox)) in threads.into_iter().enumerate() {
        let (shop, lost) = (shop.clone(), Arc::clone(&lost));
        let spec = ChildSpec::new(format!("thread {index}"))
            .restart(restart)
            .policy(quick())
            .mailbox(mailbox)
            .undelivered(move |message| {
                let (number, _) = message.message.downcast_ref::<(u32, Job)>().unwrap();
                lost.lock().unwrap().push(*number);
            });
        senders.push(group.start_thread(spec, move |ctx| shop.work(ctx)));
    }
    let mut accepted = Vec::new();
    for (number, step) in (0_u32..).zip(steps) {
        let name = |which: prop::sample::Index| which.get(&senders).name();
        match step {
            Step::Tell(which, job) => {
                let told = which.get(&senders).try_tell((number, job));
                accepted.extend(told.is_ok().then_some(number));
            }
            // Those that are not there any more are none of this test's business.
            Step::Suspend(which) => drop(tree.suspend(name(which))),
            Step::Resume(which) => drop(tree.resume(name(which))),
            Step::Restart(which) => drop(tree.restart(name(which))),
            Step::RestartAll => drop(tree.restart("group")),
            Step::Stop(which) => drop(tree.stop_child(name(which)).await),
            Step::Yield => tokio::task::yield_now().await,
        }
    }
    let stopped = tree.stop().await;
    assert!(stopped.iter().all(|child| child.how == StopKind::Clean), "{stopped:?}");
    assert_eq!(shop.there.load(Ordering::SeqCst), 0, "no thread is left");
    let mut seen = shop.seen.lock().unwrap().clone();
    seen.extend(lost.lock().unwrap().iter());
    seen.sort_unstable();
    assert_eq!(seen, accepted, "handled or undelivered, each once");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_to_a_thread_is_lost_and_no_thread_is_left(
        threads in proptest::collection::vec((restart(), 1_usize..8), 1..4),
        strategy in prop_oneof![
            Just(Strategy::OneForOne),
            Just(Strategy::OneForAll),
            Just(Strategy::RestForOne),
        ],
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        actix::System::new().block_on(check(threads, strategy, steps));
    }
}

#[test]
fn a_thread_that_does_not_hear_its_orders_is_given_up_in_bounded_time_and_counted_until_it_ends() {
    actix::System::new().block_on(async {
        let (tree, shop) = (Tree::new("root", Clock::System), Shop::default());
        let (release, until) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = std::sync::mpsc::channel();
        let (until, deaf) = (Mutex::new(until), shop.clone());
        let spec = ChildSpec::new("deaf").shutdown(Duration::from_millis(10));
        let sender = tree.root().start_thread(spec, move |_: &mut ThreadContext<()>| {
            let _presence = deaf.enter();
            begun.send(()).unwrap();
            until
                .lock()
                .unwrap()
                .recv()
                .expect_err("its sender is dropped, and says nothing");
            Ok(())
        });
        tokio::task::spawn_blocking(move || begins.recv().unwrap())
            .await
            .unwrap();
        let began = std::time::Instant::now();
        let stopped = tree.stop().await;
        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!(stopped[0].how, StopKind::Abandoned);
        assert_eq!(shop.there.load(Ordering::SeqCst), 1);
        let mut events = tree.subscribe();
        drop(release);
        next(&mut events, EventKind::Stopped).await;
        assert!(sender.try_tell(()).is_err());
        assert_eq!(shop.there.load(Ordering::SeqCst), 0);
    });
}

//! The account of messages, over random histories: each accepted one is handled once, or panicked, or is undelivered.

use proptest::prelude::{Just, ProptestConfig, any, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Tell,
    Boom,
    Quit,
    FactoryFails,
    HookFails(bool),
    Restart,
    PassMs(u64),
    Settle,
}

fn step() -> impl Generator<Value = Step> {
    prop_oneof![
        8 => Just(Step::Tell),
        2 => Just(Step::Boom),
        1 => Just(Step::Quit),
        1 => Just(Step::FactoryFails),
        1 => any::<bool>().prop_map(Step::HookFails),
        2 => Just(Step::Restart),
        3 => (1_u64..5_000).prop_map(Step::PassMs),
        3 => Just(Step::Settle),
    ]
}

async fn check(steps: Vec<Step>, capacity: usize, intensity: u32) {
    let (tree, world) = (tree(), World::default());
    let policy = RestartPolicy {
        intensity,
        ..RestartPolicy::default()
    };
    let scribe = tree.start(
        ChildSpec::new("scribe").mailbox(capacity).policy(policy),
        world.factory(),
    );
    let (mut accepted, mut quits, mut number) = (Vec::new(), 0_u64, 0_u32);
    for step in steps {
        number += 1;
        let told = match step {
            Step::Tell => scribe.try_tell(Note(number)).is_ok().then(|| number.to_string()),
            Step::Boom => scribe.try_tell(Boom(number)).is_ok().then(|| format!("boom {number}")),
            Step::Quit => {
                quits += u64::from(scribe.try_tell(Quit).is_ok());
                None
            }
            Step::FactoryFails => {
                world.with(|state| state.factory_panics.push_back(true));
                None
            }
            Step::HookFails(fails) => {
                world.with(|state| state.started_panics = fails);
                None
            }
            Step::Restart => {
                tree.restart("scribe").unwrap();
                None
            }
            Step::PassMs(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                None
            }
            Step::Settle => {
                settle().await;
                None
            }
        };
        accepted.extend(told);
        assert!(scribe.mailbox().depth <= capacity);
    }
    let stopped = tree.stop().await;
    assert_eq!(stopped[0].how, StopKind::Clean);

    let begun: Vec<String> = world
        .log()
        .into_iter()
        .filter(|line| !line.starts_with("scribe "))
        .collect();
    assert_eq!(
        begun,
        accepted[..begun.len()],
        "in order, none twice, none lost between two others"
    );
    let gauge = scribe.mailbox();
    let told = u64::try_from(accepted.len()).unwrap() + quits;
    assert_eq!(gauge.handled + stopped[0].undelivered, told);
    assert_eq!(gauge.depth, 0, "every place is given back");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_accepted_message_is_handled_once_or_panicked_or_is_counted_as_undelivered(
        steps in proptest::collection::vec(step(), 0..60), capacity in 1_usize..12, intensity in 0_u32..6,
    ) {
        actix::System::new().block_on(check(steps, capacity, intensity));
    }
}

/// Real threads and real time, for what one thread cannot show: messages that arrive while the child fails, restarts and stops.
#[test]
fn the_account_holds_when_many_threads_send_while_the_child_fails_and_stops() {
    const THREADS: u32 = 4;
    const MESSAGES: u32 = 2_000;
    actix::System::new().block_on(async {
        let (tree, world) = (Tree::new("root", Clock::System), World::default());
        let arbiter = actix::Arbiter::new();
        let policy = RestartPolicy {
            intensity: u32::MAX,
            backoff_min: Duration::from_micros(10),
            backoff_max: Duration::from_micros(100),
            ..RestartPolicy::default()
        };
        let spec = ChildSpec::new("scribe").mailbox(8).policy(policy).on(arbiter.handle());
        let scribe = tree.start(spec, world.factory());
        let (first_done, mut one_is_done) = tokio::sync::mpsc::unbounded_channel();
        let senders: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (scribe, first_done) = (scribe.clone(), first_done.clone());
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    let mut accepted = Vec::new();
                    for number in (0..MESSAGES).map(|number| thread * MESSAGES + number) {
                        let told = if number % 50 == 7 {
                            runtime
                                .block_on(scribe.tell(Boom(number)))
                                .map_err(drop)
                                .map(|()| format!("boom {number}"))
                        } else {
                            runtime
                                .block_on(scribe.tell(Note(number)))
                                .map_err(drop)
                                .map(|()| number.to_string())
                        };
                        match told {
                            Ok(line) => accepted.push(line),
                            Err(()) => break,
                        }
                        if accepted.len() == 500 {
                            first_done.send(()).unwrap();
                        }
                    }
                    accepted
                })
            })
            .collect();
        // The stop comes in the middle of it, by count and not by time.
        one_is_done.recv().await.unwrap();
        assert_eq!(tree.stop().await[0].how, StopKind::Clean);

        let accepted: Vec<Vec<String>> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
        let begun: Vec<String> = world
            .log()
            .into_iter()
            .filter(|line| !line.starts_with("scribe "))
            .collect();
        let undelivered = usize::try_from(tree.snapshot().undelivered).unwrap();
        assert_eq!(begun.len() + undelivered, accepted.iter().map(Vec::len).sum::<usize>());
        for sent in accepted {
            let mine: std::collections::HashSet<&String> = sent.iter().collect();
            let seen: Vec<&String> = begun.iter().filter(|line| mine.contains(line)).collect();
            assert_eq!(
                seen,
                sent.iter().take(seen.len()).collect::<Vec<_>>(),
                "each thread's own order is kept"
            );
        }
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[tokio::test]
async fn a_message_that_has_its_place_when_the_mailbox_is_closed_is_handed_to_the_hook_once() {
    use crate::supervision::queue::{AnyQueue, Queue};
    use crate::supervision::thread::Plain;

    let (hand, handed) = std::sync::mpsc::channel();
    let hook = move |undelivered: Undelivered| {
        let number = undelivered.message.downcast::<u32>().unwrap();
        hand.send((*number, undelivered.why)).unwrap();
    };
    let queue = Queue::<Plain<u32>>::new("child".to_owned(), Some(Arc::new(hook)), 2);
    let gate = queue.gate();
    let slot = || gate.try_enter().ok().unwrap();
    let late = slot();
    queue.push(slot(), Plain(1));
    gate.close();
    queue.close();
    queue.push(late, Plain(2));
    queue.evict();
    let all: Vec<_> = handed.try_iter().collect();
    assert_eq!(all, [(1, Undeliverable::Stopped), (2, Undeliverable::Stopped)]);
    assert_eq!((gate.undelivered(), gate.gauge().depth), (2, 0));
}

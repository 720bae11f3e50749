//! The account of messages, over random histories: each accepted one is handled once, or panicked, or is undelivered.

use proptest::prelude::*;

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

fn step() -> impl Strategy<Value = Step> {
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

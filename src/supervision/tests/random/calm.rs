//! What happens to a tree at rest has exactly the consequences that the model says.

use super::model::{End, Model};
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Ends(prop::sample::Index, End),
    Restart(prop::sample::Index),
    RestartGroup(prop::sample::Index),
    Stop(prop::sample::Index),
    StopGroup(prop::sample::Index),
    Suspend(prop::sample::Index),
}

fn step() -> impl Generator<Value = Step> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        8 => which().prop_map(|leaf| Step::Ends(leaf, End::Panics)),
        3 => which().prop_map(|leaf| Step::Ends(leaf, End::Finishes)),
        2 => which().prop_map(Step::Restart),
        1 => which().prop_map(Step::RestartGroup),
        1 => which().prop_map(Step::Stop),
        1 => which().prop_map(Step::StopGroup),
        2 => which().prop_map(Step::Suspend),
    ]
}

/// Takes the step in the tree and in the model.
async fn take(step: &Step, grove: &Grove, model: &mut Model) {
    let pick = |which: &prop::sample::Index, names: Vec<String>| (!names.is_empty()).then(|| which.get(&names).clone());
    match step {
        Step::Ends(which, end) => {
            let Some(name) = pick(which, model.leaves()) else {
                return;
            };
            let (_, address) = grove.actors.iter().find(|(other, _)| *other == name).unwrap();
            match end {
                End::Panics => address.try_tell(Boom(0)).unwrap(),
                End::Finishes => address.try_tell(Quit).unwrap(),
            }
            model.ends(&name, *end);
        }
        Step::Restart(which) => {
            let Some(name) = pick(which, model.leaves()) else {
                return;
            };
            grove.tree.restart(&name).unwrap();
            model.restarted(&name);
        }
        Step::RestartGroup(which) => {
            let Some(name) = pick(which, model.groups()) else {
                return;
            };
            grove.tree.restart(&name).unwrap();
            model.restarted(&name);
        }
        Step::Stop(which) => {
            let Some(name) = pick(which, model.leaves()) else {
                return;
            };
            grove.tree.stop_child(&name).await.unwrap();
            model.is_stopped(&name);
        }
        Step::StopGroup(which) => {
            let Some(name) = pick(which, model.groups()) else {
                return;
            };
            grove.tree.stop_child(&name).await.unwrap();
            model.is_stopped(&name);
        }
        // Which must change nothing at all.
        Step::Suspend(which) => {
            let Some(name) = pick(which, model.leaves()) else {
                return;
            };
            grove.tree.suspend(&name).unwrap();
            settle().await;
            grove.tree.resume(&name).unwrap();
        }
    }
}

async fn check(shape: Group, steps: Vec<Step>) {
    let grove = Grove::plant(&shape);
    let mut model = Model::of(&shape);
    let all = grove.actors.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    rest().await;
    assert_eq!(grove.stage.built(), all, "all start, in their order");
    for step in steps {
        grove.stage.mark();
        model.clear();
        take(&step, &grove, &mut model).await;
        rest().await;
        assert_eq!(
            grove.stage.stopped(),
            model.stopped,
            "who is ended, and in what order, after {step:?}"
        );
        let mut built = grove.stage.built();
        let mut expected = model.built.clone();
        built.sort_unstable();
        expected.sort_unstable();
        assert_eq!(built, expected, "who is started after {step:?}");
        assert_eq!(grove.stage.alive(), model.leaves().len());
        for (name, address) in &grove.actors {
            assert_eq!(
                address.is_running(),
                model.leaves().contains(name),
                "{name} after {step:?}"
            );
        }
    }
    grove.stage.mark();
    grove.tree.stop().await;
    let mut reverse = model.leaves();
    reverse.reverse();
    assert_eq!(
        grove.stage.stopped(),
        reverse,
        "the stop goes in the reverse of the start"
    );
    assert!(grove.stage.built().is_empty());
    assert_eq!(grove.stage.alive(), 0);
}

/// Lets every wait of every level pass, each of which is 50 ms at most, and each leaf take its time to stop.
async fn rest() {
    pass(Duration::from_secs(30)).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_end_and_each_order_restarts_exactly_whom_it_should(
        shape in forest(), steps in proptest::collection::vec(step(), 0..12),
    ) {
        actix::System::new().block_on(check(shape, steps));
    }
}

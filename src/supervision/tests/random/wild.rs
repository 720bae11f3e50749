//! What holds whatever happens to a tree, in whatever state that finds it.
//!
//! Every message that was accepted is handled once, by the life that then was, or handed to the hook as undelivered; no
//! supervisor restarts more than it bears, and none gives up before; nothing is started once the stop began; nothing is left.

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Tell(prop::sample::Index),
    Boom(prop::sample::Index),
    Quit(prop::sample::Index),
    Hold(prop::sample::Index),
    FactoryFails(prop::sample::Index, u32),
    HookFails(prop::sample::Index, bool),
    Suspend(prop::sample::Index),
    Resume(prop::sample::Index),
    Restart(prop::sample::Index),
    RestartGroup(prop::sample::Index),
    Stop(prop::sample::Index),
    StopGroup(prop::sample::Index),
    Start(prop::sample::Index, Leaf),
    PassMs(u64),
    Settle,
}

fn step() -> impl Generator<Value = Step> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        12 => which().prop_map(Step::Tell),
        6 => which().prop_map(Step::Boom),
        3 => which().prop_map(Step::Quit),
        1 => which().prop_map(Step::Hold),
        2 => (which(), 1_u32..4).prop_map(|(leaf, times)| Step::FactoryFails(leaf, times)),
        1 => (which(), any::<bool>()).prop_map(|(leaf, fails)| Step::HookFails(leaf, fails)),
        1 => which().prop_map(Step::Suspend),
        2 => which().prop_map(Step::Resume),
        2 => which().prop_map(Step::Restart),
        1 => which().prop_map(Step::RestartGroup),
        1 => which().prop_map(Step::Stop),
        1 => which().prop_map(Step::StopGroup),
        1 => (which(), leaf()).prop_map(|(group, leaf)| Step::Start(group, leaf)),
        4 => prop_oneof![1_u64..100, 100_u64..20_000].prop_map(Step::PassMs),
        6 => Just(Step::Settle),
    ]
}

/// A tree, and the numbers of the messages that its actors accepted.
struct Wilderness {
    grove: Grove,
    accepted: Vec<u32>,
    number: u32,
    /// Lets those go on who hold and are never cut off.
    release: Arc<Semaphore>,
}

impl Wilderness {
    fn take(&mut self, step: Step) {
        let actors = &self.grove.actors;
        let tree = &self.grove.tree;
        let name = |which: prop::sample::Index| which.get(actors).0.as_str();
        self.number += 1;
        let number = self.number;
        match step {
            Step::Tell(which) => self
                .accepted
                .extend(which.get(actors).1.try_tell(Note(number)).is_ok().then_some(number)),
            Step::Boom(which) => self
                .accepted
                .extend(which.get(actors).1.try_tell(Boom(number)).is_ok().then_some(number)),
            // Those who come too late or find no room are none of this test's business.
            Step::Quit(which) => drop(which.get(actors).1.try_tell(Quit)),
            Step::Hold(which) => {
                let (name, address) = which.get(actors);
                let until = if self.grove.patient.contains(name) {
                    Arc::clone(&self.release)
                } else {
                    Arc::new(Semaphore::new(0))
                };
                drop(address.try_tell(Hold(until)));
            }
            Step::FactoryFails(which, times) => self.grove.stage.part(name(which), |part| part.factory_fails = times),
            Step::HookFails(which, fails) => self.grove.stage.part(name(which), |part| {
                part.started_fails = fails;
                part.stopped_fails = fails;
            }),
            Step::Suspend(which) => drop(tree.suspend(name(which))),
            Step::Resume(which) => drop(tree.resume(name(which))),
            Step::Restart(which) => drop(tree.restart(name(which))),
            Step::RestartGroup(which) => drop(tree.restart(&which.get(&self.grove.groups).0)),
            Step::Stop(which) => self.stop(name(which).to_owned()),
            Step::StopGroup(which) => {
                // The first is the whole tree, which is stopped in the end.
                let name = which.get(&self.grove.groups).0.clone();
                if name != "g" {
                    self.stop(name);
                }
            }
            Step::Start(which, leaf) => {
                let (path, group) = which.get(&self.grove.groups).clone();
                let borne = if leaf.beyond == Beyond::Escalate {
                    "borne"
                } else {
                    "alone"
                };
                self.grove.add(format!("{path}.{number}{borne}"), &group, &leaf);
            }
            Step::PassMs(_) | Step::Settle => {}
        }
    }

    fn stop(&self, name: String) {
        let tree = self.grove.tree.clone();
        actix::spawn(async move { drop(tree.stop_child(&name).await) });
    }
}

async fn check(shape: Group, steps: Vec<Step>) {
    let mut wild = Wilderness {
        grove: Grove::plant(&shape),
        accepted: Vec::new(),
        number: 0,
        release: Arc::new(Semaphore::new(0)),
    };
    let heard = hear(&wild.grove.tree);
    for step in steps {
        match step {
            Step::PassMs(ms) => pass(Duration::from_millis(ms)).await,
            Step::Settle => settle().await,
            step => wild.take(step),
        }
    }
    let grove = wild.grove;
    grove.stage.mark();
    wild.release.add_permits(1_000);
    let stopping = grove.tree.clone();
    timeout(Duration::from_secs(3_600), stopping.stop())
        .await
        .expect("the stop comes to its end");
    settle().await;

    assert!(grove.stage.built().is_empty(), "nothing is started once the stop began");
    assert_eq!(grove.stage.alive(), 0, "no actor is left");
    let snapshot = grove.tree.snapshot();
    assert_eq!(snapshot.state, NodeState::Stopped);
    let undelivered = grove.undelivered.lock().unwrap().clone();
    accounts_agree(&grove.stage, wild.accepted, &undelivered);
    for (name, address) in &grove.actors {
        assert_eq!(
            address.mailbox().depth,
            0,
            "every place in the mailbox of {name} is given back"
        );
    }
    let heard = heard.lock().unwrap().clone();
    intensity_holds("g", &shape, &heard);
}

/// Everything that is published from now on.
fn hear(tree: &Tree) -> Arc<Mutex<Vec<Arc<Event>>>> {
    let heard: Arc<Mutex<Vec<_>>> = Arc::default();
    let (mut events, all) = (tree.subscribe(), Arc::clone(&heard));
    actix::spawn(async move {
        while let Some(next) = events.next().await {
            match next {
                Heard::Event(event) => all.lock().unwrap().push(event),
                Heard::Missed(missed) => panic!("missed {missed} events"),
            }
        }
    });
    heard
}

/// Each accepted message was handled once or is undelivered, and those of one actor were handled in their order.
fn accounts_agree(stage: &Stage, mut accepted: Vec<u32>, undelivered: &[u32]) {
    let mut seen = Vec::new();
    let mut last = HashMap::new();
    for act in stage.acts() {
        if let stage::Act::Handled(name, _, number) | stage::Act::Boomed(name, _, number) = act {
            let before = last.insert(name.clone(), number);
            assert!(
                before.is_none_or(|before| before < number),
                "{name} handled {number} after {before:?}"
            );
            seen.push(number);
        }
    }
    seen.extend(undelivered);
    seen.sort_unstable();
    accepted.sort_unstable();
    assert_eq!(seen, accepted, "handled or undelivered, each once");
}

/// In each life of a supervisor, it met as many failures with a restart as it bears at most; and just so many if it gave up.
fn intensity_holds(path: &str, group: &Group, events: &[Arc<Event>]) {
    let mut borne = 0;
    for event in events {
        let is_own = event.child == path;
        let child = event.child.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'));
        let is_child = child.is_some_and(|rest| !rest.contains('.'));
        if is_own && matches!(event.kind, EventKind::Started | EventKind::Restarted) {
            borne = 0;
        } else if is_own && event.kind == EventKind::Escalated {
            assert_eq!(borne, group.restarts, "{path} gave up when it had to");
        } else if is_child && event.backoff_ms.is_some() && escalates(group, child) {
            borne += 1;
            assert!(
                borne <= group.restarts,
                "{path} bears {} and not {event:?}",
                group.restarts
            );
        }
    }
    for (index, child) in group.children.iter().enumerate() {
        if let Shape::Group(group) = child {
            intensity_holds(&format!("{path}.{index}"), group, events);
        }
    }
}

/// Whether the supervisor bears that child's failures. Those that were started later are told by their name.
fn escalates(group: &Group, child: Option<&str>) -> bool {
    let index = child.and_then(|name| name.parse::<usize>().ok());
    match index.and_then(|index| group.children.get(index)) {
        Some(Shape::Leaf(leaf)) => leaf.beyond == Beyond::Escalate,
        Some(Shape::Group(_)) => true,
        None => child.is_some_and(|name| name.ends_with("borne")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_lost_or_left_and_nobody_restarts_more_than_he_may(
        shape in forest(), steps in proptest::collection::vec(step(), 0..80),
    ) {
        actix::System::new().block_on(check(shape, steps));
    }
}

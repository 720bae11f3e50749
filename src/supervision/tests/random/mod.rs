//! Random trees and random histories: what must hold in each of them.
//!
//! Two sorts: calm ones, in which each thing happens to a tree at rest and a model says exactly what follows ([`calm`]), and
//! wild ones, in which things happen to whatever state the tree is in and some things must hold all the same ([`wild`]).

mod calm;
mod model;
mod threads;
mod wild;

use std::collections::HashSet;

use proptest::prelude::{BoxedStrategy, Just, ProptestConfig, any, prop, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;

use super::stage::{self, Player, Stage};
use super::*;

/// A node of a tree to be built.
#[derive(Clone, Debug)]
enum Shape {
    Leaf(Leaf),
    Group(Group),
}

#[derive(Clone, Debug)]
struct Leaf {
    restart: Restart,
    beyond: Beyond,
    ending: Shutdown,
    /// How long it goes on after it was told to stop.
    stops_after: Duration,
    mailbox: usize,
}

#[derive(Clone, Debug)]
struct Group {
    strategy: Strategy,
    restart: Restart,
    /// The failures it bears, over a time that no history here reaches.
    restarts: u32,
    children: Vec<Shape>,
}

const LONG: Duration = Duration::from_secs(1_000_000);

fn restart() -> impl Generator<Value = Restart> {
    prop_oneof![
        3 => Just(Restart::Permanent),
        1 => Just(Restart::Transient),
        1 => Just(Restart::Temporary),
    ]
}

fn leaf() -> impl Generator<Value = Leaf> {
    let beyond = prop_oneof![3 => Just(Beyond::Escalate), 1 => Just(Beyond::Degrade)];
    let ending = prop_oneof![
        1 => Just(Shutdown::Kill),
        3 => (0_u64..300).prop_map(|ms| Shutdown::Within(Duration::from_millis(ms))),
        1 => Just(Shutdown::Unbounded),
    ];
    let stops_after = prop_oneof![3 => Just(0), 1 => 1_u64..500].prop_map(Duration::from_millis);
    (restart(), beyond, ending, stops_after, 1_usize..8).prop_map(|(restart, beyond, ending, stops_after, mailbox)| {
        Leaf {
            restart,
            beyond,
            ending,
            stops_after,
            mailbox,
        }
    })
}

/// A group with groups in it, `depth` deep.
fn group(depth: u32) -> BoxedStrategy<Group> {
    let child = if depth > 1 {
        prop_oneof![3 => leaf().prop_map(Shape::Leaf), 1 => group(depth - 1).prop_map(Shape::Group)].boxed()
    } else {
        leaf().prop_map(Shape::Leaf).boxed()
    };
    let strategy = prop_oneof![
        Just(Strategy::OneForOne),
        Just(Strategy::OneForAll),
        Just(Strategy::RestForOne),
    ];
    (strategy, restart(), 0_u32..4, proptest::collection::vec(child, 1..5))
        .prop_map(|(strategy, restart, restarts, children)| Group {
            strategy,
            restart,
            restarts,
            children,
        })
        .boxed()
}

/// The group right under the root, which the root always restarts.
fn forest() -> impl Generator<Value = Group> {
    group(3).prop_map(|group| Group {
        restart: Restart::Permanent,
        ..group
    })
}

/// Short waits, and no end of them, for those who bear their failures alone.
fn policy(beyond: Beyond) -> RestartPolicy {
    RestartPolicy {
        intensity: u32::MAX,
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(50),
        beyond,
        ..RestartPolicy::default()
    }
}

/// A built tree: its actors and supervisors, by name, in the order of their start.
struct Grove {
    tree: Tree,
    stage: Stage,
    actors: Vec<(String, Address<Player>)>,
    groups: Vec<(String, Supervisor)>,
    /// Actors whom nobody cuts off, however long they take.
    patient: HashSet<String>,
    undelivered: Arc<Mutex<Vec<u32>>>,
}

impl Grove {
    fn plant(shape: &Group) -> Self {
        let mut grove = Self {
            tree: tree(),
            stage: Stage::default(),
            actors: Vec::new(),
            groups: Vec::new(),
            patient: HashSet::new(),
            undelivered: Arc::default(),
        };
        let spec = spec_of("g", shape).policy(policy(Beyond::Degrade));
        let top = grove.tree.supervisor(spec);
        grove.groups.push(("g".to_owned(), top.clone()));
        grove.plant_children("g", &top, &shape.children);
        grove
    }

    fn plant_children(&mut self, path: &str, under: &Supervisor, shapes: &[Shape]) {
        for (index, shape) in shapes.iter().enumerate() {
            let name = format!("{path}.{index}");
            match shape {
                Shape::Leaf(leaf) => self.add(name, under, leaf),
                Shape::Group(group) => {
                    let group_handle = under.supervisor(spec_of(&name, group));
                    self.groups.push((name.clone(), group_handle.clone()));
                    self.plant_children(&name, &group_handle, &group.children);
                }
            }
        }
    }

    fn add(&mut self, name: String, under: &Supervisor, leaf: &Leaf) {
        self.stage.part(&name, |part| part.stops_after = leaf.stops_after);
        if leaf.ending == Shutdown::Unbounded {
            self.patient.insert(name.clone());
        }
        let undelivered = Arc::clone(&self.undelivered);
        let spec = ChildSpec::new(name.as_str())
            .restart(leaf.restart)
            .policy(policy(leaf.beyond))
            .ending(leaf.ending)
            .mailbox(leaf.mailbox)
            .undelivered(move |lost| undelivered.lock().unwrap().extend(number(&lost)));
        let address = under.start(spec, self.stage.factory(&name));
        assert_eq!(address.name(), name);
        self.actors.push((name, address));
    }
}

fn spec_of(name: &str, group: &Group) -> SupervisorSpec {
    SupervisorSpec::new(name)
        .strategy(group.strategy)
        .restart(group.restart)
        .intensity(group.restarts, LONG)
        .policy(policy(Beyond::Escalate))
}

/// The number that a lost message carried.
fn number(lost: &Undelivered) -> Option<u32> {
    let note = lost.message.downcast_ref::<Note>().map(|note| note.0);
    note.or_else(|| lost.message.downcast_ref::<Boom>().map(|boom| boom.0))
}

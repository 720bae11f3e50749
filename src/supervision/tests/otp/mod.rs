//! The cases of OTP's supervisor suite, told anew for this tree: what must be seen, whatever a supervisor is made of.
//!
//! Where the tree differs from OTP on purpose the case says so: a failure is met with a wait, a first start that fails is a
//! failure like any other, and what is not restarted leaves the tree, its spec included.

mod by_hand;
mod bystanders;
mod dynamic;
mod ends;
mod escalation;
mod loops;
mod nasty;
mod shutdown;
mod significant;
mod strategies;

use super::stage::{Life, Player, Stage};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// One supervisor under the root, and its actors.
struct Scene {
    tree: Tree,
    stage: Stage,
    group: Supervisor,
}

impl Scene {
    fn of(spec: SupervisorSpec) -> Self {
        let tree = tree();
        let group = tree.supervisor(spec);
        Self {
            tree,
            stage: Stage::default(),
            group,
        }
    }

    /// Starts a child of the group.
    fn enter(&self, spec: ChildSpec) -> Address<Player> {
        let factory = self.stage.factory(&spec.name);
        self.group.start(spec, factory)
    }

    /// Starts children of these names, whose failures the group bears.
    fn enter_all<const N: usize>(&self, names: [&str; N]) -> [Address<Player>; N] {
        names.map(|name| self.enter(child(name)))
    }

    /// Whether a child of that name is in the tree.
    fn has(&self, name: &str) -> bool {
        self.tree.inspect(name).is_ok()
    }

    fn state(&self, name: &str) -> NodeState {
        self.tree.inspect(name).unwrap().state
    }

    /// How often something happened to the child of that name.
    fn count(&self, name: &str, kind: EventKind) -> usize {
        let recent = self.tree.recent();
        recent
            .iter()
            .filter(|event| event.child == name && event.kind == kind)
            .count()
    }

    async fn close(self) -> Closing {
        close(&self.tree, &self.stage).await
    }
}

/// What became of a tree that was stopped, and how long that took.
struct Closing {
    stopped: Vec<Stopped>,
    took: Duration,
}

impl Closing {
    fn how(&self, name: &str) -> StopKind {
        self.stopped.iter().find(|child| child.name == name).unwrap().how
    }

    fn is_clean(&self) -> bool {
        self.stopped.iter().all(|child| child.how == StopKind::Clean)
    }
}

/// Stops everything, and sees to it that nobody is left.
async fn close(tree: &Tree, stage: &Stage) -> Closing {
    let began = tokio::time::Instant::now();
    let stopped = tree.stop().await;
    let took = began.elapsed();
    assert_eq!(stage.alive(), 0, "an actor is left");
    // The next tree of the same test pauses it again.
    tokio::time::resume();
    Closing { stopped, took }
}

/// A supervisor that bears two failures an hour; if it fails itself, it is gone.
fn group(strategy: Strategy) -> SupervisorSpec {
    SupervisorSpec::new("group")
        .strategy(strategy)
        .intensity(2, HOUR)
        .restart(Restart::Temporary)
}

/// A child whose failures its supervisor bears.
fn child(name: &str) -> ChildSpec {
    ChildSpec::new(name).policy(borne())
}

fn borne() -> RestartPolicy {
    RestartPolicy {
        beyond: Beyond::Escalate,
        ..RestartPolicy::default()
    }
}

/// Whether `took` is `expected`, to the grain of the timers, of which several may have passed one after the other.
fn about(took: Duration, expected: Duration) -> bool {
    took >= expected && took <= expected + Duration::from_millis(10)
}

/// The number of the life that answers.
async fn life(address: &Address<Player>) -> usize {
    address.ask(Life).await.unwrap()
}

async fn lives<const N: usize>(addresses: &[Address<Player>; N]) -> [usize; N] {
    let mut lives = [0; N];
    for (life_of, address) in lives.iter_mut().zip(addresses) {
        *life_of = life(address).await;
    }
    lives
}

/// Whether the address leads nowhere any more.
fn is_closed(address: &Address<Player>) -> bool {
    let is_closed = address.is_closed();
    assert_eq!(
        is_closed,
        matches!(address.try_tell(Note(0)), Err(TellError::Closed(_)))
    );
    is_closed
}

async fn panics(address: &Address<Player>) {
    assert_eq!(address.ask(Boom(0)).await, Err(AskError::Panicked));
}

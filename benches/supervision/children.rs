//! Ten thousand idle children of one dynamic supervisor against as many bare actix actors: memory, and the time to start,
//! look at and end them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use actix::{Actor, ActorContext, Context, Handler, Message, System};
use legwork::clock::Clock;
use legwork::supervision::{self, ChildSpec, Restart, SupervisorSpec, Tree, supervised};
use tokio::sync::Notify;

use crate::process::{part, resident};
use crate::turns::median;

const ROUNDS: usize = 5;
pub(crate) const CHILDREN: u32 = 10_000;

/// Rings when so many have called.
#[derive(Clone)]
pub(crate) struct Roll(Arc<(AtomicU32, Notify)>);

impl Roll {
    pub(crate) fn new() -> Self {
        Self(Arc::new((AtomicU32::new(0), Notify::new())))
    }

    fn call(&self) {
        if self.0.0.fetch_add(1, Ordering::Relaxed) + 1 == CHILDREN {
            self.0.1.notify_one();
        }
    }

    pub(crate) async fn complete(&self) {
        self.0.1.notified().await;
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct End;

struct Bare {
    came: Roll,
    went: Roll,
}

impl Actor for Bare {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.came.call();
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.went.call();
    }
}

impl Handler<End> for Bare {
    type Result = ();

    fn handle(&mut self, _: End, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

pub(crate) struct Ours(pub(crate) Roll);

impl Actor for Ours {
    type Context = supervision::Context<Self>;

    fn started(&mut self, _: &mut supervision::Context<Self>) {
        self.0.call();
    }
}
supervised!(Ours);

pub(crate) fn measure() {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(part("children-bare"));
        ours.push(part("children-supervised"));
    }
    let middle = |rounds: &[Vec<f64>], at: usize| median(rounds.iter().map(|round| round[at]).collect());
    for (at, what) in ["bytes a child", "ms to start", "ms to stop"].iter().enumerate() {
        let (ours, theirs) = (middle(&ours, at), middle(&theirs, at));
        println!(
            "{CHILDREN} children, {what}: supervised {ours:.1}, bare {theirs:.1}, ratio {:.2}",
            ours / theirs
        );
    }
    for (at, what) in [(3, "ms to stop one by one"), (4, "ms for a snapshot of the tree")] {
        println!("{CHILDREN} children, {what}: {:.1}", middle(&ours, at));
    }
}

/// Bytes a child, milliseconds to start, to stop with the tree, to stop each by its name, and for a snapshot.
pub(crate) fn supervised() {
    System::new().block_on(async {
        let tree = Tree::new("root", Clock::System);
        let came = Roll::new();
        let roll = came.clone();
        let crowd = tree.root().dynamic(
            SupervisorSpec::new("crowd"),
            ChildSpec::new("child").restart(Restart::Temporary),
            move |()| Ours(roll.clone()),
        );
        let before = resident();
        let start = Instant::now();
        let all: Vec<_> = (0..CHILDREN).map(|_| crowd.start(())).collect();
        came.complete().await;
        let started = millis(start);
        let bytes = (resident() - before) / f64::from(CHILDREN);
        let start = Instant::now();
        let snapshot = tree.snapshot();
        let looked = millis(start);
        assert_eq!(snapshot.children[0].children_count, CHILDREN as usize);
        let start = Instant::now();
        let ends = tree.stop().await;
        let stopped = millis(start);
        assert!(ends.len() >= CHILDREN as usize, "{}", ends.len());
        drop(all);
        println!("{bytes} {started} {stopped} {} {looked}", one_by_one().await);
    });
}

async fn one_by_one() -> f64 {
    let tree = Tree::new("root", Clock::System);
    let came = Roll::new();
    let roll = came.clone();
    let crowd = tree.root().dynamic(
        SupervisorSpec::new("crowd"),
        ChildSpec::new("child").restart(Restart::Temporary),
        move |()| Ours(roll.clone()),
    );
    let all: Vec<_> = (0..CHILDREN).map(|_| crowd.start(())).collect();
    came.complete().await;
    let start = Instant::now();
    for child in &all {
        tree.stop_child(child.name()).await.unwrap();
    }
    let took = millis(start);
    tree.stop().await;
    took
}

/// Bytes an actor, milliseconds to start and to stop.
pub(crate) fn bare() {
    System::new().block_on(async {
        let (came, went) = (Roll::new(), Roll::new());
        let before = resident();
        let start = Instant::now();
        let make = |_| {
            let (came, went) = (came.clone(), went.clone());
            Bare { came, went }.start()
        };
        let all: Vec<_> = (0..CHILDREN).map(make).collect();
        came.complete().await;
        let started = millis(start);
        let bytes = (resident() - before) / f64::from(CHILDREN);
        let start = Instant::now();
        for actor in &all {
            actor.try_send(End).unwrap();
        }
        went.complete().await;
        println!("{bytes} {started} {}", millis(start));
    });
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

//! Restarts per second of an actor that panics at each message, and of a group of ten around it, without a backoff.
//!
//! The yardstick is a local task that panics and is spawned again by whoever awaits it: no mailbox, no events, no tree.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Handler, Message, System};
use legwork::clock::Clock;
use legwork::supervision::{ChildSpec, Context, RestartPolicy, Strategy, SupervisorSpec, Tree, supervised};
use tokio::sync::Notify;

use crate::turns::Turns;

const ROUNDS: usize = 5;
const SINGLE: u32 = 10_000;
const GROUP: u32 = 1_000;
const GROUP_SIZE: u32 = 10;

#[derive(Message)]
#[rtype(result = "()")]
struct Fail;

/// One that panics at each message.
struct Fragile;

impl Actor for Fragile {
    type Context = Context<Self>;
}
supervised!(Fragile);

impl Handler<Fail> for Fragile {
    type Result = ();

    fn handle(&mut self, _: Fail, _: &mut Context<Self>) {
        panic!("as asked");
    }
}

pub(crate) fn measure() {
    // The panics are expected, and printing them is not what is measured.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for (what, size, restarts) in [
        ("one child", 1, SINGLE),
        ("one for all, 10 children", GROUP_SIZE, GROUP),
    ] {
        let turns = Turns::take(
            ROUNDS,
            || System::new().block_on(supervised(size, restarts)),
            || System::new().block_on(tasks(restarts)),
        );
        println!(
            "{what}: {:.0} restarts/s ({:.0} actors/s), a task that panics and is spawned again {:.0}/s, ratio {:.2}",
            1.0 / turns.ours(),
            f64::from(size) / turns.ours(),
            1.0 / turns.bare(),
            turns.ratio()
        );
    }
    std::panic::set_hook(hook);
}

/// Seconds a restart.
async fn supervised(size: u32, restarts: u32) -> f64 {
    let tree = Tree::new("root", Clock::System);
    let group = tree.supervisor(SupervisorSpec::new("group").strategy(if size == 1 {
        Strategy::OneForOne
    } else {
        Strategy::OneForAll
    }));
    let policy = RestartPolicy {
        intensity: u32::MAX,
        backoff_min: Duration::ZERO,
        backoff_max: Duration::ZERO,
        ..RestartPolicy::default()
    };
    let spec = |name: &str| ChildSpec::new(name).policy(policy.clone());
    let (built, all) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let (count, bell) = (Arc::clone(&built), Arc::clone(&all));
    let build = move || {
        if count.fetch_add(1, Ordering::Relaxed) == size * (restarts + 1) - 1 {
            bell.notify_one();
        }
        Fragile
    };
    for number in 1..size {
        drop(group.start(spec(&format!("other-{number}")), build.clone()));
    }
    let fragile = group.start(spec("fragile").mailbox(restarts as usize), build);
    while !fragile.is_running() {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    for _ in 0..restarts {
        fragile.try_tell(Fail).unwrap();
    }
    all.notified().await;
    let seconds = start.elapsed().as_secs_f64() / f64::from(restarts);
    assert_eq!(built.load(Ordering::Relaxed), size * (restarts + 1));
    tree.stop().await;
    seconds
}

async fn tasks(restarts: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..restarts {
        let ended = tokio::task::spawn_local(async { panic!("as asked") }).await;
        assert!(ended.is_err());
    }
    start.elapsed().as_secs_f64() / f64::from(restarts)
}

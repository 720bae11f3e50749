//! What the rounds that look for stuck children cost while ten thousand children are idle.

use std::time::{Duration, Instant};

use actix::System;
use legwork::clock::Clock;
use legwork::supervision::{ChildSpec, Restart, SupervisorSpec, Tree};

use crate::children::{CHILDREN, Ours, Roll};
use crate::process::{busy, part};
use crate::turns::Turns;

const ROUNDS: usize = 3;

/// The default limit for actors; a round is done four times in it.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn measure() {
    let turns = Turns::take(ROUNDS, || part("idle-watched")[0], || part("idle-unwatched")[0]);
    println!(
        "{CHILDREN} idle children, limit {} s: {:.2} % of a core, without a limit {:.2} %",
        LIMIT.as_secs(),
        turns.ours() * 100.0,
        turns.bare() * 100.0
    );
}

pub(crate) fn watched() {
    idle(Some(LIMIT));
}

pub(crate) fn unwatched() {
    idle(None);
}

/// The share of one core that is used over one limit's time.
fn idle(limit: Option<Duration>) {
    System::new().block_on(async {
        let tree = Tree::new("root", Clock::System);
        let came = Roll::new();
        let roll = came.clone();
        let crowd = tree.root().dynamic(
            SupervisorSpec::new("crowd"),
            ChildSpec::new("child").restart(Restart::Temporary).liveness(limit),
            move |()| Ours(roll.clone()),
        );
        let all: Vec<_> = (0..CHILDREN).map(|_| crowd.start(())).collect();
        came.complete().await;
        let (before, start) = (busy(), Instant::now());
        tokio::time::sleep(LIMIT).await;
        let share = (busy() - before) / start.elapsed().as_secs_f64();
        drop(all);
        println!("{share}");
    });
}

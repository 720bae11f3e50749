//! Many children: what one costs must not depend on how many there are.
//!
//! In real time, with bounds so wide that only a cost that grows with the number of children breaks them.

use std::time::Instant;

use super::stage::{Player, Stage};
use super::*;

const MANY: usize = 10_000;

/// What ten thousand may take, on a slow machine and in a debug build.
const BOUND: Duration = Duration::from_secs(20);

fn temporary() -> ChildSpec {
    ChildSpec::new("job").restart(Restart::Temporary).mailbox(2)
}

#[actix::test]
async fn ten_thousand_temporary_children_are_started_some_end_and_the_rest_is_stopped_at_once() {
    let (tree, stage) = (Tree::new("root", Clock::System), Stage::default());
    let builder = stage.clone();
    let jobs = tree
        .root()
        .dynamic(SupervisorSpec::new("jobs"), temporary(), move |name: &String| {
            builder.player(name)
        });
    let began = Instant::now();
    let all: Vec<Address<Player>> = (0..MANY).map(|_| jobs.start("job".to_owned())).collect();
    for address in &all {
        address.ask(stage::Life).await.unwrap();
    }
    assert_eq!((jobs.count(), stage.alive()), (MANY, MANY));
    for (number, address) in all.iter().enumerate().take(MANY / 5) {
        if number % 2 == 0 {
            address.tell(Boom(0)).await.unwrap();
        } else {
            address.tell(Quit).await.unwrap();
        }
        assert_eq!(address.ended().await.how, StopKind::Clean);
    }
    // Each end is told to the supervisor before the next order is.
    let by_hand = &all[MANY / 5..MANY / 4];
    for address in by_hand {
        tree.stop_child(address.name()).await.unwrap();
    }
    assert_eq!(stage.alive(), MANY - MANY / 4);
    let stopped = tree.stop().await;
    assert_eq!(
        stopped.len(),
        MANY - MANY / 4 + 1,
        "those that were left, and their supervisor"
    );
    assert!(stopped.iter().all(|child| child.how == StopKind::Clean));
    assert_eq!((jobs.count(), stage.alive()), (0, 0));
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
}

/// How long it takes to start so many, and to stop each by its name.
async fn each(count: usize) -> Duration {
    let (tree, stage) = (Tree::new("root", Clock::System), Stage::default());
    let group = tree.supervisor(SupervisorSpec::new("group"));
    let began = Instant::now();
    for number in 0..count {
        group.start(ChildSpec::new(format!("child {number}")), stage.factory("child"));
    }
    for number in 0..count {
        tree.stop_child(&format!("child {number}")).await.unwrap();
    }
    let took = began.elapsed();
    tree.stop().await;
    assert_eq!(stage.alive(), 0);
    took
}

#[actix::test]
async fn ten_times_as_many_named_children_take_not_much_more_than_ten_times_as_long() {
    // The least of several, since the machine may be at something else.
    let (mut few, mut many) = (Duration::MAX, Duration::MAX);
    for _ in 0..3 {
        few = few.min(each(500).await);
        many = many.min(each(5_000).await);
    }
    assert!(many < few * 25, "{few:?} for 500 and {many:?} for 5,000");
}

//! The scheduler as an actor: it finds what is due by itself, and goes on after it was restarted.

use super::ticks::{MINUTE, at, enter, history, node, schedule};
use super::*;

/// Waits until the history of a schedule has so many entries.
async fn settled(store: &TestStore, id: crate::domain::id::ScheduleId, count: usize) {
    let reached = async {
        while history(store, id).await.len() < count {
            store.ping(SOON).await.unwrap();
        }
    };
    timeout(SOON, reached).await.expect("the tick was not settled");
}

#[actix::test]
async fn a_scheduler_finds_each_tick_by_itself_and_after_a_restart_too() {
    let store = TestStore::new();
    let begin = at("2024-05-01T12:00:30Z");
    let made = schedule("* * * * *", "UTC", begin);
    enter(&store, &made).await;
    let parts = Arc::new(node(&store, begin));
    let clock = parts.clock.clone();
    let tree = Tree::new("root", clock.clone());
    tree.start(ChildSpec::new("scheduler"), move || Scheduler::new(Arc::clone(&parts)));
    clock.advance(Duration::from_secs(30));
    settled(&store, made.id, 1).await;
    tree.restart("scheduler").unwrap();
    clock.advance(MINUTE);
    settled(&store, made.id, 2).await;
    let ticks: Vec<Timestamp> = history(&store, made.id)
        .await
        .iter()
        .map(|fire| fire.ticks.last)
        .collect();
    assert_eq!(ticks, [at("2024-05-01T12:01:00Z"), at("2024-05-01T12:02:00Z")]);
}

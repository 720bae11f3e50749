//! Schedules on three nodes whose clocks differ, and under rules of time zones that change.

use super::ticks::{MINUTE, at, enter, history, kept, node, outcomes, schedule};
use super::*;
use crate::domain::id::ScheduleId;
use crate::domain::schedule::{Cadence, Cron, FireOutcome, Zones};
use crate::store::schedules::Schedule;
use crate::store::testing::on_each_database;
use crate::workers::retiming::retime;
use crate::workers::ticking::settle_due;

/// Another store of the same database; none of a file, which one node has, so that its nodes share a store.
fn another_node(store: &TestStore) -> Option<TestStore> {
    store.file().is_none().then(|| store.of_another_node())
}

async fn three_nodes_with_clocks_apart_make_each_tick_exactly_once(store: TestStore) {
    // The hour in which Berlin's clock goes back, and Lord Howe's does not.
    let begin = at("2024-10-27T00:30:00Z");
    let others: Vec<TestStore> = (0..2).filter_map(|_| another_node(&store)).collect();
    let stores = [
        &*store,
        others.first().map_or(&*store, |other| other),
        others.get(1).map_or(&*store, |other| other),
    ];
    let ahead = [0, 30, 60].map(Duration::from_secs);
    let nodes: Vec<SchedulerParts> = stores
        .iter()
        .zip(ahead)
        .map(|(store, ahead)| node(store, begin.plus(ahead)))
        .collect();
    let mut all = Vec::new();
    for (cron, zone) in [
        ("* * * * *", "UTC"),
        ("*/7 2 * * *", "Europe/Berlin"),
        ("*/20 * * * *", "Europe/Berlin"),
        ("15 12-13 * * *", "Australia/Lord_Howe"),
        ("@hourly", "Asia/Kathmandu"),
    ] {
        let schedule = schedule(cron, zone, begin.plus(ahead[2]));
        enter(&store, &schedule).await;
        all.push(schedule);
    }
    for _ in 0..240 {
        nodes
            .iter()
            .for_each(|node| node.clock.advance(Duration::from_secs(15)));
        futures_util::future::join_all(nodes.iter().map(settle_due)).await;
    }
    settle_due(&nodes[2]).await;
    let end = nodes[2].clock.now();
    let mut jobs_wanted = 0;
    for schedule in &all {
        let cadence = Cadence::new(
            Cron::parse(&schedule.cron).unwrap(),
            Zones::bundled().get(&schedule.time_zone).unwrap(),
        );
        let wanted: Vec<Timestamp> = cadence
            .after(begin.plus(ahead[2]))
            .take_while(|tick| *tick <= end)
            .collect();
        let made = history(&store, schedule.id).await;
        let ticks: Vec<Timestamp> = made.iter().map(|fire| fire.ticks.last).collect();
        assert_eq!(ticks, wanted, "{} in {}", schedule.cron, schedule.time_zone);
        assert!(
            made.iter()
                .all(|fire| fire.outcome == FireOutcome::Fired && fire.job.is_some())
        );
        assert_eq!(kept(&store, schedule.id).await.next, cadence.next(end));
        jobs_wanted += wanted.len();
    }
    let jobs = store.number("SELECT count(DISTINCT id) AS value FROM jobs WHERE schedule_id IS NOT NULL");
    assert_eq!(jobs, Some(i64::try_from(jobs_wanted).unwrap()));
}

async fn rules_of_a_zone_that_have_changed_move_the_ticks_to_come_and_no_others(store: TestStore) {
    let begin = at("2024-05-01T12:00:30Z");
    let mut node = node(&store, begin);
    // Noon is at 11:00 UTC by the old rules, and at 10:00 by the new.
    let to_come = Schedule {
        next: Some(at("2024-05-02T11:00:00Z")),
        ..schedule("0 12 * * *", "UTC", begin)
    };
    let due = Schedule {
        next: Some(at("2024-05-01T11:00:00Z")),
        ..to_come.clone()
    };
    let paused = Schedule {
        paused_at: Some(begin),
        next: None,
        ..to_come.clone()
    };
    let settled = Schedule {
        last: Some(at("2024-05-02T10:30:00Z")),
        ..to_come.clone()
    };
    let mut all = [to_come, due, paused, settled];
    for schedule in &mut all {
        schedule.id = ScheduleId::generate();
        schedule.name = schedule.id.to_string();
        schedule.time_zone = "Made/Up".to_owned();
        enter(&store, schedule).await;
    }
    for (rules, moved) in [("OLD-1", false), ("NEW-2", true)] {
        node.zones = Zones::bundled().with("Made/Up", rules);
        retime(&node).await;
        let [to_come, due, paused, settled] = &all;
        let wanted = if moved {
            "2024-05-02T10:00:00Z"
        } else {
            "2024-05-02T11:00:00Z"
        };
        assert_eq!(kept(&store, to_come.id).await.next, Some(at(wanted)));
        assert_eq!(kept(&store, due.id).await, *due);
        assert_eq!(kept(&store, paused.id).await, *paused);
        // Its tick of that day has been settled, by the new rules half an hour after it.
        let wanted = if moved {
            "2024-05-03T10:00:00Z"
        } else {
            "2024-05-02T11:00:00Z"
        };
        assert_eq!(kept(&store, settled.id).await.next, Some(at(wanted)));
    }
}

async fn a_schedule_that_cannot_be_read_holds_up_no_other_and_is_tried_after_the_next_start(store: TestStore) {
    let begin = at("2024-05-01T12:00:30Z");
    let lost = Schedule {
        time_zone: "Mars/Olympus".to_owned(),
        ..schedule("* * * * *", "UTC", begin)
    };
    let good = schedule("* * * * *", "UTC", begin);
    for schedule in [&lost, &good] {
        enter(&store, schedule).await;
    }
    let mut node = node(&store, begin.plus(MINUTE));
    settle_due(&node).await;
    assert_eq!(outcomes(&store, lost.id).await, [(FireOutcome::Refused, 1)]);
    assert_eq!(outcomes(&store, good.id).await, [(FireOutcome::Fired, 1)]);
    assert_eq!(kept(&store, lost.id).await.next, None);
    node.zones = Zones::bundled().with("Mars/Olympus", "OLY-1");
    retime(&node).await;
    assert_eq!(kept(&store, lost.id).await.next, Some(at("2024-05-01T12:02:00Z")));
}

async fn three_nodes_settle_many_schedules_that_are_due_at_once_each_once(store: TestStore) {
    let begin = at("2024-05-01T11:59:30Z");
    let others: Vec<TestStore> = (0..2).filter_map(|_| another_node(&store)).collect();
    let stores = [
        &*store,
        others.first().map_or(&*store, |other| other),
        others.get(1).map_or(&*store, |other| other),
    ];
    let nodes = stores.map(|store| node(store, begin.plus(MINUTE)));
    let mut all = Vec::new();
    for _ in 0..100 {
        let schedule = schedule("0 12 * * *", "UTC", begin);
        enter(&store, &schedule).await;
        all.push(schedule.id);
    }
    // What one holds the others leave to it: whoever settles nothing is done, and comes again at its next poll.
    for _ in 0..10 {
        futures_util::future::join_all(nodes.iter().map(settle_due)).await;
    }
    for id in all {
        assert_eq!(outcomes(&store, id).await, [(FireOutcome::Fired, 1)]);
    }
    assert_eq!(store.states(), ["available 100"]);
}

on_each_database!(
    three_nodes_with_clocks_apart_make_each_tick_exactly_once,
    rules_of_a_zone_that_have_changed_move_the_ticks_to_come_and_no_others,
    a_schedule_that_cannot_be_read_holds_up_no_other_and_is_tried_after_the_next_start,
    three_nodes_settle_many_schedules_that_are_due_at_once_each_once,
);

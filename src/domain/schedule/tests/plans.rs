//! What becomes of the ticks of a schedule that was not looked at.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn due() -> Timestamp {
    at("2024-01-01T00:00:00Z")
}

fn minutely() -> Cadence {
    cadence("* * * * *", "UTC")
}

fn lasts(plan: &Plan) -> Vec<u64> {
    plan.fires
        .iter()
        .map(|fire| fire.last.since(due()).as_secs() / 60)
        .collect()
}

#[test]
fn a_tick_that_is_looked_at_in_time_fires_whatever_the_rule() {
    for missed in [Missed::Skip, Missed::Coalesce, Missed::CatchUp(3)] {
        for late in [Duration::ZERO, Duration::from_secs(30), Duration::from_secs(59)] {
            let plan = plan(&minutely(), due(), due().plus(late), missed);
            assert_eq!((plan.skipped, lasts(&plan)), (None, vec![0]));
            assert_eq!(plan.next, Some(due().plus(MINUTE)));
        }
    }
}

#[test]
fn missed_ticks_are_skipped_in_one_entry() {
    let plan = plan(&minutely(), due(), due().plus(MINUTE * 10), Missed::Skip);
    let skipped = plan.skipped.unwrap();
    assert_eq!(
        (skipped.first, skipped.last, skipped.count),
        (due(), due().plus(MINUTE * 8), 9)
    );
    assert_eq!(lasts(&plan), [9, 10]);
}

#[test]
fn missed_ticks_are_coalesced_with_those_that_wait() {
    let plan = plan(&minutely(), due(), due().plus(MINUTE * 10), Missed::Coalesce);
    assert_eq!(plan.skipped, None);
    assert_eq!(plan.fires.len(), 1);
    assert_eq!(
        (plan.fires[0].first, plan.fires[0].count, lasts(&plan)),
        (due(), 11, vec![10])
    );
}

#[test]
fn the_latest_missed_ticks_are_caught_up_with_and_older_ones_skipped() {
    let plan = plan(&minutely(), due(), due().plus(MINUTE * 10), Missed::CatchUp(4));
    let skipped = plan.skipped.unwrap();
    assert_eq!(
        (skipped.first, skipped.last, skipped.count),
        (due(), due().plus(MINUTE * 4), 5)
    );
    assert_eq!(lasts(&plan), [5, 6, 7, 8, 9, 10]);
}

#[test]
fn years_without_a_look_cost_no_more_than_a_bound_and_lose_no_late_tick() {
    for years in [1, 10] {
        let now = due().plus(Duration::from_secs(years * 365 * 86_400 + 30));
        let plan = plan(&minutely(), due(), now, Missed::CatchUp(100));
        assert_eq!(plan.fires.len(), 101);
        assert_eq!(plan.next, Some(now.minus(Duration::from_secs(30)).plus(MINUTE)));
        let skipped = plan.skipped.unwrap();
        assert_eq!(skipped.last, plan.fires[0].first.minus(MINUTE));
        assert!(skipped.count >= COUNTED_MAX - 100 && skipped.count <= COUNTED_MAX);
    }
    // January's minutes, in November.
    let now = due().plus(Duration::from_secs(300 * 86_400));
    let rare = cadence("* * * 1 *", "UTC");
    let plan = plan(&rare, due(), now, Missed::CatchUp(2));
    assert_eq!(lasts(&plan), [31 * 1_440 - 2, 31 * 1_440 - 1]);
    assert_eq!(plan.next, Some(at("2025-01-01T00:00:00Z")));
}

proptest! {
    #[test]
    fn every_tick_up_to_the_present_is_in_exactly_one_part(
        cron in prop::sample::select(&["* * * * *", "*/7 * * * *", "30 2 * * *", "0 */2 * * *", "0 3 1 * *"][..]),
        zone in prop::sample::select(&ZONES[..]),
        begin in 1_700_000_000_000_000_i64..1_760_000_000_000_000,
        seconds in 0_u64..400_000,
        missed in prop_oneof![Just(Missed::Skip), Just(Missed::Coalesce), (1..=100_u32).prop_map(Missed::CatchUp)],
    ) {
        let cadence = cadence(cron, zone);
        let due = cadence.next(Timestamp::from_micros(begin)).unwrap();
        let now = due.plus(Duration::from_secs(seconds));
        let all: Vec<Timestamp> = std::iter::once(due).chain(cadence.after(due)).take_while(|tick| *tick <= now).collect();
        let plan = plan(&cadence, due, now, missed);
        let parts: Vec<Ticks> = plan.skipped.into_iter().chain(plan.fires.iter().copied()).collect();
        let mut rest = &all[..];
        for part in &parts {
            let count = usize::try_from(part.count).unwrap();
            let (of_part, others) = rest.split_at(count);
            prop_assert_eq!((Some(&part.first), Some(&part.last)), (of_part.first(), of_part.last()));
            rest = others;
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!((Some(&plan.last), plan.next), (all.last(), cadence.next(now)));
        let late = all.iter().filter(|tick| **tick < now.minus(GRACE)).count();
        let jobs = match missed {
            Missed::Skip => all.len() - late,
            Missed::Coalesce => if late > 0 { 1 } else { all.len() },
            Missed::CatchUp(most) => late.min(usize::try_from(most).unwrap()) + all.len() - late,
        };
        prop_assert_eq!(plan.fires.len(), jobs);
    }
}

//! Ticks: what the clock skips, what it shows twice, and every other minute.

use std::collections::BTreeSet;

use jiff::Timestamp as Moment;
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

use super::oracle::{Fields, walk};
use super::*;

/// One field and the numbers that it names: a number, several, a range, or a star with or without a step.
fn field(lowest: i8, highest: i8) -> impl Strategy<Value = (String, BTreeSet<i8>)> {
    prop_oneof![
        (lowest..=highest).prop_map(|one| (one.to_string(), BTreeSet::from([one]))),
        prop::collection::btree_set(lowest..=highest, 2..4).prop_map(|some| {
            let text: Vec<String> = some.iter().map(ToString::to_string).collect();
            (text.join(","), some)
        }),
        (lowest..=highest, lowest..=highest)
            .prop_map(|(one, other)| (one.min(other), one.max(other)))
            .prop_map(|(from, to)| (format!("{from}-{to}"), (from..=to).collect())),
        Just(("*".to_owned(), (lowest..=highest).collect())),
        (2..10_usize).prop_map(move |step| (format!("*/{step}"), (lowest..=highest).step_by(step).collect())),
    ]
}

/// A field that may be a star, which is then none.
fn day(lowest: i8, highest: i8) -> impl Strategy<Value = (String, Option<BTreeSet<i8>>)> {
    let some = prop::collection::btree_set(lowest..=highest, 1..6).prop_map(|some| {
        let text: Vec<String> = some.iter().map(ToString::to_string).collect();
        (text.join(","), Some(some))
    });
    prop_oneof![3 => Just(("*".to_owned(), None)), 1 => some]
}

fn expression() -> impl Strategy<Value = (String, Fields)> {
    (field(0, 59), field(0, 23), day(1, 31), field(1, 12), day(0, 6)).prop_map(
        |((minute, minutes), (hour, hours), (day, days), (month, months), (weekday, weekdays))| {
            let is_hourly = hour.contains('*') || hours.len() == 24;
            let fields = Fields {
                minutes,
                hours,
                days,
                months,
                weekdays,
                is_hourly,
            };
            (format!("{minute} {hour} {day} {month} {weekday}"), fields)
        },
    )
}

/// A whole minute around which the clock of the zone is moved, if it is at all after `from`.
fn near_a_move(zone: &str, from: Moment, minutes: i64) -> Moment {
    let rules = TimeZoneDatabase::bundled().get(zone).unwrap();
    let moved = rules.following(from).next().map_or(from, |change| change.timestamp());
    let whole = moved.as_second().div_euclid(60) * 60;
    Moment::from_second(whole + minutes * 60).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_cadence_ticks_when_a_walk_through_the_minutes_says(
        (cron, fields) in expression(),
        zone in prop::sample::select(&ZONES[..]),
        // From 2005 to 2055, beyond the last year that tables of zones list.
        second in 1_104_537_600_i64..2_682_374_400,
        minutes in -3_000_i64..200,
    ) {
        let from = near_a_move(zone, Moment::from_second(second).unwrap(), minutes);
        let until = Moment::from_second(from.as_second() + 3 * 24 * 3_600).unwrap();
        let wanted: Vec<i64> = walk(&fields, zone, from, until).iter().map(|tick| tick.as_microsecond()).collect();
        let cadence = cadence(&cron, zone);
        let ticks = cadence.after(Timestamp::from_micros(from.as_microsecond()));
        let until = Timestamp::from_micros(until.as_microsecond());
        let found: Vec<i64> = ticks.take_while(|tick| *tick <= until).map(Timestamp::as_micros).collect();
        prop_assert_eq!(found, wanted, "{} in {} from {}", cron, zone, from);
    }

    #[test]
    fn ticks_strictly_increase_and_the_next_is_the_same_from_anywhere_before_it(
        (cron, _) in expression(),
        zone in prop::sample::select(&ZONES[..]),
        micros in 1_104_537_600_000_000_i64..2_682_374_400_000_000,
        part in 0.0..1.0_f64,
    ) {
        let cadence = cadence(&cron, zone);
        let mut before = Timestamp::from_micros(micros);
        for tick in cadence.after(before).take(20) {
            prop_assert!(tick > before);
            let between = tick.since(before).mul_f64(part);
            prop_assert_eq!(cadence.next(before.plus(between).min(tick.minus(std::time::Duration::from_micros(1)))), Some(tick));
            before = tick;
        }
    }
}

#[test]
fn a_named_minute_that_the_clock_skips_ticks_right_after_the_skip_and_once() {
    // Berlin goes from 02:00 to 03:00 on 31 March 2024.
    assert_eq!(
        ticks("30 2 * * *", "Europe/Berlin", "2024-03-30T00:00:00Z", 3),
        [
            "2024-03-30T02:30:00+01:00",
            "2024-03-31T03:00:00+02:00",
            "2024-04-01T02:30:00+02:00"
        ]
    );
    assert_eq!(
        ticks("*/20 2,3 31 3 *", "Europe/Berlin", "2024-03-30T00:00:00Z", 4),
        [
            "2024-03-31T03:00:00+02:00",
            "2024-03-31T03:20:00+02:00",
            "2024-03-31T03:40:00+02:00",
            "2025-03-31T02:00:00+02:00"
        ]
    );
}

#[test]
fn a_named_minute_that_the_clock_shows_twice_ticks_the_first_time_only() {
    // Berlin goes from 03:00 back to 02:00 on 27 October 2024, Lord Howe by half an hour on 7 April 2024.
    assert_eq!(
        ticks("30 2 * * *", "Europe/Berlin", "2024-10-26T12:00:00Z", 2),
        ["2024-10-27T02:30:00+02:00", "2024-10-28T02:30:00+01:00"]
    );
    assert_eq!(
        ticks("45 1 * * *", "Australia/Lord_Howe", "2024-04-06T03:00:00Z", 2),
        ["2024-04-07T01:45:00+11:00", "2024-04-08T01:45:00+10:30"]
    );
}

#[test]
fn hours_that_are_counted_pass_whatever_is_done_to_the_clock() {
    assert_eq!(
        ticks("0 * * * *", "Europe/Berlin", "2024-03-31T00:30:00Z", 2),
        ["2024-03-31T03:00:00+02:00", "2024-03-31T04:00:00+02:00"]
    );
    assert_eq!(
        ticks("30 * * * *", "Europe/Berlin", "2024-10-26T23:45:00Z", 3),
        [
            "2024-10-27T02:30:00+02:00",
            "2024-10-27T02:30:00+01:00",
            "2024-10-27T03:30:00+01:00"
        ]
    );
    // The same hours, written out.
    let (star, all) = ("15 * * * *", "15 0-23 * * *");
    assert_eq!(
        ticks(star, "America/New_York", "2024-11-03T04:00:00Z", 6),
        ticks(all, "America/New_York", "2024-11-03T04:00:00Z", 6)
    );
}

#[test]
fn a_day_that_a_zone_skips_ticks_at_its_end_where_hours_are_named() {
    // Apia had no 30 December 2011.
    assert_eq!(
        ticks("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 3),
        [
            "2011-12-29T12:00:00-10:00",
            "2011-12-31T00:00:00+14:00",
            "2011-12-31T12:00:00+14:00"
        ]
    );
    assert_eq!(
        ticks("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 2),
        ["2011-12-31T00:00:00+14:00", "2012-12-30T12:00:00+14:00"]
    );
}

#[test]
fn leap_days_come_when_they_do() {
    assert_eq!(
        ticks("0 0 29 2 *", "UTC", "2023-01-01T00:00:00Z", 2),
        ["2024-02-29T00:00:00+00:00", "2028-02-29T00:00:00+00:00"]
    );
    // There is none in 2100.
    assert_eq!(
        ticks("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1),
        ["2104-02-29T00:00:00+00:00"]
    );
    // A Thursday.
    assert_eq!(
        ticks("0 0 29 2 +THU", "UTC", "2024-03-01T00:00:00Z", 1),
        ["2052-02-29T00:00:00+00:00"]
    );
    assert_eq!(
        ticks("0 0 L 2 *", "UTC", "2023-01-01T00:00:00Z", 2),
        ["2023-02-28T00:00:00+00:00", "2024-02-29T00:00:00+00:00"]
    );
}

#[test]
fn what_names_no_day_that_comes_never_ticks() {
    for cron in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *"] {
        assert_eq!(
            cadence(cron, "Europe/Berlin").next(at("2024-01-01T00:00:00Z")),
            None,
            "{cron}"
        );
    }
}

#[test]
fn the_end_of_time_is_no_tick_and_no_fault() {
    for cron in ["* * * * *", "0 0 * * *"] {
        for micros in [i64::MAX, i64::MIN, 253_402_207_199_000_000, 253_402_200_000_000_000] {
            let tick = cadence(cron, "Pacific/Apia").next(Timestamp::from_micros(micros));
            assert!(tick.is_none_or(|tick| tick.as_micros() > micros));
        }
    }
}

#[test]
fn a_zone_is_found_by_its_name_and_by_no_other() {
    let zones = Zones::bundled();
    assert_eq!(zones.get("europe/berlin").unwrap().name(), "Europe/Berlin");
    for name in [
        "",
        "Berlin",
        "Europe/Berlin ",
        "../etc/passwd",
        "Etc/Unknown",
        "+01:00",
        &"x".repeat(500),
    ] {
        assert!(zones.get(name).is_err(), "{name}");
    }
    for name in ZONES {
        assert_eq!(zones.get(name).unwrap().name(), name);
    }
}

#[test]
fn jitter_is_within_its_bound_the_same_each_time_and_another_for_each_schedule_and_tick() {
    use std::time::Duration;
    let most = Duration::from_secs(60);
    let of = |schedule: u128, tick: i64| {
        let id = crate::domain::id::ScheduleId::from_bits(schedule);
        jitter(id, Timestamp::from_micros(tick), most)
    };
    let all: BTreeSet<Duration> = (0..100)
        .flat_map(|one| [of(one, 0), of(0, one.try_into().unwrap())])
        .collect();
    assert!(all.len() > 150 && all.iter().all(|one| *one <= most), "{all:?}");
    assert_eq!(of(7, 7), of(7, 7));
    assert_eq!(
        jitter(
            crate::domain::id::ScheduleId::from_bits(1),
            at("2024-01-01T00:00:00Z"),
            Duration::ZERO
        ),
        Duration::ZERO
    );
}

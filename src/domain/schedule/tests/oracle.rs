//! A second answer to when a cadence ticks: a walk through time, minute by minute, looking at what the clock on the wall shows.
//!
//! It shares nothing with the first but the expression's fields, which it reads on its own.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp as Moment, ToSpan as _};

/// The fields of an expression as the numbers that they name.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) minutes: BTreeSet<i8>,
    pub(super) hours: BTreeSet<i8>,
    /// None for `*`.
    pub(super) days: Option<BTreeSet<i8>>,
    pub(super) months: BTreeSet<i8>,
    /// Sunday is 0; none for `*`.
    pub(super) weekdays: Option<BTreeSet<i8>>,
    /// Whether the hour is written with a `*`.
    pub(super) is_hourly: bool,
}

impl Fields {
    fn name(&self, wall: DateTime) -> bool {
        let weekday = wall.weekday().to_sunday_zero_offset();
        let on_day = self.days.as_ref().map(|days| days.contains(&wall.day()));
        let on_weekday = self.weekdays.as_ref().map(|days| days.contains(&weekday));
        let on = match (on_day, on_weekday) {
            (Some(day), Some(weekday)) => day || weekday,
            (day, weekday) => day.unwrap_or(true) && weekday.unwrap_or(true),
        };
        on && self.months.contains(&wall.month())
            && self.hours.contains(&wall.hour())
            && self.minutes.contains(&wall.minute())
    }
}

/// All ticks after `from` and up to `until`, both whole minutes.
pub(super) fn walk(fields: &Fields, zone: &str, from: Moment, until: Moment) -> Vec<Moment> {
    let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
    if fields.is_hourly {
        shown(&zone, from, until)
            .into_iter()
            .filter(|(moment, wall)| wall.second() == 0 && fields.name(*wall) && *moment > from)
            .map(|(moment, _)| moment)
            .collect()
    } else {
        named(fields, &zone, from, until)
    }
}

/// Each minute and what the wall shows then.
fn shown(zone: &TimeZone, from: Moment, until: Moment) -> Vec<(Moment, DateTime)> {
    let mut all = Vec::new();
    let mut moment = from;
    while moment <= until {
        all.push((moment, zone.to_datetime(moment)));
        moment = moment.checked_add(1.minute()).unwrap();
    }
    all
}

/// The first moment of each minute that the wall shows, and the moment of the skip for each that it skips.
fn named(fields: &Fields, zone: &TimeZone, from: Moment, until: Moment) -> Vec<Moment> {
    // Begun early, so that what is shown for the second time at the start is known to be.
    let early = from.checked_sub(50.hours()).unwrap();
    let mut first: BTreeMap<DateTime, Moment> = BTreeMap::new();
    let mut before: Option<DateTime> = None;
    for (moment, wall) in shown(zone, early, until) {
        if let Some(before) = before {
            let mut skipped = before.checked_add(1.minute()).unwrap();
            while skipped < wall {
                first.entry(skipped).or_insert(moment);
                skipped = skipped.checked_add(1.minute()).unwrap();
            }
        }
        first.entry(wall).or_insert(moment);
        before = Some(wall);
    }
    let ticks: BTreeSet<Moment> = first
        .into_iter()
        .filter(|(wall, _)| fields.name(*wall))
        .map(|(_, moment)| moment)
        .collect();
    ticks
        .into_iter()
        .filter(|tick| *tick > from && *tick <= until)
        .collect()
}

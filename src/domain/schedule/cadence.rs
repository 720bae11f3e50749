//! An expression in a time zone: the moments at which it ticks.
//!
//! **Where the clock is moved.** An expression whose hour is `*`, a step of it (`*/2`) or every hour *counts hours as they
//! pass*: it ticks at each moment at which the clock on the wall shows a minute that it names. What the clock skips does not
//! tick, and what it shows twice ticks twice; `0 * * * *` is every hour, whatever is done to the clock. Every other one *names
//! hours of the day*, each of which comes once a day: a minute that the clock skips ticks at the first moment after the skip,
//! and one that it shows twice ticks the first time only. Minutes that come to tick at one moment tick once.
//!
//! Guarantees: ticks are at whole minutes of the zone, each after the one before.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp as Moment, ToSpan as _};

use super::{Cron, Zone};
use crate::clock::Timestamp;

/// When something is to happen, again and again.
#[derive(Clone, Debug)]
pub struct Cadence {
    cron: Cron,
    zone: Zone,
}

impl Cadence {
    /// How far ahead a tick is looked for, in days: the rarest expression that ever ticks names a weekday on the 29th of
    /// February, which comes within 40 years.
    const DAYS_MAX: i64 = 50 * 366;

    /// `cron` in `zone`.
    #[must_use]
    pub const fn new(cron: Cron, zone: Zone) -> Self {
        Self { cron, zone }
    }

    /// The expression.
    #[must_use]
    pub const fn cron(&self) -> &Cron {
        &self.cron
    }

    /// The zone.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first tick after `after`; none if it never ticks, or time ends before it does.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = Moment::from_microsecond(after.as_micros()).ok()?;
        let tick = if self.cron.is_hourly() {
            self.next_of_passing_hours(after)
        } else {
            self.next_of_named_hours(after)
        };
        tick.map(|tick| Timestamp::from_micros(tick.as_microsecond()))
    }

    /// The ticks after `after`, in order.
    pub fn after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next(after), |tick| self.next(*tick))
    }

    /// `at` as the clock on the wall shows it, with its offset (RFC 3339).
    #[must_use]
    pub fn local(&self, at: Timestamp) -> String {
        let Ok(moment) = Moment::from_microsecond(at.as_micros()) else {
            return at.to_string();
        };
        moment.display_with_offset(self.rules().to_offset(moment)).to_string()
    }

    fn rules(&self) -> &TimeZone {
        self.zone.rules()
    }

    /// Each named minute ticks once. The moments of minutes are in the order of the minutes, so that those up to what the wall
    /// shows have all passed.
    fn next_of_named_hours(&self, after: Moment) -> Option<Moment> {
        let wall = self.rules().to_datetime(after);
        let last = last_day(wall)?;
        let mut from = minute_after(wall)?;
        loop {
            let named = self.cron.next(from, last)?;
            let tick = first_moment(self.rules(), named)?;
            if tick > after {
                return Some(tick);
            }
            from = minute_after(named)?;
        }
    }

    /// Between two moves of the clock it goes like any other: each such stretch of time is looked through in turn.
    fn next_of_passing_hours(&self, after: Moment) -> Option<Moment> {
        let rules = self.rules();
        let last = last_day(rules.to_datetime(after))?;
        let mut from = minute_after(rules.to_datetime(after))?;
        let mut begin = after;
        while from.date() <= last {
            let offset = rules.to_offset(begin);
            let change = rules
                .following(begin)
                .map(|change| change.timestamp())
                .find(|at| *at > begin);
            let until = change.map_or(last, |change| offset.to_datetime(change).date().min(last));
            let named = self.cron.next(from, until);
            if let Some(tick) = named.and_then(|named| offset.to_timestamp(named).ok())
                && change.is_none_or(|change| tick < change)
            {
                return Some(tick);
            }
            begin = change?;
            from = whole_minute(rules.to_datetime(begin))?;
        }
        None
    }
}

/// The first moment at which the wall shows `wall`, or, if it never does, at which it shows more.
fn first_moment(rules: &TimeZone, wall: DateTime) -> Option<Moment> {
    match rules.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wall).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(wall).ok(),
        AmbiguousOffset::Gap { before, after } => {
            // The clock is moved between these two, at a whole second.
            let mut early = after.to_timestamp(wall).ok()?.as_second();
            let mut late = before.to_timestamp(wall).ok()?.as_second();
            while late - early > 1 {
                let middle = early + (late - early) / 2;
                if rules.to_datetime(Moment::from_second(middle).ok()?) > wall {
                    late = middle;
                } else {
                    early = middle;
                }
            }
            Moment::from_second(late).ok()
        }
    }
}

/// The last day on which a tick after `wall` is looked for.
fn last_day(wall: DateTime) -> Option<Date> {
    Some(wall.date().checked_add(Cadence::DAYS_MAX.days()).unwrap_or(Date::MAX))
}

/// The whole minute that `wall` is in.
fn minute_of(wall: DateTime) -> DateTime {
    wall.date().at(wall.hour(), wall.minute(), 0, 0)
}

/// The first whole minute after `wall`.
fn minute_after(wall: DateTime) -> Option<DateTime> {
    minute_of(wall).checked_add(1.minute()).ok()
}

/// The first whole minute that is not before `wall`.
fn whole_minute(wall: DateTime) -> Option<DateTime> {
    if wall == minute_of(wall) {
        Some(wall)
    } else {
        minute_after(wall)
    }
}

//! A cron expression: which minutes of which days it names, on a clock on the wall.
//!
//! Guarantees: five fields (minute, hour, day of month, month, day of week) or a name such as `@daily`; one that names no day
//! that ever comes is found by whoever looks for its first tick. Left out: seconds and years, and what a clock on the wall
//! shows when it is moved ([`super::Cadence`]).

use std::fmt;

use croner::Weekday;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};

/// An expression that was understood.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    parsed: croner::Cron,
    /// The minutes of a day, in order, at least one.
    minutes: Vec<u16>,
    /// Whether it counts hours as they pass, rather than naming hours of the day.
    is_hourly: bool,
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a cron expression of five fields (minute, hour, day of month, month, day of week){}", because(.0.as_deref()))]
pub struct NotACron(Option<String>);

fn because(why: Option<&str>) -> String {
    why.map(|why| format!(": {why}")).unwrap_or_default()
}

impl Cron {
    /// The longest expression, in bytes: every minute and every hour written out fit.
    pub const BYTES_MAX: usize = 400;
    /// Minutes of a day.
    const DAY: u16 = 24 * 60;

    /// Reads an expression.
    ///
    /// # Errors
    /// [`NotACron`], with the reason for people.
    pub fn parse(text: &str) -> Result<Self, NotACron> {
        let text = text.trim();
        if text.len() > Self::BYTES_MAX || !text.is_ascii() {
            let most = Self::BYTES_MAX;
            return Err(NotACron(Some(format!("it must have at most {most} bytes of ASCII"))));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let parsed = parser.parse(text).map_err(|error| NotACron(reason(error)))?;
        let hours = parsed.pattern.hours.values();
        let minutes: Vec<u16> = hours
            .iter()
            .flat_map(|hour| {
                parsed
                    .pattern
                    .minutes
                    .values()
                    .into_iter()
                    .map(move |minute| hour * 60 + minute)
            })
            .filter(|minute| *minute < Self::DAY)
            .collect();
        if minutes.is_empty() {
            return Err(NotACron(None));
        }
        Ok(Self {
            is_hourly: parsed.pattern.hours.from_wildcard || hours.len() == 24,
            text: text.to_owned(),
            parsed,
            minutes,
        })
    }

    /// The expression as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether its hour is `*`, has a step of it, or is every hour: it then counts hours as they pass.
    #[must_use]
    pub const fn is_hourly(&self) -> bool {
        self.is_hourly
    }

    /// The first minute that it names at or after `from`, which is a whole one, on a day up to `last`.
    pub(super) fn next(&self, from: DateTime, last: Date) -> Option<DateTime> {
        let (mut date, mut earliest) = (from.date(), minute_of(from));
        while date <= last {
            if !self.is_in_month(date) {
                date = date.last_of_month().tomorrow().ok()?;
            } else if let Some(minute) = self.on(date).then(|| self.at_or_after(earliest)).flatten() {
                return date.at(0, 0, 0, 0).checked_add(i64::from(minute).minutes()).ok();
            } else {
                date = date.tomorrow().ok()?;
            }
            earliest = 0;
        }
        None
    }

    fn at_or_after(&self, earliest: u16) -> Option<u16> {
        let index = self.minutes.partition_point(|minute| *minute < earliest);
        self.minutes.get(index).copied()
    }

    fn is_in_month(&self, date: Date) -> bool {
        self.parsed.pattern.month_match(month_of(date)).unwrap_or(false)
    }

    /// Whether it names this day.
    pub(super) fn on(&self, date: Date) -> bool {
        let weekday = Weekday::from_days_from_sunday(u32::from(date.weekday().to_sunday_zero_offset().unsigned_abs()));
        let day = u32::from(date.day().unsigned_abs());
        let pattern = &self.parsed.pattern;
        // Dates of a calendar are dates: there is no error to be had.
        self.is_in_month(date)
            && pattern
                .day_match(date.year().into(), month_of(date), day, weekday)
                .unwrap_or(false)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn month_of(date: Date) -> u32 {
    date.month().unsigned_abs().into()
}

/// The minute of its day.
fn minute_of(wall: DateTime) -> u16 {
    u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs())
}

fn reason(error: CronError) -> Option<String> {
    match error {
        CronError::InvalidPattern(text) | CronError::IllegalCharacters(text) | CronError::ComponentError(text) => {
            Some(text.trim_end_matches('.').to_owned())
        }
        _ => None,
    }
}

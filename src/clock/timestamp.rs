//! A moment in UTC with the precision that is stored and shown: microseconds.
//!
//! Guarantees: what is written to the database is read back equal, and what is shown as RFC 3339 with six digits parses
//! back to the same moment.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment in UTC, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not a [`Timestamp`].
#[derive(Debug, thiserror::Error)]
#[error("not an RFC 3339 time such as 2026-01-31T08:30:00Z")]
pub struct ParseTimestampError;

impl Timestamp {
    /// The moment `micros` microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment `by` later; the latest moment if that is beyond it.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros_of(by)))
    }

    /// The moment `by` earlier; the earliest moment if that is before it.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros_of(by)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment so many microseconds later, or earlier if they are below zero.
    pub(super) const fn shifted(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub(super) fn from_system_clock() -> Self {
        // A clock before 1970 is a broken clock; the epoch is then as good an answer as any.
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self(micros_of(since_epoch))
    }
}

/// `by` in microseconds, or the largest number if it is beyond that (292,000 years).
pub(super) fn micros_of(by: Duration) -> i64 {
    i64::try_from(by.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with six digits of a second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.6}"),
            // Beyond year 9999: no such time is accepted from outside, so this only ever shows a saturated sum.
            Err(_) => f.write_str("9999-12-30T22:00:00.999999Z"),
        }
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<jiff::Timestamp>() {
            Ok(moment) => Ok(Self(moment.as_microsecond())),
            Err(_) => Err(ParseTimestampError),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_is_shown_in_utc_with_six_digits() {
        assert_eq!(
            Timestamp::from_micros(1_700_000_000_000_001).to_string(),
            "2023-11-14T22:13:20.000001Z"
        );
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn a_time_with_an_offset_is_read_as_utc_and_others_are_refused() {
        assert_eq!(
            "2023-11-14T23:13:20+01:00".parse::<Timestamp>().unwrap().as_micros(),
            1_700_000_000_000_000
        );
        for text in ["", "tomorrow", "2023-11-14", "2023-11-14T22:13:20", "1700000000"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_back(micros in -62_135_596_800_000_000_i64..253_370_764_800_000_000) {
            let moment = Timestamp::from_micros(micros);
            prop_assert_eq!(moment.to_string().parse::<Timestamp>().unwrap(), moment);
        }
    }
}

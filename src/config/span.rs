//! Lengths of time as they are written: a whole number with its unit, such as `30s`.
//!
//! Guarantees: a number without a unit is refused, since nobody can know which one is meant.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// The units, the shortest first, with how many milliseconds each has.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// A length as it stands in the settings: a bare number is read too, so that the refusal can say what it lacks.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Given {
    Number(u64),
    Text(String),
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// The length that `text` says, from `min` to `max`.
pub(super) fn read(text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let wrong = |why: &str| format!("must be a time from {} to {}{why}", written(min), written(max));
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (Some(number), Some(unit)) = (text.get(..digits), text.get(digits..)) else {
        return Err(wrong(", such as 30s"));
    };
    if !number.is_empty() && unit.is_empty() {
        return Err(wrong(&format!(
            " with its unit; {number} could be {number}s or {number}m"
        )));
    }
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim_start());
    let (Some((_, millis)), Ok(number)) = (unit, number.parse::<u64>()) else {
        return Err(wrong(", a whole number and one of ms, s, m, h and d, such as 30s"));
    };
    let length = number.checked_mul(*millis).map(Duration::from_millis);
    length
        .filter(|length| (min..=max).contains(length))
        .ok_or_else(|| wrong(""))
}

/// A length in the largest unit of which it is a whole number.
fn written(length: Duration) -> String {
    let millis = length.as_millis();
    let fits = |(_, unit): &&(&str, u64)| millis > 0 && millis.is_multiple_of(u128::from(*unit));
    let (name, unit) = UNITS.iter().rev().find(fits).copied().unwrap_or(("ms", 1));
    format!("{}{name}", millis / u128::from(unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_number_with_its_unit_is_a_time() {
        for (text, millis) in [
            ("1500ms", 1_500),
            ("30s", 30_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            (" 30 s ", 30_000),
        ] {
            assert_eq!(read(text, SECOND, DAY), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_in_words_that_help() {
        assert_eq!(
            read("600", SECOND, DAY).unwrap_err(),
            "must be a time from 1s to 1d with its unit; 600 could be 600s or 600m"
        );
        for text in [
            "",
            "s",
            "-1s",
            "1.5s",
            "1 2s",
            "10 min",
            "1h30m",
            "10M",
            "\u{661}s",
            "99999999999999999999s",
        ] {
            let said = read(text, SECOND, DAY).unwrap_err();
            assert!(said.contains("such as 30s"), "{text}: {said}");
        }
        for text in ["0s", "999ms", "2d", "9999999999999999999h", "213503982334d"] {
            assert_eq!(
                read(text, SECOND, DAY).unwrap_err(),
                "must be a time from 1s to 1d",
                "{text}"
            );
        }
        assert!(
            read("1m", Duration::from_millis(90_500), DAY)
                .unwrap_err()
                .contains("from 90500ms to")
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(millis in 1..1_000_000_000_000_u64) {
            let length = Duration::from_millis(millis);
            prop_assert_eq!(read(&written(length), Duration::ZERO, length), Ok(length));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _either = read(&text, SECOND, DAY);
        }
    }
}

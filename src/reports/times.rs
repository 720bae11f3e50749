//! Times as text, quickly: a report has several in each row.
//!
//! Guarantees: the same text as [`Timestamp`]'s own. The calendar is asked once a day of the rows, and not for every time.

use std::fmt::Write;

use crate::clock::Timestamp;

const DAY_MICROS: i64 = 86_400_000_000;
/// How a day begins, behind its date.
const MIDNIGHT: &str = "T00:00:00.000000Z";

/// Writes times into a text of its own, which it uses again.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// The day of the last time, if its date stands at the start of `text`.
    day: Option<i64>,
    date_len: usize,
    text: String,
}

impl Times {
    /// The text of `at`.
    pub(super) fn show(&mut self, at: Timestamp) -> &str {
        let day = at.as_micros().div_euclid(DAY_MICROS);
        if self.day != Some(day) {
            self.begin(day);
        }
        if self.day.is_none() {
            self.text = at.to_string();
            return &self.text;
        }
        self.text.truncate(self.date_len);
        self.push_time(at.as_micros().rem_euclid(DAY_MICROS));
        &self.text
    }

    /// Puts the date of `day` at the start of the text, unless it has none (a time beyond the calendar).
    fn begin(&mut self, day: i64) {
        self.text = Timestamp::from_micros(day.saturating_mul(DAY_MICROS)).to_string();
        let date_len = self.text.strip_suffix(MIDNIGHT).map(str::len);
        self.day = date_len.map(|_| day);
        self.date_len = date_len.unwrap_or(0);
    }

    fn push_time(&mut self, micros: i64) {
        let seconds = micros / 1_000_000;
        for (before, number) in [('T', seconds / 3600), (':', seconds / 60 % 60), (':', seconds % 60)] {
            self.text.push(before);
            self.push_digits(number, 10);
        }
        self.text.push('.');
        self.push_digits(micros % 1_000_000, 100_000);
        self.text.push('Z');
    }

    /// The digits of `number`, the first of which is worth `unit`.
    fn push_digits(&mut self, number: i64, mut unit: i64) {
        while unit > 0 {
            let digit = u32::try_from(number / unit % 10).unwrap_or(0);
            self.text.push(char::from_digit(digit, 10).unwrap_or('0'));
            unit /= 10;
        }
    }
}

/// The digits of a number in a text that is used again.
pub(super) fn show_number(number: i64, text: &mut String) -> &str {
    text.clear();
    // A text takes whatever is written into it.
    if write!(text, "{number}").is_err() {
        text.clear();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn times_are_shown_as_everywhere_else(all in proptest::collection::vec(
            prop_oneof![-62_135_596_800_000_000_i64..253_370_764_800_000_000, 0..DAY_MICROS * 3], 1..20
        )) {
            let mut times = Times::default();
            for micros in all {
                let at = Timestamp::from_micros(micros);
                prop_assert_eq!(times.show(at), at.to_string());
            }
        }
    }

    #[test]
    fn a_time_beyond_the_calendar_is_shown_as_everywhere_else() {
        let mut times = Times::default();
        for at in [i64::MAX, 0, i64::MIN, 1].map(Timestamp::from_micros) {
            assert_eq!(times.show(at), at.to_string());
        }
    }
}

//! A place among the events, between two changes.

use std::fmt;
use std::str::FromStr;

/// The place behind one change. As text it is the id by which a client goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The transaction that made the change.
    pub(super) tx: i64,
    /// The row that holds it.
    pub(super) seq: i64,
    /// Changes of that row that are before the place.
    pub(super) read: u32,
}

/// A text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place among the events")]
pub struct NotACursor;

impl Cursor {
    /// The place before all events.
    pub const START: Self = Self { tx: 0, seq: 0, read: 0 };

    /// The place behind a whole row.
    pub(super) const fn behind(tx: i64, seq: i64) -> Self {
        Self {
            tx,
            seq,
            read: u32::MAX,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tx, seq, read } = *self;
        if read == u32::MAX {
            write!(f, "{tx}-{seq}")
        } else {
            write!(f, "{tx}-{seq}-{read}")
        }
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        fn number<T: FromStr + fmt::Display>(part: &str) -> Result<T, NotACursor> {
            let number: T = part.parse().or(Err(NotACursor))?;
            // As it is written and not otherwise: no sign, no leading zero.
            (number.to_string() == part).then_some(number).ok_or(NotACursor)
        }
        let mut parts = text.split('-');
        let (tx, seq) = (parts.next().ok_or(NotACursor)?, parts.next().ok_or(NotACursor)?);
        let read = parts.next().map_or(Ok(u32::MAX), number)?;
        if parts.next().is_some() {
            return Err(NotACursor);
        }
        Ok(Self {
            tx: number(tx)?,
            seq: number(seq)?,
            read,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_reads_back_as_it_was_shown(tx in 0..i64::MAX, seq in 0..i64::MAX, read: u32) {
            let cursor = Cursor { tx, seq, read };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_other_text_is_refused(text in ".{0,30}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_cursor_is_refused() {
        for text in [
            "",
            "-",
            "1",
            "1-",
            "-1-2",
            "1-2-3-4",
            "+1-2",
            "01-2",
            "1-2-4294967296",
            "9223372036854775808-1",
            "1 - 2",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text}");
        }
    }
}

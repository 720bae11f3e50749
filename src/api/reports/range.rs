//! Which part of a file is asked for (RFC 9110, 14).
//!
//! Guarantees: a part that is answered lies within the file and is not empty. What is not understood is ignored, as the RFC
//! says, and the whole file answered: other units, garbled numbers, and several parts at once, which the RFC allows a
//! server to decline.

/// What is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it.
    Whole,
    /// From this byte to that one, both included.
    Part(u64, u64),
    /// A part that the file does not have.
    Nothing,
}

/// What the value of a `Range` header asks of a file of `len` bytes.
pub(super) fn asked(value: &str, len: u64) -> Asked {
    let Some((unit, part)) = value.split_once('=') else {
        return Asked::Whole;
    };
    let Some((first, last)) = part.trim().split_once('-') else {
        return Asked::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let end = len.saturating_sub(1);
    match (number(first), number(last)) {
        (Given::Number(first), Given::Number(last)) if first > last => Asked::Whole,
        (Given::Garbled, _) | (_, Given::Garbled) | (Given::None, Given::None) => Asked::Whole,
        _ if len == 0 => Asked::Nothing,
        (Given::Number(first), _) if first > end => Asked::Nothing,
        (Given::Number(first), Given::Number(last)) => Asked::Part(first, last.min(end)),
        (Given::Number(first), Given::None) => Asked::Part(first, end),
        (Given::None, Given::Number(0)) => Asked::Nothing,
        (Given::None, Given::Number(suffix)) => Asked::Part(len.saturating_sub(suffix), end),
    }
}

enum Given {
    None,
    Number(u64),
    Garbled,
}

fn number(text: &str) -> Given {
    match text {
        "" => Given::None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Given::Number(digits.parse().unwrap_or(u64::MAX)),
        _ => Given::Garbled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn single_parts_are_read_as_the_rfc_says() {
        for (value, len, expected) in [
            ("bytes=0-0", 10, Asked::Part(0, 0)),
            ("bytes=2-5", 10, Asked::Part(2, 5)),
            ("bytes=2-", 10, Asked::Part(2, 9)),
            ("bytes=2-99999999999999999999999", 10, Asked::Part(2, 9)),
            ("bytes=-3", 10, Asked::Part(7, 9)),
            ("bytes=-30", 10, Asked::Part(0, 9)),
            ("Bytes = 9-9", 10, Asked::Part(9, 9)),
            ("bytes=10-", 10, Asked::Nothing),
            ("bytes=99999999999999999999999-", 10, Asked::Nothing),
            ("bytes=-0", 10, Asked::Nothing),
            ("bytes=0-", 0, Asked::Nothing),
            ("bytes=0-0", 0, Asked::Nothing),
            ("bytes=-1", 0, Asked::Nothing),
        ] {
            assert_eq!(asked(value, len), expected, "{value} of {len}");
        }
    }

    #[test]
    fn what_is_not_understood_is_answered_with_the_whole_file() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,4-5",
            "bytes=a-b",
            "bytes=+1-2",
            "rows=0-1",
            "bytes=0x1-2",
            "bytes=1--2",
            "bytes=--1",
        ] {
            assert_eq!(asked(value, 10), Asked::Whole, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(value in "(bytes=)?[0-9,-]{0,12}|\\PC{0,20}", len in 0_u64..2000) {
            if let Asked::Part(first, last) = asked(&value, len) {
                prop_assert!(first <= last && last < len);
            }
        }
    }
}

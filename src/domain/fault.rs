//! Which fault an error tells of: its words without what differs from one job to the next.
//!
//! Guarantees: a text has one fault, whatever process asks; what stands for a mail address, an id, a quoted text or a number
//! is the same for all of them, so that one fault is one group; no `@` is left, and so no address; the fault is one line of
//! bounded length.
//!
//! Left out: understanding the words. Two faults that are worded alike but for a number are one.

/// The most characters of a fault: enough to tell one from another, and short enough for a column.
pub const FAULT_CHARS_MAX: usize = 200;

/// Stands for a mail address, masked or not.
const ADDRESS: &str = "<address>";
/// Stands for an id, a hash, or another number in hexadecimal digits.
const ID: &str = "<id>";
/// Stands for a quoted text.
const QUOTED: &str = "'…'";
/// Stands for a number.
const NUMBER: char = '#';
/// The shortest run of hexadecimal digits, letters among them, that is taken for an id.
const HEX_CHARS_MIN: usize = 8;

/// The fault that `error` tells of.
#[must_use]
pub fn fault_of(error: &str) -> String {
    let mut told = String::with_capacity(error.len().min(4 * FAULT_CHARS_MAX));
    let (mut rest, mut before) = (error, None);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if is_blank(first) => {
                if !told.is_empty() && !told.ends_with(' ') {
                    told.push(' ');
                }
                first.len_utf8()
            }
            '\'' | '"' | '`' if !before.is_some_and(char::is_alphanumeric) => match quoted(rest, first) {
                Some(length) => {
                    told.push_str(QUOTED);
                    length
                }
                None => {
                    told.push(first);
                    first.len_utf8()
                }
            },
            _ if is_between(first) => {
                told.push(first);
                first.len_utf8()
            }
            _ => {
                let word = word_of(rest);
                put(word, &mut told);
                word.len()
            }
        };
        let (taken, left) = rest.split_at(length);
        before = taken.chars().next_back();
        rest = left;
        // What comes behind is not shown, however long it is.
        if told.chars().nth(FAULT_CHARS_MAX).is_some() {
            break;
        }
    }
    let told: String = told.chars().take(FAULT_CHARS_MAX).collect();
    told.trim_end().to_owned()
}

fn is_blank(char: char) -> bool {
    char.is_whitespace() || char.is_control()
}

/// Whether a character stands between words.
fn is_between(char: char) -> bool {
    is_blank(char) || "<>()[]{},;\"`".contains(char)
}

/// The bytes of the quoted text that `text` begins with, its quotes included; none if it does not end.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let inner = text.strip_prefix(quote)?;
    let mut ends = inner.match_indices(quote).map(|(at, _)| at);
    // An apostrophe within a word ends nothing.
    let end = ends.find(|at| {
        let (_, behind) = inner.split_at(*at + quote.len_utf8());
        !behind.starts_with(char::is_alphanumeric)
    })?;
    Some(end + 2 * quote.len_utf8())
}

/// The word that `text` begins with; one that begins a quoted text behind `=` or `:` ends there.
fn word_of(text: &str) -> &str {
    let end = text.find(is_between).unwrap_or(text.len());
    let (word, _) = text.split_at(end);
    if word.contains('@') {
        return word;
    }
    let quote = ["='", ":'"].iter().filter_map(|opening| word.find(opening)).min();
    quote.map_or(word, |at| word.split_at(at + 1).0)
}

/// Appends a word, or what stands for it.
fn put(word: &str, told: &mut String) {
    if word.contains('@') {
        told.push_str(ADDRESS);
        return;
    }
    let part_of_id = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    let mut rest = word;
    while !rest.is_empty() {
        let run = rest.find(|char| !part_of_id(char)).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(run);
        if is_id(part) {
            told.push_str(ID);
        } else {
            put_numbers(part, told);
        }
        let other = behind.find(part_of_id).unwrap_or(behind.len());
        let (between, left) = behind.split_at(other);
        // Digits of other scripts are letters here.
        told.push_str(between);
        rest = left;
    }
}

fn is_id(part: &str) -> bool {
    let bare = part.rsplit('_').next().unwrap_or(part).replace('-', "");
    let is_hex = bare.len() >= HEX_CHARS_MIN && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex && bare.bytes().any(|byte| byte.is_ascii_digit()) && bare.bytes().any(|byte| byte.is_ascii_alphabetic())
        || is_hex && bare.len() == 32
}

/// Appends a text with each of its numbers as one sign.
fn put_numbers(part: &str, told: &mut String) {
    for char in part.chars() {
        if !char.is_ascii_digit() {
            told.push(char);
        } else if !told.ends_with(NUMBER) {
            told.push(NUMBER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_differs_from_job_to_job_is_left_out() {
        for (error, fault) in [
            ("", ""),
            (
                "it ran longer than 60000 ms; it was dropped",
                "it ran longer than # ms; it was dropped",
            ),
            (
                "it ran longer than 5 ms; it was dropped",
                "it ran longer than # ms; it was dropped",
            ),
            (
                "sent to 2 of 3; e***@example.com: 450 4.2.0 greylisted",
                "sent to # of #; <address> # #.#.# greylisted",
            ),
            ("no user \"ada lovelace\" there", "no user '…' there"),
            ("no user 'o'brien' there", "no user '…' there"),
            ("the user's name isn't known", "the user's name isn't known"),
            ("name='x y' is wrong", "name='…' is wrong"),
            ("job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6 is gone", "<id> is gone"),
            ("0193a0f2-b1c4-7d3e-8f90-a1b2c3d4e5f6: gone", "<id>: gone"),
            ("10.0.0.1:25 refused", "#.#.#.#:# refused"),
            ("two\r\nlines\tof\u{7}words ", "two lines of words"),
            (
                "<Ada.Lovelace+x=1@example.com>: user unknown",
                "<<address>>: user unknown",
            ),
        ] {
            assert_eq!(fault_of(error), fault, "{error}");
        }
    }

    #[test]
    fn an_endless_error_is_cut() {
        assert_eq!(fault_of(&"x ".repeat(10_000)).chars().count(), FAULT_CHARS_MAX - 1);
        assert_eq!(fault_of(&"ä".repeat(10_000)).chars().count(), FAULT_CHARS_MAX);
    }

    proptest! {
        #[test]
        fn no_address_and_no_line_end_comes_out_and_the_length_is_bounded(error in any::<String>(), local in "[a-z.+']{1,12}") {
            for error in [error.clone(), format!("{error} {local}@example.com {error}"), format!("{local}@{error}")] {
                let fault = fault_of(&error);
                prop_assert!(!fault.contains('@'), "{fault}");
                prop_assert!(!fault.chars().any(char::is_control), "{fault:?}");
                prop_assert!(fault.chars().count() <= FAULT_CHARS_MAX);
                prop_assert!(!fault.chars().any(|char| char.is_ascii_digit()), "{fault}");
            }
        }

        #[test]
        fn errors_that_differ_in_numbers_ids_addresses_and_quotes_alone_tell_of_one_fault(
            numbers in (any::<u32>(), any::<u32>()), ids in (any::<u128>(), any::<u128>()),
            locals in ("[a-z]{1,9}", "[a-z]{1,9}"), names in ("[a-z ]{0,9}", "[a-z ]{0,9}"),
        ) {
            let error = |number: u32, id: u128, local: &str, name: &str| {
                format!("line {number}: \"{name}\" of job_{id:032x} was refused by <{local}@example.com>, port {number}")
            };
            prop_assert_eq!(
                fault_of(&error(numbers.0, ids.0, &locals.0, &names.0)),
                fault_of(&error(numbers.1, ids.1, &locals.1, &names.1))
            );
        }
    }
}

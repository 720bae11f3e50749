//! Headers of free text.
//!
//! Guarantees: a reader's program shows the text as it was given: one that holds the mark of an encoded word (`=?`) is encoded
//! as a whole, so that it is not taken for one; so is one beyond ASCII with blanks in a row, which would stand between two
//! encoded words and so be left out (RFC 2047, 6.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::header::{HeaderName, HeaderValue};

/// The most bytes of text in one encoded word: with all around them 72 of the 75 that it may have (RFC 2047, 2).
const WORD_BYTES_MAX: usize = 45;

/// The header of this name and text, which is one line.
pub(super) fn text_header(name: HeaderName, text: &str) -> HeaderValue {
    if text.contains("=?") || (!text.is_ascii() && text.contains("  ")) {
        HeaderValue::dangerous_new_pre_encoded(name, text.to_owned(), words(text))
    } else {
        HeaderValue::new(name, text.to_owned())
    }
}

/// The text as encoded words, one a line.
fn words(text: &str) -> String {
    let mut words = Vec::new();
    let mut piece = String::new();
    for character in text.chars() {
        if piece.len() + character.len_utf8() > WORD_BYTES_MAX {
            words.push(word(&piece));
            piece.clear();
        }
        piece.push(character);
    }
    words.push(word(&piece));
    words.join("\r\n ")
}

fn word(piece: &str) -> String {
    format!("=?utf-8?b?{}?=", STANDARD.encode(piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_a_row_between_letters_beyond_ascii_are_within_an_encoded_word() {
        let one = |text: &str| {
            let mut headers = lettre::message::header::Headers::new();
            headers.insert_raw(text_header(HeaderName::new_from_ascii_str("Subject"), text));
            headers.to_string()
        };
        assert_eq!(one("ä  ö"), format!("Subject: {}\r\n", words("ä  ö")));
        assert_eq!(one("a  o"), "Subject: a  o\r\n");
    }

    #[test]
    fn a_text_that_looks_encoded_is_encoded_in_short_words() {
        assert_eq!(words("=?x"), "=?utf-8?b?PT94?=");
        let long = words(&format!("=?{}", "ß".repeat(300)));
        assert!(long.lines().all(|line| line.len() <= 76));
        let decoded: Vec<u8> = long
            .lines()
            .flat_map(|line| {
                let inner = line
                    .trim()
                    .strip_prefix("=?utf-8?b?")
                    .unwrap()
                    .strip_suffix("?=")
                    .unwrap();
                let piece = STANDARD.decode(inner).unwrap();
                assert!(std::str::from_utf8(&piece).is_ok(), "no letter is split");
                piece
            })
            .collect();
        assert_eq!(String::from_utf8(decoded).unwrap(), format!("=?{}", "ß".repeat(300)));
    }
}

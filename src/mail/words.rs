//! What a server said, made fit for a log line and an answer: printable, short, with no whole mail address in it.

/// The most characters that are kept of a server's words: enough for every enhanced status text with its link.
pub const WORDS_CHARS_MAX: usize = 500;

/// `text` on one line, printable, at most [`WORDS_CHARS_MAX`] characters, each mail address in it masked (`a***@example.com`).
#[must_use]
pub(super) fn sanitise(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for word in text.split(|character: char| character.is_whitespace() || character.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !masked.is_empty() {
            masked.push(' ');
        }
        mask_into(word, &mut masked);
    }
    if masked.len() > WORDS_CHARS_MAX {
        masked = masked.chars().take(WORDS_CHARS_MAX).collect();
    }
    masked
}

/// Appends `word` to `out`: what stands directly before an `@` becomes its first character and `***`.
fn mask_into(word: &str, out: &mut String) {
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('@') {
        let local_from = before.rfind(|character: char| !local_part_character(character));
        let (lead, local) = match local_from {
            Some(at) => before.split_at(at.saturating_add(before.get(at..).and_then(first_len).unwrap_or(0))),
            None => ("", before),
        };
        push_printable(lead, out);
        if let Some(first) = local.chars().next() {
            out.push(printable(first));
            out.push_str("***");
        }
        out.push('@');
        rest = after;
    }
    push_printable(rest, out);
}

fn push_printable(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        out.push_str(text);
    } else {
        out.extend(text.chars().map(printable));
    }
}

fn first_len(text: &str) -> Option<usize> {
    text.chars().next().map(char::len_utf8)
}

/// Characters that can belong to a local part, the quotes of a quoted one and letters beyond ASCII included.
fn local_part_character(character: char) -> bool {
    let is_beyond_ascii = !character.is_ascii() && !character.is_whitespace() && !character.is_control();
    is_beyond_ascii || character.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-\"\\".contains(character)
}

/// Letters and digits of all scripts and printable ASCII stay; all else (marks, directions of writing, symbols) is `?`.
fn printable(character: char) -> char {
    if character.is_ascii_graphic() || character.is_alphanumeric() {
        character
    } else {
        '?'
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_in_a_servers_words_are_masked() {
        assert_eq!(
            sanitise("5.1.1 <ada.lovelace@example.com>: user unknown"),
            "5.1.1 <a***@example.com>: user unknown"
        );
        assert_eq!(
            sanitise("rcpt=ada+x@example.com,bob@example.org"),
            "r***@example.com,b***@example.org"
        );
        assert_eq!(
            sanitise("no such user äda@example.com"),
            "no such user ä***@example.com"
        );
        assert_eq!(sanitise("<anna😀müller@example.com>"), "<a***@example.com>");
    }

    #[test]
    fn words_are_one_printable_line_of_bounded_length() {
        assert_eq!(sanitise("try\r\nagain\tlater\u{7}\u{202e}x"), "try again later ?x");
        assert_eq!(sanitise(&"x".repeat(2_000)).len(), WORDS_CHARS_MAX);
        assert_eq!(sanitise(""), "");
    }

    proptest! {
        #[test]
        fn nothing_unprintable_and_no_address_survives(text in any::<String>(), local in "[a-z]{2,10}") {
            let words = sanitise(&format!("{text} {local}@example.com {text}"));
            let whole_local = format!(" {local}@");
            prop_assert!(!words.contains(&whole_local));
            prop_assert!(!words.chars().any(char::is_control));
            prop_assert!(words.chars().count() <= WORDS_CHARS_MAX);
        }
    }
}

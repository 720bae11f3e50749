//! Headers that a client adds to a mail.
//!
//! Guarantees: only names that steer nothing but how a reader's program shows and sorts the mail, so that no header can add a
//! recipient, a sender or a body; a value is one line.

use serde::{Deserialize, Serialize};

use super::breaks_a_line;

/// The most headers of one mail.
pub const CUSTOM_HEADERS_MAX: usize = 50;
/// The most bytes of a header's value.
pub const HEADER_VALUE_BYTES_MAX: usize = 2_000;
/// The most bytes of a header's name.
const NAME_BYTES_MAX: usize = 76;
/// The most bytes without a blank in a value: a line is folded at blanks alone and may have 998 bytes (RFC 5322, 2.1.1).
const WORD_BYTES_MAX: usize = 800;

/// The names that a client may give besides those that begin with `X-`.
const ALLOWED: [&str; 17] = [
    "Archived-At",
    "Comments",
    "Content-Language",
    "Expires",
    "Feedback-ID",
    "Importance",
    "In-Reply-To",
    "Keywords",
    "List-Archive",
    "List-Help",
    "List-ID",
    "List-Owner",
    "Organization",
    "Precedence",
    "Priority",
    "References",
    "Sensitivity",
];

/// What a name must not begin with: what the service itself says.
const OWN: &str = "x-legwork-";

/// What steers the mail at relays that are in wide use (whom it goes to besides, in whose name, by which template): an operator's
/// account there is not a workspace's to command.
const STEERING: [&str; 13] = [
    "x-smtpapi",
    "x-sg-",
    "x-msys-",
    "x-mc-",
    "x-mailgun-",
    "x-ses-",
    "x-pm-",
    "x-mj-",
    "x-mt-",
    "x-sib-",
    "x-mailin-",
    "x-sparkpost-",
    "x-postmark-",
];

/// A header that a client adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomHeader {
    name: String,
    value: String,
}

/// Why a name and a value are not a [`CustomHeader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustomHeaderError {
    /// A name that clients may not give.
    #[error("is not a header that can be set: those are X-… (but for X-Legwork-…) and {}", ALLOWED.join(", "))]
    Name,
    /// An empty value.
    #[error("must not be empty")]
    Empty,
    /// A value beyond [`HEADER_VALUE_BYTES_MAX`].
    #[error("must have at most {HEADER_VALUE_BYTES_MAX} bytes")]
    TooLong,
    /// So many bytes without a blank that no line can be folded.
    #[error("must have a blank at least every {WORD_BYTES_MAX} bytes")]
    LongWord,
    /// A line break or another control character.
    #[error("must not contain line breaks or other control characters")]
    ControlCharacter,
}

/// The names that a client may give besides those that begin with `X-`.
#[must_use]
pub const fn allowed_names() -> &'static [&'static str] {
    &ALLOWED
}

impl CustomHeader {
    /// A header of this name and value, which is trimmed.
    ///
    /// # Errors
    /// [`CustomHeaderError`] if one of them is not what it may be.
    pub fn new(name: &str, value: &str) -> Result<Self, CustomHeaderError> {
        if !is_allowed(name) {
            return Err(CustomHeaderError::Name);
        }
        // Before trimming, which would take a line break at either end away unseen.
        if value.chars().any(breaks_a_line) {
            return Err(CustomHeaderError::ControlCharacter);
        }
        let value = value.trim();
        if value.is_empty() {
            return Err(CustomHeaderError::Empty);
        }
        if value.len() > HEADER_VALUE_BYTES_MAX {
            return Err(CustomHeaderError::TooLong);
        }
        if value.split(' ').any(|word| word.len() > WORD_BYTES_MAX) {
            return Err(CustomHeaderError::LongWord);
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }

    /// Its name, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value: one trimmed line.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

fn is_allowed(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_own_word = lower.len() <= NAME_BYTES_MAX
        && lower.strip_prefix("x-").is_some_and(|rest| !rest.is_empty())
        && lower
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !lower.starts_with(OWN)
        && !STEERING.iter().any(|prefix| lower.starts_with(prefix));
    is_own_word || ALLOWED.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_steer_nothing_are_taken_and_all_others_refused() {
        for name in [
            "X-Campaign",
            "x-a_b",
            "References",
            "in-reply-to",
            "List-ID",
            "PRIORITY",
        ] {
            assert_eq!(CustomHeader::new(name, " a b ").unwrap().value(), "a b");
        }
        for name in [
            "",
            "X-",
            "X-SMTPAPI",
            "x-ses-source-arn",
            "X-MC-BccAddress",
            "To",
            "Bcc",
            "From",
            "Sender",
            "Reply-To",
            "Return-Path",
            "Subject",
            "Date",
            "Message-ID",
            "Content-Type",
            "Content-Transfer-Encoding",
            "MIME-Version",
            "DKIM-Signature",
            "Received",
            "Auto-Submitted",
            "X-Legwork-Job",
            "x-legwork-anything",
            "X-A:",
            "X-A B",
            "X-Ä",
            "X-A\r\nBcc",
            "List-Unsubscribe",
            "Disposition-Notification-To",
        ] {
            assert_eq!(CustomHeader::new(name, "a"), Err(CustomHeaderError::Name), "{name:?}");
        }
        let long = format!("X-{}", "a".repeat(75));
        assert_eq!(CustomHeader::new(&long, "a"), Err(CustomHeaderError::Name));
    }

    #[test]
    fn a_value_is_one_bounded_line() {
        let (long_word, long) = ("a".repeat(801), "a ".repeat(1_001));
        for (value, why) in [
            ("", CustomHeaderError::Empty),
            ("  ", CustomHeaderError::Empty),
            ("a\r\nBcc: eve@example.org", CustomHeaderError::ControlCharacter),
            ("a\n", CustomHeaderError::ControlCharacter),
            ("\ra", CustomHeaderError::ControlCharacter),
            ("a\0", CustomHeaderError::ControlCharacter),
            ("a\u{2028}b", CustomHeaderError::ControlCharacter),
            (long_word.as_str(), CustomHeaderError::LongWord),
            (long.as_str(), CustomHeaderError::TooLong),
        ] {
            assert_eq!(CustomHeader::new("X-A", value), Err(why), "{value:?}");
        }
        assert!(CustomHeader::new("X-A", &"a ".repeat(900)).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_a_token_and_one_line(name in "(X-)?\\PC{0,10}|[ -~\r\n]{0,12}", value in any::<String>()) {
            if let Ok(header) = CustomHeader::new(&name, &value) {
                prop_assert!(header.name().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
                prop_assert!(!header.value().chars().any(char::is_control));
                prop_assert!(!header.value().is_empty());
            }
        }
    }
}

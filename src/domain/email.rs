//! What a mail is addressed and headed with: an address, a person's name, a subject.
//!
//! Guarantees: a value of these types can be put into a header or an SMTP command as it is (no control character, so no
//! line break, gets in); an address never shows itself whole through `Debug` or `Display`, so that a log line cannot hold
//! one by accident.
//!
//! Accounts have addresses in ASCII ([`EmailAddress::parse`]), since letters that look alike are no proof of who somebody is;
//! mails go to international ones too ([`EmailAddress::parse_international`]).
//!
//! Left out: quoted local parts, comments and address literals. Whether a mailbox exists is for the relay to say.

mod attachment;
mod header;
mod international;
mod labels;
mod mailbox;
mod refused_files;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use attachment::{
    ATTACHMENT_NAME_CHARS_MAX, AttachmentName, AttachmentNameError, CONTENT_ID_BYTES_MAX, ContentId, ContentIdError,
    MediaType, MediaTypeError,
};
pub use header::{CUSTOM_HEADERS_MAX, CustomHeader, CustomHeaderError, HEADER_VALUE_BYTES_MAX, allowed_names};
pub use labels::{
    LABEL_CHARS_MAX, LabelError, METADATA_FIELDS_MAX, METADATA_VALUE_CHARS_MAX, TAGS_MAX, metadata_value, tag,
};
pub use mailbox::{Mailbox, MailboxError};
pub use refused_files::refused_type;

/// The most bytes of a whole address: RFC 5321 §4.5.3.1.3 allows a path of 256 with its angle brackets.
pub const ADDRESS_BYTES_MAX: usize = 254;
/// The most bytes before the `@`: RFC 5321 §4.5.3.1.1.
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// The most characters of a person's name: our choice, long enough for the longest legal names, short enough for a header.
pub const DISPLAY_NAME_CHARS_MAX: usize = 100;
/// The most characters of a subject: our choice; no client shows more, and mail stores commonly keep 255.
pub const SUBJECT_CHARS_MAX: usize = 255;

/// A mail address such as `ada@example.com`, kept as it was written.
///
/// Equality is that of the text; look accounts up by [`EmailAddress::canonical`]. `Debug` and `Display` print the masked
/// form; whoever really needs the address asks for [`EmailAddress::as_str`]. Serialized, it is whole.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress {
    text: String,
    /// Where the `@` stands in `text`.
    at: usize,
}

/// Why a text is not an [`EmailAddress`]; never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not of the form local part, `@`, domain, or a character is not allowed there.
    #[error("not a mail address such as name@example.com")]
    Malformed,
    /// Letters beyond ASCII, where the address is an account's.
    #[error("a mail address with characters beyond ASCII is not supported")]
    NotAscii,
    /// A domain beyond ASCII that is no international domain name.
    #[error("the domain of the mail address is no international domain name")]
    NotADomain,
    /// More than [`ADDRESS_BYTES_MAX`] bytes.
    #[error("a mail address has at most {ADDRESS_BYTES_MAX} characters")]
    TooLong,
    /// More than [`LOCAL_PART_BYTES_MAX`] bytes before the `@`.
    #[error("a mail address has at most {LOCAL_PART_BYTES_MAX} characters before the @")]
    LocalPartTooLong,
    /// A quoted local part or a comment.
    #[error("quotes and comments in a mail address are not supported")]
    QuotedOrCommented,
    /// An IP address in place of a domain.
    #[error("a mail address needs a domain, not an IP address")]
    IpLiteral,
    /// A domain without a dot that is not `localhost`.
    #[error("the domain of a mail address needs a dot")]
    DomainWithoutDot,
}

impl EmailAddress {
    /// Reads an address in ASCII.
    ///
    /// # Errors
    /// [`AddressError`] if it is malformed, beyond the limits, or of a form that is not supported.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if !text.is_ascii() {
            return Err(AddressError::NotAscii);
        }
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        if text.bytes().any(|byte| matches!(byte, b'"' | b'(' | b')')) {
            return Err(AddressError::QuotedOrCommented);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AddressError::Malformed);
        }
        let (local, domain) = text.split_once('@').ok_or(AddressError::Malformed)?;
        if local.len() > LOCAL_PART_BYTES_MAX {
            return Err(AddressError::LocalPartTooLong);
        }
        check_domain(domain)?;
        let options = email_address::Options {
            minimum_sub_domains: 0,
            allow_domain_literal: false,
            allow_display_text: false,
        };
        match email_address::EmailAddress::parse_with_options(text, options) {
            Ok(_) => Ok(Self {
                text: text.to_owned(),
                at: local.len(),
            }),
            Err(_) => Err(AddressError::Malformed),
        }
    }

    /// The whole address, as it was written. Not for logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.text.get(self.at.saturating_add(1)..).unwrap_or_default()
    }

    /// The form for logs: `a***@example.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let first: String = self.text.chars().take(1).collect();
        format!("{first}***@{}", self.domain())
    }

    /// Whether it is all ASCII: another one can be given only to a server that offers SMTPUTF8 (RFC 6531).
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// The form under which accounts are looked up: all in lower case.
    ///
    /// RFC 5321 §2.4 leaves the case of the local part to the receiving host; none in use tells two mailboxes apart by it,
    /// and people do not write it the same way twice.
    #[must_use]
    pub fn canonical(&self) -> String {
        // Letter by letter, so that what stands around one does not matter.
        self.text.chars().flat_map(char::to_lowercase).collect()
    }
}

/// A domain: labels of letters, digits and inner hyphens, with a dot unless it is `localhost`.
fn check_domain(domain: &str) -> Result<(), AddressError> {
    if domain.starts_with('[') || domain.parse::<IpAddr>().is_ok() {
        return Err(AddressError::IpLiteral);
    }
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !domain.split('.').all(label_ok) {
        return Err(AddressError::Malformed);
    }
    if !domain.contains('.') && !domain.eq_ignore_ascii_case("localhost") {
        return Err(AddressError::DomainWithoutDot);
    }
    Ok(())
}

impl fmt::Display for EmailAddress {
    /// The masked form: see [`EmailAddress::masked`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        // What is stored may be whom a mail goes to.
        Self::parse_international(&text).map_err(de::Error::custom)
    }
}

/// Why a text is not a [`DisplayName`] or a [`Subject`]; never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderTextError {
    /// Nothing is left after trimming.
    #[error("must not be empty")]
    Empty,
    /// More characters than allowed.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// A control character (a line break is one) or a character that turns the direction of writing.
    #[error("must not contain line breaks or other control characters")]
    ControlCharacter,
}

/// A person's name, for headers and templates: trimmed, 1 to [`DISPLAY_NAME_CHARS_MAX`] characters, one line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct DisplayName(String);

/// The subject of a mail: trimmed, 1 to [`SUBJECT_CHARS_MAX`] characters, one line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Subject(String);

macro_rules! header_text {
    ($name:ident, $chars_max:ident) => {
        impl $name {
            /// Reads and trims the text.
            ///
            /// # Errors
            /// [`HeaderTextError`] if it is empty, too long, or holds a control character.
            pub fn parse(text: &str) -> Result<Self, HeaderTextError> {
                one_line(text, $chars_max).map(Self)
            }

            /// The text, trimmed.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    };
}

header_text!(DisplayName, DISPLAY_NAME_CHARS_MAX);
header_text!(Subject, SUBJECT_CHARS_MAX);

fn one_line(text: &str, chars_max: usize) -> Result<String, HeaderTextError> {
    // Before trimming, which would take a line break at either end away unseen.
    if text.chars().any(breaks_a_line) {
        return Err(HeaderTextError::ControlCharacter);
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(HeaderTextError::Empty);
    }
    if text.chars().count() > chars_max {
        return Err(HeaderTextError::TooLong(chars_max));
    }
    Ok(text.to_owned())
}

/// Whether a character has no place in one line of text: control characters, the line and paragraph separators, those that
/// turn the direction of writing (they make a text show as another one), and the byte order mark, which shows as nothing.
#[must_use]
pub fn breaks_a_line(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_addresses_are_read_and_kept_as_written() {
        for text in [
            "ada@example.com",
            "Ada.Lovelace+tag@Mail.Example.COM",
            "a@b.co",
            "root@localhost",
            "o'brien@example.org",
            "x_y-z=1@xn--bcher-kva.example",
        ] {
            let address = EmailAddress::parse(text).unwrap();
            assert_eq!(address.as_str(), text);
            assert_eq!(address.domain(), text.split_once('@').unwrap().1);
            assert_eq!(address.canonical(), text.to_lowercase());
        }
    }

    #[test]
    fn each_unsupported_form_is_refused_with_its_reason() {
        let local_too_long = format!("{}@example.com", "a".repeat(65));
        let too_long = format!("a@{}com", "example.".repeat(32));
        for (text, why) in [
            ("", AddressError::Malformed),
            ("ada", AddressError::Malformed),
            ("@example.com", AddressError::Malformed),
            ("ada@", AddressError::Malformed),
            ("ada@@example.com", AddressError::Malformed),
            ("ada@b@example.com", AddressError::Malformed),
            (".ada@example.com", AddressError::Malformed),
            ("ada..b@example.com", AddressError::Malformed),
            ("ada@-example.com", AddressError::Malformed),
            ("ada@example..com", AddressError::Malformed),
            ("ada@example.com.", AddressError::Malformed),
            ("ada @example.com", AddressError::Malformed),
            (" ada@example.com", AddressError::Malformed),
            ("ada@example.com\r\nBcc: eve@example.com", AddressError::Malformed),
            ("ada@exam\0ple.com", AddressError::Malformed),
            ("Ada <ada@example.com>", AddressError::Malformed),
            ("<ada@example.com>", AddressError::Malformed),
            ("ada@example.com,eve@example.com", AddressError::Malformed),
            ("\"ada lovelace\"@example.com", AddressError::QuotedOrCommented),
            ("ada(comment)@example.com", AddressError::QuotedOrCommented),
            ("ada@[127.0.0.1]", AddressError::IpLiteral),
            ("ada@127.0.0.1", AddressError::IpLiteral),
            ("ada@intranet", AddressError::DomainWithoutDot),
            ("ädä@example.com", AddressError::NotAscii),
            ("ada@exämple.com", AddressError::NotAscii),
            (local_too_long.as_str(), AddressError::LocalPartTooLong),
            (too_long.as_str(), AddressError::TooLong),
        ] {
            assert_eq!(EmailAddress::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn an_address_shows_itself_masked_and_serializes_whole() {
        let address = EmailAddress::parse("ada@example.com").unwrap();
        assert_eq!(address.to_string(), "a***@example.com");
        assert_eq!(format!("{address:?}"), "a***@example.com");
        assert_eq!(serde_json::to_string(&address).unwrap(), "\"ada@example.com\"");
        assert_eq!(
            serde_json::from_str::<EmailAddress>("\"ada@example.com\"").unwrap(),
            address
        );
        let error = serde_json::from_str::<EmailAddress>("\"secret@intranet\"")
            .unwrap_err()
            .to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_name_is_trimmed_and_a_line_break_in_it_refused() {
        assert_eq!(DisplayName::parse("  Ada Lovelace ").unwrap().as_str(), "Ada Lovelace");
        assert_eq!(DisplayName::parse(" \u{a0} "), Err(HeaderTextError::Empty));
        assert_eq!(
            DisplayName::parse("Ada\r\nBcc: eve@example.com"),
            Err(HeaderTextError::ControlCharacter)
        );
        assert_eq!(DisplayName::parse("Ada\n"), Err(HeaderTextError::ControlCharacter));
        assert_eq!(
            DisplayName::parse("Ada\u{202e}"),
            Err(HeaderTextError::ControlCharacter)
        );
        assert!(DisplayName::parse(&"ä".repeat(100)).is_ok());
        assert_eq!(DisplayName::parse(&"ä".repeat(101)), Err(HeaderTextError::TooLong(100)));
    }

    #[test]
    fn a_subject_has_one_line_of_at_most_255_characters() {
        assert_eq!(Subject::parse(" Grüße ").unwrap().as_str(), "Grüße");
        assert!(Subject::parse(&"ß".repeat(255)).is_ok());
        assert_eq!(Subject::parse(&"ß".repeat(256)), Err(HeaderTextError::TooLong(255)));
        assert_eq!(Subject::parse("a\u{85}b"), Err(HeaderTextError::ControlCharacter));
        assert!(serde_json::from_str::<Subject>("\"a\\nb\"").is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_safe_in_a_command_and_masks_its_local_part(text in "\\PC{0,12}@?\\PC{0,12}|[ -~\r\n]{0,40}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                prop_assert!(address.as_str().bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"')));
                prop_assert_eq!(EmailAddress::parse(address.as_str()).unwrap(), address);
            }
        }

        #[test]
        fn plain_addresses_are_accepted_and_their_canonical_form_is_a_fixed_point(
            local in "[A-Za-z0-9_+-]{2,64}",
            labels in proptest::collection::vec("[A-Za-z][A-Za-z0-9]{0,9}", 2..5),
        ) {
            let text = format!("{local}@{}", labels.join("."));
            let address = EmailAddress::parse(&text).unwrap();
            let whole_local = format!("{local}@");
            prop_assert!(!address.masked().contains(&whole_local));
            let canonical = EmailAddress::parse(&address.canonical()).unwrap();
            prop_assert_eq!(canonical.canonical(), canonical.as_str());
        }

        #[test]
        fn no_text_is_a_fault_and_what_is_accepted_has_one_canonical_form(
            text in any::<String>(),
            nearly in "[a-zA-Z0-9.+_'\"()<>,;:%\\[\\] \u{0}-\u{1f}\u{e9}\u{ff20}\u{212a}-]{0,20}@[a-zA-Z0-9.@\\[\\]:\u{ff0e}-]{0,20}",
        ) {
            for text in [text, nearly] {
                let Ok(address) = EmailAddress::parse(&text) else { continue };
                prop_assert_eq!(address.as_str(), &text);
                let canonical = EmailAddress::parse(&address.canonical()).unwrap();
                prop_assert_eq!(canonical.canonical(), address.canonical());
                // Two addresses are one if they differ in the case of ASCII letters, and in nothing else.
                prop_assert!(text.eq_ignore_ascii_case(&address.canonical()));
                prop_assert_eq!(EmailAddress::parse(&text.to_ascii_uppercase()).unwrap().canonical(), address.canonical());
            }
        }

        #[test]
        fn an_accepted_name_or_subject_is_one_trimmed_line(text in any::<String>()) {
            if let Ok(name) = DisplayName::parse(&text) {
                prop_assert_eq!(name.as_str(), name.as_str().trim());
                prop_assert!(!name.as_str().chars().any(char::is_control));
            }
            if let Ok(subject) = Subject::parse(&text) {
                prop_assert!(!subject.as_str().chars().any(char::is_control));
                prop_assert_eq!(Subject::parse(subject.as_str()).unwrap(), subject);
            }
        }
    }
}

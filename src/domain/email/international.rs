//! Addresses beyond ASCII: any letters before the `@` (RFC 6531), and international domain names behind it.
//!
//! Guarantees: the domain is kept in ASCII, as A-labels that passed the checks of UTS 46, so that it can be looked up and
//! compared as any other; the local part is in the normal form NFC (RFC 6532, 3.1), without what shows as nothing, breaks a
//! line or turns the direction of writing.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization as _;

use super::{ADDRESS_BYTES_MAX, AddressError, EmailAddress, LOCAL_PART_BYTES_MAX, breaks_a_line, check_domain};

impl EmailAddress {
    /// Reads an address that may be beyond ASCII: for whom mails go to, and never for an account.
    ///
    /// # Errors
    /// [`AddressError`] if it is malformed, beyond the limits, or of a form that is not supported.
    pub fn parse_international(text: &str) -> Result<Self, AddressError> {
        if text.is_ascii() {
            return Self::parse(text);
        }
        // Its normal form is not longer than three times its bytes; whoever is far beyond the limit need not be normalised.
        if text.len() > 4 * ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        let text: String = text.nfc().collect();
        if text.contains(['"', '(', ')']) {
            return Err(AddressError::QuotedOrCommented);
        }
        let (local, domain) = text.split_once('@').ok_or(AddressError::Malformed)?;
        if local.len() > LOCAL_PART_BYTES_MAX {
            return Err(AddressError::LocalPartTooLong);
        }
        if !local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(is_of_an_atom))
        {
            return Err(AddressError::Malformed);
        }
        let domain = in_ascii(domain)?;
        check_domain(&domain)?;
        let text = format!("{local}@{domain}");
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        Ok(Self { at: local.len(), text })
    }
}

/// The domain as A-labels.
fn in_ascii(domain: &str) -> Result<String, AddressError> {
    if domain.is_ascii() {
        return Ok(domain.to_owned());
    }
    let ascii = Uts46::new().to_ascii(
        domain.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
        DnsLength::Verify,
    );
    ascii
        .map(std::borrow::Cow::into_owned)
        .map_err(|_not_one| AddressError::NotADomain)
}

/// Whether a character may stand in a local part: those of an atom (RFC 5322, 3.2.3), and beyond ASCII what shows as something.
fn is_of_an_atom(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character);
    }
    !breaks_a_line(character) && !character.is_whitespace() && !shows_as_nothing(character)
}

/// Characters that programs pass over, fill with nothing, or give a meaning of their own.
fn shows_as_nothing(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{ffff}'
            | '\u{1fffe}'..='\u{1ffff}'
            | '\u{e0000}'..='\u{10ffff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_international_address_keeps_its_letters_and_has_its_domain_in_ascii() {
        for (given, kept) in [
            ("jürgen@example.com", "jürgen@example.com"),
            ("user@bücher.example", "user@xn--bcher-kva.example"),
            ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
            ("δοκιμή@παράδειγμα.δοκιμή", "δοκιμή@xn--hxajbheg2az3al.xn--jxalpdlp"),
            // Composed, whichever way it was typed, and full-width letters as the plain ones.
            ("ju\u{308}rgen@example.com", "jürgen@example.com"),
            ("user@ｅｘａｍｐｌｅ。com", "user@example.com"),
            ("ada@example.com", "ada@example.com"),
        ] {
            let address = EmailAddress::parse_international(given).unwrap();
            assert_eq!(address.as_str(), kept);
            assert_eq!(address.is_ascii(), kept.is_ascii());
            assert!(address.domain().is_ascii());
            assert!(!address.masked().contains("rgen"));
        }
        let address = EmailAddress::parse_international("JÜRGEN@Example.com").unwrap();
        assert_eq!(address.canonical(), "jürgen@example.com");
        assert_eq!(address.to_string(), "J***@Example.com");
    }

    #[test]
    fn what_could_deceive_or_break_a_line_is_refused() {
        let long = format!("{}@example.com", "ä".repeat(33));
        for (text, why) in [
            ("jü\r\nrgen@example.com", AddressError::Malformed),
            ("jü\u{85}rgen@example.com", AddressError::Malformed),
            ("jü\u{2028}rgen@example.com", AddressError::Malformed),
            ("jü\u{202e}rgen@example.com", AddressError::Malformed),
            ("jü\u{200b}rgen@example.com", AddressError::Malformed),
            ("jü\u{a0}rgen@example.com", AddressError::Malformed),
            ("jü rgen@example.com", AddressError::Malformed),
            ("jü<rgen@example.com", AddressError::Malformed),
            ("jü..rgen@example.com", AddressError::Malformed),
            ("\"jü\"@example.com", AddressError::QuotedOrCommented),
            ("jürgen", AddressError::Malformed),
            ("jü@rgen@example.com", AddressError::Malformed),
            ("ada@bü\u{200b}\u{202e}cher.example", AddressError::NotADomain),
            ("ada@-bücher.example", AddressError::NotADomain),
            ("ada@bü_cher.example", AddressError::NotADomain),
            ("ada@bü cher.example", AddressError::NotADomain),
            ("ada@bücher", AddressError::DomainWithoutDot),
            ("ada@１２７.0.0.1", AddressError::IpLiteral),
            (long.as_str(), AddressError::LocalPartTooLong),
        ] {
            assert_eq!(EmailAddress::parse_international(text), Err(why), "{text:?}");
        }
        assert_eq!(EmailAddress::parse("jürgen@example.com"), Err(AddressError::NotAscii));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_safe_in_a_command_and_reads_back_as_itself(
            text in "(\\PC|[\r\n\0]){0,20}@?(\\PC){0,20}",
            nearly in "[a-zäöüßα-ω界]{1,10}@[a-zäöüßα-ω界]{1,10}\\.(com|рф|例)",
        ) {
            for text in [text, nearly] {
                let Ok(address) = EmailAddress::parse_international(&text) else { continue };
                prop_assert!(!address.as_str().chars().any(|one| one.is_control() || one.is_whitespace() || matches!(one, '<' | '>' | '"')));
                prop_assert!(address.domain().is_ascii());
                prop_assert_eq!(EmailAddress::parse_international(address.as_str()).unwrap(), address.clone());
                let stored = serde_json::to_string(&address).unwrap();
                prop_assert_eq!(serde_json::from_str::<EmailAddress>(&stored).unwrap(), address);
            }
        }
    }
}

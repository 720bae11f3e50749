//! Passwords: which ones are taken, and the slow hash in which they are stored.
//!
//! Guarantees: a password is never shown by `Debug` and is wiped from memory after use; it is stored as argon2id in PHC
//! form with a salt of its own; checking a password costs the same time whether or not the account exists.
//!
//! A password is taken in Unicode's composed form (NFC), so that it is the same whether a keyboard sends é as one character
//! or as two (NIST SP 800-63B-4, 3.1.1.2). One that was stored before that is found as it was typed.
//!
//! Left out: rules on kinds of characters, which make passwords worse (NIST SP 800-63B-4, 3.1.1.2). Hashing and estimating
//! take tens of milliseconds and block: run them on the hashing pool, never on a reactor thread.

mod hash;
mod most_used;
mod strength;

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

pub use hash::{PasswordCost, PasswordHash, PasswordHashError, PasswordHasher, SALT_BYTES};

/// The fewest characters of a password (NIST SP 800-63B-4 asks for 8 where a password is not the only factor; together
/// with the list of common ones it is what people accept).
pub const CHARS_MIN: usize = 8;

/// The most characters of a password; above the 64 that NIST asks to allow, and small enough to hash at no extra cost.
pub const CHARS_MAX: usize = 256;

/// A password that may be set, as far as that is seen at once: 8 to 256 characters (Unicode scalar values, composed), none of
/// the most common ones. Whether it is easy to guess is asked apart, since that takes time: [`Password::check_strength`].
#[derive(Clone)]
pub struct Password(SecretString);

/// Why a password may not be set. For the person who chose it; never holds the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than 8 characters.
    #[error("must have at least {CHARS_MIN} characters")]
    TooShort,
    /// More than 256 characters.
    #[error("must have at most {CHARS_MAX} characters")]
    TooLong,
    /// One of those that are tried first.
    #[error("is one of the most used passwords; choose another one")]
    TooCommon,
    /// The account's own address.
    #[error("must not be your e-mail address")]
    IsAddress,
    /// Guessed too soon, for this reason.
    #[error("{0}")]
    TooEasy(String),
}

impl Password {
    /// The password `text`, if it may be set.
    ///
    /// # Errors
    ///
    /// If it is too short, too long or too common (in any letter case).
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        let composed: String = text.nfc().take(CHARS_MAX + 1).collect();
        match composed.chars().count() {
            ..CHARS_MIN => Err(PasswordError::TooShort),
            CHARS_MIN..=CHARS_MAX if most_used::contains(&composed) => Err(PasswordError::TooCommon),
            CHARS_MIN..=CHARS_MAX => Ok(Self(composed.into())),
            _ => Err(PasswordError::TooLong),
        }
    }

    /// The same as [`Self::parse`], for the account of `address` (as the person wrote it; it need not be a valid one).
    ///
    /// # Errors
    ///
    /// As [`Self::parse`], and if the password is the address, in any letter case.
    pub fn parse_for(text: &str, address: &str) -> Result<Self, PasswordError> {
        let password = Self::parse(text)?;
        let same = text.trim().to_lowercase() == address.trim().to_lowercase();
        if same {
            Err(PasswordError::IsAddress)
        } else {
            Ok(password)
        }
    }

    /// Whether it is hard to guess for somebody who knows the texts in `about`: the person's address and name.
    ///
    /// It takes some milliseconds, and some hundred in the worst case.
    ///
    /// # Errors
    ///
    /// [`PasswordError::TooEasy`] if it is not.
    pub fn check_strength(&self, about: &[&str]) -> Result<(), PasswordError> {
        match strength::weakness(self.0.expose_secret(), about) {
            None => Ok(()),
            Some(told) => Err(PasswordError::TooEasy(told)),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn length_is_counted_in_characters_not_bytes() {
        let error = |text: &str| Password::parse(text).err();
        assert_eq!(
            error("éàüöñçß"),
            Some(PasswordError::TooShort),
            "7 characters, 14 bytes"
        );
        assert_eq!(error("éàüöñçßø"), None);
        assert_eq!(error(&"é".repeat(256)), None);
        assert_eq!(error(&"é".repeat(257)), Some(PasswordError::TooLong));
    }

    #[test]
    fn a_common_password_is_refused_in_any_letter_case() {
        for text in ["password", "PassWord1", "12345678", "qwertyuiop"] {
            assert_eq!(Password::parse(text).err(), Some(PasswordError::TooCommon), "{text}");
        }
    }

    #[test]
    fn the_address_itself_is_refused_as_a_password() {
        let error = |text, address| Password::parse_for(text, address).err();
        assert_eq!(
            error("Ann@Example.org", " ann@example.ORG"),
            Some(PasswordError::IsAddress)
        );
        assert_eq!(error("ann@example.org!", "ann@example.org"), None);
    }

    #[test]
    fn a_password_is_the_same_however_its_characters_are_composed() {
        let (composed, decomposed) = ("caf\u{e9} au lait", "cafe\u{301} au lait");
        let bytes = |text| Password::parse(text).unwrap().as_bytes().to_vec();
        assert_eq!(bytes(composed), bytes(decomposed));
        assert_eq!(
            Password::parse("e\u{301}e\u{301}e\u{301}e\u{301}").err(),
            Some(PasswordError::TooShort),
            "four characters"
        );
    }

    proptest! {
        #[test]
        fn what_is_taken_has_the_length_it_must_have_and_is_composed(text in "\\PC{0,300}") {
            let composed: String = text.nfc().collect();
            match Password::parse(&text) {
                Ok(password) => {
                    prop_assert_eq!(password.as_bytes(), composed.as_bytes());
                    prop_assert!((CHARS_MIN..=CHARS_MAX).contains(&composed.chars().count()));
                }
                Err(PasswordError::TooShort) => prop_assert!(composed.chars().count() < CHARS_MIN),
                Err(PasswordError::TooLong) => prop_assert!(composed.chars().count() > CHARS_MAX),
                Err(_) => {}
            }
        }
    }

    #[test]
    fn a_password_is_not_shown_by_debug() {
        let password = Password::parse("correct horse").unwrap();
        assert_eq!(format!("{password:?}"), "Password(redacted)");
    }
}

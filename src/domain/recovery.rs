//! Recovery codes: what lets somebody in who has lost their second factor, each once.
//!
//! Guarantees: a code holds 100 random bits, so that guessing one is hopeless and its stored form needs no salt and no slow
//! hash; it is written for people: in four groups, of letters and digits that are not mistaken for one another (Crockford's
//! base32), and read back whatever the case, the blanks and the dashes.

use std::fmt;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

use super::token::{EntropyError, TokenHash, random_bytes};

/// Codes that are made at once.
pub const RECOVERY_CODES: usize = 10;

/// Characters in a code, of five bits each.
const CHARS: usize = 20;
/// Characters in a group.
const GROUP: usize = 5;
/// The characters, by their value.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// The longest text that is looked at: a code with a blank or a dash around each character.
const TEXT_MAX: usize = 64;

/// A recovery code: its characters, without the dashes.
pub struct RecoveryCode(SecretString);

impl RecoveryCode {
    /// A new code.
    ///
    /// # Errors
    /// If the system's random source fails.
    pub fn generate() -> Result<Self, EntropyError> {
        let bytes = Zeroizing::new(random_bytes::<CHARS>()?);
        // 256 is a multiple of 32, so that each character is as likely.
        let of = |byte: &u8| ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'0');
        let text: Zeroizing<String> = Zeroizing::new(bytes.iter().map(of).map(char::from).collect());
        Ok(Self(text.as_str().into()))
    }

    /// The code that is written in `text`, if one is.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let mut code = Zeroizing::new(String::with_capacity(CHARS));
        for character in text.chars().filter(|character| !matches!(character, '-' | ' ')) {
            let read = match character.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            };
            let is_known = u8::try_from(read).is_ok_and(|byte| ALPHABET.contains(&byte));
            if !is_known || code.len() == CHARS {
                return None;
            }
            code.push(read);
        }
        (code.len() == CHARS).then(|| Self(code.as_str().into()))
    }

    /// The form in which it is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.expose_secret())
    }

    /// The code as it is shown, in groups: `abcde-fghjk-mnpqr-stvwx`.
    #[must_use]
    pub fn shown(&self) -> SecretString {
        let mut text = Zeroizing::new(String::with_capacity(CHARS + CHARS / GROUP));
        for (index, character) in self.0.expose_secret().chars().enumerate() {
            if index > 0 && index % GROUP == 0 {
                text.push('-');
            }
            text.push(character);
        }
        text.as_str().into()
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_code_is_read_back_whatever_its_case_dashes_and_look_alikes() {
        let code = RecoveryCode::generate().unwrap();
        let shown = code.shown();
        let shown = shown.expose_secret();
        assert_eq!((shown.len(), shown.matches('-').count()), (23, 3));
        for written in [
            shown.to_owned(),
            shown.to_uppercase(),
            shown.replace('-', ""),
            shown.replace('-', " "),
            shown.replace('0', "O").replace('1', "l"),
        ] {
            assert_eq!(RecoveryCode::parse(&written).unwrap().hash(), code.hash(), "{written}");
        }
        assert_ne!(RecoveryCode::generate().unwrap().hash(), code.hash());
        assert_eq!(format!("{code:?}"), "RecoveryCode(redacted)");
    }

    #[test]
    fn a_text_of_another_length_or_alphabet_is_no_code() {
        let good = "abcde-fghjk-mnpqr-stvwx";
        assert!(RecoveryCode::parse(good).is_some());
        for bad in [
            "",
            "123456",
            &good[1..],
            &format!("{good}z"),
            &good.replace('a', "u"),
            &good.replace('a', "ä"),
            &"-".repeat(65),
        ] {
            assert!(RecoveryCode::parse(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_in_one_way(text in "\\PC{0,30}|[0-9A-Za-z -]{18,26}") {
            if let Some(code) = RecoveryCode::parse(&text) {
                let shown = code.shown();
                let again = RecoveryCode::parse(shown.expose_secret()).unwrap();
                prop_assert_eq!(again.hash(), code.hash());
                prop_assert!(shown.expose_secret().len() == 23);
            }
        }
    }
}

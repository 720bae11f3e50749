//! The first characters of an API key: what it is known by, in lists, logs and leaks.
//!
//! Guarantees: they say nothing of the rest, which holds over 200 random bits; whoever asks for a key by them is refused as soon
//! as they send more of it, so that no secret comes to lie where requests are written down.

use std::fmt;
use std::str::FromStr;

use super::token::{Token, TokenKind};

/// The first characters of an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// How many they are: `lwk_` and eight more, which no two of a million keys have in common but by a chance of one in 560.
    pub const CHARS: usize = 12;

    /// Those of `key`.
    #[must_use]
    pub fn of(key: &Token) -> Self {
        Self(key.expose().chars().take(Self::CHARS).collect())
    }

    /// As they are stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the prefix of a key begins, or all of it: what keys are looked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixStart(String);

/// Why a text is no [`PrefixStart`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixStartError {
    /// It may hold the secret of a key.
    #[error(
        "must have at most {} characters: what follows them is the secret of a key, which is to be sent nowhere but in the header Authorization",
        KeyPrefix::CHARS
    )]
    TooLong,
    /// No key begins so.
    #[error("must begin as API keys do, with the same four characters and up to eight letters, digits, - or _")]
    NoKey,
}

impl PrefixStart {
    /// As it is compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A text that is behind every prefix that begins so, and before every other that is behind those.
    #[must_use]
    pub fn end(&self) -> String {
        // Behind all characters of a key.
        format!("{}~", self.0)
    }

    /// Whether it is a whole prefix.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.len() == KeyPrefix::CHARS
    }
}

impl FromStr for PrefixStart {
    type Err = PrefixStartError;

    fn from_str(text: &str) -> Result<Self, PrefixStartError> {
        if text.chars().count() > KeyPrefix::CHARS {
            return Err(PrefixStartError::TooLong);
        }
        let is_of_a_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let rest = text.strip_prefix(TokenKind::ApiKey.prefix());
        if rest.is_some_and(|rest| rest.bytes().all(is_of_a_key)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PrefixStartError::NoKey)
        }
    }
}

impl fmt::Display for PrefixStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_whole_key_and_what_begins_no_key_are_refused() {
        let key = Token::generate(TokenKind::ApiKey).unwrap();
        let start = |text: &str| text.parse::<PrefixStart>();
        assert_eq!(start(key.expose()), Err(PrefixStartError::TooLong));
        assert_eq!(start("lwk_0a1b2c3d4"), Err(PrefixStartError::TooLong));
        for text in ["", "lwk", "lws_0a1b", "LWK_0a1b", "lwk_a b", "lwk_a~", "lwk_é", "lwk_%"] {
            assert_eq!(start(text), Err(PrefixStartError::NoKey), "{text}");
        }
        assert!(!start("lwk_").unwrap().is_whole() && start("lwk_0a1b2c3d").unwrap().is_whole());
    }

    proptest! {
        #[test]
        fn a_key_is_found_by_each_start_of_its_prefix_and_by_no_other_text(other in "lwk_[A-Za-z0-9_-]{0,8}", chars in 4..=KeyPrefix::CHARS) {
            let prefix = KeyPrefix::of(&Token::generate(TokenKind::ApiKey).unwrap());
            let finds = |start: &PrefixStart| {
                start.as_str() <= prefix.as_str() && prefix.as_str() < start.end().as_str()
            };
            prop_assert!(finds(&prefix.as_str()[..chars].parse().unwrap()));
            prop_assert_eq!(finds(&other.parse().unwrap()), prefix.as_str().starts_with(&other));
        }

        #[test]
        fn whatever_is_asked_for_is_taken_as_it_is_or_refused(text in ".{0,20}|lwk_.{0,12}") {
            if let Ok(start) = text.parse::<PrefixStart>() {
                prop_assert!(start.to_string() == text && text.starts_with("lwk_") && text.len() <= KeyPrefix::CHARS);
            }
        }
    }
}

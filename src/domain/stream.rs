//! The stream that a mail belongs to: what sort of mail it is for who gets it.
//!
//! Guarantees: a stream's name can be put into a header, a file name and a log as it is. Who wants no mails of one stream still
//! gets those of the others, so that somebody who is tired of news can still reset a password.
//!
//! Left out: a list of streams; one exists as soon as a mail or a suppression names it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The most characters of a stream's name: our choice, enough for a product and a purpose.
pub const STREAM_CHARS_MAX: usize = 50;

/// The name of a stream: 1 to [`STREAM_CHARS_MAX`] lower-case letters, digits, `-` and `_`, starting with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream(String);

/// Why a text is not a [`Stream`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {STREAM_CHARS_MAX} lower-case letters, digits, - and _, starting with a letter")]
pub struct StreamError;

impl Stream {
    /// The stream of mails that name none.
    pub const DEFAULT: &'static str = "transactional";

    /// Reads a name.
    ///
    /// # Errors
    /// [`StreamError`] if it is not of its documented form.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        let is_name = text.len() <= STREAM_CHARS_MAX
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
        is_name.then(|| Self(text.to_owned())).ok_or(StreamError)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Stream {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Stream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_by_lower_case_letters_digits_hyphens_and_underscores() {
        for name in ["transactional", "n", "news-2", "a_b"] {
            assert_eq!(Stream::parse(name).unwrap().as_str(), name);
        }
        let long = "a".repeat(STREAM_CHARS_MAX + 1);
        for name in ["", "News", "2news", "-a", "a b", "a\r\n", "ä", long.as_str()] {
            assert_eq!(Stream::parse(name), Err(StreamError), "{name:?}");
        }
        assert_eq!(Stream::parse(Stream::DEFAULT), Ok(Stream::default()));
    }
}

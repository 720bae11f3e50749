//! What a file in a mail is called and is: its name, its media type, the id by which a text shows it.
//!
//! Guarantees: a name is one path-free line; a type is a plain `type/subtype` that can be encoded as base64 (not `multipart/…`
//! or `message/…`, which must not be).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::breaks_a_line;

/// The most characters of a file's name.
pub const ATTACHMENT_NAME_CHARS_MAX: usize = 200;
/// The most bytes of a content id.
pub const CONTENT_ID_BYTES_MAX: usize = 100;
/// The most bytes of a media type: RFC 6838, 4.2, allows two names of 127.
const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// What a file is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AttachmentName(String);

/// Why a text is not an [`AttachmentName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be the name of a file: 1 to {ATTACHMENT_NAME_CHARS_MAX} characters in one line, without / and \\ and not beginning with a dot"
)]
pub struct AttachmentNameError;

impl AttachmentName {
    /// Reads a name, which is trimmed of blanks.
    ///
    /// # Errors
    /// [`AttachmentNameError`] if it is a path, hidden, too long or not one line.
    pub fn parse(text: &str) -> Result<Self, AttachmentNameError> {
        if text.chars().any(|one| breaks_a_line(one) || matches!(one, '/' | '\\')) {
            return Err(AttachmentNameError);
        }
        let text = text.trim();
        if text.is_empty()
            || text.starts_with('.')
            || text.contains("=?")
            || text.chars().count() > ATTACHMENT_NAME_CHARS_MAX
        {
            return Err(AttachmentNameError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A media type without parameters, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MediaType(String);

/// Why a text is not a [`MediaType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeError {
    /// Not of the form `type/subtype`.
    #[error("must be a media type without parameters, such as application/pdf")]
    Malformed,
    /// One of several parts, or a message.
    #[error("must not be multipart/… or message/…")]
    Composite,
}

impl MediaType {
    /// Reads a type; parameters are cut off.
    ///
    /// # Errors
    /// [`MediaTypeError`] if it is not one.
    pub fn parse(text: &str) -> Result<Self, MediaTypeError> {
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_name = |name: &str| {
            name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
        };
        let names = essence.split_once('/').ok_or(MediaTypeError::Malformed)?;
        if essence.len() > MEDIA_TYPE_BYTES_MAX || !is_name(names.0) || !is_name(names.1) {
            return Err(MediaTypeError::Malformed);
        }
        if matches!(names.0, "multipart" | "message") {
            return Err(MediaTypeError::Composite);
        }
        Ok(Self(essence))
    }

    /// `type/subtype`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for MediaType {
    /// Bytes of whatever sort.
    fn default() -> Self {
        Self("application/octet-stream".to_owned())
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id by which the HTML of a mail shows a file in it: `<img src="cid:logo">`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ContentId(String);

/// Why a text is not a [`ContentId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {CONTENT_ID_BYTES_MAX} letters, digits and ._+- of ASCII, with one @ between them or none")]
pub struct ContentIdError;

impl ContentId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`ContentIdError`] if it is not one.
    pub fn parse(text: &str) -> Result<Self, ContentIdError> {
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
        };
        let is_good = match text.split_once('@') {
            Some((left, right)) => is_word(left) && is_word(right),
            None => is_word(text),
        };
        if is_good && text.len() <= CONTENT_ID_BYTES_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(ContentIdError)
        }
    }

    /// The id, without angle brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! read_by_parse {
    ($($name:ident),+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    )+};
}

read_by_parse!(AttachmentName, MediaType, ContentId);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_no_path_and_one_line() {
        for text in [
            "invoice.pdf",
            "Rechnung für März.pdf",
            "請求書",
            "a.tar.gz",
            "a;b\"c'.txt",
            &"x".repeat(200),
        ] {
            assert_eq!(AttachmentName::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            " ",
            ".",
            "..",
            ".bashrc",
            "../a",
            "a/b",
            "a\\b",
            "C:\\a",
            "a\r\nb",
            "a\0",
            "a\u{202e}fdp.exe",
            "=?utf-8?q?a?=",
            &"x".repeat(201),
        ] {
            assert_eq!(AttachmentName::parse(text), Err(AttachmentNameError), "{text:?}");
        }
    }

    #[test]
    fn a_type_is_plain_and_of_one_part() {
        assert_eq!(
            MediaType::parse("Text/CSV; charset=utf-8").unwrap().as_str(),
            "text/csv"
        );
        assert_eq!(MediaType::parse("image/svg+xml").unwrap().as_str(), "image/svg+xml");
        for text in [
            "",
            "pdf",
            "a/b/c",
            "/",
            "a/",
            "a b/c",
            "a/b\r\nX: y",
            "ä/b",
            &format!("a/{}", "b".repeat(254)),
        ] {
            assert_eq!(MediaType::parse(text), Err(MediaTypeError::Malformed), "{text:?}");
        }
        for text in ["multipart/mixed", "message/rfc822"] {
            assert_eq!(MediaType::parse(text), Err(MediaTypeError::Composite), "{text:?}");
        }
    }

    #[test]
    fn a_content_id_is_safe_in_a_header_and_a_link() {
        for text in ["logo", "a.b@c-d", "1"] {
            assert_eq!(ContentId::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "@",
            "a@",
            "a@b@c",
            "a b",
            "<a>",
            "a>\r\nBcc: x",
            "ä",
            &"a".repeat(101),
        ] {
            assert_eq!(ContentId::parse(text), Err(ContentIdError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_fault_and_what_is_accepted_reads_back_as_itself(text in any::<String>()) {
            if let Ok(name) = AttachmentName::parse(&text) {
                prop_assert!(!name.as_str().contains(['/', '\\', '\r', '\n']));
                prop_assert_eq!(AttachmentName::parse(name.as_str()).unwrap(), name);
            }
            if let Ok(kind) = MediaType::parse(&text) {
                prop_assert_eq!(MediaType::parse(kind.as_str()).unwrap(), kind);
            }
            if let Ok(id) = ContentId::parse(&text) {
                prop_assert!(id.as_str().is_ascii());
            }
        }
    }
}

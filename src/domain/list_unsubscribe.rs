//! How whoever gets a mail says that they want no more of its stream: the header `List-Unsubscribe` (RFC 2369).
//!
//! Guarantees: a link of this type can be put between the angle brackets of a header as it is.
//!
//! Left out: that such a link leads anywhere.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The most links of one mail: a page and a mailbox, and one to spare.
pub const LINKS_MAX: usize = 3;
/// The most bytes of a link, so that the longest header stays on lines that every server takes.
pub const LINK_BYTES_MAX: usize = 500;

/// How a mail says where its reader may end its stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListUnsubscribe {
    /// By a link of the service's own, with one click (RFC 8058).
    OneClick,
    /// By these links of the client's.
    Links(Vec<UnsubscribeLink>),
}

/// A link: `https:` with a host, or `mailto:` with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsubscribeLink(String);

/// Why a text is not an [`UnsubscribeLink`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsubscribeLinkError {
    /// Another scheme, or nothing behind it.
    #[error("must be an https: link or a mailto: address")]
    NotALink,
    /// More than [`LINK_BYTES_MAX`] bytes.
    #[error("must have at most {LINK_BYTES_MAX} characters")]
    TooLong,
    /// A character that would end the link within the header.
    #[error("must be of ASCII without spaces, commas, quotes, backslashes and angle brackets; write them as %XX")]
    Character,
}

impl UnsubscribeLink {
    /// Reads a link.
    ///
    /// # Errors
    /// [`UnsubscribeLinkError`] if it is not of the documented form.
    pub fn parse(text: &str) -> Result<Self, UnsubscribeLinkError> {
        if text.len() > LINK_BYTES_MAX {
            return Err(UnsubscribeLinkError::TooLong);
        }
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'\\' | b',');
        if !text.bytes().all(is_plain) {
            return Err(UnsubscribeLinkError::Character);
        }
        let is_page = text
            .strip_prefix("https://")
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '['));
        let is_mailbox = text.strip_prefix("mailto:").is_some_and(|rest| {
            let address = rest.split('?').next().unwrap_or_default();
            let (local, domain) = address.split_once('@').unwrap_or_default();
            !local.is_empty() && !domain.is_empty()
        });
        if is_page || is_mailbox {
            Ok(Self(text.to_owned()))
        } else {
            Err(UnsubscribeLinkError::NotALink)
        }
    }

    /// The link.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for UnsubscribeLink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UnsubscribeLink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_link_leads_to_a_page_or_a_mailbox_and_ends_no_header() {
        for good in [
            "https://example.com/u?id=7",
            "https://[2001:db8::1]/u",
            "mailto:leave@example.com?subject=out",
        ] {
            assert_eq!(UnsubscribeLink::parse(good).unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", UnsubscribeLinkError::NotALink),
            ("http://example.com/u", UnsubscribeLinkError::NotALink),
            ("https://", UnsubscribeLinkError::NotALink),
            ("https:///u", UnsubscribeLinkError::NotALink),
            ("mailto:", UnsubscribeLinkError::NotALink),
            ("mailto:@example.com", UnsubscribeLinkError::NotALink),
            ("javascript:alert(1)", UnsubscribeLinkError::NotALink),
            ("https://example.com/>\r\nBcc:", UnsubscribeLinkError::Character),
            ("https://example.com/a b", UnsubscribeLinkError::Character),
            ("https://example.com/ä", UnsubscribeLinkError::Character),
            ("https://a.example,https://b.example", UnsubscribeLinkError::Character),
        ] {
            assert_eq!(UnsubscribeLink::parse(bad), Err(why), "{bad:?}");
        }
        let long = format!("https://example.com/{}", "a".repeat(LINK_BYTES_MAX));
        assert_eq!(UnsubscribeLink::parse(&long), Err(UnsubscribeLinkError::TooLong));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_within_its_brackets(text in "(https://|mailto:a@)?[\u{0}-\u{ff}]{0,40}") {
            if let Ok(link) = UnsubscribeLink::parse(&text) {
                prop_assert!(link.as_str().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<' && byte != b'>'));
                let json = serde_json::to_string(&ListUnsubscribe::Links(vec![link.clone()])).unwrap();
                prop_assert_eq!(serde_json::from_str::<ListUnsubscribe>(&json).unwrap(), ListUnsubscribe::Links(vec![link]));
            }
        }
    }
}

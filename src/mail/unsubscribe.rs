//! The headers by which a mail's reader ends the stream that it belongs to: `List-Unsubscribe` (RFC 2369) and, for one click,
//! `List-Unsubscribe-Post` (RFC 8058).
//!
//! Guarantees: a link that would end its brackets or the header is left out whole; every link has a line of its own, so that no
//! line is longer than the longest link and its brackets.

use lettre::message::header::{HeaderName, HeaderValue};

use crate::domain::list_unsubscribe::UnsubscribeLink;

/// The most bytes of a link: with the header's name and brackets it stays within the 998 of a line (RFC 5322 §2.1.1).
const LINK_BYTES_MAX: usize = 960;

/// How the reader of a mail ends its stream. `Debug` shows no link, since the service's own are as good as the reader's word.
#[derive(Clone, PartialEq, Eq)]
pub struct UnsubscribeHeader {
    links: Vec<String>,
    is_one_click: bool,
}

impl UnsubscribeHeader {
    /// By this link, to which a mail program may post by itself when its user says so.
    #[must_use]
    pub fn one_click(link: String) -> Self {
        Self {
            links: vec![link],
            is_one_click: true,
        }
    }

    /// By these links, which lead somewhere where there is more to do.
    #[must_use]
    pub fn links(links: &[UnsubscribeLink]) -> Self {
        Self {
            links: links.iter().map(|link| link.as_str().to_owned()).collect(),
            is_one_click: false,
        }
    }

    /// The headers; none where no link can be put into one.
    pub(super) fn lines(&self) -> Vec<HeaderValue> {
        let links: Vec<String> = self
            .links
            .iter()
            .filter(|link| is_safe(link))
            .map(|link| format!("<{link}>"))
            .collect();
        if links.is_empty() {
            return Vec::new();
        }
        let name = HeaderName::new_from_ascii_str("List-Unsubscribe");
        let (shown, folded) = (links.join(", "), links.join(",\r\n "));
        let mut lines = vec![HeaderValue::dangerous_new_pre_encoded(name, shown, folded)];
        if self.is_one_click {
            let name = HeaderName::new_from_ascii_str("List-Unsubscribe-Post");
            lines.push(HeaderValue::new(name, "List-Unsubscribe=One-Click".to_owned()));
        }
        lines
    }
}

fn is_safe(link: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b',');
    !link.is_empty() && link.len() <= LINK_BYTES_MAX && link.bytes().all(is_plain)
}

impl std::fmt::Debug for UnsubscribeHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnsubscribeHeader")
            .field("links", &self.links.len())
            .field("is_one_click", &self.is_one_click)
            .finish()
    }
}

//! The link by which whoever gets a mail ends its stream: made when the mail is sent, and read when somebody follows it.
//!
//! Guarantees: a link says for itself whose mails of which stream to which address it ends, and is signed by the service's keys,
//! so that nobody makes one for somebody else, and no row is kept for it; the same mail has the same link in all its attempts,
//! for as long as the newest key stays. A link has no end: it is good until the key under which it was made is taken away.
//!
//! Left out: hiding the address from whoever has the link; that is its reader, or who carries their mails.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;

use crate::domain::email::EmailAddress;
use crate::domain::id::WorkspaceId;
use crate::domain::stream::Stream;
use crate::keyring::KeyRing;

/// What the signature is derived for.
const PURPOSE: &str = "unsubscribe";

/// The most characters of a token: the longest address and stream, and the signature.
const TOKEN_CHARS_MAX: usize = 700;

/// Makes links; clones share the keys.
#[derive(Clone)]
pub struct UnsubscribeLinks {
    keys: Arc<KeyRing>,
    /// The link without its token.
    start: Arc<str>,
}

/// What a link ends: the mails of one workspace, in one stream, to one address.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsubscribing {
    /// Whose mails.
    pub workspace: WorkspaceId,
    /// Of which stream.
    pub stream: Stream,
    /// To whom, in canonical form.
    pub address: EmailAddress,
}

impl UnsubscribeLinks {
    /// Links to the page at `page_url`.
    #[must_use]
    pub fn new(keys: Arc<KeyRing>, page_url: &str) -> Self {
        Self {
            keys,
            start: format!("{page_url}?token=").into(),
        }
    }

    /// The link that ends the mails of a stream to this address.
    #[must_use]
    pub fn link(&self, workspace: WorkspaceId, stream: &Stream, address: &EmailAddress) -> String {
        format!("{}{}", self.start, token(&self.keys, workspace, stream, address))
    }
}

impl Unsubscribing {
    /// What a token stands for; none if it is not one of ours.
    #[must_use]
    pub fn of(token: &str, keys: &KeyRing) -> Option<Self> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let (said, signature) = token.split_once('.')?;
        let said = String::from_utf8(URL_SAFE_NO_PAD.decode(said).ok()?).ok()?;
        if !keys.verify(PURPOSE, &said, signature) {
            return None;
        }
        let mut lines = said.split('\n');
        let (workspace, stream, address) = (lines.next()?, lines.next()?, lines.next()?);
        if lines.next().is_some() {
            return None;
        }
        Some(Self {
            workspace: workspace.parse().ok()?,
            stream: Stream::parse(stream).ok()?,
            address: EmailAddress::parse_international(address).ok()?,
        })
    }
}

impl fmt::Debug for Unsubscribing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mails of {} in {} to {}", self.workspace, self.stream, self.address)
    }
}

/// What is said, and the signature over it. No address, stream or id holds a line break.
fn token(keys: &KeyRing, workspace: WorkspaceId, stream: &Stream, address: &EmailAddress) -> String {
    let said = format!("{workspace}\n{stream}\n{}", address.canonical());
    let (_, signature) = keys.derive(PURPOSE, &said);
    format!("{}.{}", URL_SAFE_NO_PAD.encode(&said), signature.expose_secret())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn links(keys: &Arc<KeyRing>) -> UnsubscribeLinks {
        UnsubscribeLinks::new(Arc::clone(keys), "https://legwork.example/unsubscribe")
    }

    fn token_of(link: &str) -> &str {
        link.split_once("?token=").unwrap().1
    }

    #[test]
    fn a_link_is_the_same_each_time_and_says_whose_mails_of_which_stream_it_ends() {
        let keys = Arc::new(KeyRing::ephemeral().unwrap());
        let (workspace, stream) = (WorkspaceId::generate(), Stream::parse("news").unwrap());
        let address = EmailAddress::parse("Ada@Example.com").unwrap();
        let link = links(&keys).link(workspace, &stream, &address);
        assert_eq!(link, links(&keys).link(workspace, &stream, &address));
        assert!(link.starts_with("https://legwork.example/unsubscribe?token="));
        assert!(
            link.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.?=/:".contains(&byte)),
            "{link}"
        );
        let found = Unsubscribing::of(token_of(&link), &keys).unwrap();
        let expected = Unsubscribing {
            workspace,
            stream,
            address: EmailAddress::parse("ada@example.com").unwrap(),
        };
        assert_eq!(found, expected);
        assert!(!format!("{found:?}").contains("ada@"));
        assert_eq!(Unsubscribing::of(token_of(&link), &KeyRing::ephemeral().unwrap()), None);
    }

    #[test]
    fn the_link_of_an_international_address_is_read() {
        let keys = Arc::new(KeyRing::ephemeral().unwrap());
        for text in ["J\u{dc}RGEN@example.com", "ada@b\u{fc}cher.example"] {
            let address = EmailAddress::parse_international(text).unwrap();
            let link = links(&keys).link(WorkspaceId::generate(), &Stream::default(), &address);
            let read = Unsubscribing::of(token_of(&link), &keys).unwrap();
            assert_eq!(read.address.canonical(), address.canonical());
        }
    }

    #[test]
    fn the_longest_link_is_read_and_fits_a_line_of_a_header() {
        let keys = Arc::new(KeyRing::ephemeral().unwrap());
        let label = "d".repeat(61);
        let address = format!("{}@{label}.{label}.{}.org", "a".repeat(64), "d".repeat(55));
        let address = EmailAddress::parse(&address).unwrap();
        let stream = Stream::parse(&"s".repeat(50)).unwrap();
        let link = links(&keys).link(WorkspaceId::generate(), &stream, &address);
        assert!(link.len() < 900, "{}", link.len());
        assert_eq!(Unsubscribing::of(token_of(&link), &keys).unwrap().address, address);
    }

    proptest! {
        #[test]
        fn a_token_that_was_changed_anywhere_stands_for_nothing(at in 0_usize..200, to in "[A-Za-z0-9._-]", text in any::<String>()) {
            let keys = KeyRing::ephemeral().unwrap();
            let good = token(
                &keys, WorkspaceId::SERVICE, &Stream::default(), &EmailAddress::parse("ada@example.com").unwrap(),
            );
            let at = at % good.len();
            let bent = format!("{}{to}{}", &good[..at], &good[at + 1..]);
            prop_assert!(bent == good || Unsubscribing::of(&bent, &keys).is_none(), "{}", bent);
            prop_assert!(Unsubscribing::of(&text, &keys).is_none());
        }
    }
}

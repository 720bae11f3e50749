//! What a relay offers in its dialogue.

use std::sync::Arc;

use rustls::ServerConfig;

/// Encryption and login.
#[derive(Clone, Default)]
pub struct Offer {
    /// How it encrypts.
    pub tls: OfferedTls,
    /// Whom it lets in, and nobody else.
    pub login: Option<OfferedLogin>,
}

/// How a relay encrypts.
#[derive(Clone, Default)]
pub enum OfferedTls {
    /// Not at all.
    #[default]
    None,
    /// By STARTTLS.
    StartTls(Arc<ServerConfig>),
    /// From the first byte.
    Implicit(Arc<ServerConfig>),
}

/// How a relay lets its users in.
#[derive(Clone)]
pub struct OfferedLogin {
    /// Who.
    pub user: String,
    /// With which password.
    pub password: String,
    /// As in EHLO's answer, such as `PLAIN LOGIN`.
    pub mechanisms: String,
    /// Whether it is offered without encryption too.
    pub in_the_clear: bool,
}

impl OfferedLogin {
    /// `ada@example.com` with `open sesame`, by these mechanisms, only when encrypted.
    #[must_use]
    pub fn by(mechanisms: &str) -> Self {
        Self {
            user: "ada@example.com".to_owned(),
            password: "open sesame".to_owned(),
            mechanisms: mechanisms.to_owned(),
            in_the_clear: false,
        }
    }
}

/// The extensions that EHLO's answer names; what is not named is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531): without it an address must be ASCII.
    pub smtp_utf8: bool,
    /// PIPELINING (RFC 2920). The answers come in order with or without it.
    pub pipelining: bool,
    /// CHUNKING (RFC 3030): BDAT.
    pub chunking: bool,
    /// SIZE (RFC 1870): the most bytes of a message, named beforehand or counted.
    pub size: Option<usize>,
}

impl Extensions {
    /// 8BITMIME alone.
    pub const PLAIN: Self = Self {
        eight_bit_mime: true,
        smtp_utf8: false,
        pipelining: false,
        chunking: false,
        size: None,
    };

    /// All of them, for messages of up to 50 MiB.
    pub const ALL: Self = Self {
        eight_bit_mime: true,
        smtp_utf8: true,
        pipelining: true,
        chunking: true,
        size: Some(50 * 1024 * 1024),
    };

    /// The lines of EHLO's answer.
    pub(super) fn lines(self) -> Vec<String> {
        let named = [
            (self.eight_bit_mime, "8BITMIME"),
            (self.smtp_utf8, "SMTPUTF8"),
            (self.pipelining, "PIPELINING"),
            (self.chunking, "CHUNKING"),
        ];
        let named = named.into_iter().filter(|(is_offered, _)| *is_offered);
        let size = self.size.map(|size| format!("SIZE {size}"));
        named.map(|(_, name)| name.to_owned()).chain(size).collect()
    }
}

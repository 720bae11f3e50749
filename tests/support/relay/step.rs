//! The steps of a dialogue, what a relay offers in it, and what it has taken at its end.

use std::sync::Arc;

use rustls::ServerConfig;

/// A step of the dialogue at which the relay can be told to act otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Before the TLS handshake, be it the first thing or after STARTTLS.
    Handshake,
    Greeting,
    /// EHLO on a plain connection, or on one that was encrypted from the start.
    Ehlo,
    StartTls,
    /// EHLO after STARTTLS.
    EhloAgain,
    /// The line with AUTH; for PLAIN it is the whole.
    Auth,
    /// The user, as LOGIN asks for it.
    AuthUser,
    /// The password, as LOGIN asks for it.
    AuthPassword,
    Mail,
    Rcpt,
    Data,
    /// A line of the message has arrived.
    Body,
    /// The final dot has arrived.
    Dot,
    Rset,
}

/// What a relay offers.
#[derive(Clone, Default)]
pub(crate) struct Offer {
    pub(crate) tls: OfferedTls,
    /// Whom it lets in, and nobody else.
    pub(crate) login: Option<OfferedLogin>,
}

/// How a relay encrypts.
#[derive(Clone, Default)]
pub(crate) enum OfferedTls {
    #[default]
    None,
    StartTls(Arc<ServerConfig>),
    Implicit(Arc<ServerConfig>),
}

/// How a relay lets its users in.
#[derive(Clone)]
pub(crate) struct OfferedLogin {
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
    /// As in EHLO's answer, such as `PLAIN LOGIN`.
    pub(crate) mechanisms: &'static str,
    /// Whether it is offered without encryption too.
    pub(crate) in_the_clear: bool,
}

impl OfferedLogin {
    /// `ada` with `open sesame`, by these mechanisms, only when encrypted.
    pub(crate) fn by(mechanisms: &'static str) -> Self {
        Self {
            user: "ada@example.com",
            password: "open sesame",
            mechanisms,
            in_the_clear: false,
        }
    }
}

/// A mail that the relay has taken.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// The message as sent, with the dots that were added for transparency taken away again.
    pub(crate) data: Vec<u8>,
    /// Without its angle brackets; empty if there is none.
    pub(crate) message_id: String,
    /// Which connection brought it, counted from 1.
    pub(crate) connection: usize,
    /// Whether that was encrypted, and logged in.
    pub(crate) is_encrypted: bool,
    pub(crate) is_logged_in: bool,
}

impl Taken {
    /// The message as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.data.clone()).expect("the message is not UTF-8")
    }
}

//! The steps of a dialogue at which a relay can be told to act otherwise.

use std::fmt;
use std::str::FromStr;

/// A step of the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Before the TLS handshake, be it the first thing or after STARTTLS.
    Handshake,
    /// A client has connected, and waits for the greeting.
    Greeting,
    /// EHLO on a plain connection, or on one that was encrypted from the start.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// EHLO after STARTTLS.
    EhloAgain,
    /// The line with AUTH; for PLAIN it is the whole.
    Auth,
    /// The user, as LOGIN asks for it.
    AuthUser,
    /// The password, as LOGIN asks for it.
    AuthPassword,
    /// MAIL.
    Mail,
    /// RCPT, of one recipient.
    Rcpt,
    /// DATA, or the first BDAT.
    Data,
    /// A BDAT that is neither the first nor the last has arrived.
    Chunk,
    /// Some of the message has arrived: a line of it, or a piece of a chunk behind the first.
    Body,
    /// The final dot has arrived, or the last chunk; the mail is not taken yet.
    Dot,
    /// The mail is taken, and the answer is not given yet.
    Taken,
    /// RSET.
    Rset,
    /// QUIT.
    Quit,
}

impl Step {
    /// All of them, in the order of a dialogue.
    pub const ALL: [Self; 17] = [
        Self::Handshake,
        Self::Greeting,
        Self::Ehlo,
        Self::StartTls,
        Self::EhloAgain,
        Self::Auth,
        Self::AuthUser,
        Self::AuthPassword,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Chunk,
        Self::Body,
        Self::Dot,
        Self::Taken,
        Self::Rset,
        Self::Quit,
    ];

    /// Its name in rules.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Greeting => "greeting",
            Self::Ehlo => "ehlo",
            Self::StartTls => "starttls",
            Self::EhloAgain => "ehlo-again",
            Self::Auth => "auth",
            Self::AuthUser => "auth-user",
            Self::AuthPassword => "auth-password",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Chunk => "chunk",
            Self::Body => "body",
            Self::Dot => "dot",
            Self::Taken => "taken",
            Self::Rset => "rset",
            Self::Quit => "quit",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Step {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|step| step.name() == text).ok_or(())
    }
}

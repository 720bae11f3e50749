//! The contract of whatever carries a mail away, and how a delivery ends.
//!
//! Guarantees that each transport keeps: before the gate opens nothing has happened that could become a delivery; an
//! error that is not [`DeliveryError::Uncertain`] means that the mail was handed over for nobody; a receipt names each
//! recipient for whom it was not.

use std::fmt;

use futures_util::future::BoxFuture;

use super::message::Rendered;
use super::transcript::Transcript;
use super::words::sanitise;

/// Carries one rendered mail to where it goes.
pub trait Transport: Send + Sync + 'static {
    /// Delivers one mail.
    ///
    /// `gate.open()` is awaited once, directly before the step after which the effect may have happened (the end of the
    /// message with its final dot; the rename into the outbox). If it answers `Err`, nothing is sent. Dropping the future before the
    /// gate was asked leaves nothing behind; dropping it later means that the mail may or may not have gone.
    ///
    /// # Errors
    /// [`DeliveryError`], which says whether the mail can have been handed over and whether a repetition may help.
    fn deliver<'a>(&'a self, mail: &'a Rendered, gate: &'a dyn Gate) -> BoxFuture<'a, Result<Receipt, DeliveryError>>;

    /// What this is, for logs and the `config` command: no secret in it.
    fn describe(&self) -> String;
}

/// What a delivery has to do with whoever wants it: it asks for leave directly before the point of no return, and tells what
/// was said.
pub trait Gate: Send + Sync {
    /// Answers when the mail may go.
    ///
    /// # Errors
    /// [`GateClosed`] if it must not go any more; the transport then ends without having sent anything.
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<(), GateClosed>>;

    /// Where the delivery writes down what was said; none where nobody asks for it.
    fn transcript(&self) -> Option<&Transcript> {
        None
    }
}

/// The mail must not be sent any more: cancelled, or the attempt is no longer ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the attempt may no longer send")]
pub struct GateClosed;

/// The gate that is always open: for mail that no attempt stands behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenGate;

impl Gate for OpenGate {
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<(), GateClosed>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Proof of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The server's answer to the final dot, or the last chunk, made printable, or the name of the file.
    pub words: String,
    /// The recipients for whom the mail was not taken; fewer than the envelope has.
    pub refusals: Vec<Refusal>,
}

/// A recipient for whom a mail was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The recipient's place in the envelope, from 0.
    pub position: usize,
    /// Whether a repetition will not help: a 5xx answer.
    pub is_final: bool,
    /// The server's reply code.
    pub code: Option<u16>,
    /// What the server said; printable, at most [`super::WORDS_CHARS_MAX`] characters, with addresses masked.
    pub words: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = Said {
            code: self.code,
            words: &self.words,
        };
        said.fmt(f)
    }
}

/// The step of a delivery at which it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Reaching the server, or the outbox's folder.
    Connect,
    /// The server's greeting and its answer to EHLO.
    Greeting,
    /// Encrypting the connection: STARTTLS, the handshake, the server's certificate.
    Encryption,
    /// AUTH, or an answer that asks for it.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO, of any recipient.
    Recipient,
    /// DATA, or the chunk in its place, and the message before its end; writing the file under its temporary name.
    Data,
    /// The final dot, or the last chunk, and the answer to it; the rename into the outbox.
    Dot,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Encryption => "encryption",
            Self::Login => "login",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Data => "data",
            Self::Dot => "dot",
        })
    }
}

/// How a delivery failed. `words` are printable, at most [`super::WORDS_CHARS_MAX`] characters, with addresses masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Not sent, since the relay cannot be used for any mail now: no connection, no greeting, no encryption, no login. It
    /// says nothing about this mail.
    #[error("not sent, the relay cannot be used, failed at {phase}: {}", Said { code: *code, words })]
    Unavailable {
        /// Where it failed.
        phase: Phase,
        /// The server's reply code, if it answered.
        code: Option<u16>,
        /// What the server or the system said.
        words: String,
    },
    /// Not sent to anybody, since no recipient was taken.
    #[error("not sent, no recipient was taken: {}", first(refusals))]
    Recipients {
        /// All recipients of the envelope, in its order.
        refusals: Vec<Refusal>,
    },
    /// Not sent, and a repetition may help: a 4xx answer, silence or a lost connection before the dot, or a 5xx answer to the
    /// sender, which is a setting of the service and may be put right meanwhile.
    #[error("not sent, failed for now at {phase}: {}", Said { code: *code, words })]
    Transient {
        /// Where it failed.
        phase: Phase,
        /// The server's reply code, if it answered.
        code: Option<u16>,
        /// What the server or the system said.
        words: String,
    },
    /// Not sent, and a repetition will not help: a 5xx answer, or a mail that this server cannot take.
    #[error("not sent, refused for good at {phase}: {}", Said { code: *code, words })]
    Permanent {
        /// Where it failed.
        phase: Phase,
        /// The server's reply code, if it answered.
        code: Option<u16>,
        /// What the server said, or what is wrong with the mail.
        words: String,
    },
    /// May have been sent: the final dot was begun, or the last chunk was sent, and no answer that can be understood came back.
    #[error("may have been sent, no answer at {phase}: {}", Said { code: *code, words })]
    Uncertain {
        /// Where it failed: [`Phase::Dot`].
        phase: Phase,
        /// The server's reply code, if it answered something that does not fit.
        code: Option<u16>,
        /// What happened instead of an answer.
        words: String,
    },
    /// Not sent, because the gate did not open.
    #[error("not sent, the gate was closed")]
    GateClosed,
}

struct Said<'a> {
    code: Option<u16>,
    words: &'a str,
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{code} {}", self.words),
            None => f.write_str(self.words),
        }
    }
}

fn first(refusals: &[Refusal]) -> String {
    refusals.first().map(ToString::to_string).unwrap_or_default()
}

impl DeliveryError {
    /// A relay that cannot be used, with no reply code; `words` are made printable and addresses in them masked.
    #[must_use]
    pub fn unavailable(phase: Phase, words: &str) -> Self {
        Self::Unavailable {
            phase,
            code: None,
            words: sanitise(words),
        }
    }

    /// A transient failure with no reply code; `words` are made printable and addresses in them masked.
    #[must_use]
    pub fn transient(phase: Phase, words: &str) -> Self {
        Self::Transient {
            phase,
            code: None,
            words: sanitise(words),
        }
    }

    /// A permanent failure with no reply code; `words` are made printable and addresses in them masked.
    #[must_use]
    pub fn permanent(phase: Phase, words: &str) -> Self {
        Self::Permanent {
            phase,
            code: None,
            words: sanitise(words),
        }
    }

    /// Silence after the dot was begun; `words` are made printable and addresses in them masked.
    #[must_use]
    pub fn uncertain(words: &str) -> Self {
        Self::Uncertain {
            phase: Phase::Dot,
            code: None,
            words: sanitise(words),
        }
    }

    /// Where it failed; none if the gate was closed.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        match self {
            Self::Unavailable { phase, .. }
            | Self::Transient { phase, .. }
            | Self::Permanent { phase, .. }
            | Self::Uncertain { phase, .. } => Some(*phase),
            Self::Recipients { .. } => Some(Phase::Recipient),
            Self::GateClosed => None,
        }
    }

    /// The server's reply code, if it answered; of several recipients, the first one's.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Unavailable { code, .. }
            | Self::Transient { code, .. }
            | Self::Permanent { code, .. }
            | Self::Uncertain { code, .. } => *code,
            Self::Recipients { refusals } => refusals.first().and_then(|refusal| refusal.code),
            Self::GateClosed => None,
        }
    }

    /// Whether the mail can have been handed over all the same.
    #[must_use]
    pub fn may_have_been_sent(&self) -> bool {
        matches!(self, Self::Uncertain { .. })
    }
}

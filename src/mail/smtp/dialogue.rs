//! One mail's dialogue with the relay: EHLO, MAIL, RCPT for each, DATA, the gate, the message with its final dot.
//!
//! lettre writes the commands and reads the answers; the order, the timeouts and the meaning of each failure are here.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Code, Response, Severity};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::config::SmtpConfig;
use crate::domain::email::EmailAddress;
use crate::mail::message::Rendered;
use crate::mail::transport::{DeliveryError, Gate, GateClosed, Phase, Receipt};
use crate::mail::words::sanitise;

/// An open connection on which EHLO was answered.
pub(super) type Connection = AsyncSmtpConnection;

/// How long forgetting a refused mail may take: it only saves the connection, so it is not worth the time of a command.
const RESET_TIMEOUT: Duration = Duration::from_secs(5);
/// The reply with which a server says that it is closing the connection (RFC 5321 §3.8).
const CLOSING: u16 = 421;

/// Why a dialogue stopped, and whether its connection can still be used.
pub(super) enum Stop {
    /// The server answered no, and waits for the next command.
    Refused(DeliveryError),
    /// The connection is of no use any more.
    Broken {
        /// What became of the mail.
        error: DeliveryError,
        /// The server had closed, or was closing, the connection when the command came.
        stale: bool,
    },
}

impl Stop {
    fn broken(error: DeliveryError) -> Self {
        Self::Broken { error, stale: false }
    }
}

pub(super) struct Dialogue<'a> {
    config: &'a SmtpConfig,
    mail: &'a Rendered,
    sender: Address,
    recipients: Vec<(&'a EmailAddress, Address)>,
}

impl<'a> Dialogue<'a> {
    pub(super) fn new(config: &'a SmtpConfig, mail: &'a Rendered) -> Result<Self, DeliveryError> {
        let sender = address(&mail.envelope.from, Phase::Sender)?;
        let recipients = mail
            .envelope
            .to
            .iter()
            .map(|to| Ok((to, address(to, Phase::Recipient)?)));
        let recipients: Vec<_> = recipients.collect::<Result<_, DeliveryError>>()?;
        if recipients.is_empty() {
            return Err(DeliveryError::permanent(Phase::Recipient, "the mail has no recipient"));
        }
        Ok(Self {
            config,
            mail,
            sender,
            recipients,
        })
    }

    /// A fresh connection, up to and including the answer to MAIL.
    pub(super) async fn connect_and_name_sender(&self) -> Result<Connection, DeliveryError> {
        let mut connection = self.connect().await?;
        match self.name_sender(&mut connection).await {
            Ok(()) => Ok(connection),
            // Not worth keeping: a fresh connection on which the first mail was refused.
            Err(Stop::Refused(error) | Stop::Broken { error, .. }) => Err(error),
        }
    }

    async fn connect(&self) -> Result<Connection, DeliveryError> {
        let limit = self.config.connect_timeout;
        let target = (self.config.host.as_str(), self.config.port);
        let stream = match timeout(limit, TcpStream::connect(target)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(DeliveryError::transient(Phase::Connect, &error.to_string())),
            Err(_) => return Err(DeliveryError::transient(Phase::Connect, &silence(limit))),
        };
        // A dialogue is a chain of small writes; Nagle's algorithm would hold each back for the peer's delayed answer.
        if let Err(error) = stream.set_nodelay(true) {
            return Err(DeliveryError::transient(Phase::Connect, &error.to_string()));
        }
        let hello = ClientId::Domain(self.config.hello_name.as_str().to_owned());
        let limit = self.config.command_timeout;
        match timeout(
            limit,
            AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello),
        )
        .await
        {
            Ok(Ok(connection)) => Ok(connection),
            // A 5xx here is about us or the relay, never about this mail: retried, or one wrong setting of the relay would
            // discard every mail in the queue.
            Ok(Err(error)) => Err(DeliveryError::Transient {
                phase: Phase::Greeting,
                code: error.status().and_then(number),
                words: words_of(&error),
            }),
            Err(_) => Err(DeliveryError::transient(Phase::Greeting, &silence(limit))),
        }
    }

    /// MAIL, the first command of a mail on any connection.
    pub(super) async fn name_sender(&self, connection: &mut Connection) -> Result<(), Stop> {
        let mut parameters = Vec::new();
        // What `Message::render` makes is ASCII, and so is each address of `EmailAddress`; this is for other bytes.
        if !self.mail.bytes.is_ascii() {
            if !connection.server_info().supports_feature(Extension::EightBitMime) {
                let words = "the mail has 8-bit content and the server does not offer 8BITMIME";
                return Err(Stop::Refused(DeliveryError::permanent(Phase::Sender, words)));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let command = Mail::new(Some(self.sender.clone()), parameters);
        self.step(connection, Phase::Sender, command, Severity::PositiveCompletion)
            .await
    }

    /// RCPT for each, DATA, the gate, the message and its dot.
    pub(super) async fn carry(&self, connection: &mut Connection, gate: &dyn Gate) -> Result<Receipt, Stop> {
        for (shown, recipient) in &self.recipients {
            let command = Rcpt::new(recipient.clone(), Vec::new());
            let answer = self
                .step(connection, Phase::Recipient, command, Severity::PositiveCompletion)
                .await;
            answer.map_err(|stop| name_recipient(stop, shown))?;
        }
        self.step(connection, Phase::Data, Data, Severity::PositiveIntermediate)
            .await?;
        // After DATA there is no way back but closing: the server takes every byte as part of the message.
        gate.open()
            .await
            .map_err(|GateClosed| Stop::broken(DeliveryError::GateClosed))?;
        self.send_message(connection).await
    }

    /// Makes the server forget a refused mail; whether the connection can be used again.
    pub(super) async fn reset(&self, connection: &mut Connection) -> bool {
        matches!(timeout(RESET_TIMEOUT, connection.command(Rset)).await, Ok(Ok(_)))
    }

    async fn step<C: Display>(
        &self,
        connection: &mut Connection,
        phase: Phase,
        command: C,
        expected: Severity,
    ) -> Result<(), Stop> {
        let limit = self.config.command_timeout;
        match timeout(limit, connection.command(command)).await {
            Ok(Ok(answer)) if answer.code().severity == expected => Ok(()),
            Ok(Ok(answer)) => Err(Stop::broken(DeliveryError::Transient {
                phase,
                code: number(answer.code()),
                words: sanitise(&format!("unexpected answer: {}", said(&answer))),
            })),
            Ok(Err(error)) => Err(stop_of(&error, phase)),
            Err(_) => Err(Stop::broken(DeliveryError::transient(phase, &silence(limit)))),
        }
    }

    async fn send_message(&self, connection: &mut Connection) -> Result<Receipt, Stop> {
        // lettre ends the message with CRLF, dot, CRLF; without ours taken off, each mail would grow by an empty line.
        let message = self.mail.bytes.strip_suffix(b"\r\n").unwrap_or(&self.mail.bytes);
        // lettre asks for the next piece when the last one is written and flushed: then the dot comes next.
        let dot_begun = AtomicBool::new(false);
        let pieces = std::iter::once(message).chain(std::iter::from_fn(|| {
            dot_begun.store(true, Ordering::Relaxed);
            None
        }));
        let limit = self.config.dot_timeout;
        let answer = timeout(limit, connection.message_iter(pieces)).await;
        let no_answer = |words: &str| match dot_begun.load(Ordering::Relaxed) {
            true => Stop::broken(DeliveryError::uncertain(words)),
            false => Stop::broken(DeliveryError::transient(Phase::Data, words)),
        };
        match answer {
            Ok(Ok(answer)) if answer.code().severity == Severity::PositiveCompletion => Ok(Receipt {
                words: sanitise(&format!("{} {}", answer.code(), said(&answer))),
            }),
            Ok(Ok(answer)) => Err(Stop::broken(DeliveryError::Uncertain {
                phase: Phase::Dot,
                code: number(answer.code()),
                words: sanitise(&format!("unexpected answer: {}", said(&answer))),
            })),
            Ok(Err(error)) if error.status().is_some() => Err(stop_of(&error, Phase::Dot)),
            Ok(Err(error)) => Err(no_answer(&words_of(&error))),
            Err(_) => Err(no_answer(&silence(limit))),
        }
    }
}

/// What a failed command before the dot, or a negative answer to the dot, comes to.
fn stop_of(error: &lettre::transport::smtp::Error, phase: Phase) -> Stop {
    let words = words_of(error);
    match error.status() {
        Some(status) if status.severity == Severity::PermanentNegativeCompletion => {
            Stop::Refused(DeliveryError::Permanent {
                phase,
                code: number(status),
                words,
            })
        }
        Some(status) => {
            let code = number(status);
            let error = DeliveryError::Transient { phase, code, words };
            if code == Some(CLOSING) {
                Stop::Broken { error, stale: true }
            } else {
                Stop::Refused(error)
            }
        }
        // No answer at all: the connection was lost, or what came is not SMTP.
        None => Stop::Broken {
            error: DeliveryError::Transient {
                phase,
                code: None,
                words,
            },
            stale: true,
        },
    }
}

fn name_recipient(stop: Stop, recipient: &EmailAddress) -> Stop {
    let name = |error: DeliveryError| match error {
        DeliveryError::Transient { phase, code, words } => DeliveryError::Transient {
            phase,
            code,
            words: sanitise(&format!("{}: {words}", recipient.masked())),
        },
        DeliveryError::Permanent { phase, code, words } => DeliveryError::Permanent {
            phase,
            code,
            words: sanitise(&format!("{}: {words}", recipient.masked())),
        },
        other => other,
    };
    match stop {
        Stop::Refused(error) => Stop::Refused(name(error)),
        Stop::Broken { error, stale } => Stop::Broken {
            error: name(error),
            stale,
        },
    }
}

fn address(address: &EmailAddress, phase: Phase) -> Result<Address, DeliveryError> {
    address
        .as_str()
        .parse()
        .map_err(|error: lettre::address::AddressError| DeliveryError::permanent(phase, &format!("{address}: {error}")))
}

/// What the server said, or what happened to the connection.
fn words_of(error: &lettre::transport::smtp::Error) -> String {
    let said = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    if error.is_response() {
        return sanitise(&format!(
            "the server closed the connection, or its answer is not SMTP ({said})"
        ));
    }
    sanitise(&said)
}

fn said(answer: &Response) -> String {
    answer.message().collect::<Vec<_>>().join(" ")
}

fn silence(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs_f32())
}

fn number(code: Code) -> Option<u16> {
    code.to_string().parse().ok()
}

//! One mail's dialogue with the relay: MAIL, RCPT for each, DATA, the gate, the message with its final dot.
//!
//! lettre writes the commands and reads the answers; the order, the timeouts and the meaning of each failure are here.
//! How a connection comes about is in `connect`.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter, ServerInfo};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::time::timeout;

use super::answer::{number, said, silence, words_of};
use super::config::SmtpConfig;
use super::connect::connect;
use crate::domain::email::EmailAddress;
use crate::mail::message::Rendered;
use crate::mail::transport::{DeliveryError, Gate, GateClosed, Phase, Receipt, Refusal};
use crate::mail::words::sanitise;

/// An open connection on which a mail can be begun: encrypted and logged in as the settings ask for.
pub(super) struct Connection {
    session: AsyncSmtpConnection,
    is_encrypted: bool,
}

impl Connection {
    pub(super) fn new(session: AsyncSmtpConnection, is_encrypted: bool) -> Self {
        Self { session, is_encrypted }
    }

    /// Whether nobody on the way can read along.
    pub(super) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// What the server said to the last EHLO.
    pub(super) fn server_info(&self) -> &ServerInfo {
        self.session.server_info()
    }

    pub(super) async fn command(&mut self, command: impl Display) -> Result<Response, lettre::transport::smtp::Error> {
        self.session.command(command).await
    }
}

/// How long forgetting a refused mail may take: it only saves the connection, so it is not worth the time of a command.
const RESET_TIMEOUT: Duration = Duration::from_secs(5);
/// The reply with which a server says that it is closing the connection (RFC 5321 §3.8).
pub(super) const CLOSING: u16 = 421;
/// The replies with which a server asks for a login, or for a better one (RFC 4954 §6), at commands that are none.
const LOGIN_WANTED: [u16; 4] = [530, 534, 535, 538];

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
    recipients: Vec<Address>,
}

impl<'a> Dialogue<'a> {
    pub(super) fn new(config: &'a SmtpConfig, mail: &'a Rendered) -> Result<Self, DeliveryError> {
        let sender = address(&mail.envelope.from, Phase::Sender)?;
        let recipients = mail.envelope.to.iter().map(|to| address(to, Phase::Recipient));
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
        let mut connection = connect(self.config).await?;
        match self.name_sender(&mut connection).await {
            Ok(()) => Ok(connection),
            // Not worth keeping: a fresh connection on which the first mail was refused.
            Err(Stop::Refused(error) | Stop::Broken { error, .. }) => Err(error),
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

    /// RCPT for each, DATA, the gate, the message and its dot. Who is refused at RCPT is left out, unless that is everybody.
    pub(super) async fn carry(&self, connection: &mut Connection, gate: &dyn Gate) -> Result<Receipt, Stop> {
        let refusals = self.name_recipients(connection).await?;
        if refusals.len() == self.recipients.len() {
            return Err(Stop::Refused(DeliveryError::Recipients { refusals }));
        }
        self.step(connection, Phase::Data, Data, Severity::PositiveIntermediate)
            .await?;
        // After DATA there is no way back but closing: the server takes every byte as part of the message.
        gate.open()
            .await
            .map_err(|GateClosed| Stop::broken(DeliveryError::GateClosed))?;
        let words = self.send_message(connection).await?;
        Ok(Receipt { words, refusals })
    }

    async fn name_recipients(&self, connection: &mut Connection) -> Result<Vec<Refusal>, Stop> {
        let mut refusals = Vec::new();
        // A relay that wants a login for some addresses and not for others defers those; one that does for all is of no use.
        let mut logins_wanted = 0_usize;
        for (position, recipient) in self.recipients.iter().enumerate() {
            let command = Rcpt::new(recipient.clone(), Vec::new());
            let answer = self
                .step(connection, Phase::Recipient, command, Severity::PositiveCompletion)
                .await;
            let (is_final, code, words) = match answer {
                Ok(()) => continue,
                Err(Stop::Refused(DeliveryError::Permanent { code, words, .. })) => (true, code, words),
                Err(Stop::Refused(DeliveryError::Transient { code, words, .. })) => (false, code, words),
                Err(Stop::Refused(DeliveryError::Unavailable { code, words, .. })) => {
                    logins_wanted = logins_wanted.saturating_add(1);
                    (false, code, words)
                }
                Err(stop) => return Err(stop),
            };
            refusals.push(Refusal {
                position,
                is_final,
                code,
                words,
            });
        }
        match refusals.first() {
            Some(first) if logins_wanted == self.recipients.len() => Err(Stop::Refused(DeliveryError::Unavailable {
                phase: Phase::Login,
                code: first.code,
                words: first.words.clone(),
            })),
            _ => Ok(refusals),
        }
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

    async fn send_message(&self, connection: &mut Connection) -> Result<String, Stop> {
        // lettre ends the message with CRLF, dot, CRLF; without ours taken off, each mail would grow by an empty line.
        let message = self.mail.bytes.strip_suffix(b"\r\n").unwrap_or(&self.mail.bytes);
        // lettre asks for the next piece when the last one is written and flushed: then the dot comes next.
        let dot_begun = AtomicBool::new(false);
        let pieces = std::iter::once(message).chain(std::iter::from_fn(|| {
            dot_begun.store(true, Ordering::Relaxed);
            None
        }));
        let limit = self.config.dot_timeout;
        let answer = timeout(limit, connection.session.message_iter(pieces)).await;
        let no_answer = |words: &str| match dot_begun.load(Ordering::Relaxed) {
            true => Stop::broken(DeliveryError::uncertain(words)),
            false => Stop::broken(DeliveryError::transient(Phase::Data, words)),
        };
        match answer {
            Ok(Ok(answer)) if answer.code().severity == Severity::PositiveCompletion => {
                Ok(sanitise(&format!("{} {}", answer.code(), said(&answer))))
            }
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
        Some(status) if number(status).is_some_and(|code| LOGIN_WANTED.contains(&code)) => {
            Stop::Refused(DeliveryError::Unavailable {
                phase: Phase::Login,
                code: number(status),
                words,
            })
        }
        // The sender is the service's own: who refuses it refuses a setting, which must not cost the mails that wait.
        Some(status) if status.severity == Severity::PermanentNegativeCompletion && phase != Phase::Sender => {
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

fn address(address: &EmailAddress, phase: Phase) -> Result<Address, DeliveryError> {
    address
        .as_str()
        .parse()
        .map_err(|error: lettre::address::AddressError| DeliveryError::permanent(phase, &format!("{address}: {error}")))
}

//! One mail's dialogue with the relay: MAIL, RCPT for each, DATA, the gate, the end of the message.
//!
//! Where the relay offers PIPELINING, MAIL, all RCPT and DATA go out in one write (RFC 2920), and their answers are read in
//! that order, so that a mail takes two round trips. If nobody is left to whom the mail may go and DATA was answered with 354
//! all the same, the connection is closed: that is surely no delivery, while the empty message that the RFC allows there
//! asks the server to take something.
//!
//! Where the relay offers CHUNKING (RFC 3030), the first line of the message, a header of which nobody can make a command,
//! stands as a chunk in the place of DATA. No more is said before its answer: a server that passes on what another offers, and
//! knows no chunks, would take the lines of a message for commands. Such a one is given DATA from then on. (An empty chunk would
//! show the same; Postfix refuses it.)
//!
//! How a connection comes about is in `connect`, how the message goes over it in `handover`.

mod handover;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::transport::smtp::response::{Response, Severity};
use tokio::time::timeout;

use super::answer::{Lost, number, said, silence};
use super::body::{self, Body};
use super::config::SmtpConfig;
use super::connect::connect;
use super::offers::Offers;
use super::transaction::{Commands, log_heard, log_note, log_said};
use super::wire::Wire;
use crate::mail::message::Rendered;
use crate::mail::transcript::Transcript;
use crate::mail::transport::{DeliveryError, Gate, GateClosed, Phase, Receipt, Refusal};
use crate::mail::words::sanitise;

/// An open connection on which a mail can be begun: encrypted and logged in as the settings ask for.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) offers: Offers,
    is_encrypted: bool,
    /// Mails that were begun on it.
    mails: u64,
}

impl Connection {
    pub(super) fn new(wire: Wire, offers: Offers, is_encrypted: bool) -> Self {
        Self {
            wire,
            offers,
            is_encrypted,
            mails: 0,
        }
    }

    /// Whether nobody on the way can read along.
    pub(super) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Says `line`, which has no end yet, and reads the answer, whatever it is.
    pub(super) async fn command(&mut self, line: &str) -> Result<Response, Lost> {
        let line = format!("{line}\r\n");
        let written = self.wire.write_all(line.as_bytes()).await;
        written.map_err(|error| Lost::of(&error.to_string()))?;
        self.wire.answer().await
    }
}

/// How long forgetting a refused mail may take: it only saves the connection, so it is not worth the time of a command.
const RESET_TIMEOUT: Duration = Duration::from_secs(5);
/// The reply with which a server says that it is closing the connection (RFC 5321 §3.8).
pub(super) const CLOSING: u16 = 421;
/// The replies with which a server asks for a login, or for a better one (RFC 4954 §6), at commands that are none.
const LOGIN_WANTED: [u16; 4] = [530, 534, 535, 538];
/// The reply that says that a message is too large: about the mail, also where it answers MAIL (RFC 1870 §6.1).
const TOO_LARGE: u16 = 552;

/// The replies of a server that does not know a command, or this form of it (RFC 5321 §4.2.4).
const NOT_UNDERSTOOD: std::ops::RangeInclusive<u16> = 500..=504;

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
    commands: Commands<'a>,
    transcript: Option<&'a Transcript>,
    /// Whether the relay was found to offer chunks and to take none.
    knows_no_chunks: &'a AtomicBool,
    /// The first line of the message, if it is one that may go in chunks.
    first_line: Option<&'a [u8]>,
}

/// What begins a message, and the same for people.
struct Opening {
    bytes: Vec<u8>,
    in_words: String,
}

impl Opening {
    /// DATA, or this as a chunk.
    fn of(first_chunk: Option<&[u8]>) -> Self {
        let Some(first) = first_chunk else {
            return Self {
                bytes: b"DATA\r\n".to_vec(),
                in_words: "DATA\r\n".to_owned(),
            };
        };
        let command = format!("BDAT {}\r\n", first.len());
        Self {
            bytes: [command.as_bytes(), first].concat(),
            in_words: format!("{command}({} bytes)\r\n", first.len()),
        }
    }
}

impl<'a> Dialogue<'a> {
    pub(super) fn new(
        config: &'a SmtpConfig,
        mail: &'a Rendered,
        transcript: Option<&'a Transcript>,
        knows_no_chunks: &'a AtomicBool,
    ) -> Result<Self, DeliveryError> {
        let first_line = body::first_line(&mail.bytes).filter(|_| !knows_no_chunks.load(Ordering::Relaxed));
        Ok(Self {
            config,
            mail,
            commands: Commands::of(mail)?,
            transcript,
            knows_no_chunks,
            first_line,
        })
    }

    /// A fresh connection, up to and including the answer to MAIL.
    pub(super) async fn connect_and_name_sender(&self) -> Result<Connection, DeliveryError> {
        let mut connection = connect(self.config, self.transcript).await?;
        match self.name_sender(&mut connection).await {
            Ok(()) => Ok(connection),
            // Not worth keeping: a fresh connection on which the first mail was refused.
            Err(Stop::Refused(error) | Stop::Broken { error, .. }) => Err(error),
        }
    }

    /// MAIL, the first command of a mail on any connection, with all that may be said together with it.
    pub(super) async fn name_sender(&self, connection: &mut Connection) -> Result<(), Stop> {
        if connection.mails > 0 {
            let nth = connection.mails.saturating_add(1);
            log_note(self.transcript, || {
                format!("a connection that is kept; mail {nth} on it")
            });
            if !connection.wire.is_quiet() {
                return Err(self.lost(
                    Phase::Sender,
                    &Lost::of("the server closed the connection while it was idle"),
                ));
            }
        }
        connection.mails = connection.mails.saturating_add(1);
        let parameters = self.commands.parameters(&connection.offers).map_err(Stop::Refused)?;
        let mut text = self.commands.mail(&parameters);
        if connection.offers.pipelining {
            self.commands.recipients(&mut text);
        }
        log_said(self.transcript, &text);
        let mut bytes = text.into_bytes();
        if connection.offers.pipelining {
            let opening = Opening::of(self.first_chunk(connection));
            log_said(self.transcript, &opening.in_words);
            bytes.extend(opening.bytes);
        }
        self.say(connection, &bytes, Phase::Sender).await?;
        match self
            .answer(connection, Phase::Sender, Severity::PositiveCompletion)
            .await
        {
            Err(Stop::Refused(error)) if connection.offers.pipelining => {
                let answers = self.mail.envelope.to.len().saturating_add(1);
                Err(self.skip(connection, answers, error).await)
            }
            Err(stop) => Err(stop),
            Ok(_) => Ok(()),
        }
    }

    /// RCPT for each and DATA, unless they were said with MAIL; the gate, the message and its end. Who is refused at RCPT is
    /// left out, unless that is everybody.
    pub(super) async fn carry(&self, connection: &mut Connection, gate: &dyn Gate) -> Result<Receipt, Stop> {
        let is_said = connection.offers.pipelining;
        let refusals = self.name_recipients(connection).await?;
        if let Some(error) = nobody(&refusals, self.mail.envelope.to.len()) {
            return Err(if is_said {
                self.skip(connection, 1, error).await
            } else {
                Stop::Refused(error)
            });
        }
        let mut body = self.begin_message(connection, is_said).await?;
        self.send_head(connection, &mut body).await?;
        gate.open().await.map_err(|GateClosed| {
            log_note(self.transcript, || {
                "closed before the end of the message: it must not go any more".to_owned()
            });
            Stop::broken(DeliveryError::GateClosed)
        })?;
        let words = self.send_end(connection, &mut body).await?;
        let refusals = refusals.into_iter().map(|(refusal, _)| refusal).collect();
        Ok(Receipt { words, refusals })
    }

    /// DATA or the first chunk, unless it was said, and the answer to it. Behind DATA there is no way back but closing: the server
    /// takes every byte as part of the message.
    async fn begin_message(&self, connection: &mut Connection, is_said: bool) -> Result<Body<'a>, Stop> {
        let first = self.first_chunk(connection);
        if !is_said {
            let opening = Opening::of(first);
            log_said(self.transcript, &opening.in_words);
            self.say(connection, &opening.bytes, Phase::Data).await?;
        }
        let Some(first) = first else {
            self.answer(connection, Phase::Data, Severity::PositiveIntermediate)
                .await?;
            return Ok(Body::in_lines(&self.mail.bytes));
        };
        match self.answer(connection, Phase::Data, Severity::PositiveCompletion).await {
            Ok(_) => Ok(Body::in_chunks(&self.mail.bytes, first)),
            Err(Stop::Refused(error)) if error.code().is_some_and(|code| NOT_UNDERSTOOD.contains(&code)) => {
                self.knows_no_chunks.store(true, Ordering::Relaxed);
                log_note(self.transcript, || {
                    "the server offers to take chunks, and takes none: DATA from now on".to_owned()
                });
                // What it has made of the chunk is not known.
                Err(Stop::broken(DeliveryError::Transient {
                    phase: Phase::Data,
                    code: error.code(),
                    words: error.to_string(),
                }))
            }
            Err(stop) => Err(stop),
        }
    }

    /// The first line, where the message goes in chunks.
    fn first_chunk(&self, connection: &Connection) -> Option<&'a [u8]> {
        self.first_line.filter(|_| connection.offers.chunking)
    }

    /// Who was refused, and whether that was for want of a login.
    async fn name_recipients(&self, connection: &mut Connection) -> Result<Vec<(Refusal, bool)>, Stop> {
        let mut refusals = Vec::new();
        for position in 0..self.mail.envelope.to.len() {
            if !connection.offers.pipelining {
                let text = self.commands.recipient(position);
                log_said(self.transcript, &text);
                self.say(connection, text.as_bytes(), Phase::Recipient).await?;
            }
            let answer = self
                .answer(connection, Phase::Recipient, Severity::PositiveCompletion)
                .await;
            let (is_final, wants_login, code, words) = match answer {
                Ok(_) => continue,
                Err(Stop::Refused(DeliveryError::Permanent { code, words, .. })) => (true, false, code, words),
                Err(Stop::Refused(DeliveryError::Transient { code, words, .. })) => (false, false, code, words),
                Err(Stop::Refused(DeliveryError::Unavailable { code, words, .. })) => (false, true, code, words),
                Err(stop) => return Err(self.cut_off(stop, refusals)),
            };
            let refusal = Refusal {
                position,
                is_final,
                code,
                words,
            };
            refusals.push((refusal, wants_login));
        }
        Ok(refusals)
    }

    /// The dialogue ended at a recipient. What was heard of those before stays heard: who is refused for good is not asked for
    /// again, so that a server that closes after so many refusals is passed at the next attempt.
    fn cut_off(&self, stop: Stop, heard: Vec<(Refusal, bool)>) -> Stop {
        let Stop::Broken { error, stale } = stop else {
            return stop;
        };
        if !heard.iter().any(|(refusal, _)| refusal.is_final) {
            return Stop::Broken { error, stale };
        }
        let mut refusals: Vec<Refusal> = heard.into_iter().map(|(refusal, _)| refusal).collect();
        let (code, words) = (error.code(), error.to_string());
        for other in 0..self.mail.envelope.to.len() {
            if !refusals.iter().any(|refusal| refusal.position == other) {
                refusals.push(Refusal {
                    position: other,
                    is_final: false,
                    code,
                    words: words.clone(),
                });
            }
        }
        refusals.sort_by_key(|refusal| refusal.position);
        let error = DeliveryError::Recipients { refusals };
        Stop::Broken { error, stale }
    }

    /// Reads the answers to commands that were said together with one that was refused with `error`; the last is to what begins
    /// a message. Only where all are there, and the server does not wait for a message now, can the connection be used again.
    async fn skip(&self, connection: &mut Connection, answers: usize, error: DeliveryError) -> Stop {
        let reading = async {
            for _ in 1..answers {
                connection.wire.answer().await?;
            }
            connection.wire.answer().await
        };
        match timeout(RESET_TIMEOUT, reading).await {
            Ok(Ok(last)) => {
                log_heard(self.transcript, &last);
                let awaits_message = self.first_chunk(connection).is_none() && last.is_positive();
                if awaits_message || number(last.code()) == Some(CLOSING) {
                    log_note(self.transcript, || {
                        "closed without a message: there is nobody to send it to".to_owned()
                    });
                    Stop::broken(error)
                } else {
                    Stop::Refused(error)
                }
            }
            _ => Stop::broken(error),
        }
    }

    /// Makes the server forget a refused mail; whether the connection can be used again.
    pub(super) async fn reset(&self, connection: &mut Connection) -> bool {
        matches!(timeout(RESET_TIMEOUT, connection.command("RSET")).await, Ok(Ok(answer)) if answer.is_positive())
    }

    async fn say(&self, connection: &mut Connection, bytes: &[u8], phase: Phase) -> Result<(), Stop> {
        let limit = self.config.command_timeout;
        match timeout(limit, connection.wire.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.lost(phase, &Lost::of(&error.to_string()))),
            Err(_) => Err(self.silent(phase, limit)),
        }
    }

    async fn answer(&self, connection: &mut Connection, phase: Phase, expected: Severity) -> Result<Response, Stop> {
        let limit = self.config.command_timeout;
        self.answer_within(limit, connection, phase, expected).await
    }

    async fn answer_within(
        &self,
        limit: Duration,
        connection: &mut Connection,
        phase: Phase,
        expected: Severity,
    ) -> Result<Response, Stop> {
        let answer = match timeout(limit, connection.wire.answer()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(lost)) => return Err(self.lost(phase, &lost)),
            Err(_) => return Err(self.silent(phase, limit)),
        };
        log_heard(self.transcript, &answer);
        if answer.code().severity == expected {
            return Ok(answer);
        }
        if answer.is_positive() {
            return Err(Stop::broken(DeliveryError::Transient {
                phase,
                code: number(answer.code()),
                words: sanitise(&format!("unexpected answer: {}", said(&answer))),
            }));
        }
        Err(refused(&answer, phase))
    }

    fn lost(&self, phase: Phase, lost: &Lost) -> Stop {
        log_note(self.transcript, || lost.words().to_owned());
        Stop::Broken {
            error: DeliveryError::transient(phase, lost.words()),
            stale: true,
        }
    }

    fn silent(&self, phase: Phase, limit: Duration) -> Stop {
        log_note(self.transcript, || silence(limit));
        Stop::broken(DeliveryError::transient(phase, &silence(limit)))
    }
}

/// The error of a mail for which no recipient was taken; none where one was.
fn nobody(refusals: &[(Refusal, bool)], recipients: usize) -> Option<DeliveryError> {
    let (first, _) = refusals.first().filter(|_| refusals.len() == recipients)?;
    // A relay that wants a login for some addresses and not for others defers those; one that does for all is of no use.
    if refusals.iter().all(|(_, wants_login)| *wants_login) {
        return Some(DeliveryError::Unavailable {
            phase: Phase::Login,
            code: first.code,
            words: first.words.clone(),
        });
    }
    let refusals = refusals.iter().map(|(refusal, _)| refusal.clone()).collect();
    Some(DeliveryError::Recipients { refusals })
}

/// What a negative answer comes to.
fn refused(answer: &Response, phase: Phase) -> Stop {
    let words = sanitise(&said(answer));
    let code = number(answer.code());
    let is_final = answer.code().severity == Severity::PermanentNegativeCompletion;
    if code.is_some_and(|code| LOGIN_WANTED.contains(&code)) {
        let phase = Phase::Login;
        return Stop::Refused(DeliveryError::Unavailable { phase, code, words });
    }
    // The sender is the service's own: who refuses it refuses a setting, which must not cost the mails that wait.
    if is_final && (phase != Phase::Sender || code == Some(TOO_LARGE)) {
        return Stop::Refused(DeliveryError::Permanent { phase, code, words });
    }
    let error = DeliveryError::Transient { phase, code, words };
    if code == Some(CLOSING) {
        Stop::Broken { error, stale: true }
    } else {
        Stop::Refused(error)
    }
}

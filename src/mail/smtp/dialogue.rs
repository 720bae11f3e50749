//! One mail's dialogue with the relay: MAIL, RCPT for each, DATA, the gate, the end of the message with its final dot.
//!
//! Where the relay offers PIPELINING, MAIL, all RCPT and DATA go out in one write (RFC 2920), and their answers are read in
//! that order, so that a mail takes two round trips. If nobody is left to whom the mail may go and DATA was answered with 354
//! all the same, the connection is closed: that is surely no delivery, while the empty message that the RFC allows there
//! asks the server to take something. How a connection comes about is in `connect`.

use std::time::Duration;

use lettre::transport::smtp::response::{Response, Severity};
use tokio::time::timeout;

use super::answer::{Lost, number, said, silence};
use super::body::Body;
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
}

impl<'a> Dialogue<'a> {
    pub(super) fn new(
        config: &'a SmtpConfig,
        mail: &'a Rendered,
        transcript: Option<&'a Transcript>,
    ) -> Result<Self, DeliveryError> {
        Ok(Self {
            config,
            mail,
            commands: Commands::of(mail)?,
            transcript,
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
            text.push_str("DATA\r\n");
        }
        log_said(self.transcript, &text);
        self.say(connection, &text, Phase::Sender).await?;
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

    /// RCPT for each and DATA, unless they were said with MAIL; the gate, the message and its dot. Who is refused at RCPT is
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
        if !is_said {
            log_said(self.transcript, "DATA\r\n");
            self.say(connection, "DATA\r\n", Phase::Data).await?;
        }
        self.answer(connection, Phase::Data, Severity::PositiveIntermediate)
            .await?;
        // After DATA there is no way back but closing: the server takes every byte as part of the message.
        let mut body = Body::new(&self.mail.bytes);
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

    /// Who was refused, and whether that was for want of a login.
    async fn name_recipients(&self, connection: &mut Connection) -> Result<Vec<(Refusal, bool)>, Stop> {
        let mut refusals = Vec::new();
        for position in 0..self.mail.envelope.to.len() {
            if !connection.offers.pipelining {
                let text = self.commands.recipient(position);
                log_said(self.transcript, &text);
                self.say(connection, &text, Phase::Recipient).await?;
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

    /// Reads the answers to commands that were said together with one that was refused with `error`; the last is to DATA.
    /// Only where all are there, and the server does not wait for a message now, can the connection be used again.
    async fn skip(&self, connection: &mut Connection, answers: usize, error: DeliveryError) -> Stop {
        let reading = async {
            for _ in 1..answers {
                connection.wire.answer().await?;
            }
            connection.wire.answer().await
        };
        match timeout(RESET_TIMEOUT, reading).await {
            Ok(Ok(data)) => {
                log_heard(self.transcript, &data);
                if data.is_positive() || number(data.code()) == Some(CLOSING) {
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

    async fn say(&self, connection: &mut Connection, text: &str, phase: Phase) -> Result<(), Stop> {
        let limit = self.config.command_timeout;
        match timeout(limit, connection.wire.write_all(text.as_bytes())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.lost(phase, &Lost::of(&error.to_string()))),
            Err(_) => Err(self.silent(phase, limit)),
        }
    }

    async fn answer(&self, connection: &mut Connection, phase: Phase, expected: Severity) -> Result<Response, Stop> {
        let limit = self.config.command_timeout;
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

    /// All of a large message but its last piece. Without the rest it is none, so that whatever fails here is no delivery.
    async fn send_head(&self, connection: &mut Connection, body: &mut Body<'_>) -> Result<(), Stop> {
        let bytes = body.head_bytes();
        while let Some(piece) = body.next_of_head() {
            let mut begun = 0;
            let written = self.write_steadily(connection, &piece, &mut begun).await;
            written.map_err(|words| {
                log_note(self.transcript, || format!("in the middle of the message: {words}"));
                Stop::broken(DeliveryError::transient(Phase::Data, &words))
            })?;
        }
        if bytes > 0 {
            log_note(self.transcript, || format!("{bytes} bytes of the message are sent"));
        }
        Ok(())
    }

    /// The last piece with the final dot, and the answer to it.
    async fn send_end(&self, connection: &mut Connection, body: &mut Body<'_>) -> Result<String, Stop> {
        log_said(
            self.transcript,
            &format!("({} bytes and the final dot)\r\n", body.tail_bytes()),
        );
        let (piece, before_end) = body.last();
        let mut sent = 0;
        if let Err(words) = self.write_steadily(connection, &piece, &mut sent).await {
            log_note(self.transcript, || words.clone());
            // Of a final dot that was begun nobody knows how much arrived.
            return Err(Stop::broken(if sent > before_end {
                DeliveryError::uncertain(&words)
            } else {
                DeliveryError::transient(Phase::Data, &words)
            }));
        }
        let limit = self.config.dot_timeout;
        let answer = match timeout(limit, connection.wire.answer()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(lost)) => {
                log_note(self.transcript, || lost.words().to_owned());
                return Err(Stop::broken(DeliveryError::uncertain(lost.words())));
            }
            Err(_) => {
                log_note(self.transcript, || silence(limit));
                return Err(Stop::broken(DeliveryError::uncertain(&silence(limit))));
            }
        };
        log_heard(self.transcript, &answer);
        match answer.code().severity {
            Severity::PositiveCompletion => Ok(sanitise(&format!("{} {}", answer.code(), said(&answer)))),
            Severity::PositiveIntermediate => Err(Stop::broken(DeliveryError::Uncertain {
                phase: Phase::Dot,
                code: number(answer.code()),
                words: sanitise(&format!("unexpected answer: {}", said(&answer))),
            })),
            _ => Err(refused(&answer, Phase::Dot)),
        }
    }

    /// Writes `bytes`; each step forward may take its time, so that a slow line is none that stands still. `sent` counts what
    /// the stream has taken, also where it fails.
    async fn write_steadily(&self, connection: &mut Connection, bytes: &[u8], sent: &mut usize) -> Result<(), String> {
        let limit = self.config.progress_timeout;
        let stalled = || format!("no byte of the message was taken within {} s", limit.as_secs_f32());
        while let Some(rest) = bytes.get(*sent..).filter(|rest| !rest.is_empty()) {
            match timeout(limit, connection.wire.write(rest)).await {
                Ok(Ok(0)) => return Err("the server takes no more".to_owned()),
                Ok(Ok(count)) => *sent = sent.saturating_add(count),
                Ok(Err(error)) => return Err(sanitise(&error.to_string())),
                Err(_) => return Err(stalled()),
            }
        }
        match timeout(limit, connection.wire.flush()).await {
            Ok(flushed) => flushed.map_err(|error| sanitise(&error.to_string())),
            Err(_) => Err(stalled()),
        }
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

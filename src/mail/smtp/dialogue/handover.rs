//! The message itself: its lines behind DATA with the final dot, or chunks of which the last is said to be it (RFC 3030).
//!
//! Guarantees: until the end is begun (the final dot, or the last byte of the last chunk) the server has no message, so that
//! whatever fails before is no delivery; from then on, silence or a lost connection is uncertain.

use lettre::transport::smtp::response::Severity;
use tokio::time::timeout;

use super::{Connection, Dialogue, Stop, refused};
use crate::mail::smtp::answer::{number, said, silence};
use crate::mail::smtp::body::Body;
use crate::mail::smtp::transaction::{log_heard, log_note, log_said};
use crate::mail::transport::{DeliveryError, Phase};
use crate::mail::words::sanitise;

impl Dialogue<'_> {
    /// All of a large message but its last piece, and the answer to it where it is a chunk. Without the rest it is none, so that
    /// whatever fails here is no delivery.
    pub(super) async fn send_head(&self, connection: &mut Connection, body: &mut Body<'_>) -> Result<(), Stop> {
        let bytes = body.head_bytes();
        if bytes == 0 {
            return Ok(());
        }
        if let Some(command) = body.command_of_head() {
            log_said(self.transcript, &command);
            self.say(connection, command.as_bytes(), Phase::Data).await?;
        }
        while let Some(piece) = body.next_of_head() {
            let mut begun = 0;
            let written = self.write_steadily(connection, &piece, &mut begun).await;
            written.map_err(|words| {
                log_note(self.transcript, || format!("in the middle of the message: {words}"));
                Stop::broken(DeliveryError::transient(Phase::Data, &words))
            })?;
        }
        log_note(self.transcript, || format!("{bytes} bytes of the message are sent"));
        if body.is_in_chunks() {
            // As long as for the end: what is on its way may be much, and the server may look at all of it.
            let limit = self.config.dot_timeout;
            self.answer_within(limit, connection, Phase::Data, Severity::PositiveCompletion)
                .await?;
        }
        Ok(())
    }

    /// The last piece with what ends the message, and the answer to it.
    pub(super) async fn send_end(&self, connection: &mut Connection, body: &mut Body<'_>) -> Result<String, Stop> {
        log_said(self.transcript, &body.last_in_words());
        let (piece, before_end) = body.last();
        let mut sent = 0;
        if let Err(words) = self.write_steadily(connection, &piece, &mut sent).await {
            log_note(self.transcript, || words.clone());
            // Of an end that was begun nobody knows how much arrived.
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

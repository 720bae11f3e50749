//! The relay's side of one mail: MAIL, RCPT, DATA or BDAT, and the moment at which it is taken.

use super::{Act, End, Recipient, Session};
use crate::sandbox::bounce;
use crate::sandbox::capture::Taken;
use crate::sandbox::reading::subject_of;
use crate::sandbox::step::Step;

/// The most bytes of a message, whatever is offered; more is read and forgotten.
const MESSAGE_MAX: usize = 256 * 1024 * 1024;
/// How much of a message is read at once.
const PIECE: usize = 64 * 1024;
/// The most recipients of one mail.
const RECIPIENTS_MAX: usize = 10_000;

/// A mail that is being begun.
#[derive(Default)]
pub(super) struct Envelope {
    from: Option<String>,
    /// Whether MAIL said SMTPUTF8.
    is_utf8: bool,
    to: Vec<Recipient>,
    chunks: Vec<u8>,
    is_chunked: bool,
    is_too_large: bool,
}

impl Envelope {
    fn add(&mut self, piece: &[u8], most: usize) {
        if self.is_too_large || self.chunks.len().saturating_add(piece.len()) > most {
            self.is_too_large = true;
            self.chunks = Vec::new();
        } else {
            self.chunks.extend_from_slice(piece);
        }
    }
}

impl Session {
    fn message_max(&self) -> usize {
        self.shared
            .options
            .extensions
            .size
            .unwrap_or(MESSAGE_MAX)
            .min(MESSAGE_MAX)
    }

    pub(super) async fn sender(&mut self, envelope: &mut Envelope, line: &str) -> Result<(), End> {
        *envelope = Envelope::default();
        let parameters: Vec<String> = line.split(' ').skip(1).map(str::to_ascii_uppercase).collect();
        let size = parameters
            .iter()
            .find_map(|one| one.strip_prefix("SIZE=")?.parse().ok());
        if size.is_some_and(|size: usize| size > self.message_max()) {
            self.say("552 5.3.4 The message is too large");
            return Ok(());
        }
        let from = path_of(line);
        let is_utf8 = parameters.iter().any(|one| one == "SMTPUTF8");
        if !self.may_be(&from, is_utf8) {
            return Ok(());
        }
        if self.answer(Step::Mail, &[], "250 2.1.0 Ok").await? {
            envelope.from = Some(from);
            envelope.is_utf8 = is_utf8;
        }
        Ok(())
    }

    pub(super) async fn recipient(&mut self, envelope: &mut Envelope, line: &str) -> Result<(), End> {
        if envelope.from.is_none() {
            self.say("503 5.5.1 Bad sequence of commands");
            return Ok(());
        }
        let address = path_of(line);
        if !self.may_be(&address, envelope.is_utf8) {
            return Ok(());
        }
        if envelope.to.len() >= RECIPIENTS_MAX {
            self.say("452 4.5.3 Too many recipients");
            return Ok(());
        }
        let recipient = Recipient::of(address);
        if self
            .answer(Step::Rcpt, std::slice::from_ref(&recipient), "250 2.1.5 Ok")
            .await?
        {
            envelope.to.push(recipient);
        }
        Ok(())
    }

    /// Whether the address may stand there; if not, that is said.
    fn may_be(&mut self, address: &str, is_utf8: bool) -> bool {
        let is_international = !address.is_ascii();
        if is_international && !(is_utf8 && self.shared.options.extensions.smtp_utf8) {
            self.say("553 5.6.7 The address is not ASCII, and SMTPUTF8 was not said");
            return false;
        }
        true
    }

    pub(super) async fn data(&mut self, envelope: &mut Envelope) -> Result<(), End> {
        if envelope.from.is_none() || envelope.is_chunked {
            self.say("503 5.5.1 Bad sequence of commands");
            return Ok(());
        }
        if envelope.to.is_empty() {
            self.say("554 5.5.1 No valid recipients");
            return Ok(());
        }
        let usual = "354 End data with <CR><LF>.<CR><LF>";
        if !self.answer(Step::Data, &envelope.to, usual).await? {
            return Ok(());
        }
        let most = self.message_max();
        // A dot alone ends the message only after CR LF, and only with one: else another server would see other mails.
        let mut is_line_begun = true;
        loop {
            let piece = self.wire.piece(PIECE).await?;
            if is_line_begun && piece == b".\r\n" {
                break;
            }
            self.within_body(&envelope.to).await?;
            let stuffed = if is_line_begun { piece.strip_prefix(b".") } else { None };
            envelope.add(stuffed.unwrap_or(&piece), most);
            is_line_begun = piece.ends_with(b"\r\n");
        }
        self.take(std::mem::take(envelope)).await
    }

    pub(super) async fn chunk(&mut self, envelope: &mut Envelope, line: &str) -> Result<(), End> {
        let mut words = line.split(' ').skip(1);
        let (size, last) = (words.next().and_then(|size| size.parse::<usize>().ok()), words.next());
        let is_last = last.is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
        let Some(size) = size.filter(|_| last.is_none() || is_last) else {
            // How much follows is not known, so that no more can be understood.
            self.say("501 5.5.4 Not a chunk");
            return Err(End);
        };
        let most = self.message_max();
        let is_first = !envelope.is_chunked;
        // The first chunk stands for DATA, which is not said then.
        let is_in_body = !is_first || is_last;
        let mut left = size;
        while left > 0 {
            let piece = self.wire.some(left.min(PIECE)).await?;
            left = left.saturating_sub(piece.len());
            if is_in_body {
                self.within_body(&envelope.to).await?;
            }
            if envelope.from.is_some() && !envelope.to.is_empty() {
                envelope.add(&piece, most);
            }
        }
        if envelope.from.is_none() || envelope.to.is_empty() {
            let is_begun = envelope.from.is_some();
            self.say(if is_begun {
                "554 5.5.1 No valid recipients"
            } else {
                "503 5.5.1 Bad sequence of commands"
            });
            return Ok(());
        }
        envelope.is_chunked = true;
        let usual = format!("250 2.0.0 {size} bytes");
        let is_taken = match (is_first, is_last) {
            (true, false) => self.answer(Step::Data, &envelope.to, &usual).await?,
            (false, false) => self.answer(Step::Chunk, &envelope.to, &usual).await?,
            (true, true) => self.waits_before_the_end(&envelope.to).await?,
            (false, true) => true,
        };
        if !is_taken {
            *envelope = Envelope::default();
        } else if is_last {
            return self.take(std::mem::take(envelope)).await;
        }
        Ok(())
    }

    /// What a rule for DATA does where the first chunk is the last: whether the message may be taken still.
    async fn waits_before_the_end(&mut self, to: &[Recipient]) -> Result<bool, End> {
        match self.shared.act_at(Step::Data, to) {
            None | Some(Act::Bounce | Act::Trickle(_)) => {}
            // Other words for what is no answer of its own here.
            Some(Act::Reply(reply)) if matches!(reply.first(), Some(b'2' | b'3')) => {}
            Some(Act::Hold(hold)) => self.wire.wait(hold.wait()).await?,
            Some(Act::Delay(time)) => self.wire.wait(tokio::time::sleep(time)).await?,
            act => return self.answer_by(act, "").await.map(|_said| false),
        }
        Ok(true)
    }

    /// In the middle of a message a server has nothing to say: waits apart, any act is the end of the connection.
    async fn within_body(&mut self, to: &[Recipient]) -> Result<(), End> {
        match self.shared.act_at(Step::Body, to) {
            None | Some(Act::Bounce | Act::Trickle(_)) => Ok(()),
            Some(Act::Hold(hold)) => self.wire.wait(hold.wait()).await,
            Some(Act::Delay(time)) => self.wire.wait(tokio::time::sleep(time)).await,
            // What goes on to be read would be a message that arrives.
            Some(Act::Hang) => Err(self.wire.stand_still().await),
            Some(act) => {
                self.answer_by(Some(act), "").await?;
                Err(End)
            }
        }
    }

    /// The final dot, or the last chunk, has come.
    async fn take(&mut self, mut envelope: Envelope) -> Result<(), End> {
        let usual = "250 2.0.0 Ok: queued";
        self.note_message(envelope.chunks.len());
        if envelope.is_too_large {
            self.say("552 5.3.4 The message is too large");
            return Ok(());
        }
        let act = self.shared.act_at(Step::Dot, &envelope.to);
        match &act {
            Some(Act::Reply(reply)) if !reply.starts_with(b"2") => return self.refused(act, usual).await,
            Some(Act::Drop | Act::Reset | Act::Hang | Act::Garbage(_)) => return self.refused(act, usual).await,
            Some(Act::Delay(time)) => self.wire.wait(tokio::time::sleep(*time)).await?,
            _ => {}
        }
        let data = std::mem::take(&mut envelope.chunks);
        let mail = self.taken(&envelope, data);
        let later = self.shared.act_at(Step::Taken, &envelope.to);
        let bounce = matches!(act, Some(Act::Bounce)) || matches!(later, Some(Act::Bounce));
        let bounce = bounce.then(|| bounce::of(&mail, mail.at)).flatten();
        self.shared.take(mail);
        bounce.into_iter().for_each(|bounce| self.shared.take(bounce));
        let act = match act {
            None | Some(Act::Delay(_) | Act::Bounce) => later,
            act => act,
        };
        self.answer_by(act, usual).await?;
        Ok(())
    }

    async fn refused(&mut self, act: Option<Act>, usual: &str) -> Result<(), End> {
        self.answer_by(act, usual).await.map(|_| ())
    }

    fn taken(&self, envelope: &Envelope, data: Vec<u8>) -> Taken {
        Taken {
            id: 0,
            at: self.shared.options.clock.now(),
            from: envelope.from.clone().unwrap_or_default(),
            to: envelope.to.iter().map(|recipient| recipient.address.clone()).collect(),
            message_id: message_id_of(&data),
            subject: subject_of(&data),
            data,
            connection: self.number,
            is_encrypted: self.is_encrypted,
            is_logged_in: self.is_logged_in,
            transcript: self.transcript.clone(),
        }
    }

    fn note_message(&self, bytes: usize) {
        let now = self.shared.options.clock.now();
        let words = format!("({bytes} bytes of message)");
        self.transcript.add(now, crate::sandbox::Side::Client, words.as_bytes());
    }
}

/// What stands between the angle brackets of `MAIL FROM:<…>` and `RCPT TO:<…>`.
fn path_of(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.rsplit_once('>'));
    inner.map(|(path, _)| path.to_owned()).unwrap_or_default()
}

fn message_id_of(data: &[u8]) -> String {
    let end = data.windows(4).position(|four| four == b"\r\n\r\n");
    let head = String::from_utf8_lossy(data.get(..end.unwrap_or(data.len())).unwrap_or_default()).replace("\r\n ", " ");
    let line = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("message-id").then_some(value)
    });
    let id = line.map(|value| value.trim().trim_start_matches('<').trim_end_matches('>'));
    id.unwrap_or_default().to_owned()
}

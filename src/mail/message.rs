//! Building a message: from its parts to the bytes that go over the wire.
//!
//! Guarantees: the same [`Message`] renders to the same bytes each time, so that all attempts of a job send one mail (same
//! `Message-ID`, `Date` and MIME boundary) and a receiver can fold repetitions; no value can add a header or a recipient;
//! the bytes are ASCII with lines of at most 998 characters that end with CRLF, so that every server can take them.
//!
//! Left out: attachments, copies (Cc, Bcc) and signatures. All recipients of one message see each other in `To`.

use std::fmt;
use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::unsubscribe::UnsubscribeHeader;
use crate::clock::Timestamp;
use crate::domain::email::{DisplayName, EmailAddress, Subject};

/// The most recipients of one message: the least that RFC 5321 §4.5.3.1.8 obliges every server to take.
pub const RECIPIENTS_MAX: usize = 100;
/// The most bytes of a message id: it stays on one header line and makes a file name.
const MESSAGE_ID_BYTES_MAX: usize = 200;

/// Whom a message is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The address, in the envelope and in `From`.
    pub address: EmailAddress,
    /// The name shown beside it.
    pub name: Option<DisplayName>,
}

/// A mail in its parts. `Debug` shows no content, since the links in it are secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// `Message-ID` without its angle brackets, such as `job_0190…@example.com`: the same over all attempts. At most 200
    /// characters, letters, digits and `._+-` around one `@`.
    pub id: String,
    /// `Date`: when the mail was accepted, not when it is sent, so that it is the same over all attempts.
    pub date: Timestamp,
    /// Whom it is from.
    pub from: Sender,
    /// To whom it goes: 1 to [`RECIPIENTS_MAX`].
    pub to: Vec<EmailAddress>,
    /// What it is about.
    pub subject: Subject,
    /// The plain text.
    pub text: String,
    /// The same as HTML, if there is such a version.
    pub html: Option<String>,
    /// The id of the job that sends it, for the header `X-Legwork-Job`: letters, digits, `_` and `-`.
    pub job: Option<String>,
    /// How its reader ends the stream that it belongs to.
    pub list_unsubscribe: Option<UnsubscribeHeader>,
}

/// Who is named to the server, apart from what the headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `MAIL FROM`.
    pub from: EmailAddress,
    /// `RCPT TO`, each.
    pub to: Vec<EmailAddress>,
}

/// A mail as it goes over the wire. `Debug` shows no content, since the links in it are secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// `Message-ID` without its angle brackets.
    pub message_id: String,
    /// The message's date.
    pub date: Timestamp,
    /// Sender and recipients.
    pub envelope: Envelope,
    /// Headers and body, lines ended with CRLF, not dot-stuffed.
    pub bytes: Vec<u8>,
}

/// Why a message cannot be built; trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The id is not of the form letters, digits and `._+-` around one `@`, or too long.
    #[error("the message id must be letters, digits and ._+- around one @, at most {MESSAGE_ID_BYTES_MAX} characters")]
    MessageId,
    /// The job's id holds other characters than letters, digits, `_` and `-`.
    #[error("the job id in a message must be at most {MESSAGE_ID_BYTES_MAX} letters, digits, _ and -")]
    Job,
    /// No recipient.
    #[error("a message needs a recipient")]
    NoRecipient,
    /// More than [`RECIPIENTS_MAX`] recipients.
    #[error("a message has at most {RECIPIENTS_MAX} recipients")]
    TooManyRecipients,
    /// A date before 1970 or after 9999, which the header cannot show.
    #[error("the date of a message must lie between the years 1970 and 9999")]
    Date,
    /// An address that the mail library does not take.
    #[error("an address was not taken by the message builder")]
    Address(#[source] lettre::address::AddressError),
    /// The builder refused the whole.
    #[error("the message could not be put together")]
    Build(#[source] lettre::error::Error),
}

impl Message {
    /// Builds the bytes and the envelope; equal messages give equal bytes.
    ///
    /// # Errors
    /// [`RenderError`] if a part is not of its documented form.
    pub fn render(&self) -> Result<Rendered, RenderError> {
        if !is_message_id(&self.id) {
            return Err(RenderError::MessageId);
        }
        let mut builder = lettre::Message::builder()
            .date(header_date(self.date)?)
            .message_id(Some(format!("<{}>", self.id)))
            .from(mailbox(&self.from.address, self.from.name.as_ref())?)
            .subject(self.subject.as_str())
            .raw_header(header("Auto-Submitted", "auto-generated"));
        if self.to.is_empty() {
            return Err(RenderError::NoRecipient);
        }
        if self.to.len() > RECIPIENTS_MAX {
            return Err(RenderError::TooManyRecipients);
        }
        for address in &self.to {
            builder = builder.to(mailbox(address, None)?);
        }
        if let Some(job) = &self.job {
            if !is_token(job, "_-") {
                return Err(RenderError::Job);
            }
            builder = builder.raw_header(header("X-Legwork-Job", job));
        }
        for header in self.list_unsubscribe.iter().flat_map(UnsubscribeHeader::lines) {
            builder = builder.raw_header(header);
        }
        let text = part(ContentType::TEXT_PLAIN, &self.text);
        let built = match &self.html {
            None => builder.singlepart(text),
            Some(html) => {
                let alternatives = MultiPart::alternative().boundary(self.boundary(html));
                builder.multipart(
                    alternatives
                        .singlepart(text)
                        .singlepart(part(ContentType::TEXT_HTML, html)),
                )
            }
        };
        Ok(Rendered {
            message_id: self.id.clone(),
            date: self.date,
            envelope: Envelope {
                from: self.from.address.clone(),
                to: self.to.clone(),
            },
            bytes: built.map_err(RenderError::Build)?.formatted(),
        })
    }

    /// The MIME boundary: a digest of the id and of both versions of the text, thus equal over all attempts, while nobody
    /// can write a text that holds its own boundary.
    fn boundary(&self, html: &str) -> String {
        let mut digest = Sha256::new();
        for piece in [self.id.as_str(), self.text.as_str(), html] {
            digest.update(piece.len().to_le_bytes());
            digest.update(piece.as_bytes());
        }
        // 40 of the 64 digits: the length of lettre's own boundaries, far below the limit of 70 (RFC 2046 §5.1.1).
        digest
            .finalize()
            .iter()
            .take(20)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// One body, encoded so that every server can take it: 7bit where that is possible, else quoted-printable or base64.
fn part(content_type: ContentType, text: &str) -> SinglePart {
    // CRLF, LF and a lone CR all end a line; the builder writes each LF as CRLF.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let plain = !text.contains(|character: char| character.is_ascii_control() && !matches!(character, '\n' | '\t'));
    let body = if plain {
        Body::new(text)
    } else {
        // The builder would send other control characters (NUL among them) as 7bit, which RFC 5321 forbids.
        Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable).unwrap_or_else(Body::new)
    };
    SinglePart::builder().header(content_type).body(body)
}

fn mailbox(address: &EmailAddress, name: Option<&DisplayName>) -> Result<Mailbox, RenderError> {
    let name = name.map(|name| name.as_str().to_owned());
    Ok(Mailbox::new(
        name,
        address.as_str().parse().map_err(RenderError::Address)?,
    ))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// The date for the header; refused beyond what it can show, since the builder panics there.
fn header_date(date: Timestamp) -> Result<SystemTime, RenderError> {
    // The first second of the year 10000.
    const END_SECONDS: u64 = 253_402_300_800;
    match u64::try_from(date.as_micros()) {
        Ok(micros) if micros / 1_000_000 < END_SECONDS => Ok(SystemTime::UNIX_EPOCH + Duration::from_micros(micros)),
        _ => Err(RenderError::Date),
    }
}

/// Whether `text` is what [`Message::id`] may be; it is then safe in a header and as a file name.
pub(super) fn is_message_id(text: &str) -> bool {
    text.len() <= MESSAGE_ID_BYTES_MAX
        && text
            .split_once('@')
            .is_some_and(|(left, right)| is_token(left, "._+-") && is_token(right, ".-"))
}

fn is_token(text: &str, others: &str) -> bool {
    (1..=MESSAGE_ID_BYTES_MAX).contains(&text.len())
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || others.contains(character))
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("message_id", &self.message_id)
            .field("envelope", &self.envelope)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! Building a message: from its parts to the bytes that go over the wire.
//!
//! Guarantees: the same [`Message`] renders to the same bytes each time, so that all attempts of a job send one mail (same
//! `Message-ID`, `Date` and MIME boundary) and a receiver can fold repetitions; no value can add a header or a recipient;
//! the bytes are ASCII with lines of at most 998 characters that end with CRLF, so that every server can take them, but for
//! the addresses in the headers of a mail to or from somebody whose address is beyond ASCII ([`Rendered::is_international`]);
//! who gets a blind copy stands in the envelope alone.
//!
//! Left out: signatures.

mod encoded;
mod parts;

use std::fmt;
use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};

use super::unsubscribe::UnsubscribeHeader;
use crate::clock::Timestamp;
use crate::domain::email::{AttachmentName, ContentId, CustomHeader, EmailAddress, Mailbox, MediaType, Subject};
use encoded::text_header;

/// The most recipients of one message: the least that RFC 5321 §4.5.3.1.8 obliges every server to take.
pub const RECIPIENTS_MAX: usize = 100;
/// The most bytes of a message id: it stays on one header line and makes a file name.
const MESSAGE_ID_BYTES_MAX: usize = 200;

/// Whom a message is from.
pub type Sender = Mailbox;

/// A mail in its parts. `Debug` shows no content, since the links in it are secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// `Message-ID` without its angle brackets, such as `job_0190…@example.com`: the same over all attempts. At most 200
    /// characters, letters, digits and `._+-` around one `@`.
    pub id: String,
    /// `Date`: when the mail was accepted, not when it is sent, so that it is the same over all attempts.
    pub date: Timestamp,
    /// Whom it is from: the envelope's sender, to whom what cannot be delivered comes back, and `From` unless another is given.
    pub from: Sender,
    /// To whom it goes; with [`Extras::cc`] and [`Extras::bcc`] 1 to [`RECIPIENTS_MAX`].
    pub to: Vec<Mailbox>,
    /// What it is about.
    pub subject: Subject,
    /// The plain text.
    pub text: String,
    /// The same as HTML, if there is such a version.
    pub html: Option<String>,
    /// The id of the job that sends it, for the header `X-Legwork-Job`: letters, digits, `_` and `-`.
    pub job: Option<String>,
    /// What few mails have.
    pub extras: Extras,
}

/// What few mails have. `Debug` shows no content.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// Who stands in `From`, if not the service's own sender.
    pub from: Option<Mailbox>,
    /// Who gets a copy and is seen by all.
    pub cc: Vec<Mailbox>,
    /// Who gets a copy and is seen by nobody.
    pub bcc: Vec<EmailAddress>,
    /// To whom an answer goes, if not to the sender.
    pub reply_to: Vec<Mailbox>,
    /// Headers besides; no name twice.
    pub headers: Vec<CustomHeader>,
    /// Files, in their order.
    pub attachments: Vec<AttachedFile>,
    /// How its reader ends the stream that it belongs to.
    pub list_unsubscribe: Option<UnsubscribeHeader>,
}

/// A file in a message. `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct AttachedFile {
    /// What it is called.
    pub name: AttachmentName,
    /// What it is.
    pub media_type: MediaType,
    /// The id by which the HTML shows it; a file beside the text has none.
    pub content_id: Option<ContentId>,
    /// Its bytes.
    pub bytes: Vec<u8>,
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
    /// A name of a header that is not one.
    #[error("a header of the message has no name that can be written")]
    Header,
    /// A media type that the mail library does not take.
    #[error("the type of an attachment was not taken by the message builder")]
    MediaType(#[source] lettre::message::header::ContentTypeErr),
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
        let recipients = self.recipients();
        if self.to.is_empty() {
            return Err(RenderError::NoRecipient);
        }
        if recipients.len() > RECIPIENTS_MAX {
            return Err(RenderError::TooManyRecipients);
        }
        let extras = &self.extras;
        let mut builder = lettre::Message::builder()
            .date(header_date(self.date)?)
            .message_id(Some(format!("<{}>", self.id)))
            .from(mailbox(extras.from.as_ref().unwrap_or(&self.from))?)
            .raw_header(text_header(
                HeaderName::new_from_ascii_str("Subject"),
                self.subject.as_str(),
            ))
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .envelope(no_envelope(&self.from.address)?);
        // Each header as a whole: the builder reads what it has of one again for each that is added to it.
        builder = builder.header(lettre::message::header::To::from(mailboxes(&self.to)?));
        if !extras.cc.is_empty() {
            builder = builder.header(lettre::message::header::Cc::from(mailboxes(&extras.cc)?));
        }
        if !extras.reply_to.is_empty() {
            builder = builder.header(lettre::message::header::ReplyTo::from(mailboxes(&extras.reply_to)?));
        }
        if let Some(job) = &self.job {
            if !is_token(job, "_-") {
                return Err(RenderError::Job);
            }
            builder = builder.raw_header(header("X-Legwork-Job", job));
        }
        for custom in &extras.headers {
            let name = HeaderName::new_from_ascii(custom.name().to_owned()).map_err(|_not_one| RenderError::Header)?;
            builder = builder.raw_header(text_header(name, custom.value()));
        }
        for header in extras.list_unsubscribe.iter().flat_map(UnsubscribeHeader::lines) {
            builder = builder.raw_header(header);
        }
        let built = match self.body()? {
            parts::MessageBody::Single(part) => builder.singlepart(part),
            parts::MessageBody::Multi(parts) => builder.multipart(parts),
        };
        Ok(Rendered {
            message_id: self.id.clone(),
            date: self.date,
            envelope: Envelope {
                from: self.from.address.clone(),
                to: recipients,
            },
            bytes: built.map_err(RenderError::Build)?.formatted(),
        })
    }

    /// All to whom it goes, in the order in which they are named.
    #[must_use]
    pub fn recipients(&self) -> Vec<EmailAddress> {
        let seen = self.to.iter().chain(&self.extras.cc).map(|one| &one.address);
        seen.chain(&self.extras.bcc).cloned().collect()
    }
}

impl Rendered {
    /// Whether the message can be given only to a server that offers SMTPUTF8: an address in its headers is beyond ASCII, or one
    /// in its envelope.
    #[must_use]
    pub fn is_international(&self) -> bool {
        !self.bytes.is_ascii() || !self.envelope.from.is_ascii() || !self.envelope.to.iter().all(EmailAddress::is_ascii)
    }
}

fn mailboxes(all: &[Mailbox]) -> Result<lettre::message::Mailboxes, RenderError> {
    all.iter().map(mailbox).collect()
}

/// An envelope that nobody looks at: without one the builder reads all headers again for its own.
fn no_envelope(one: &EmailAddress) -> Result<lettre::address::Envelope, RenderError> {
    let address: lettre::Address = one.as_str().parse().map_err(RenderError::Address)?;
    lettre::address::Envelope::new(None, vec![address]).map_err(RenderError::Build)
}

fn mailbox(one: &Mailbox) -> Result<lettre::message::Mailbox, RenderError> {
    let name = one.name.as_ref().map(|name| name.as_str().to_owned());
    let address = one.address.as_str().parse().map_err(RenderError::Address)?;
    Ok(lettre::message::Mailbox::new(name, address))
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

impl fmt::Debug for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extras")
            .field("cc", &self.cc)
            .field("bcc", &self.bcc)
            .field("attachments", &self.attachments)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AttachedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachedFile")
            .field("media_type", &self.media_type)
            .field("bytes", &self.bytes.len())
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

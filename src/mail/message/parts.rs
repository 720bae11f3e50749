//! The body of a message: its texts and its files as MIME parts.
//!
//! ```text
//! mixed( related( alternative( text, html ), files that the HTML shows … ), other files … )
//! ```
//!
//! Guarantees: a level that has one part alone is left out; files are base64, byte for byte what was given; boundaries are
//! digests of what is in them, equal over all attempts, and nobody can write a text that holds its own.

use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Attachment, Body, MultiPart, SinglePart};
use memchr::memchr2;
use sha2::{Digest, Sha256};

use super::{AttachedFile, Message, RenderError};

/// One part, or several.
pub(super) enum MessageBody {
    Single(SinglePart),
    Multi(MultiPart),
}

impl Message {
    /// The body.
    pub(super) fn body(&self) -> Result<MessageBody, RenderError> {
        let text = part(ContentType::TEXT_PLAIN, &self.text);
        let files = &self.extras.attachments;
        let Some(html) = &self.html else {
            // There is no text that could show any of them.
            let mixed = mixed(MessageBody::Single(text), files.iter(), || self.boundary(""))?;
            return Ok(mixed);
        };
        let boundary = self.boundary(html);
        let alternative = MultiPart::alternative()
            .boundary(boundary.clone())
            .singlepart(text)
            .singlepart(part(ContentType::TEXT_HTML, html));
        let mut shown = files.iter().filter(|file| file.content_id.is_some()).peekable();
        let texts = if shown.peek().is_none() {
            alternative
        } else {
            let mut related = MultiPart::related()
                .boundary(format!("r-{boundary}"))
                .multipart(alternative);
            for file in shown {
                related = related.singlepart(attached(file)?);
            }
            related
        };
        let others = files.iter().filter(|file| file.content_id.is_none());
        mixed(MessageBody::Multi(texts), others, || boundary)
    }

    /// The MIME boundary: a digest of the id and of both versions of the text, thus equal over all attempts, while nobody
    /// can write a text that holds its own boundary.
    pub(super) fn boundary(&self, html: &str) -> String {
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

/// The texts and the files beside them.
fn mixed<'a>(
    texts: MessageBody,
    files: impl Iterator<Item = &'a AttachedFile>,
    boundary: impl FnOnce() -> String,
) -> Result<MessageBody, RenderError> {
    let mut files = files.peekable();
    if files.peek().is_none() {
        return Ok(texts);
    }
    let mixed = MultiPart::mixed().boundary(format!("m-{}", boundary()));
    let mut mixed = match texts {
        MessageBody::Single(part) => mixed.singlepart(part),
        MessageBody::Multi(parts) => mixed.multipart(parts),
    };
    for file in files {
        mixed = mixed.singlepart(attached(file)?);
    }
    Ok(MessageBody::Multi(mixed))
}

/// A file.
fn attached(file: &AttachedFile) -> Result<SinglePart, RenderError> {
    let name = file.name.as_str().to_owned();
    let content_type = ContentType::parse(file.media_type.as_str()).map_err(RenderError::MediaType)?;
    let attachment = match &file.content_id {
        Some(id) => Attachment::new_inline_with_name(id.as_str().to_owned(), name),
        None => Attachment::new(name),
    };
    // Never 7bit, whatever the bytes: line ends would be changed on the way.
    let body = Body::new_with_encoding(file.bytes.clone(), ContentTransferEncoding::Base64).unwrap_or_else(Body::new);
    Ok(attachment.body(body, content_type))
}

/// One body, encoded so that every server can take it: 7bit where that is possible, else quoted-printable or base64.
fn part(content_type: ContentType, text: &str) -> SinglePart {
    // The builder would write each LF as CRLF too, by moving all that stands behind it each time.
    let text = with_line_ends(text);
    let body = if is_plain(&text) {
        Body::new(text)
    } else {
        // The builder would send other control characters (NUL among them) as 7bit, which RFC 5321 forbids.
        Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable).unwrap_or_else(Body::new)
    };
    SinglePart::builder().header(content_type).body(body)
}

/// Whether there are no other control characters than line ends and tabs.
fn is_plain(text: &str) -> bool {
    let is_other = |byte: u8| byte.is_ascii_control() & (byte != b'\r') & (byte != b'\n') & (byte != b'\t');
    // Without a way out within a chunk, so that it is done for many bytes at once.
    let is_in = |chunk: &[u8]| chunk.iter().fold(false, |found, byte| found | is_other(*byte));
    !text.as_bytes().chunks(64).any(is_in)
}

/// The same with each line ended by CRLF, whether CRLF, LF or a lone CR ended it.
fn with_line_ends(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(text.len() / 16));
    let mut rest = text;
    while let Some((line, end)) = memchr2(b'\r', b'\n', rest.as_bytes()).and_then(|at| rest.split_at_checked(at)) {
        out.push_str(line);
        out.push_str("\r\n");
        let after = end.strip_prefix("\r\n").or_else(|| end.strip_prefix(['\r', '\n']));
        rest = after.unwrap_or_default();
    }
    out.push_str(rest);
    out
}

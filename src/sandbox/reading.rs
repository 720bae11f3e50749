//! What a captured mail says: its headers, its texts and its attachments, as a reader's program would find them.

use mail_parser::{MessageParser, MimeHeaders, PartType};

/// A mail that was read; what cannot be read is shown as far as it can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The subject, decoded; empty if there is none.
    pub subject: String,
    /// All header lines in their order.
    pub headers: Vec<Header>,
    /// The plain text, if the mail has one of its own.
    pub text: Option<String>,
    /// The HTML, if the mail has one of its own.
    pub html: Option<String>,
    /// What is attached, inline images included.
    pub attachments: Vec<Attachment>,
}

/// A header line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name as written.
    pub name: String,
    /// What follows the colon as written, unfolded.
    pub value: String,
}

/// Something that is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its file name; empty if it has none.
    pub name: String,
    /// Its type, such as `image/png`.
    pub content_type: String,
    /// The id by which the HTML shows it, without angle brackets.
    pub content_id: Option<String>,
    /// What it is.
    pub data: Vec<u8>,
}

impl Reading {
    /// Reads a message.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        let Some(message) = MessageParser::default().parse(data) else {
            return Self::default();
        };
        let headers = message.headers_raw().map(|(name, value)| Header {
            name: name.to_owned(),
            value: unfolded(value),
        });
        // Only what the mail has: the parser would make the one of the other.
        let mut reading = Self {
            subject: message.subject().unwrap_or_default().to_owned(),
            headers: headers.collect(),
            ..Self::default()
        };
        for part in message.text_bodies() {
            if let PartType::Text(text) = &part.body {
                reading.text.get_or_insert_with(String::new).push_str(text);
            }
        }
        for part in message.html_bodies() {
            if let PartType::Html(html) = &part.body {
                reading.html.get_or_insert_with(String::new).push_str(html);
            }
        }
        reading.attachments = message.attachments().map(attachment).collect();
        reading
    }
}

/// The subject alone, decoded; empty if there is none.
pub(super) fn subject_of(data: &[u8]) -> String {
    let head = MessageParser::default().parse_headers(data);
    head.and_then(|head| head.subject().map(str::to_owned))
        .unwrap_or_default()
}

fn attachment(part: &mail_parser::MessagePart<'_>) -> Attachment {
    let content_type = part.content_type().map(|kind| match kind.subtype() {
        Some(subtype) => format!("{}/{subtype}", kind.ctype()),
        None => kind.ctype().to_owned(),
    });
    Attachment {
        name: part.attachment_name().unwrap_or_default().to_owned(),
        content_type: content_type
            .unwrap_or_else(|| "application/octet-stream".to_owned())
            .to_lowercase(),
        content_id: part.content_id().map(str::to_owned),
        data: part.contents().to_vec(),
    }
}

fn unfolded(value: &str) -> String {
    value.trim().replace("\r\n", "").replace('\n', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_with_its_texts_headers_and_attachments() {
        let mail = b"From: a@example.com\r\nTo: b@example.com,\r\n c@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
            MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n\
            --c\r\nContent-Type: text/plain\r\n\r\nHello\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n--c--\r\n\
            --b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"a b.pdf\"\r\n\
            Content-Transfer-Encoding: base64\r\n\r\naGk=\r\n--b--\r\n";
        let reading = Reading::of(mail);
        assert_eq!(reading.subject, "Grüße");
        assert_eq!(reading.text.as_deref().map(str::trim), Some("Hello"));
        assert_eq!(reading.html.as_deref().map(str::trim), Some("<p>Hello</p>"));
        let to = reading.headers.iter().find(|header| header.name == "To").unwrap();
        assert_eq!(to.value, "b@example.com, c@example.com");
        let attached = &reading.attachments[0];
        assert_eq!(
            (
                attached.name.as_str(),
                attached.content_type.as_str(),
                attached.data.as_slice()
            ),
            ("a b.pdf", "application/pdf", b"hi".as_slice())
        );
    }

    #[test]
    fn what_is_no_mail_is_read_as_far_as_it_can_be() {
        for data in [
            b"".as_slice(),
            b"\0\xff\xfe",
            b"no header at all",
            b"Content-Type: multipart/mixed; boundary=\r\n\r\n--",
        ] {
            let reading = Reading::of(data);
            assert!(reading.attachments.len() < 2, "{data:?}: {reading:?}");
        }
        assert_eq!(Reading::of(b"Subject: plain\r\n\r\nText\r\n").html, None);
    }
}

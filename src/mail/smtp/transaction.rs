//! The commands of one mail as text, and what of them and of the answers goes into a transcript.
//!
//! Guarantees: no address can hold a command of its own; no address stands in a transcript unmasked; a mail that this server
//! cannot take is known before anything of it is said.

use std::fmt::Write as _;

use lettre::transport::smtp::response::Response;

use super::offers::Offers;
use crate::domain::email::EmailAddress;
use crate::mail::message::Rendered;
use crate::mail::transcript::{Side, Transcript};
use crate::mail::transport::{DeliveryError, Phase};

/// The commands of one mail.
pub(super) struct Commands<'a> {
    mail: &'a Rendered,
    /// Whether the message has bytes beyond ASCII.
    is_eight_bit: bool,
    /// Whether an address or a header has letters beyond ASCII.
    is_international: bool,
}

impl<'a> Commands<'a> {
    /// Those of `mail`.
    ///
    /// # Errors
    /// [`DeliveryError::Permanent`] where the mail has no recipient, or an address that could be read as more than one.
    pub(super) fn of(mail: &'a Rendered) -> Result<Self, DeliveryError> {
        check(&mail.envelope.from, Phase::Sender)?;
        if mail.envelope.to.is_empty() {
            return Err(DeliveryError::permanent(Phase::Recipient, "the mail has no recipient"));
        }
        for to in &mail.envelope.to {
            check(to, Phase::Recipient)?;
        }
        let is_eight_bit = !mail.bytes.is_ascii();
        let mut addresses = std::iter::once(&mail.envelope.from).chain(&mail.envelope.to);
        let is_international =
            addresses.any(|address| !address.as_str().is_ascii()) || is_eight_bit && !head(&mail.bytes).is_ascii();
        Ok(Self {
            mail,
            is_eight_bit,
            is_international,
        })
    }

    /// What is said with MAIL to a server with these offers, a blank before each.
    ///
    /// # Errors
    /// [`DeliveryError::Permanent`] where it does not take such a mail.
    pub(super) fn parameters(&self, offers: &Offers) -> Result<String, DeliveryError> {
        let refused = |words: &str| Err(DeliveryError::permanent(Phase::Sender, words));
        let bytes = self.mail.bytes.len();
        if let Some(max) = offers
            .size_max
            .filter(|max| u64::try_from(bytes).is_ok_and(|bytes| bytes > *max))
        {
            return refused(&format!(
                "the mail has {bytes} bytes, and the server takes {max} at most"
            ));
        }
        if self.is_international && !offers.smtp_utf8 {
            return refused("an address or a header has letters beyond ASCII, and the server does not offer SMTPUTF8");
        }
        if self.is_eight_bit && !offers.eight_bit {
            return refused("the mail has 8-bit content and the server does not offer 8BITMIME");
        }
        let mut parameters = String::new();
        if offers.size {
            // Writing to a text cannot fail.
            let _written = write!(parameters, " SIZE={bytes}");
        }
        if self.is_eight_bit {
            parameters.push_str(" BODY=8BITMIME");
        }
        if self.is_international {
            parameters.push_str(" SMTPUTF8");
        }
        Ok(parameters)
    }

    /// MAIL with these parameters.
    pub(super) fn mail(&self, parameters: &str) -> String {
        format!("MAIL FROM:<{}>{parameters}\r\n", self.mail.envelope.from.as_str())
    }

    /// RCPT for the recipient at this place.
    pub(super) fn recipient(&self, position: usize) -> String {
        let to = self.mail.envelope.to.get(position);
        to.map_or_else(String::new, |to| format!("RCPT TO:<{}>\r\n", to.as_str()))
    }

    /// Appends RCPT for each recipient.
    pub(super) fn recipients(&self, text: &mut String) {
        for to in &self.mail.envelope.to {
            let _written = write!(text, "RCPT TO:<{}>\r\n", to.as_str());
        }
    }
}

/// The headers of a message.
fn head(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n");
    end.and_then(|end| message.get(..end)).unwrap_or(message)
}

/// An address is checked where it is made; this is for what would be worst.
fn check(address: &EmailAddress, phase: Phase) -> Result<(), DeliveryError> {
    let is_bad = |char: char| char.is_control() || char.is_whitespace() || matches!(char, '<' | '>');
    if address.as_str().chars().any(is_bad) {
        return Err(DeliveryError::permanent(
            phase,
            &format!("{address} is no address for a mail server"),
        ));
    }
    Ok(())
}

/// Notes commands that are said, each on its line.
pub(super) fn log_said(transcript: Option<&Transcript>, text: &str) {
    let Some(transcript) = transcript else { return };
    for line in text.lines() {
        transcript.foreign(Side::Client, line);
    }
}

/// Notes an answer, its lines joined.
pub(super) fn log_heard(transcript: Option<&Transcript>, answer: &Response) {
    let Some(transcript) = transcript else { return };
    let mut text = answer.code().to_string();
    for (number, line) in answer.message().enumerate() {
        text.push_str(if number == 0 { " " } else { " | " });
        text.push_str(line);
    }
    transcript.foreign(Side::Server, &text);
}

/// Notes what happens to the connection.
pub(super) fn log_note(transcript: Option<&Transcript>, words: impl FnOnce() -> String) {
    if let Some(transcript) = transcript {
        transcript.foreign(Side::Nobody, &words());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::mail::message::Envelope;

    fn mail(bytes: &str) -> Rendered {
        Rendered {
            message_id: "job_1@example.com".to_owned(),
            date: Timestamp::from_micros(0),
            envelope: Envelope {
                from: EmailAddress::parse("legwork@example.com").unwrap(),
                to: vec![EmailAddress::parse("ada@example.org").unwrap()],
            },
            bytes: bytes.as_bytes().to_vec(),
        }
    }

    fn parameters(bytes: &str, offers: &Offers) -> Result<String, String> {
        let mail = mail(bytes);
        let made = Commands::of(&mail).unwrap().parameters(offers);
        made.map_err(|error| error.to_string())
    }

    #[test]
    fn a_mail_that_the_server_cannot_take_is_known_before() {
        let all = || Offers {
            eight_bit: true,
            smtp_utf8: true,
            size: true,
            size_max: Some(100),
            ..Offers::default()
        };
        assert_eq!(parameters("A: b\r\n\r\nc\r\n", &all()).unwrap(), " SIZE=11");
        assert_eq!(
            parameters("A: b\r\n\r\nä\r\n", &all()).unwrap(),
            " SIZE=12 BODY=8BITMIME"
        );
        assert_eq!(
            parameters("A: ä\r\n\r\nc\r\n", &all()).unwrap(),
            " SIZE=12 BODY=8BITMIME SMTPUTF8"
        );
        assert_eq!(parameters(&"x".repeat(100), &all()).unwrap(), " SIZE=100");
        for (bytes, offers, words) in [
            ("x".repeat(101), all(), "101 bytes, and the server takes 100"),
            (
                "A: ä\r\n\r\nc\r\n".to_owned(),
                Offers {
                    smtp_utf8: false,
                    ..all()
                },
                "SMTPUTF8",
            ),
            (
                "A: b\r\n\r\nä\r\n".to_owned(),
                Offers {
                    eight_bit: false,
                    ..all()
                },
                "8BITMIME",
            ),
        ] {
            let error = parameters(&bytes, &offers).unwrap_err();
            assert!(
                error.contains("refused for good at sender") && error.contains(words),
                "{error}"
            );
        }
        assert_eq!(parameters("A: b\r\n\r\nc\r\n", &Offers::default()).unwrap(), "");
    }
}

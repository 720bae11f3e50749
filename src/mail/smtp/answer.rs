//! What a server answered, or what happened instead, in words and numbers.

use std::time::Duration;

use lettre::transport::smtp::response::{Code, Response};

use crate::mail::words::sanitise;

/// There is no answer and will be none: the connection has ended, or what came is not SMTP.
#[derive(Debug)]
pub(super) struct Lost(String);

impl Lost {
    /// In these words, which are made printable.
    pub(super) fn of(words: &str) -> Self {
        Self(sanitise(words))
    }

    /// The answer that `bytes` are.
    pub(super) fn unless_smtp(bytes: &[u8]) -> Result<Response, Self> {
        let text = String::from_utf8_lossy(bytes);
        text.parse()
            .map_err(|_not_smtp| Self::of(&format!("the answer is not SMTP: {text}")))
    }

    /// What happened, printable.
    pub(super) fn words(&self) -> &str {
        &self.0
    }
}

/// The words of an answer in one line; a status code that begins each of its lines is said once.
pub(super) fn said(answer: &Response) -> String {
    let mut lines = answer.message();
    let mut text = lines.next().unwrap_or_default().to_owned();
    let status = text.split(' ').next().filter(|word| is_status(word)).map(str::to_owned);
    for line in lines {
        let rest = status.as_deref().and_then(|status| line.strip_prefix(status));
        text.push(' ');
        text.push_str(rest.map_or(line, str::trim_start));
    }
    text
}

/// Whether a word is an enhanced status code such as `5.7.1` (RFC 3463).
fn is_status(word: &str) -> bool {
    let mut parts = word.split('.');
    let is_number = |part: Option<&str>| {
        part.is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    is_number(parts.next()) && is_number(parts.next()) && is_number(parts.next()) && parts.next().is_none()
}

pub(super) fn silence(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs_f32())
}

pub(super) fn number(code: Code) -> Option<u16> {
    code.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_begins_each_line_is_said_once() {
        for (answer, words) in [
            ("250 2.1.0 Ok\r\n", "2.1.0 Ok"),
            ("550-5.7.1 not\r\n550 5.7.1 you\r\n", "5.7.1 not you"),
            ("550-5.7.1 not\r\n550 5.7.2 you\r\n", "5.7.1 not 5.7.2 you"),
            ("550-no\r\n550 no\r\n", "no no"),
            (
                "250-1.2.3.4 hello\r\n250 1.2.3.4 PIPELINING\r\n",
                "1.2.3.4 hello 1.2.3.4 PIPELINING",
            ),
        ] {
            assert_eq!(said(&Lost::unless_smtp(answer.as_bytes()).unwrap()), words);
        }
    }
}

//! What a server answered, or what happened instead, in words and numbers.

use std::time::Duration;

use lettre::transport::smtp::response::{Code, Response};

use crate::mail::words::sanitise;

/// What the server said, or what happened to the connection.
pub(super) fn words_of(error: &lettre::transport::smtp::Error) -> String {
    let said = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    if error.is_response() {
        return sanitise(&format!(
            "the server closed the connection, or its answer is not SMTP ({said})"
        ));
    }
    sanitise(&said)
}

pub(super) fn said(answer: &Response) -> String {
    answer.message().collect::<Vec<_>>().join(" ")
}

pub(super) fn silence(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs_f32())
}

pub(super) fn number(code: Code) -> Option<u16> {
    code.to_string().parse().ok()
}

//! How mails, rules and refusals look in JSON.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use super::guard::protect;
use crate::clock::Timestamp;
use crate::sandbox::{Line, Reading, RuleStanding, Side, Taken};

/// A mail in a list.
#[derive(Serialize)]
pub(super) struct Summary {
    id: u64,
    received_at: Timestamp,
    from: String,
    to: Vec<String>,
    subject: String,
    message_id: String,
    size: usize,
    encrypted: bool,
    logged_in: bool,
}

impl Summary {
    pub(super) fn of(mail: &Taken) -> Self {
        Self {
            id: mail.id,
            received_at: mail.at,
            from: mail.from.clone(),
            to: mail.to.clone(),
            subject: mail.subject.clone(),
            message_id: mail.message_id.clone(),
            size: mail.data.len(),
            encrypted: mail.is_encrypted,
            logged_in: mail.is_logged_in,
        }
    }
}

/// A mail with all that it says.
#[derive(Serialize)]
pub(super) struct Whole {
    #[serde(flatten)]
    summary: Summary,
    headers: Vec<HeaderLine>,
    text: Option<String>,
    html: Option<String>,
    attachments: Vec<Attached>,
    transcript: Vec<SaidLine>,
}

#[derive(Serialize)]
struct HeaderLine {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct Attached {
    index: usize,
    name: String,
    content_type: String,
    content_id: Option<String>,
    size: usize,
}

#[derive(Serialize)]
struct SaidLine {
    at: Timestamp,
    by: &'static str,
    line: String,
}

impl Whole {
    pub(super) fn of(mail: &Taken) -> Self {
        let Reading {
            headers,
            text,
            html,
            attachments,
            ..
        } = Reading::of(&mail.data);
        let header = |header: crate::sandbox::Header| HeaderLine {
            name: header.name,
            value: header.value,
        };
        let attached = |(index, one): (usize, crate::sandbox::Attachment)| Attached {
            index,
            name: one.name,
            content_type: one.content_type,
            content_id: one.content_id,
            size: one.data.len(),
        };
        Self {
            summary: Summary::of(mail),
            headers: headers.into_iter().map(header).collect(),
            text,
            html,
            attachments: attachments.into_iter().enumerate().map(attached).collect(),
            transcript: mail.transcript.lines().into_iter().map(said).collect(),
        }
    }
}

fn said(line: Line) -> SaidLine {
    SaidLine {
        at: line.at,
        by: match line.side {
            Side::Client => "client",
            Side::Server => "server",
        },
        line: line.text,
    }
}

/// A rule.
#[derive(Serialize)]
pub(super) struct RuleView {
    id: u64,
    rule: String,
    left: Option<usize>,
    hits: usize,
}

impl From<RuleStanding> for RuleView {
    fn from(standing: RuleStanding) -> Self {
        Self {
            id: standing.id,
            rule: standing.rule,
            left: standing.left,
            hits: standing.hits,
        }
    }
}

/// A list.
#[derive(Serialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
}

/// Why a request is refused, as `application/problem+json`.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    detail: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        #[derive(Serialize)]
        struct Problem<'a> {
            r#type: &'static str,
            title: &'a str,
            status: u16,
            detail: &'a str,
        }
        let problem = Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        // Never so: it has no maps with keys that are not texts.
        let text = serde_json::to_string(&problem).unwrap_or_default();
        let mut answer = HttpResponse::build(self.status)
            .content_type("application/problem+json")
            .body(text);
        protect(answer.headers_mut());
        answer
    }
}

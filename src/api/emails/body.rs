//! The body of a mail as a client sends it, and what it comes to.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::recipients::recipients;
use super::uncertain::rule;
use super::words::words;
use crate::api::http::Fields;
use crate::api::openapi::{Recipients, TemplateName};
use crate::api::order::Wishes;
use crate::api::unique::UniqueBody;
use crate::clock::Timestamp;
use crate::domain::email::Subject;
use crate::domain::id::JobId;
use crate::domain::job::{OnFailure, OnUncertain, WhenUncertain};
use crate::domain::stream::Stream;
use crate::jobs::kinds::EmailSendArgs;
use crate::mail::Templates;

/// A mail, in one's own words (`subject`, `text`, `html`) or by a template (`template`, `data`).
#[derive(Deserialize, ToSchema)]
#[schema(as = NewEmail)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewEmailBody {
    #[schema(value_type = Recipients)]
    to: Value,
    #[schema(value_type = Option<Subject>)]
    pub(super) subject: Option<String>,
    /// The plain text; its limit is in bytes.
    #[schema(min_length = 1, max_length = 262_144)]
    pub(super) text: Option<String>,
    /// The same as HTML; its limit is in bytes.
    #[schema(max_length = 524_288)]
    pub(super) html: Option<String>,
    /// The name of a built-in template.
    #[schema(value_type = Option<TemplateName>)]
    pub(super) template: Option<String>,
    /// The fields that the template asks for.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub(super) data: Option<Value>,
    /// The stream it belongs to, `transactional` where none is named: who wants no mails of one still gets those of others.
    #[schema(min_length = 1, max_length = 50, pattern = "^[a-z][a-z0-9_-]*$")]
    stream: Option<String>,
    /// What to do where nobody can know whether the mail went out: `retry`, the default, sends it again after a short wait,
    /// at the risk of a copy; `hold` leaves it `uncertain` until a person decides.
    on_uncertain: Option<OnUncertain>,
    /// The name of `on_uncertain` in release 0.1.0: `repeat` or `hold`.
    #[schema(deprecated)]
    when_uncertain: Option<WhenUncertain>,
    /// From when it may go out; a time that has passed means at once.
    run_at: Option<Timestamp>,
    /// When it is given up if it has not ended: it is cancelled then. It must be after `run_at` and after now.
    deadline_at: Option<Timestamp>,
    /// Has it be the only one of the workspace with this key; where another has it, that one is answered.
    unique: Option<UniqueBody>,
    /// What limits count it under: `/v1/limits` says how many with one key may run at once, and how fast they may start.
    #[schema(min_length = 1, max_length = 200)]
    key: Option<String>,
    /// The jobs of this workspace that it waits for: it runs once all of them have ended, and not before `run_at`.
    #[schema(min_items = 1, max_items = 100)]
    after: Option<Vec<JobId>>,
    /// What becomes of it where one of those does not complete: `cancel`, the default, or `run`.
    after_failure: Option<OnFailure>,
    /// Higher goes first.
    #[schema(minimum = -10, maximum = 10)]
    priority: Option<i64>,
    /// How often it is tried at most.
    #[schema(minimum = 1, maximum = 100)]
    max_attempts: Option<i64>,
}

impl NewEmailBody {
    /// Takes out how the job is to be run.
    pub(in crate::api) fn wishes(&mut self) -> Wishes {
        Wishes {
            run_at: self.run_at.take(),
            priority: self.priority.take(),
            max_attempts: self.max_attempts.take(),
            timeout_ms: None,
            deadline_at: self.deadline_at.take(),
            unique: self.unique.take(),
            key: self.key.take(),
            after: self.after.take(),
            after_failure: self.after_failure.take(),
        }
    }

    /// Which mail, with what is wrong noted in `fields`.
    pub(in crate::api) fn args(self, templates: &Templates, fields: &mut Fields) -> Option<EmailSendArgs> {
        let to = recipients(&self.to, fields);
        let stream = match &self.stream {
            Some(name) => fields.check("/stream", Stream::parse(name)).unwrap_or_default(),
            None => Stream::default(),
        };
        let when_uncertain = rule(self.on_uncertain, self.when_uncertain, fields);
        let body = words(self, templates, fields)?;
        Some(EmailSendArgs {
            to,
            body,
            stream,
            when_uncertain,
        })
    }
}

//! The body of a mail as a client sends it, and what it comes to.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::recipients::recipients;
use super::words::words;
use crate::api::State;
use crate::api::http::{Fields, Problem};
use crate::api::openapi::Recipients;
use crate::api::order::Wishes;
use crate::api::unique::UniqueBody;
use crate::clock::Timestamp;
use crate::domain::email::Subject;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{OnFailure, WhenUncertain};
use crate::domain::stream::Stream;
use crate::jobs::kinds::EmailSendArgs;

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
    /// The name of a template: one of the workspace's own, or a built-in one.
    #[schema(max_length = 100, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    pub(super) template: Option<String>,
    /// What the template is filled with.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    pub(super) data: Option<Value>,
    /// In which locale: the template's version in it, in the nearest wider one (`de` for `de-AT`), or without one.
    #[schema(min_length = 2, max_length = 35, pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
    pub(super) locale: Option<String>,
    /// The stream it belongs to, `transactional` where none is named: who wants no mails of one still gets those of others.
    #[schema(min_length = 1, max_length = 50, pattern = "^[a-z][a-z0-9_-]*$")]
    stream: Option<String>,
    /// What to do where nobody can know whether the mail went out: `repeat`, the default, or `hold`.
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

    /// Which mail, with what is wrong noted in `fields`; rendered, if it is by a template: one of this workspace's, if there is
    /// one, or a built-in one.
    ///
    /// # Errors
    /// What is not the fault of what was sent: templates that cannot be read, and too many that are rendered at once.
    pub(in crate::api) async fn args(
        self,
        workspace: Option<WorkspaceId>,
        state: &State,
        fields: &mut Fields,
    ) -> Result<Option<EmailSendArgs>, Problem> {
        let to = recipients(&self.to, fields);
        let stream = match &self.stream {
            Some(name) => fields.check("/stream", Stream::parse(name)).unwrap_or_default(),
            None => Stream::default(),
        };
        let when_uncertain = self.when_uncertain.unwrap_or(WhenUncertain::Repeat);
        let words = words(self, workspace, state, fields).await?;
        Ok(words.map(|(body, made_by)| EmailSendArgs {
            to,
            body,
            stream,
            when_uncertain,
            made_by,
        }))
    }
}

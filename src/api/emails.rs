//! `POST /v1/emails`: a mail, in the client's words or by a template.
//!
//! Guarantees: whatever can be known to be wrong is refused now, each field by its pointer, so that an accepted mail fails
//! only by what the relay says. The sender is the service's, never the client's. Each recipient counts as one mail of what
//! the workspace may send.

use std::collections::HashSet;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::State;
use super::auth::Member;
use super::http::{Fields, Problem, RequestId, StrictJson};
use super::openapi::{Accepted, Recipients, TemplateName};
use super::order::Wishes;
use super::then::Then;
use super::unique::UniqueBody;
use super::work::{Asked, accept_mail};
use crate::clock::Timestamp;
use crate::domain::email::{EmailAddress, Subject};
use crate::domain::id::JobId;
use crate::domain::job::{OnFailure, WhenUncertain};
use crate::domain::stream::Stream;
use crate::jobs::kinds::{EmailBody, EmailSend, EmailSendArgs};
use crate::mail::{RECIPIENTS_MAX, TemplateError, Templates};

/// The most bytes of the plain text: a novel's worth, and a quarter of the largest body.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// The most bytes of the HTML, which says the same at more length.
const HTML_BYTES_MAX: usize = 512 * 1024;

/// A mail, in one's own words (`subject`, `text`, `html`) or by a template (`template`, `data`).
#[derive(Deserialize, ToSchema)]
#[schema(as = NewEmail)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEmailBody {
    #[schema(value_type = Recipients)]
    to: Value,
    #[schema(value_type = Option<Subject>)]
    subject: Option<String>,
    /// The plain text; its limit is in bytes.
    #[schema(min_length = 1, max_length = 262_144)]
    text: Option<String>,
    /// The same as HTML; its limit is in bytes.
    #[schema(max_length = 524_288)]
    html: Option<String>,
    /// The name of a built-in template.
    #[schema(value_type = Option<TemplateName>)]
    template: Option<String>,
    /// The fields that the template asks for.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    data: Option<Value>,
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

/// Sends a mail.
///
/// All recipients see each other, and one who is refused does not keep it from the others: the job's result tells of each.
/// The sender is the service's own.
#[utoipa::path(
    post, path = "/v1/emails", tag = "work", security(("member" = [])),
    request_body(content = NewEmailBody, examples(
        ("written" = (summary = "In one's own words", value = json!({
            "to": "bob@example.com", "subject": "Hello", "text": "Are you well?",
            "html": "<p>Are you <b>well</b>?</p>", "max_attempts": 3
        }))),
        ("template" = (summary = "By a template", value = json!({
            "to": ["bob@example.com"], "template": "welcome",
            "data": { "name": "Bob", "link": "https://example.com/x" },
            "run_at": "2030-01-01T08:30:00Z", "deadline_at": "2030-02-01T08:30:00Z", "priority": 5,
            "when_uncertain": "hold"
        }))),
        ("unique" = (summary = "Once a minute at most", value = json!({
            "to": "bob@example.com", "subject": "Alarm", "text": "The door is open.",
            "unique": { "key": "alarm", "for_s": 60 }
        }))),
        ("after" = (summary = "Once another job has completed", value = json!({
            "to": "bob@example.com", "subject": "Done", "text": "All is done.",
            "after": ["job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6"], "after_failure": "cancel"
        }))),
    )),
    responses(Accepted),
)]
pub(super) async fn create_email(
    Then(member, StrictJson(mut body)): Then<Member, StrictJson<NewEmailBody>>,
    state: web::Data<State>,
    request: RequestId,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let order = body.wishes().checked(&mut fields, &request, state.clock.now());
    let args = body.args(state.postbox.templates(), &mut fields);
    let args = fields.finish_with(args)?;
    accept_mail::<EmailSend>(&args, args.to.len(), order, &member, &state, &asked).await
}

impl NewEmailBody {
    /// Takes out how the job is to be run.
    pub(super) fn wishes(&mut self) -> Wishes {
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
    pub(super) fn args(self, templates: &Templates, fields: &mut Fields) -> Option<EmailSendArgs> {
        let to = recipients(&self.to, fields);
        let stream = match &self.stream {
            Some(name) => fields.check("/stream", Stream::parse(name)).unwrap_or_default(),
            None => Stream::default(),
        };
        let when_uncertain = self.when_uncertain.unwrap_or(WhenUncertain::Repeat);
        let body = words(self, templates, fields)?;
        Some(EmailSendArgs {
            to,
            body,
            stream,
            when_uncertain,
        })
    }
}

/// The addresses in `given`, each once.
fn recipients(given: &Value, fields: &mut Fields) -> Vec<EmailAddress> {
    let (texts, is_list): (&[Value], _) = match given {
        Value::Array(texts) => (texts, true),
        one => (std::slice::from_ref(one), false),
    };
    if texts.is_empty() || texts.len() > RECIPIENTS_MAX {
        fields.refuse("/to", format!("must name 1 to {RECIPIENTS_MAX} addresses"));
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut addresses = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let pointer = if is_list {
            format!("/to/{index}")
        } else {
            "/to".to_owned()
        };
        let Some(text) = text.as_str() else {
            let wanted = if is_list {
                "must be a mail address"
            } else {
                "must be a mail address or an array of them"
            };
            fields.refuse(&pointer, wanted);
            continue;
        };
        let address = fields.check(&pointer, EmailAddress::parse(text));
        addresses.extend(address.filter(|address| seen.insert(address.canonical())));
    }
    addresses
}

/// What the mail says, by exactly one of the two forms.
fn words(body: NewEmailBody, templates: &Templates, fields: &mut Fields) -> Option<EmailBody> {
    let written = [
        ("/subject", body.subject.is_some()),
        ("/text", body.text.is_some()),
        ("/html", body.html.is_some()),
    ];
    let by_template = [("/template", body.template.is_some()), ("/data", body.data.is_some())];
    let given = |form: &[(&'static str, bool)]| form.iter().any(|(_, is_given)| *is_given);
    if given(&written) && given(&by_template) {
        for (pointer, _) in written.iter().chain(&by_template).filter(|(_, is_given)| *is_given) {
            fields.refuse(
                pointer,
                "give either subject, text and html, or template and data, not some of both",
            );
        }
        return None;
    }
    if given(&by_template) {
        template(body.template, body.data, templates, fields)
    } else {
        own_words(body, fields)
    }
}

fn own_words(body: NewEmailBody, fields: &mut Fields) -> Option<EmailBody> {
    let missing = "is required, unless a template is given";
    let subject = match body.subject {
        Some(subject) => fields.check("/subject", Subject::parse(&subject)),
        None => fields.check("/subject", Err(missing)),
    };
    let text = match body.text {
        Some(text) if text.trim().is_empty() => fields.check("/text", Err("must not be empty")),
        Some(text) => fields.check("/text", bounded(text, TEXT_BYTES_MAX)),
        None => fields.check("/text", Err(missing)),
    };
    let html = match body.html {
        Some(html) => fields.check("/html", bounded(html, HTML_BYTES_MAX).map(Some)),
        None => Some(None),
    };
    Some(EmailBody::Written {
        subject: subject?.as_str().to_owned(),
        text: text?,
        html: html?,
    })
}

fn template(
    name: Option<String>,
    data: Option<Value>,
    templates: &Templates,
    fields: &mut Fields,
) -> Option<EmailBody> {
    let name = fields.check("/template", name.ok_or("is required where data is given"))?;
    let data = data.unwrap_or_else(|| json!({}));
    match templates.check(&name, &data) {
        Ok(()) => return Some(EmailBody::Template { name, data }),
        Err(TemplateError::Field { pointer, problem }) => {
            fields.refuse(&format!("/data{pointer}"), problem.to_string());
        }
        Err(TemplateError::Unknown { known }) => {
            fields.refuse(
                "/template",
                format!("is not a known template; known are: {}", known.join(", ")),
            );
        }
        // Not reached: checking renders nothing.
        Err(TemplateError::Broken(_) | TemplateError::Subject(_)) => fields.refuse("/template", "cannot be used"),
    }
    None
}

fn bounded(text: String, bytes_max: usize) -> Result<String, String> {
    if text.len() <= bytes_max {
        Ok(text)
    } else {
        Err(format!("must have at most {bytes_max} bytes"))
    }
}

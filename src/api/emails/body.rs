//! The body of a mail as a client sends it, and what it comes to.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::files::{AttachmentBody, Contents, attached};
use super::recipients::{Addressed, addressed, reply_to, sender};
use super::surroundings::Surroundings;
use super::uncertain::rule;
use super::unsubscribing::unsubscribing;
use super::words::words;
use crate::api::http::{Fields, Problem, pointer_part};
use crate::api::openapi::{MailboxBody, Recipients};
use crate::api::order::Wishes;
use crate::api::unique::UniqueBody;
use crate::clock::Timestamp;
use crate::domain::email::{
    CUSTOM_HEADERS_MAX, CustomHeader, METADATA_FIELDS_MAX, Subject, TAGS_MAX, metadata_value, tag,
};
use crate::domain::id::{JobId, UploadId};
use crate::domain::job::{OnFailure, OnUncertain, WhenUncertain};
use crate::domain::list_unsubscribe::ListUnsubscribe;
use crate::domain::stream::Stream;
use crate::jobs::kinds::{EmailBody, EmailSendArgs};

/// A mail, in one's own words (`subject`, `text`, `html`) or by a template (`template`, `data`).
#[derive(Deserialize, ToSchema)]
#[schema(as = NewEmail)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewEmailBody {
    /// Whom it is addressed to; with `cc` and `bcc` at most 100 addresses.
    #[schema(value_type = Recipients)]
    to: Value,
    /// Who gets a copy, seen by all.
    #[schema(value_type = Option<Recipients>)]
    cc: Option<Value>,
    /// Who gets a copy, seen by nobody.
    #[schema(value_type = Option<Recipients>)]
    bcc: Option<Value>,
    /// Whom it is from: the service's own address with another name, or an address of a domain that an operator grants to the
    /// workspace; as `Name <address>` too.
    #[schema(value_type = Option<MailboxBody>)]
    pub(super) from: Option<Value>,
    /// To whom an answer goes, at most 25 addresses; as `Name <address>` too.
    #[schema(value_type = Option<Recipients>)]
    reply_to: Option<Value>,
    #[schema(value_type = Option<Subject>)]
    pub(super) subject: Option<String>,
    /// The plain text; made from the HTML where there is none. Its limit is in bytes.
    #[schema(min_length = 1, max_length = 262_144)]
    pub(super) text: Option<String>,
    /// The same as HTML; beside a subject it may stand without a text. Its limit is in bytes.
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
    /// Headers besides, at most 50: `X-…`, but for `X-Legwork-…` and those by which relays are steered (such as `X-SMTPAPI` and
    /// `X-SES-…`), and those that only say how the mail is shown and sorted.
    headers: Option<BTreeMap<String, String>>,
    /// Files.
    #[schema(max_items = 100)]
    pub(super) attachments: Option<Vec<AttachmentBody>>,
    /// Words that mark it, shown with its job; they do not go out with it.
    #[schema(max_items = 20)]
    tags: Option<Vec<String>>,
    /// What is kept with it, at most 20 fields, and shown with its job; it does not go out with it.
    metadata: Option<BTreeMap<String, String>>,
    /// The stream it belongs to, `transactional` where none is named: who wants no mails of one still gets those of others.
    #[schema(min_length = 1, max_length = 50, pattern = "^[a-z][a-z0-9_-]*$")]
    stream: Option<String>,
    /// Has the mail say how its reader ends its stream: `true` by a link of the service's own, with one click, for one recipient
    /// and a stream that is named; or by own links, `https:` or `mailto:`.
    #[schema(value_type = Option<ListUnsubscribe>)]
    list_unsubscribe: Option<Value>,
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

    /// The uploads that it names.
    pub(super) fn uploads(&self) -> impl Iterator<Item = UploadId> {
        self.attachments.iter().flatten().filter_map(AttachmentBody::upload)
    }

    /// Notes that files cannot be given here, and why, if any are.
    pub(in crate::api) fn refuse_files(&mut self, why: &str, fields: &mut Fields) {
        if self.attachments.take().is_some() {
            fields.refuse("/attachments", why);
        }
    }

    /// Notes that what marks a job cannot be given here, if it is.
    pub(in crate::api) fn refuse_labels(&mut self, fields: &mut Fields) {
        let given = [
            ("/tags", self.tags.take().is_some()),
            ("/metadata", self.metadata.take().is_some()),
        ];
        for (pointer, _) in given.iter().filter(|(_, is_given)| *is_given) {
            fields.refuse(
                pointer,
                "belongs to the job, and not to its arguments: it stays as it is",
            );
        }
    }

    /// Which mail, with what is wrong noted in `fields`; its contents are the next of `contents`. It is rendered, if it is by a
    /// template: one of the workspace's, if there is one, or a built-in one.
    ///
    /// # Errors
    /// What is not the fault of what was sent: templates that cannot be read, and too many that are rendered at once.
    pub(in crate::api) async fn args(
        mut self,
        surroundings: &Surroundings<'_>,
        contents: &mut Contents,
        fields: &mut Fields,
    ) -> Result<Option<EmailSendArgs>, Problem> {
        let Addressed { to, cc, bcc } = addressed(&self.to, self.cc.as_ref(), self.bcc.as_ref(), fields);
        let from = sender(self.from.as_ref(), surroundings, fields);
        let reply_to = reply_to(self.reply_to.as_ref(), fields);
        let stream = match &self.stream {
            Some(name) => fields.check("/stream", Stream::parse(name)).unwrap_or_default(),
            None => Stream::default(),
        };
        let list_unsubscribe = self.list_unsubscribe.as_ref();
        let readers = to.len() + cc.len() + bcc.len();
        let list_unsubscribe = list_unsubscribe.and_then(|given| unsubscribing(given, readers, &stream, fields));
        let when_uncertain = rule(self.on_uncertain, self.when_uncertain, fields);
        let headers = headers(self.headers.take(), fields);
        let tags = tags(self.tags.take(), fields);
        let metadata = metadata(self.metadata.take(), fields);
        let files = self.attachments.take();
        let words = words(self, surroundings, fields).await?;
        let text_bytes = words.as_ref().map_or(0, |(body, _)| bytes_of(body));
        let attachments = attached(files, text_bytes, surroundings, contents, fields);
        Ok(words.map(|(body, made_by)| EmailSendArgs {
            to,
            cc,
            bcc: bcc.into_iter().map(|one| one.address).collect(),
            reply_to,
            from,
            headers,
            attachments,
            tags,
            metadata,
            body,
            stream,
            list_unsubscribe,
            when_uncertain,
            made_by,
        }))
    }
}

/// How many bytes the texts have; of a template, which is checked where it is rendered, none are counted.
fn bytes_of(body: &EmailBody) -> usize {
    match body {
        EmailBody::Written { text, html, .. } => text.len() + html.as_ref().map_or(0, String::len),
        EmailBody::Template { .. } => 0,
    }
}

fn headers(given: Option<BTreeMap<String, String>>, fields: &mut Fields) -> Vec<CustomHeader> {
    let given = given.unwrap_or_default();
    if given.len() > CUSTOM_HEADERS_MAX {
        fields.refuse("/headers", format!("must have at most {CUSTOM_HEADERS_MAX} headers"));
        return Vec::new();
    }
    let (mut seen, mut all) = (HashSet::new(), Vec::with_capacity(given.len()));
    for (name, value) in &given {
        let pointer = format!("/headers/{}", pointer_part(name));
        if !seen.insert(name.to_ascii_lowercase()) {
            fields.refuse(&pointer, "must not be given twice, in whatever case");
        }
        all.extend(fields.check(&pointer, CustomHeader::new(name, value)));
    }
    all
}

fn tags(given: Option<Vec<String>>, fields: &mut Fields) -> Vec<String> {
    let given = given.unwrap_or_default();
    if given.len() > TAGS_MAX {
        fields.refuse("/tags", format!("must have at most {TAGS_MAX} tags"));
        return Vec::new();
    }
    let mut all = Vec::with_capacity(given.len());
    for (index, one) in given.into_iter().enumerate() {
        if fields.check(&format!("/tags/{index}"), tag(&one)).is_some() && !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

fn metadata(given: Option<BTreeMap<String, String>>, fields: &mut Fields) -> BTreeMap<String, String> {
    let given = given.unwrap_or_default();
    if given.len() > METADATA_FIELDS_MAX {
        fields.refuse("/metadata", format!("must have at most {METADATA_FIELDS_MAX} fields"));
        return BTreeMap::new();
    }
    for (name, value) in &given {
        let pointer = format!("/metadata/{}", pointer_part(name));
        if tag(name).is_err() {
            fields.refuse(
                &pointer,
                "must be called by 1 to 50 letters, digits and .:_- of ASCII, the first a letter or a digit",
            );
        }
        fields.check(&pointer, metadata_value(value));
    }
    given
}

//! A template as somebody sends it.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::told::data_of;
use crate::api::State;
use crate::api::auth::Member;
use crate::api::http::{Fields, Problem};
use crate::domain::id::WorkspaceId;
use crate::domain::template::{Locale, TemplateName};
use crate::mail::TemplateSource;
use crate::store::templates::{NewVersion, VersionRecord};

/// The most bytes of a subject.
const SUBJECT_BYTES_MAX: usize = 1_000;
/// The most bytes of the HTML, as it is written.
const HTML_BYTES_MAX: usize = 256 * 1024;
/// The most bytes of the text, as it is written.
const TEXT_BYTES_MAX: usize = 128 * 1024;

/// A template.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewTemplate)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewTemplateBody {
    /// What mails name it by.
    #[schema(min_length = 1, max_length = 100, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: String,
    /// What the mail is about; becomes one line.
    #[schema(min_length = 1, max_length = 1_000)]
    subject: String,
    /// The HTML; its limit is in bytes.
    #[schema(min_length = 1, max_length = 262_144)]
    html: String,
    /// The plain text; made from the HTML where it is left out. Its limit is in bytes.
    #[schema(min_length = 1, max_length = 131_072)]
    text: Option<String>,
    /// Data to try it with: it is rendered with it now, and previews are unless they bring their own.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    sample: Option<Value>,
    /// In which locale this version is written.
    #[schema(min_length = 2, max_length = 35, pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
    locale: Option<String>,
    /// The template that it is rendered in, by its name.
    #[schema(max_length = 100, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    layout: Option<String>,
}

/// A template that is of the right form. Whether it can be rendered is another question.
pub(super) struct Checked {
    pub(super) name: String,
    pub(super) source: TemplateSource,
    pub(super) sample: Option<Value>,
    pub(super) locale: Option<Locale>,
    pub(super) layout: Option<String>,
    /// Whether it prints `content`; known once it is compiled.
    pub(super) is_layout: bool,
}

impl NewTemplateBody {
    /// The template.
    ///
    /// # Errors
    /// 422 with pointers for what is wrong.
    pub(super) fn checked(self) -> Result<Checked, Problem> {
        let mut fields = Fields::new();
        let name = fields.check("/name", TemplateName::parse(&self.name));
        let source = source(self.subject, self.html, self.text, &mut fields);
        let sample = self.sample.map(|sample| data_of(Some(sample), "/sample", &mut fields));
        let locale = self
            .locale
            .map(|locale| fields.check("/locale", Locale::parse(&locale)));
        let layout = self
            .layout
            .map(|layout| fields.check("/layout", TemplateName::parse(&layout)));
        if let (Some(name), Some(Some(layout))) = (&name, &layout)
            && name == layout
        {
            fields.refuse("/layout", "must be another template");
        }
        let (name, source) = fields.finish_with(name.zip(source))?;
        Ok(Checked {
            name: name.as_str().to_owned(),
            source,
            sample: sample.flatten(),
            locale: locale.flatten(),
            layout: layout.flatten().map(|layout| layout.as_str().to_owned()),
            is_layout: false,
        })
    }
}

/// The parts, with what is wrong with their size noted in `fields`.
pub(super) fn source(
    subject: String,
    html: String,
    text: Option<String>,
    fields: &mut Fields,
) -> Option<TemplateSource> {
    let subject = fields.check("/subject", bounded(subject, SUBJECT_BYTES_MAX));
    let html = fields.check("/html", bounded(html, HTML_BYTES_MAX));
    let text = match text {
        Some(text) => fields.check("/text", bounded(text, TEXT_BYTES_MAX)).map(Some),
        None => Some(None),
    };
    Some(TemplateSource {
        subject: subject?,
        html: html?,
        text: text?,
    })
}

fn bounded(text: String, bytes_max: usize) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("must not be empty".to_owned())
    } else if text.len() > bytes_max {
        Err(format!("must have at most {bytes_max} bytes"))
    } else if text.contains('\0') {
        Err("must not contain the character NUL".to_owned())
    } else {
        Ok(text)
    }
}

impl Checked {
    /// An earlier version, to be made anew.
    pub(super) fn again(version: VersionRecord, name: String) -> Self {
        Self {
            name,
            source: TemplateSource {
                subject: version.subject,
                html: version.html,
                text: version.text,
            },
            sample: version.sample.and_then(|sample| serde_json::from_str(&sample).ok()),
            locale: Locale::parse(&version.locale).ok(),
            layout: version.layout,
            is_layout: false,
        }
    }

    /// A version of the asker's workspace, made now.
    pub(super) fn of_asker(self, member: &Member, state: &State) -> NewVersion {
        self.of(member.account.workspace, state)
    }

    /// A version of this workspace, made now.
    pub(super) fn of(self, workspace: WorkspaceId, state: &State) -> NewVersion {
        NewVersion {
            workspace,
            name: self.name,
            locale: self.locale.map(|locale| locale.as_str().to_owned()).unwrap_or_default(),
            subject: self.source.subject,
            html: self.source.html,
            text: self.source.text,
            sample: self.sample.map(|sample| sample.to_string()),
            layout: self.layout,
            is_layout: self.is_layout,
            at: state.clock.now(),
        }
    }
}

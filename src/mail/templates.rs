//! Templates: the built-in ones, from a name and some fields to subject, text and HTML; and those of workspaces ([`compiled`]).
//!
//! Guarantees of the built-in ones: fields are checked before a template sees them, so that a refusal names the field by its JSON pointer; what
//! goes into HTML is escaped; a link is http or https and nothing else; rendering is bounded by fuel, and a template that
//! uses a field nobody gave fails instead of leaving a hole. Subjects are fixed words: a sign-up form must not let
//! strangers choose what the subject of our mail says.
//!
//! What the service sends in its own name ([`own`]) is not for clients to send: a mail that looks like ours must not hold a
//! stranger's link. Each mail of the service's own can be replaced by an operator's ([`replacing`]).
//!
//! Left out: where a workspace's templates are kept, and which is meant (`jobs`).

mod compiled;
mod fault;
mod fields;
mod formatting;
mod html;
mod language;
mod length;
mod own;
mod plain;
mod replacing;
#[cfg(test)]
mod tests;

use std::fmt;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

pub use compiled::{CONTENT, CompiledTemplate, TemplateSource, text_of_html};
pub use fault::{Part, Place, TemplateFault};
use fields::{Field, Kind};
pub use fields::{FieldProblem, VALUE_CHARS_MAX};
pub use replacing::{BuiltIn, built_in, built_ins};

use crate::domain::email::{HeaderTextError, Subject};

/// Instructions that one part may take: hundreds of times what the built-in ones need, and still under a millisecond.
const FUEL: u64 = 20_000;

/// A template as it was rendered. `Debug` shows no content, since the links in it are secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// What the mail is about.
    pub subject: Subject,
    /// The plain text.
    pub text: String,
    /// The same as HTML; all built-in templates have it.
    pub html: Option<String>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Why a template was not rendered. All but [`TemplateError::Broken`] and [`TemplateError::Subject`] are the asker's to mend.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// No template of that name.
    #[error("unknown template; known are: {}", known.join(", "))]
    Unknown {
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// A field is missing, unknown or wrong.
    #[error("field {pointer}: {problem}")]
    Field {
        /// JSON pointer (RFC 6901) below the data, such as `/name`; empty for the data itself.
        pointer: String,
        /// What is wrong with it.
        problem: FieldProblem,
    },
    /// The template itself failed: a fault of ours.
    #[error("the template failed to render")]
    Broken(#[from] minijinja::Error),
    /// The template's subject is not one: a fault of ours.
    #[error("the template's subject is not a subject")]
    Subject(#[from] HeaderTextError),
}

/// The built-in templates, compiled.
pub struct Templates {
    environment: Environment<'static>,
}

/// A template: its three parts and its fields.
struct Template {
    name: &'static str,
    subject: &'static str,
    text: &'static str,
    html: &'static str,
    fields: &'static [Field],
}

const TEMPLATES: &[Template] = &[
    Template {
        name: "welcome",
        subject: "Please confirm your address",
        text: include_str!("templates/welcome.txt"),
        html: include_str!("templates/welcome.html"),
        fields: &[
            Field {
                name: "name",
                kind: Kind::Line,
                required: true,
            },
            Field {
                name: "link",
                kind: Kind::Link,
                required: true,
            },
        ],
    },
    Template {
        name: "account-exists",
        subject: "You already have an account",
        text: include_str!("templates/account-exists.txt"),
        html: include_str!("templates/account-exists.html"),
        fields: &[
            Field {
                name: "name",
                kind: Kind::Line,
                required: false,
            },
            Field {
                name: "link",
                kind: Kind::Link,
                required: true,
            },
        ],
    },
];

impl Templates {
    /// Compiles the built-in templates.
    ///
    /// # Errors
    /// [`TemplateError::Broken`] if one does not compile; a test holds that none does.
    pub fn new() -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|part| match part.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        environment.add_filter("href", href);
        for template in TEMPLATES.iter().chain(own::TEMPLATES) {
            environment.add_template_owned(format!("{}.txt", template.name), template.text)?;
            environment.add_template_owned(format!("{}.html", template.name), template.html)?;
        }
        Ok(Self { environment })
    }

    /// The names there are.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        TEMPLATES.iter().map(|template| template.name).collect()
    }

    /// Whether `data` would be taken by the template `name`: what a handler asks before it accepts.
    ///
    /// # Errors
    /// [`TemplateError::Unknown`] or [`TemplateError::Field`].
    pub fn check(&self, name: &str, data: &serde_json::Value) -> Result<(), TemplateError> {
        fields::check(self.find(name)?.fields, data)
    }

    /// Renders the template `name` with the fields in `data`.
    ///
    /// # Errors
    /// [`TemplateError`], which names the field if one is missing, unknown or wrong.
    pub fn render(&self, name: &str, data: &serde_json::Value) -> Result<Content, TemplateError> {
        self.render_one(self.find(name)?, data)
    }

    /// The same of any mail that the service itself sends, those included that nobody else may.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_own(&self, name: &str, data: &serde_json::Value) -> Result<Content, TemplateError> {
        let mut all = TEMPLATES.iter().chain(own::TEMPLATES);
        let template = all.find(|template| template.name == name);
        self.render_one(template.ok_or(TemplateError::Unknown { known: Vec::new() })?, data)
    }

    fn render_one(&self, template: &Template, data: &serde_json::Value) -> Result<Content, TemplateError> {
        let name = template.name;
        fields::check(template.fields, data)?;
        // Each field is a string: that was checked.
        let fields = data.as_object().into_iter().flatten();
        let fields = Value::from_pairs(fields.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))));
        let part = |ending: &str| {
            self.environment
                .get_template(&format!("{name}.{ending}"))?
                .render(fields.clone())
        };
        Ok(Content {
            subject: Subject::parse(template.subject)?,
            text: part("txt")?,
            html: Some(part("html")?),
        })
    }

    fn find(&self, name: &str) -> Result<&'static Template, TemplateError> {
        let found = TEMPLATES.iter().find(|template| template.name == name);
        found.ok_or_else(|| TemplateError::Unknown { known: self.names() })
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Templates").field(&self.names()).finish()
    }
}

/// A checked link for HTML. The general escaping writes `/` as an entity too, which is right but makes links in mail that
/// few programs recognise; of the characters that the check of links lets through only these two need it.
fn href(link: &str) -> Value {
    Value::from_safe_string(link.replace('&', "&amp;").replace('\'', "&#39;"))
}

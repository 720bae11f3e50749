//! What an operator needs to know of a built-in template to put another in its place, and whether one can be.
//!
//! Guarantees: a replacement that was found to be fit renders for the fields that its mail has, those alone that are always there
//! included, and shows the link in both versions where the mail is of no use without; the same is looked at again whenever one is
//! rendered.

use serde_json::{Map, Value, json};

use super::compiled::{CompiledTemplate, TemplateSource};
use super::fault::{Place, TemplateFault};
use super::fields::Kind;
use super::{Content, TEMPLATES, Template, own};

/// The mails that are of no use without their link.
const LINK_NEEDED: &[&str] = &["welcome", "confirm-address", "password-reset"];

/// The link that a replacement is tried with.
const LINK: &str = "https://legwork.example/page?token=0123456789&of=1";

/// A built-in template.
#[derive(Clone, Copy)]
pub struct BuiltIn(&'static Template);

/// The built-in templates of the mails that the service itself sends.
pub fn built_ins() -> impl Iterator<Item = BuiltIn> {
    TEMPLATES.iter().chain(own::TEMPLATES).map(BuiltIn)
}

/// The one of this name.
#[must_use]
pub fn built_in(name: &str) -> Option<BuiltIn> {
    built_ins().find(|one| one.name() == name)
}

impl BuiltIn {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// What it says itself.
    #[must_use]
    pub fn source(self) -> TemplateSource {
        TemplateSource {
            subject: self.0.subject.to_owned(),
            html: self.0.html.to_owned(),
            text: Some(self.0.text.to_owned()),
        }
    }

    /// The fields of its mail, and whether each is always there.
    pub fn fields(self) -> impl Iterator<Item = (&'static str, bool)> {
        self.0.fields.iter().map(|field| (field.name, field.required))
    }

    /// Whether a replacement must show the link.
    #[must_use]
    pub fn needs_link(self) -> bool {
        LINK_NEEDED.contains(&self.name())
    }

    /// Data such as its mail has.
    #[must_use]
    pub fn sample(self) -> Value {
        self.sampled(|_| true)
    }

    fn sampled(self, is_given: impl Fn(bool) -> bool) -> Value {
        let given = self.0.fields.iter().filter(|field| is_given(field.required));
        let sample = given.map(|field| {
            let value = match (field.kind, field.name) {
                (Kind::Link, _) => LINK,
                (Kind::Line, "name") => "Ada Lovelace",
                (Kind::Line, "address") => "ada@example.com",
                (Kind::Line, "at") => "1 January 2030, 08:30 UTC",
                (Kind::Line, "network") => "192.0.2.0/24",
                (Kind::Line, _) => "Firefox",
            };
            (field.name.to_owned(), json!(value))
        });
        Value::Object(sample.collect::<Map<_, _>>())
    }

    /// Whether this can be sent in its place.
    ///
    /// # Errors
    /// What a replacement uses that its mail does not always have, and a link that is not shown where it is needed.
    pub fn accepts(self, replacement: &CompiledTemplate) -> Result<(), TemplateFault> {
        for name in replacement.names() {
            if self.fields().all(|(field, _)| field != name) {
                let known: Vec<_> = self.fields().map(|(field, _)| field).collect();
                let words = format!("is not a field of this mail; it has {}", known.join(", "));
                return Err(TemplateFault::new(Place::Data(format!("/{name}")), words));
            }
        }
        self.render(replacement, &self.sample())?;
        self.render(replacement, &self.sampled(|required| required))?;
        Ok(())
    }

    /// Renders a replacement.
    ///
    /// # Errors
    /// As [`CompiledTemplate::render`], and a link that is not shown where it is needed.
    pub fn render(self, replacement: &CompiledTemplate, data: &Value) -> Result<Content, TemplateFault> {
        let content = replacement.render(data)?;
        let link = data.get("link").and_then(Value::as_str).unwrap_or_default();
        if self.needs_link() {
            if !content.html.as_deref().is_some_and(|html| plain(html).contains(link)) {
                return Err(without_link("html"));
            }
            if !content.text.contains(link) {
                return Err(without_link("text"));
            }
        }
        Ok(content)
    }
}

fn without_link(part: &str) -> TemplateFault {
    TemplateFault::new(
        Place::Data("/link".to_owned()),
        format!("is not shown in the {part}, and the mail is of no use without it"),
    )
}

/// HTML with the characters of links as they are.
fn plain(html: &str) -> String {
    html.replace("&#x2f;", "/")
        .replace("&#x27;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

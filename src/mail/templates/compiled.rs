//! A workspace's template, compiled: from what somebody wrote and the data of one mail to subject, text and HTML.
//!
//! Guarantees, whatever the template and its data are: work and memory are bounded by fuel, of which each instruction, each byte
//! that is made and each thing that is visited takes some, and, since fuel does not see what is within a value, by a language in
//! which none is larger than what it was made from ([`super::plain`], [`super::language`]); nothing is read but the data (no
//! files, no other templates, no settings); what goes into HTML is escaped unless the template says `safe`; the subject is one
//! line of bounded length, whatever the data has; a thing that is printed and is not there is a fault that names it, not a hole.
//! Where there is no text, one is made from the HTML; style sheets within the HTML are written into its elements
//! ([`super::html`]).
//!
//! A layout is a template that prints `content`, which is the HTML of the other (and its text, in the text).
//!
//! Left out: which template is meant, its versions and locales; the fields of built-in templates.

use std::collections::BTreeSet;

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, context};
use serde_json::Value as Json;

use super::fault::{Part, Place, TemplateFault};
use super::{Content, html, language, length};
use crate::domain::email::{SUBJECT_CHARS_MAX, Subject, breaks_a_line};

/// What rendering one part may take: an instruction takes one, and so do 64 bytes that are made. Enough for a mail of half a
/// megabyte, which takes a few milliseconds.
const FUEL: u64 = 40_000;

/// How deep loops and calls may be within one another.
const DEPTH_MAX: usize = 50;

/// The most bytes of the HTML of a mail.
const HTML_BYTES_MAX: usize = 512 * 1024;

/// The most bytes of the text of a mail.
const TEXT_BYTES_MAX: usize = 512 * 1024;

/// What a layout prints in place of the mail.
pub const CONTENT: &str = "content";

/// A template as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateSource {
    /// What the mail is about.
    pub subject: String,
    /// The HTML.
    pub html: String,
    /// The plain text; made from the HTML where there is none.
    pub text: Option<String>,
}

/// A template that can be rendered.
#[derive(Debug)]
pub struct CompiledTemplate {
    environment: Environment<'static>,
}

/// The names of the parts in the environment. What ends in `.html` is escaped.
const SUBJECT: &str = "subject";
const HTML: &str = "html.html";
const TEXT: &str = "text";
const LAYOUT_HTML: &str = "layout.html";
const LAYOUT_TEXT: &str = "layout";

impl CompiledTemplate {
    /// Compiles what was written, within a layout if there is one.
    ///
    /// # Errors
    /// What is no template, by its part and line; a layout that has no place for the mail.
    pub fn compile(source: &TemplateSource, layout: Option<&TemplateSource>) -> Result<Self, TemplateFault> {
        let mut compiled = Self {
            environment: environment(),
        };
        compiled.add(SUBJECT, Place::Part(Part::Subject), &source.subject)?;
        compiled.add(HTML, Place::Part(Part::Html), &source.html)?;
        if let Some(text) = &source.text {
            compiled.add(TEXT, Place::Part(Part::Text), text)?;
        }
        let Some(layout) = layout else { return Ok(compiled) };
        compiled.add(LAYOUT_HTML, Place::Layout(Part::Html), &layout.html)?;
        if !compiled.names_in(LAYOUT_HTML).contains(CONTENT) {
            let words = format!("has no {{{{ {CONTENT} }}}}, which is where the mail would be");
            return Err(TemplateFault::new(Place::Layout(Part::Html), words));
        }
        if let Some(text) = &layout.text {
            compiled.add(LAYOUT_TEXT, Place::Layout(Part::Text), text)?;
        }
        Ok(compiled)
    }

    fn add(&mut self, name: &'static str, place: Place, source: &str) -> Result<(), TemplateFault> {
        length::check(source).map_err(|refused| TemplateFault {
            place: place.clone(),
            line: Some(refused.line),
            words: refused.words,
        })?;
        let added = self.environment.add_template_owned(name, source.to_owned());
        added.map_err(|error| TemplateFault::of(place, &error))
    }

    /// Renders the mail for `data`, which is an object.
    ///
    /// # Errors
    /// What the template does that it may not, what it prints that is not in the data, and what it makes that is no mail.
    pub fn render(&self, data: &Json) -> Result<Content, TemplateFault> {
        let values = Value::from(Serde(data));
        let subject = self.part(SUBJECT, Place::Part(Part::Subject), values.clone(), data)?;
        let subject = Subject::parse(&in_one_line(&subject))
            .map_err(|error| TemplateFault::new(Place::Part(Part::Subject), format!("{error} once it is rendered")))?;
        let mut html = self.part(HTML, Place::Part(Part::Html), values.clone(), data)?;
        if self.has(LAYOUT_HTML) {
            let content = Value::from_safe_string(html);
            let within = context! { content, subject => subject.as_str(), ..values.clone() };
            html = self.part(LAYOUT_HTML, Place::Layout(Part::Html), within, data)?;
        }
        bounded(&html, HTML_BYTES_MAX, Part::Html)?;
        let mut text = match self.has(TEXT) {
            true => Some(self.part(TEXT, Place::Part(Part::Text), values.clone(), data)?),
            false => None,
        };
        if let (Some(content), true) = (&text, self.has(LAYOUT_TEXT)) {
            let within = context! { content, subject => subject.as_str(), ..values };
            text = Some(self.part(LAYOUT_TEXT, Place::Layout(Part::Text), within, data)?);
        }
        let has_styles = html::has_styles(&html);
        if text.is_none() || has_styles {
            let page = html::Page::read(&html)?;
            text = text.or_else(|| Some(page.text()));
            if has_styles {
                html = page.inlined(&html)?;
                bounded(&html, HTML_BYTES_MAX, Part::Html)?;
            }
        }
        let text = or_subject(text, &subject);
        bounded(&text, TEXT_BYTES_MAX, Part::Text)?;
        Ok(Content {
            subject,
            text,
            html: Some(html),
        })
    }

    fn part(&self, name: &str, place: Place, values: Value, data: &Json) -> Result<String, TemplateFault> {
        let template = match self.environment.get_template(name) {
            Ok(template) => template,
            Err(error) => return Err(TemplateFault::of(place, &error)),
        };
        template.render(values).map_err(|error| {
            let fault = TemplateFault::of(place, &error);
            match error.kind() {
                ErrorKind::UndefinedError => self.missing(name, fault, data),
                _ => fault,
            }
        })
    }

    /// A fault about the first thing that is not in the data, which is most likely what the line of `fault` is about.
    fn missing(&self, name: &str, fault: TemplateFault, data: &Json) -> TemplateFault {
        let missing: Vec<String> = self
            .names_in(name)
            .into_iter()
            .filter(|path| *path != CONTENT && !is_there(data, path))
            .collect();
        let template = self.environment.get_template(name).ok();
        let source = template.as_ref().map_or("", |template| template.source());
        let line = fault.line.and_then(|line| source.lines().nth(line.saturating_sub(1)));
        let is_in_line = |path: &&String| line.is_some_and(|line| path.split('.').all(|part| line.contains(part)));
        match missing.iter().find(is_in_line).or_else(|| missing.first()) {
            Some(path) => TemplateFault {
                place: Place::Data(pointer_of(path)),
                line: None,
                words: "is missing, and the template uses it".to_owned(),
            },
            // Something of a list, or of what the template itself made.
            None => fault,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.environment.get_template(name).is_ok()
    }

    fn names_in(&self, name: &str) -> BTreeSet<String> {
        let template = self.environment.get_template(name);
        let names = template
            .map(|template| template.undeclared_variables(true))
            .unwrap_or_default();
        let globals: BTreeSet<&str> = self.environment.globals().map(|(name, _)| name).collect();
        names
            .into_iter()
            .filter(|name| !globals.contains(name.as_str()))
            .collect()
    }

    /// What the template and its layout use of the data: names, and names within them as in `user.name`.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let own = [SUBJECT, HTML, TEXT].into_iter().flat_map(|name| self.names_in(name));
        let layout = [LAYOUT_HTML, LAYOUT_TEXT]
            .into_iter()
            .flat_map(|name| self.names_in(name));
        let layout = layout.filter(|name| name != CONTENT && name != SUBJECT);
        own.chain(layout).collect()
    }

    /// Whether it prints `content`, as a layout does.
    #[must_use]
    pub fn is_layout(&self) -> bool {
        self.names_in(HTML).contains(CONTENT)
    }

    /// What is no fault and may be a mistake: what the template uses and `data` does not have, and the other way round.
    #[must_use]
    pub fn doubts(&self, data: &Json) -> Vec<(String, &'static str)> {
        let names = self.names();
        let unknown = names.iter().filter(|path| *path != CONTENT && !is_there(data, path));
        let unknown = unknown.map(|path| (pointer_of(path), "is not in the data, and the template uses it"));
        let is_used = |key: &str| names.iter().any(|path| path.split('.').next() == Some(key));
        let given = data.as_object().into_iter().flat_map(|object| object.keys());
        let unused = given.filter(|key| !is_used(key));
        let unused = unused.map(|key| (pointer_of(key), "is in the data, and the template does not use it"));
        unknown.chain(unused).collect()
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH_MAX);
    environment.set_auto_escape_callback(|part| match part.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    language::restrict(&mut environment);
    environment
}

/// A text with each run of white space and of what breaks a line as one space, cut where it is too long for a subject.
fn in_one_line(text: &str) -> String {
    let parts = text.split(|character: char| character.is_whitespace() || breaks_a_line(character));
    let line = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SUBJECT_CHARS_MAX {
        return line;
    }
    let kept = line.chars().take(SUBJECT_CHARS_MAX.saturating_sub(1));
    kept.chain(std::iter::once('\u{2026}')).collect()
}

/// The text of a mail of which there is only the HTML. It may take as long as a template.
///
/// # Errors
/// A page that is too deep, has too many tags, or would become much larger by being laid out.
pub fn text_of_html(html: &str, subject: &Subject) -> Result<String, TemplateFault> {
    Ok(or_subject(Some(html::Page::read(html)?.text()), subject))
}

/// Of a page of pictures alone, the subject.
fn or_subject(text: Option<String>, subject: &Subject) -> String {
    let text = text.filter(|text| !text.trim().is_empty());
    text.unwrap_or_else(|| subject.as_str().to_owned())
}

fn bounded(text: &str, bytes_max: usize, part: Part) -> Result<(), TemplateFault> {
    if text.len() <= bytes_max {
        return Ok(());
    }
    let words = format!("has more than {bytes_max} bytes once it is rendered");
    Err(TemplateFault::new(Place::Part(part), words))
}

/// Whether the data has what is at a path such as `user.name`. Of what is within a list nobody can say.
fn is_there(data: &Json, path: &str) -> bool {
    let mut at = data;
    for part in path.split('.') {
        at = match at {
            Json::Object(fields) => match fields.get(part) {
                Some(value) => value,
                None => return false,
            },
            Json::Null => return false,
            _ => return true,
        };
    }
    true
}

/// The JSON pointer to a path such as `user.name`, shortened.
fn pointer_of(path: &str) -> String {
    let path: String = path.chars().take(200).collect();
    format!("/{}", path.replace('~', "~0").replace('/', "~1").replace('.', "/"))
}

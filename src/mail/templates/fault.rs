//! What is wrong with a workspace's template, or with what it was given, in words for whoever wrote it.
//!
//! Guarantees: the words are one printable line of bounded length, speak of the template and its data, and hold no name of
//! anything within this service.

use std::fmt;

use minijinja::{Error, ErrorKind};

/// The most characters of an explanation.
const WORDS_CHARS_MAX: usize = 300;

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What the mail is about.
    Subject,
    /// The HTML.
    Html,
    /// The plain text.
    Text,
}

impl Part {
    /// Its name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Html => "html",
            Self::Text => "text",
        }
    }
}

/// Where it is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a part of the template.
    Part(Part),
    /// In a part of its layout.
    Layout(Part),
    /// In the data, at this JSON pointer; empty for all of it.
    Data(String),
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// Where.
    pub place: Place,
    /// In which line of that part, counted from 1, if that is known.
    pub line: Option<usize>,
    /// What.
    pub words: String,
}

impl TemplateFault {
    pub(super) fn new(place: Place, words: impl Into<String>) -> Self {
        Self {
            place,
            line: None,
            words: words.into(),
        }
    }

    /// Where it is, for a log: without the words, which may repeat what was in the data.
    #[must_use]
    pub fn whereabouts(&self) -> String {
        let place = match &self.place {
            Place::Part(part) => part.as_str().to_owned(),
            Place::Layout(part) => format!("{} of the layout", part.as_str()),
            Place::Data(pointer) => format!("data {pointer}"),
        };
        self.line.map_or(place.clone(), |line| format!("{place}, line {line}"))
    }

    /// What the engine says of a part.
    pub(super) fn of(place: Place, error: &Error) -> Self {
        let words = match error.kind() {
            ErrorKind::OutOfFuel => "does more work, or makes more text, than a template may".to_owned(),
            ErrorKind::UndefinedError => "uses something that is not in the data".to_owned(),
            ErrorKind::SyntaxError => said("is not a template", error),
            _ => said("cannot be rendered", error),
        };
        Self {
            place,
            line: error.line(),
            words,
        }
    }
}

/// With the line, where it is known, and the part, where the place does not say it.
impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Place::Layout(part) = &self.place {
            write!(f, "the {} of its layout ", part.as_str())?;
        }
        f.write_str(&self.words)?;
        self.line.map_or(Ok(()), |line| write!(f, " (line {line})"))
    }
}

/// What is wrong, with the engine's own explanation where it has one: it speaks the language of templates.
fn said(what: &str, error: &Error) -> String {
    let printable = |character: char| if character.is_control() { ' ' } else { character };
    match error.detail() {
        Some(detail) => {
            let detail: String = detail.chars().take(WORDS_CHARS_MAX).map(printable).collect();
            format!("{what}: {detail}")
        }
        None => format!("{what}: {}", error.kind()),
    }
}

//! The fields of a template: what they are, and whether the data that was given fits.

use super::TemplateError;
use crate::domain::email::breaks_a_line;

/// The most characters of one field.
pub const VALUE_CHARS_MAX: usize = 2_000;

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// The data is not an object.
    #[error("must be an object of the template's fields")]
    NotAnObject,
    /// Required and not given.
    #[error("is missing")]
    Missing,
    /// The template has no such field.
    #[error("is not a field of this template")]
    Unknown,
    /// Not a string.
    #[error("must be a string")]
    NotAString,
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// More than [`VALUE_CHARS_MAX`] characters.
    #[error("must have at most {VALUE_CHARS_MAX} characters")]
    TooLong,
    /// A line break or another control character.
    #[error("must not contain line breaks or other control characters")]
    ControlCharacter,
    /// Not an absolute http or https URL, or one with a user name in it.
    #[error("must be an http or https URL")]
    NotALink,
}

/// A field of a template.
pub(super) struct Field {
    /// Its name in the data.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) kind: Kind,
    /// Whether it must be given.
    pub(super) required: bool,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// One line of text.
    Line,
    /// An http or https URL.
    Link,
}

/// Whether `data` is an object of exactly these fields, each of its kind.
///
/// # Errors
/// [`TemplateError::Field`] about the first that is not.
pub(super) fn check(fields: &[Field], data: &serde_json::Value) -> Result<(), TemplateError> {
    let Some(given) = data.as_object() else {
        return Err(TemplateError::Field {
            pointer: String::new(),
            problem: FieldProblem::NotAnObject,
        });
    };
    for field in fields {
        let problem = match given.get(field.name) {
            None if field.required => Some(FieldProblem::Missing),
            None => None,
            Some(serde_json::Value::String(text)) => field.kind.problem_of(text),
            Some(_) => Some(FieldProblem::NotAString),
        };
        if let Some(problem) = problem {
            return Err(TemplateError::Field {
                pointer: format!("/{}", field.name),
                problem,
            });
        }
    }
    match given
        .keys()
        .find(|name| fields.iter().all(|field| field.name != name.as_str()))
    {
        None => Ok(()),
        Some(name) => Err(TemplateError::Field {
            pointer: pointer_to(name),
            problem: FieldProblem::Unknown,
        }),
    }
}

impl Kind {
    fn problem_of(self, text: &str) -> Option<FieldProblem> {
        if text.chars().any(breaks_a_line) {
            Some(FieldProblem::ControlCharacter)
        } else if text.trim().is_empty() {
            Some(FieldProblem::Empty)
        } else if text.chars().count() > VALUE_CHARS_MAX {
            Some(FieldProblem::TooLong)
        } else {
            match self {
                Self::Link if !is_link(text) => Some(FieldProblem::NotALink),
                _ => None,
            }
        }
    }
}

/// The JSON pointer to a field (RFC 6901 §3), shortened, since its name is a stranger's.
fn pointer_to(name: &str) -> String {
    let name: String = name.chars().take(100).collect();
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Whether a text is an absolute http or https URL in the characters of RFC 3986, with a host and without a user name
/// (`https://bank.example@evil.example/` reads like another site).
fn is_link(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return false;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !authority.is_empty()
        && !authority.starts_with(':')
        && !authority.contains('@')
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte))
}

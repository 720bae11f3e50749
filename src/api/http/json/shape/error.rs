//! What is wrong with the shape of some JSON: a pointer and plain words, made from what serde says by kind and not by text.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::super::node::Node;
use crate::api::http::FieldError;
use crate::api::http::validate::pointer_part;

/// What is wrong with the shape of some JSON, and where.
#[derive(Debug)]
pub(in crate::api::http) struct ShapeError {
    /// The parts of the pointer, the innermost first.
    parts: Vec<String>,
    detail: String,
}

impl ShapeError {
    /// The error as it is told to a client.
    pub(in crate::api::http) fn into_field(self) -> FieldError {
        let pointer = self
            .parts
            .iter()
            .rev()
            .map(|part| format!("/{}", pointer_part(part)))
            .collect();
        FieldError {
            pointer,
            detail: self.detail,
        }
    }

    /// An error about the value itself.
    pub(super) fn here(detail: impl Into<String>) -> Self {
        Self {
            parts: Vec::new(),
            detail: detail.into(),
        }
    }

    /// An error about its field `field`.
    pub(super) fn at(field: &str, detail: impl Into<String>) -> Self {
        Self {
            parts: vec![field.into()],
            detail: detail.into(),
        }
    }

    /// The same error, seen from whatever holds the value as `part`.
    pub(super) fn under(mut self, part: &str) -> Self {
        self.parts.push(part.into());
        self
    }

    /// Whether it is about the value itself.
    pub(super) fn is_here(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn wrong_type(wanted: &str, found: &Node) -> Self {
        Self::here(format!("must be {wanted}, not {}", found.kind()))
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ShapeError {}

impl de::Error for ShapeError {
    /// The words of our own types; those of derived code that name a Rust type are replaced.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        let derived = message.starts_with("data did not match any variant of untagged enum");
        Self::here(if derived {
            "is none of the forms that it may have".into()
        } else {
            message
        })
    }

    /// Reached for types that ask for any value; what they expected may name a Rust type, so it is not told.
    fn invalid_type(found: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::here(format!("must not be {}", kind_of(found)))
    }

    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::here("has a value that is not allowed")
    }

    fn invalid_length(length: usize, _: &dyn Expected) -> Self {
        Self::here(format!("has {length} items, which is not the number that it must have"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::here(one_of(expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let known = if expected.is_empty() {
            "there are none".into()
        } else {
            expected.join(", ")
        };
        Self::at(field, format!("is not a known field; known are: {known}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::at(field, "is required")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::at(field, GIVEN_TWICE)
    }
}

pub(super) const GIVEN_TWICE: &str = "is given more than once";

pub(super) fn one_of(expected: &[&str]) -> String {
    format!("must be one of: {}", expected.join(", "))
}

fn kind_of(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        _ => "of this type",
    }
}

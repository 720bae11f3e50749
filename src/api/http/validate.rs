//! Collecting what is wrong with several fields before answering, so that a person need not send a form five times.

use std::borrow::Cow;
use std::fmt;

use super::{FieldError, Problem};

/// The fields of one request that are not what they must be.
#[derive(Debug, Default)]
#[must_use = "errors are only told by `finish` or `finish_with`"]
pub struct Fields {
    errors: Vec<FieldError>,
    /// Where in the body the fields are.
    within: Cow<'static, str>,
}

impl Fields {
    /// The most errors that are told; a batch of 1,000 bad addresses needs no longer answer than that.
    pub const ERRORS_MAX: usize = 50;

    /// No errors yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No errors yet; every pointer is meant within the value at `pointer`.
    pub fn within(pointer: &'static str) -> Self {
        Self {
            errors: Vec::new(),
            within: Cow::Borrowed(pointer),
        }
    }

    /// From now on every pointer is meant within the value at `pointer`; what was noted stays.
    pub fn enter(&mut self, pointer: String) {
        self.within = Cow::Owned(pointer);
    }

    /// The value of the field at `pointer` (RFC 6901, such as `/to/0`), or `None` after noting what is wrong with it. The
    /// error's text is shown to the client: use this for errors of input only.
    pub fn check<T, E: fmt::Display>(&mut self, pointer: &str, outcome: Result<T, E>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(pointer, error.to_string());
                None
            }
        }
    }

    /// Notes that the field at `pointer` is not what it must be.
    pub fn refuse(&mut self, pointer: &str, detail: impl Into<String>) {
        if self.errors.len() < Self::ERRORS_MAX {
            self.errors.push(FieldError {
                pointer: format!("{}{pointer}", self.within),
                detail: detail.into(),
            });
        }
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.errors.is_empty()
    }

    /// Ends the collecting.
    ///
    /// # Errors
    ///
    /// 422 with all that was noted, if anything was.
    pub fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid_input(self.errors))
        }
    }

    /// Ends the collecting with what the checked values make together, such as `to.zip(subject)`.
    ///
    /// # Errors
    ///
    /// 422 with all that was noted, if anything was or `value` is missing.
    pub fn finish_with<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) => self.finish().map(|()| value),
            None => Err(Problem::invalid_input(self.errors)),
        }
    }
}

/// `name` as one part of a JSON pointer (RFC 6901, 3): `~` is written `~0` and `/` is written `~1`.
#[must_use]
pub fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

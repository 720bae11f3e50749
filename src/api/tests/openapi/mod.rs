//! The description of the API against the API: nothing is missing, and what it says is so.

mod cast;
mod conformance;
mod document;
mod examples;
mod limits;
mod matrix;
mod spec;

pub(super) use conformance::conforms;

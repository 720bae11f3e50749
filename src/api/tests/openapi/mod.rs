//! The description of the API against the API: nothing is missing, and what it says is so.

mod document;

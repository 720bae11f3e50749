//! Kinds of work performed by a worker that is started alone, against the world outside.

mod mailing;
mod reporting;

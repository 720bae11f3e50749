//! The integration tests: one binary, whose folders mirror those of `src`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; clippy's switches for tests only know functions marked #[test]"
)]

mod examples;
mod hostile;
mod jobs;
mod mail;
mod packaging;
mod service;
mod store;
mod support;

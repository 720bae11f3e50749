//! What several integration tests need: doubles of the world outside.

pub(crate) mod certificates;
pub(crate) mod relay;
pub(crate) mod required;
pub(crate) mod service;

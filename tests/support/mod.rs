//! What several integration tests need: doubles of the world outside.

pub(crate) mod leaks;
pub(crate) mod log_table;
pub(crate) mod relay;
pub(crate) mod required;
pub(crate) mod service;

//! What several integration tests need: doubles of the world outside.

pub(crate) mod relay;

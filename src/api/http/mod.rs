//! What every route stands on: errors, extractors, middleware.

pub mod hashing;

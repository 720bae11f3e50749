//! The HTTP surface: translates requests into store transactions and answers.

pub mod http;

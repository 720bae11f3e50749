//! What several integration tests need: doubles of the world outside.

pub(crate) mod certificates;
pub(crate) mod leaks;
pub(crate) mod log_table;
pub(crate) mod mail_server;
pub(crate) mod opensmtpd;
pub(crate) mod postfix;
#[expect(dead_code, reason = "the unit tests of the store use what these do not")]
pub(crate) mod postgres_server;
pub(crate) mod relay;
pub(crate) mod required;
pub(crate) mod service;
pub(crate) mod tmpfs;

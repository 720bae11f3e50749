//! The database as the whole service meets it.

mod server;

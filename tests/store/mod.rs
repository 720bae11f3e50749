//! The database as the whole service meets it.

mod outage;
mod server;

//! PostgreSQL: connecting, encryption, and being told of what other connections did.
//!
//! Guarantees: no error, log line or `Debug` here holds a password; every session commits synchronously, in UTC, and ends
//! statements, locks and transactions that take too long. Left out: what is asked of the database, which stands in the queries
//! and in `dialect`; pooling; and poolers between here and the server that share sessions, which break notifications.

mod connect;
mod listen;
mod tls;

pub(in crate::store) use connect::{ConnectError, connect};
pub(in crate::store) use listen::{Channel, Heard, OnHeard, start as start_listener};

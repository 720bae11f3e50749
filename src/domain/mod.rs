//! Pure types and rules: ids, addresses, states and transitions of a job, outcomes, retry policy.
//!
//! Guarantees: no I/O, no framework, no clock of its own; everything here can be tested without a runtime.

pub mod act;
pub mod device;
pub mod email;
pub mod fault;
pub mod forwarded;
pub mod id;
pub mod job;
pub mod key_prefix;
pub mod list_unsubscribe;
mod named;
pub mod password;
pub mod recovery;
pub mod report;
pub mod roles;
pub mod schedule;
pub mod scope;
pub mod second_factor;
pub mod security;
pub mod stream;
pub mod suppression;
pub mod template;
pub mod token;
pub mod totp;

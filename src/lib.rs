//! Legwork answers at once and does the legwork later.
//!
//! The map of the crate, from the outside in. Dependencies point down this list only, and `tests/tidy.rs` holds that:
//!
//! - [`app`]: the composition root; builds everything and owns the order of start and of shutdown.
//! - [`api`]: the HTTP surface; translates requests into store transactions and answers.
//! - [`workers`]: the actors that perform jobs, and the dispatcher and keeper beside them.
//! - [`control`]: what operators may order of the supervision tree, and the socket over which the command line does it.
//! - [`jobs`]: the contract of a kind of work, the kinds, enqueueing, and the execution of one attempt.
//! - [`mail`]: building a message, templates, and the SMTP dialogue.
//! - [`reports`]: what rows become: cells, CSV and JSON lines, and the files that they are written into.
//! - [`store`]: the only importer of diesel: connections, migrations, write batching, queries by entity.
//! - [`domain`]: pure types and rules: ids, addresses, job states and transitions, retry policy.
//!
//! Leaves, which know nothing of the above and may be used by all: [`supervision`], [`clock`], [`config`],
//! [`telemetry`], [`keyring`], [`private`], [`sandbox`].
//!
//! What is absent on purpose: globals (every handle is passed in), a broker, and any work done in a handler that is
//! slower than one commit.

pub mod api;
pub mod app;
pub mod clock;
pub mod config;
pub mod control;
pub mod domain;
pub mod jobs;
pub mod keyring;
pub mod mail;
pub mod private;
pub mod reports;
pub mod sandbox;
pub mod store;
pub mod supervision;
pub mod telemetry;
pub mod workers;

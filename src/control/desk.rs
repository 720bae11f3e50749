//! Jobs, as operators see and order them on the service's own machine.
//!
//! Left out: what is answered, which is as over HTTP; whoever puts the service together hands it over, so that both ways are
//! one.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::protocol::ErrorKind;

/// What is asked about jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobAsk {
    /// A page of them.
    List,
    /// One.
    Show,
    /// Why some were given up.
    Causes,
    /// Which ones an order would mean.
    Preview,
    /// An order for many.
    Order,
    /// What became of an uncertain one.
    Resolve,
}

/// Why it is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskRefusal {
    /// For programs.
    pub error: ErrorKind,
    /// For people.
    pub detail: String,
}

/// Whoever answers.
pub trait JobDesk: Send + Sync {
    /// Answers `ask` with these words, for a user of this machine.
    fn ask(&self, ask: JobAsk, words: Value, uid: u32) -> BoxFuture<'_, Result<Value, DeskRefusal>>;
}

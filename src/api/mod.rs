//! The HTTP surface: translates requests into store transactions and answers.
//!
//! Guarantees: a handler answers after at most one commit and never waits for slow work; 201 and 202 mean committed; a
//! client sees its own workspace only, and another's id is as good as none. All routes stand in [`routes`].

pub mod http;
mod state;

pub use http::HashingPool;
pub use state::{CancelAttempt, ShutdownFlag, State};

use actix_web::web;

/// Every route of the service.
pub fn routes(config: &mut web::ServiceConfig) {
    let _ = config;
}

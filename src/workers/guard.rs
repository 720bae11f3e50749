//! The guard: ends this node's work while its lease cannot be renewed.
//!
//! Guarantees: it looks twice a second, on a thread of its own and beside all that performs jobs in the tree: whichever of
//! those is stuck, failing or suspended, the work has ended before the lease has. It asks nobody, and waits for nothing.

use std::time::Duration;

use actix::{Actor, AsyncContext};
use tokio::time::Instant;

use super::{Lease, LeaseChange};
use crate::domain::id::NodeId;
use crate::jobs::{Attempts, StopCause};
use crate::supervision;
use crate::telemetry::names::event;

/// How often it looks.
pub const GUARD_EVERY: Duration = Duration::from_millis(500);

/// What a guard is made of.
#[derive(Clone)]
pub struct GuardParts {
    /// This process.
    pub node: NodeId,
    /// What it guards.
    pub lease: Lease,
    /// The attempts of this process.
    pub attempts: Vec<Attempts>,
}

/// Looks and stops; see the module.
pub struct Guard {
    parts: GuardParts,
}

impl Guard {
    /// A guard of these parts.
    #[must_use]
    pub fn new(parts: GuardParts) -> Self {
        Self { parts }
    }

    fn look(&self) {
        let (lease, now, node) = (&self.parts.lease, Instant::now(), self.parts.node);
        match lease.watch(now) {
            Some(LeaseChange::Lapsed) => tracing::error!(
                event = event::LEASE_LAPSED,
                %node,
                "this node could not renew its lease; its work is told to stop, and nothing is claimed until it can"
            ),
            Some(LeaseChange::Regained) => {
                tracing::info!(event = event::LEASE_REGAINED, %node, "this node has its lease again; it claims again");
            }
            None => {}
        }
        if !lease.is_held(now) {
            for attempts in &self.parts.attempts {
                attempts.stop_all(StopCause::LeaseLost);
            }
        }
    }
}

impl Actor for Guard {
    type Context = supervision::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look();
        ctx.run_interval(GUARD_EVERY, |guard, _| guard.look());
    }
}

supervision::supervised!(Guard);

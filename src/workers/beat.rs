//! The sign of life: renewing this node's lease, and entering anew once it was taken over.
//!
//! Guarantees: a lease never lasts longer here than in the database, since it is counted from before the statement; a node
//! that lost its lease enters anew only when none of its own attempts is left, so that nothing of its past life can be taken
//! for something of the new one. Each sign of life sets this process's clock by the one that decides.

use std::time::Duration;

use tokio::time::Instant;

use super::KeeperParts;
use super::lease::LEASE;
use super::rescue::{Rescued, take_node};
use crate::clock::{Clock, Timestamp};
use crate::jobs::StopCause;
use crate::store::{Abort, StoreError, nodes};
use crate::telemetry;
use crate::telemetry::names::event;

/// How far off a clock may be before the log says so: far beyond what time services leave, and less than anybody notices.
const CLOCK_OFF: Duration = Duration::from_secs(1);

/// What a statement about the lease tells.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    /// From before the statement: when the lease begins, as this process may count it.
    pub at: Instant,
    /// What this process's clock showed before it.
    before: Timestamp,
    /// The present of the clock that decides.
    decided: Timestamp,
    /// What this process's clock showed after it.
    after: Timestamp,
}

impl Sign {
    /// Runs `ask`, which answers the present of the clock that decides, between two looks at this process's.
    ///
    /// # Errors
    /// What `ask` answers.
    pub fn taken<F>(clock: &Clock, ask: F) -> Result<Option<Self>, StoreError>
    where
        F: FnOnce(Timestamp) -> Result<Option<Timestamp>, StoreError>,
    {
        let (at, before) = (Instant::now(), clock.now());
        let decided = ask(before)?;
        let after = clock.now();
        Ok(decided.map(|decided| Self {
            at,
            before,
            decided,
            after,
        }))
    }

    /// Sets the clock by it.
    pub fn set(&self, clock: &Clock) {
        let off = clock.correct(self.before, self.decided, self.after);
        if off.unsigned_abs() > u64::try_from(CLOCK_OFF.as_micros()).unwrap_or(u64::MAX) {
            let off_ms = off / 1_000;
            tracing::warn!(
                event = event::CLOCK_SET,
                off_ms,
                "this machine's clock differs from the database's, which decides; it is corrected by that much"
            );
        }
    }
}

/// Renews the lease once, or enters anew.
pub(super) async fn beat(parts: &KeeperParts) {
    let node = parts.node;
    match renew(parts).await {
        Ok(Some(sign)) => {
            sign.set(&parts.clock);
            parts.lease.renew(sign.at);
        }
        Ok(None) => {
            parts.lease.lose();
            tracing::error!(
                event = event::NODE_LOST,
                %node,
                "this node's lease was taken over, since it could not renew it; it enters anew once its work has ended"
            );
            enter_anew(parts).await;
        }
        Err(StoreError::Closed) => {}
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::BEAT_FAILED,
                %node,
                error,
                "the lease could not be renewed; the next beat tries again"
            );
        }
    }
}

async fn renew(parts: &KeeperParts) -> Result<Option<Sign>, StoreError> {
    let (node, clock) = (parts.node, parts.clock.clone());
    let beaten = parts.store.write(move |tx| {
        let sign = Sign::taken(&clock, |now| nodes::beat(tx.connection(), node, now, LEASE));
        Ok::<_, Abort<()>>(sign?)
    });
    only_store(beaten.await)
}

async fn enter_anew(parts: &KeeperParts) {
    for attempts in &parts.attempts {
        attempts.stop_all(StopCause::LeaseLost);
        attempts.idle().await;
    }
    let (node, roles, clock) = (parts.node, parts.roles, parts.clock.clone());
    let performs = parts.registry.performed(roles);
    let entered = async {
        // What its rescuer left undone, if that one died meanwhile.
        take_node(&parts.store, &parts.clock, node, &mut Rescued::default()).await?;
        let entered = parts.store.write(move |tx| {
            let sign = Sign::taken(&clock, |now| {
                let version = env!("CARGO_PKG_VERSION");
                let entered = nodes::enter(tx.connection(), node, (version, roles), now, LEASE)?;
                nodes::publish(tx.connection(), node, &performs)?;
                Ok(entered)
            });
            Ok::<_, Abort<()>>(sign?)
        });
        only_store(entered.await)
    };
    match entered.await {
        Ok(Some(sign)) => {
            sign.set(&parts.clock);
            parts.lease.enter(sign.at);
        }
        // It is being taken back still; the next beat finds it gone.
        Ok(None) | Err(StoreError::Closed) => {}
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::BEAT_FAILED,
                %node,
                error,
                "this node could not enter anew; the next beat tries again"
            );
        }
    }
}

/// For a closure that refuses nothing.
fn only_store<T>(written: Result<Option<T>, Abort<()>>) -> Result<Option<T>, StoreError> {
    match written {
        Ok(value) => Ok(value),
        Err(Abort::Store(error)) => Err(error),
        Err(Abort::Refused(())) => Ok(None),
    }
}

//! Contracting the schema in the background, once no node of an older release has been alive for long enough.
//!
//! Guarantees: an older node that is alive puts it off, and the time begins anew when it has gone; whether one is alive is
//! looked at again in the transaction that contracts. What is done once is not looked at again by this process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::KeeperParts;
use crate::store::{Contracted, RELEASE, StoreError, nodes};
use crate::telemetry;
use crate::telemetry::names::event;

/// How long it has been possible; clones share it, and so do the lives of a keeper.
#[derive(Clone, Debug)]
pub struct Contracting {
    after: Duration,
    standing: Arc<Mutex<Standing>>,
}

#[derive(Clone, Copy, Debug)]
enum Standing {
    /// An older node was alive at the last look, or there was none.
    Barred,
    /// No older node has been seen alive since.
    FreeSince(Instant),
    /// There is nothing left to do.
    Done,
}

impl Contracting {
    /// Contracts once no older node has been alive for so long.
    #[must_use]
    pub fn after(after: Duration) -> Self {
        Self {
            after,
            standing: Arc::new(Mutex::new(Standing::Barred)),
        }
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.standing(), Standing::Done)
    }

    fn standing(&self) -> Standing {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// Notes whether an older node is alive, and answers whether it is time.
    fn is_time(&self, is_free: bool, now: Instant) -> bool {
        match (self.standing(), is_free) {
            (Standing::Done, _) => false,
            (_, false) => {
                self.set(Standing::Barred);
                false
            }
            (Standing::Barred, true) => {
                self.set(Standing::FreeSince(now));
                self.after.is_zero()
            }
            (Standing::FreeSince(since), true) => now.saturating_duration_since(since) >= self.after,
        }
    }
}

/// Looks once whether the schema can be contracted, and does it if so.
pub(super) async fn contract(parts: &KeeperParts) {
    if parts.contracting.is_done() {
        return;
    }
    match try_contract(parts).await {
        Ok(()) | Err(StoreError::Closed) => {}
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::CONTRACT_FAILED,
                error,
                "what only older versions used could not be taken out of the schema; the next look tries again"
            );
        }
    }
}

async fn try_contract(parts: &KeeperParts) -> Result<(), StoreError> {
    let (contracting, now) = (&parts.contracting, parts.clock.now());
    let older = parts
        .store
        .read(move |connection| nodes::older(connection, RELEASE, now));
    if !contracting.is_time(older.await?.is_empty(), Instant::now()) {
        return Ok(());
    }
    match parts.store.contract_if_free(now).await? {
        Contracted::Nothing => contracting.set(Standing::Done),
        Contracted::Done(migrations) => {
            contracting.set(Standing::Done);
            let versions = migrations.join(", ");
            tracing::info!(
                event = event::SCHEMA_CONTRACTED,
                versions,
                "what only older versions used was taken out of the schema; they do not start on it any more"
            );
        }
        Contracted::WaitsFor(_) => contracting.set(Standing::Barred),
        Contracted::Busy => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_time_once_no_older_node_has_been_seen_for_so_long() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let contracting = Contracting::after(Duration::from_secs(60));
        assert!(!contracting.is_time(true, at(0)));
        assert!(!contracting.is_time(true, at(59)));
        assert!(!contracting.is_time(false, at(60)), "an older node is there");
        assert!(!contracting.is_time(true, at(70)));
        assert!(!contracting.is_time(true, at(129)), "the time began anew");
        assert!(contracting.is_time(true, at(130)));
        contracting.set(Standing::Done);
        assert!(!contracting.is_time(true, at(200)));
    }

    #[test]
    fn without_a_time_it_is_done_at_the_first_look() {
        let contracting = Contracting::after(Duration::ZERO);
        assert!(contracting.is_time(true, Instant::now()));
    }
}

//! Writing down how many mails this process accepted, and reading how many others did, and what workspaces may use.
//!
//! Guarantees: a transaction writes at most [`ROWS_MAX`] counts; what fails is written the next time; each round reads the hours
//! that can have changed since the last that succeeded, and no others.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::Timestamp;
use crate::domain::id::NodeId;
use crate::jobs::{Depths, MailCounts, OwnQuotas, first_hour, hour_before};
use crate::store::{Abort, Store, StoreError, mail_counts, workspaces};
use crate::telemetry;
use crate::telemetry::names::event;

/// Counts in one transaction.
const ROWS_MAX: usize = 500;

/// What is counted, and what it is measured by; clones share it.
#[derive(Clone, Debug)]
pub struct MailLedger {
    /// What is counted.
    pub counts: MailCounts,
    /// What workspaces may use.
    pub quotas: OwnQuotas,
    /// How many jobs wait, which goes by those quotas too.
    pub depths: Depths,
    /// This process.
    pub node: NodeId,
    /// The first hour that is to be read anew; none was read yet.
    read_from: Arc<AtomicI64>,
}

impl MailLedger {
    /// One that has read nothing yet.
    #[must_use]
    pub fn new(counts: MailCounts, quotas: OwnQuotas, depths: Depths, node: NodeId) -> Self {
        Self {
            counts,
            quotas,
            depths,
            node,
            read_from: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }

    /// Reads what others counted and what workspaces may use; what cannot be read stays as it was read last.
    pub async fn read(&self, store: &Store, now: Timestamp) {
        let (node, first) = (self.node, first_hour(now));
        let from = self.read_from.load(Ordering::SeqCst).max(first);
        let read = store.read(move |connection| {
            let others = mail_counts::of_others(connection, node, from)?;
            Ok((others, workspaces::own_quotas(connection)?))
        });
        match read.await {
            Ok((others, quotas)) => {
                self.counts.of_others(&others);
                for workspace in self.quotas.replace(quotas) {
                    self.depths.bound_anew(workspace);
                }
                // What a process counted just before the hour is written just after it.
                self.read_from.store(hour_before(now), Ordering::SeqCst);
            }
            Err(error) => tell(&error),
        }
    }

    /// Writes what was counted here and is not written yet.
    pub async fn write(&self, store: &Store) {
        loop {
            let (node, counts) = (self.node, self.counts.unwritten(ROWS_MAX));
            if counts.is_empty() {
                return;
            }
            let rows = counts.clone();
            let write = store.write(move |tx| Ok::<_, Abort<()>>(mail_counts::write(tx.connection(), node, &rows)?));
            match write.await {
                Ok(()) | Err(Abort::Refused(())) => self.counts.written(&counts),
                Err(Abort::Store(error)) => return tell(&error),
            }
            if counts.len() < ROWS_MAX {
                return;
            }
        }
    }
}

fn tell(error: &StoreError) {
    if matches!(error, StoreError::Closed) {
        return;
    }
    let error = telemetry::chain(error);
    tracing::warn!(
        event = event::MAIL_COUNTS_BEHIND,
        error,
        "how many mails workspaces sent could not be written or read; the next round tries again"
    );
}

//! Looking which kinds wait and who performs them, for what is shown of jobs, and telling the log of those that nobody knows.

use super::KeeperParts;
use crate::jobs::KINDS_MAX;
use crate::store::jobs::WaitingKind;
use crate::store::{StoreError, jobs, nodes};
use crate::telemetry;
use crate::telemetry::names::event;

/// Looks once, and says in the log what changed.
pub(super) async fn look_at_kinds(parts: &KeeperParts) {
    let now = parts.clock.now();
    let looked = parts.store.read(move |connection| {
        let performed = nodes::performed(connection, now)?;
        Ok((performed, jobs::waiting_kinds(connection, KINDS_MAX)?))
    });
    match looked.await {
        Ok((performed, waiting)) => {
            let change = parts.elsewhere.seen(performed, waiting, &parts.registry);
            if !change.began.is_empty() {
                let kinds = listed(&change.began);
                tracing::warn!(
                    event = event::KINDS_UNKNOWN,
                    kinds,
                    "jobs wait that no living node knows; they are performed once one does"
                );
            }
            if !change.ended.is_empty() {
                let kinds = listed(&change.ended);
                tracing::info!(
                    event = event::KINDS_KNOWN,
                    kinds,
                    "jobs that nobody knew are known now, or wait no more"
                );
            }
        }
        Err(StoreError::Closed) => {}
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::KINDS_UNSEEN,
                error,
                "it could not be looked up which kinds wait; the next look tries again"
            );
        }
    }
}

fn listed(kinds: &[WaitingKind]) -> String {
    let each = kinds
        .iter()
        .map(|one| format!("{} version {} in {}", one.kind, one.version, one.queue));
    each.collect::<Vec<_>>().join(", ")
}

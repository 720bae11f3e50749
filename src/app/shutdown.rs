//! Coming down in order: named phases, each with a time of its own.
//!
//! stop accepting → drain HTTP → stop claiming → drain attempts (what is left is ended, its attempt given back) → release
//! the lease → stop the actors → close the database. A phase that runs out of its time is logged, and the next one begins:
//! whatever it left undone is what a `kill -9` leaves, and the next start takes it back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;

use super::tree::Grown;
use crate::api::ShutdownFlag;
use crate::config::Config;
use crate::control::ControlSocket;
use crate::domain::id::NodeId;
use crate::jobs::{GRACE, StopCause};
use crate::store::{Abort, ServeLock, Store, nodes};
use crate::supervision::StopKind;
use crate::telemetry::names::event;

/// How long attempts that were told to end may take beyond their own grace to have their ends written.
const WRITE_ENDS: Duration = Duration::from_secs(3);

/// What is to be brought down.
pub(super) struct Parts {
    pub(super) config: Arc<Config>,
    pub(super) store: Store,
    pub(super) node: NodeId,
    pub(super) http: ServerHandle,
    pub(super) shutdown: ShutdownFlag,
    pub(super) grown: Grown,
    /// Its file is removed when this is dropped.
    pub(super) control: Option<ControlSocket>,
    /// Held until all else is down.
    pub(super) _lock: ServeLock,
}

/// Goes through the phases.
pub(super) async fn run(parts: Parts) {
    let limits = &parts.config.shutdown;
    // Streams and readiness see the flag; the server stops accepting at once and waits for what is under way.
    parts.shutdown.raise();
    phase(
        "http",
        limits.http.saturating_add(Duration::from_secs(1)),
        parts.http.stop(true),
    )
    .await;
    phase("claiming", limits.store, async {
        for lane in &parts.grown.lanes {
            lane.close().await;
        }
    })
    .await;
    drain_attempts(&parts).await;
    phase("lease", limits.store, async {
        let node = parts.node;
        let left = parts
            .store
            .write(move |tx| Ok::<_, Abort<()>>(nodes::leave(tx.connection(), node)?))
            .await;
        if left.is_err() {
            tracing::warn!(
                event = event::LEASE_KEPT,
                %node,
                "the lease could not be released; it ends by itself"
            );
        }
    })
    .await;
    phase("actors", limits.actors.saturating_add(Duration::from_secs(1)), async {
        for stopped in parts.grown.tree.stop().await {
            if stopped.how != StopKind::Clean {
                tracing::warn!(
                    event = event::CUT_OFF,
                    actor = stopped.name,
                    how = ?stopped.how,
                    undelivered = stopped.undelivered,
                    "an actor was cut off"
                );
            }
        }
        // Until whoever follows events was told of the end.
        if let Some(control) = &parts.control {
            control.closed().await;
        }
    })
    .await;
    // What waited in the mailbox of a worker that was down was thrown away with it, and gives itself back.
    phase("given_back", WRITE_ENDS, all_idle(&parts.grown)).await;
    for arbiter in &parts.grown.arbiters {
        arbiter.stop();
    }
    phase("store", limits.store, parts.store.close()).await;
    tracing::info!(event = event::SHUTDOWN, phase = "end", "down in order");
}

async fn drain_attempts(parts: &Parts) {
    if phase("attempts", parts.config.shutdown.grace, all_idle(&parts.grown)).await {
        return;
    }
    for lane in &parts.grown.lanes {
        lane.attempts().stop_all(StopCause::Draining);
    }
    phase("attempts_ended", GRACE + WRITE_ENDS, all_idle(&parts.grown)).await;
}

/// Waits until no attempt is left whose end is not written.
async fn all_idle(grown: &Grown) {
    for lane in &grown.lanes {
        lane.attempts().idle().await;
    }
}

/// Runs one phase within its time; answers whether it came to its end.
async fn phase(name: &'static str, limit: Duration, work: impl Future<Output = ()>) -> bool {
    let begun = Instant::now();
    let in_time = tokio::time::timeout(limit, work).await.is_ok();
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if in_time {
        tracing::info!(event = event::SHUTDOWN, phase = name, duration_ms, "phase done");
    } else {
        tracing::warn!(
            event = event::SHUTDOWN,
            phase = name,
            duration_ms,
            "phase ran out of its time"
        );
    }
    in_time
}

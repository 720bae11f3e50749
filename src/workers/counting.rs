//! Counting what waits, for the limits of queues and workspaces.

use tokio::time::Instant;

use crate::clock::Clock;
use crate::jobs::{Depths, WORKSPACES_MAX};
use crate::store::{Store, StoreError, jobs, nodes};
use crate::telemetry;
use crate::telemetry::names::event;

/// Counts once, and tells what was found. What cannot be counted stays as it was counted last.
pub async fn count_depths(store: &Store, depths: &Depths, clock: &Clock) {
    let (began, now) = (Instant::now(), clock.now());
    let workspaces_max = if depths.begin(began) { WORKSPACES_MAX } else { 0 };
    let counted = store.read(move |connection| {
        let alive = nodes::alive(connection, now)?;
        Ok((jobs::depths(connection, workspaces_max)?, alive))
    });
    match counted.await {
        Ok((found, alive)) => depths.counted(&found, alive, (began, Instant::now())),
        Err(StoreError::Closed) => {}
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::COUNT_FAILED,
                error,
                "what waits could not be counted; the limits of queues and workspaces rest on an older count"
            );
        }
    }
}

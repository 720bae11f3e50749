//! Clearing away what has expired: a little at a time, so that nobody who writes waits for it.
//!
//! Guarantees: a transaction deletes at most [`BATCH_ROWS`] rows, and the writer is left alone for at least as long as each
//! of them took; what fails is tried again the next time.

use std::time::Duration;

use tokio::time::Instant;

use super::KeeperParts;
use crate::clock::Timestamp;
use crate::domain::job::JobState;
use crate::store::{Abort, Connection, Store, StoreError, jobs, registrations, sessions};
use crate::telemetry;
use crate::telemetry::names::event;

/// Rows in one transaction. 500 jobs with their attempts take about as long to delete as a full batch of the writer takes
/// to commit.
const BATCH_ROWS: usize = 500;
/// The shortest rest between two transactions.
const REST_MIN: Duration = Duration::from_millis(20);

/// Deletes up to so many rows of one sort that expired until then, and answers how many.
type Forget = fn(&mut Connection, Timestamp, usize) -> Result<usize, StoreError>;

/// Clears everything away that has expired.
pub(super) async fn clear(parts: &KeeperParts) {
    let (store, now, kept) = (&parts.store, parts.clock.now(), parts.retention);
    let discarded = now.minus(kept.discarded);
    let all: [(&'static str, Forget, Timestamp); 6] = [
        ("registrations", registrations::forget_expired, now),
        ("sessions", sessions::forget_expired, now),
        (
            "jobs",
            |c, until, rows| jobs::forget_finished(c, JobState::Completed, until, rows),
            now.minus(kept.completed),
        ),
        (
            "jobs",
            |c, until, rows| jobs::forget_finished(c, JobState::Discarded, until, rows),
            discarded,
        ),
        (
            "jobs",
            |c, until, rows| jobs::forget_finished(c, JobState::Cancelled, until, rows),
            discarded,
        ),
        (
            "jobs",
            |c, until, rows| jobs::forget_finished(c, JobState::Uncertain, until, rows),
            discarded,
        ),
    ];
    for (what, forget, until) in all {
        match clear_one(store, forget, until).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(event = event::CLEARED, what, rows, "expired rows were cleared away"),
            Err(StoreError::Closed) => return,
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(
                    event = event::CLEAR_FAILED,
                    what,
                    error,
                    "expired rows could not be cleared away; the next minute tries again"
                );
            }
        }
    }
}

/// Clears rows of one sort away, a batch at a time.
async fn clear_one(store: &Store, forget: Forget, until: Timestamp) -> Result<usize, StoreError> {
    let mut all = 0;
    loop {
        let began = Instant::now();
        let batch = store.write(move |tx| Ok::<_, Abort<()>>(forget(tx.connection(), until, BATCH_ROWS)?));
        let rows = match batch.await {
            Ok(rows) => rows,
            Err(Abort::Store(error)) => return Err(error),
            // The closure refuses nothing.
            Err(Abort::Refused(())) => 0,
        };
        all += rows;
        if rows < BATCH_ROWS {
            return Ok(all);
        }
        tokio::time::sleep(began.elapsed().max(REST_MIN)).await;
    }
}

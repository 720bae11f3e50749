//! Ending what waits beyond its deadline, also in paused queues and where nobody knows the kind.
//!
//! Guarantees: the writer is troubled only when there is something to end, a batch at a time; what fails is tried again at the
//! next look. Left out: what runs, which its attempt's own time limit ends.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::store::{Abort, Store, StoreError, jobs};
use crate::telemetry;
use crate::telemetry::names::event;

/// How often it is looked for deadlines that passed, and so how late a job may be ended: a deadline is a matter of seconds.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The shortest rest between two transactions, as in clearing.
const REST_MIN: Duration = Duration::from_millis(20);

/// Cancels all jobs that wait beyond their deadline.
pub(super) async fn end_overdue(store: &Store, clock: &Clock) {
    match end_all(store, clock).await {
        Ok(0) | Err(StoreError::Closed) => {}
        Ok(rows) => tracing::info!(
            event = event::JOBS_OVERDUE,
            rows,
            "jobs that waited were cancelled, because their deadline passed"
        ),
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::DEADLINES_UNSEEN,
                error,
                "jobs beyond their deadline could not be ended; the next look tries again"
            );
        }
    }
}

async fn end_all(store: &Store, clock: &Clock) -> Result<usize, StoreError> {
    let mut all = 0;
    loop {
        let (now, began) = (clock.now(), Instant::now());
        if !store.read(move |connection| jobs::any_overdue(connection, now)).await? {
            return Ok(all);
        }
        let batch = store.write(move |tx| Ok::<_, Abort<()>>(jobs::end_overdue(tx, now)?));
        let rows = match batch.await {
            Ok(rows) => rows,
            Err(Abort::Store(error)) => return Err(error),
            // The closure refuses nothing.
            Err(Abort::Refused(())) => 0,
        };
        all += rows;
        if rows < jobs::OVERDUE_MAX {
            return Ok(all);
        }
        tokio::time::sleep(began.elapsed().max(REST_MIN)).await;
    }
}

//! The files of reports that nobody needs any more: those that have expired, and those that no row names.
//!
//! Guarantees: a file that a row names, or that an attempt is writing just now, is never removed here; what a crash left
//! between the file and its row is gone at the next look; a download that is under way goes on, since a file that is open
//! is only unlinked.

use std::io;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::reports::{FileName, Found, ReportFolder};
use crate::store::reports::{self, Expired, Owned};
use crate::store::{Abort, Store, StoreError};
use crate::telemetry;
use crate::telemetry::names::event;

/// Reports in one transaction or one read, so that neither is long.
const BATCH: usize = 100;

/// How long the row of a report is kept beyond its file, so that whoever asks is told that it has expired (410) and not
/// that there is no such thing.
const ROWS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Removes the files of expired reports, and forgets reports that expired long ago.
pub(super) async fn expire(store: &Store, folder: &ReportFolder, now: Timestamp) {
    loop {
        let written = store
            .write(move |tx| {
                let expired = reports::expire(tx.connection(), now, BATCH)?;
                let forgotten = reports::forget(tx.connection(), now.minus(ROWS_KEPT), BATCH)?;
                Ok::<_, Abort<()>>((expired, forgotten))
            })
            .await;
        let (expired, forgotten) = match written {
            Ok(done) => done,
            Err(Abort::Refused(()) | Abort::Store(StoreError::Closed)) => return,
            Err(Abort::Store(error)) => return log_failure(&error),
        };
        let is_last = expired.len() < BATCH && forgotten < BATCH;
        remove_expired(folder, expired).await;
        if is_last {
            return;
        }
    }
}

async fn remove_expired(folder: &ReportFolder, expired: Vec<Expired>) {
    let files = expired.iter().map(|expired| {
        Found::from(FileName {
            report: expired.report,
            fence: expired.fence,
            format: expired.format,
        })
    });
    remove(folder, files.collect()).await;
    for Expired { report, .. } in expired {
        tracing::info!(event = event::REPORT_EXPIRED, %report, "a report's file was kept long enough");
    }
}

/// Removes what no row names and no attempt is writing.
pub(super) async fn sweep(store: &Store, folder: &ReportFolder) {
    let listed = folder.clone();
    // Listed before the rows are read: a file that is made in between is not in the list.
    let found = match blocking(move || listed.list()).await {
        Ok(found) => found,
        Err(error) => return log_failure(&error),
    };
    for some in found.chunks(BATCH) {
        let ids: Vec<_> = some.iter().map(|file| file.report).collect();
        let owned = match store.read(move |connection| reports::owned(connection, &ids)).await {
            Ok(owned) => owned,
            Err(StoreError::Closed) => return,
            Err(error) => return log_failure(&error),
        };
        let is_left = |file: &&Found| !owned.get(&file.report).is_some_and(|owner| is_of(file, owner));
        let left: Vec<Found> = some.iter().filter(is_left).cloned().collect();
        let count = left.len();
        remove(folder, left).await;
        if count > 0 {
            tracing::info!(
                event = event::REPORTS_CLEARED,
                count,
                "files of reports that nobody names were cleared away"
            );
        }
    }
}

/// Whether the row may name the file: it does, or the attempt that is building it may be about to.
fn is_of(file: &Found, owner: &Owned) -> bool {
    let is_named = file.format == Some(owner.format) && owner.fence == Some(file.fence);
    is_named || owner.running == Some(file.fence)
}

async fn remove(folder: &ReportFolder, files: Vec<Found>) {
    if files.is_empty() {
        return;
    }
    let folder = folder.clone();
    let removed = blocking(move || {
        files
            .iter()
            .map(|file| folder.remove(file).map(drop))
            .fold(Ok(()), io::Result::and)
    });
    if let Err(error) = removed.await {
        log_failure(&error);
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn log_failure(error: &(dyn std::error::Error + 'static)) {
    let error = telemetry::chain(error);
    tracing::warn!(
        event = event::REPORTS_UNCLEAN,
        %error,
        "files of reports could not be cleared away; the next minute tries again"
    );
}

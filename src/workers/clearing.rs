//! Clearing away what has expired: a little at a time, so that nobody who writes waits for it.
//!
//! Guarantees: a transaction deletes at most [`BATCH_ROWS`] rows, and for each job its attempts and the arguments that
//! lie apart; the writer is left alone for at least as long as each of them took; what fails is tried again the next time.
//!
//! Jobs are walked by readers, a page at a time, since no index tells when they finished: the walk goes on where the round
//! before left off, so that what is kept for long does not make rounds long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::KeeperParts;
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::store::jobs::FinishedUntil;
use crate::store::{
    Abort, Connection, Store, StoreError, acts, address_changes, api_keys, batches, events, idempotency, jobs, limits,
    mail_counts, password_resets, registrations, security, sessions, uploads,
};
use crate::telemetry;
use crate::telemetry::names::event;

/// Rows in one transaction. 500 jobs with what goes with them take about as long to delete as a full batch of the writer takes
/// to commit.
const BATCH_ROWS: usize = jobs::PAGE_MAX;
/// Uploads in one transaction.
const UPLOADS_MAX: usize = 10;
/// The shortest rest between two transactions.
const REST_MIN: Duration = Duration::from_millis(20);
/// The shortest rest between two pages that are read and leave nothing to delete.
const LOOK_REST_MIN: Duration = Duration::from_millis(2);
/// Jobs that a round looks at and keeps before it leaves the rest to the next: some seconds of a reader's time in a minute.
const KEPT_MAX: usize = 200_000;
/// How much longer events are kept than is said: longer than transactions that number them overlap.
const EVENTS_MARGIN: Duration = Duration::from_secs(60);

/// How much longer logins that nobody uses are kept than is said: longer than their uses wait to be written.
const USES_MARGIN: Duration = Duration::from_hours(1);
/// How much longer resets of passwords are kept than they can be used: longer than one is still mailed, so that a link that was
/// used is not made anew.
const RESETS_KEPT: Duration = Duration::from_hours(24);

/// How long keys are kept that are of no use any more, for whoever looks in the database itself what a log tells of.
const ENDED_KEYS_KEPT: Duration = Duration::from_hours(30 * 24);

/// How much longer buckets of limits are kept than until they are full: longer than the clocks of nodes differ.
const BUCKETS_MARGIN: Duration = Duration::from_hours(1);

/// How long counts of mails are kept: twice as long as they count.
const MAIL_COUNTS_KEPT: Duration = Duration::from_hours(48);

/// Deletes up to so many rows of one sort that expired until then, and answers how many.
type Forget = fn(&mut Connection, Timestamp, usize) -> Result<usize, StoreError>;

/// Behind which job the next round goes on; none for the first. Clones share it, and so do the lives of a keeper.
#[derive(Clone, Debug, Default)]
pub struct Walk(Arc<Mutex<Option<JobId>>>);

impl Walk {
    fn place(&self) -> Option<JobId> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go_on_behind(&self, place: Option<JobId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}

/// Clears everything away that has expired.
pub(super) async fn clear(parts: &KeeperParts) {
    let (store, now, kept) = (&parts.store, parts.clock.now(), parts.retention);
    // A little longer than is said, so that whoever comes back in time is not passed by a row that is about to go.
    let followed_until = now.minus(parts.events_kept.saturating_add(EVENTS_MARGIN));
    // Its jobs go by their own times; it stays for as long as any of them may.
    let ended = [kept.completed, kept.discarded, kept.cancelled, kept.uncertain];
    let ended_until = now.minus(ended.into_iter().max().unwrap_or_default());
    let all: [(&'static str, Forget, Timestamp); 13] = [
        ("events", events::forget, followed_until),
        ("registrations", registrations::forget_expired, now),
        ("changes of address", address_changes::forget_expired, now),
        (
            "password resets",
            password_resets::forget_expired,
            now.minus(RESETS_KEPT),
        ),
        ("sessions", sessions::forget_expired, now),
        (
            "idle sessions",
            sessions::forget_idle,
            now.minus(parts.session_idle.saturating_add(USES_MARGIN)),
        ),
        ("API keys", api_keys::forget_ended, now.minus(ENDED_KEYS_KEPT)),
        ("idempotency keys", idempotency::forget, now),
        ("batches", batches::forget, ended_until),
        ("acts", acts::forget, now.minus(kept.acts)),
        ("counts of mails", mail_counts::forget, now.minus(MAIL_COUNTS_KEPT)),
        ("security events", security::forget, now.minus(kept.security)),
        ("buckets of limits", limits::forget_full, now.minus(BUCKETS_MARGIN)),
    ];
    for (what, forget, until) in all {
        if !tell(what, clear_one(store, forget, until).await) {
            return;
        }
    }
    if !tell("uploads", clear_uploads(store, now).await) {
        return;
    }
    let until = FinishedUntil {
        completed: now.minus(kept.completed),
        discarded: now.minus(kept.discarded),
        cancelled: now.minus(kept.cancelled),
        uncertain: now.minus(kept.uncertain),
    };
    tell("jobs", clear_jobs(store, &parts.walk, until, now).await);
}

/// Says what became of the rows of one sort; answers whether to go on.
fn tell(what: &'static str, cleared: Result<usize, StoreError>) -> bool {
    match cleared {
        Ok(0) => {}
        Ok(rows) => tracing::info!(event = event::CLEARED, what, rows, "expired rows were cleared away"),
        Err(StoreError::Closed) => return false,
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
    true
}

/// Clears rows of one sort away, a batch at a time.
async fn clear_one(store: &Store, forget: Forget, until: Timestamp) -> Result<usize, StoreError> {
    let mut all = 0;
    loop {
        let began = Instant::now();
        let rows = write(store, move |connection| forget(connection, until, BATCH_ROWS)).await?;
        all += rows;
        if rows < BATCH_ROWS {
            return Ok(all);
        }
        tokio::time::sleep(began.elapsed().max(REST_MIN)).await;
    }
}

/// Clears uploads away, few at a time, since each may have many bytes.
async fn clear_uploads(store: &Store, now: Timestamp) -> Result<usize, StoreError> {
    let mut all = 0;
    loop {
        let began = Instant::now();
        let rows = write(store, move |connection| {
            uploads::forget_expired(connection, now, UPLOADS_MAX)
        })
        .await?;
        all += rows;
        if rows < UPLOADS_MAX {
            return Ok(all);
        }
        tokio::time::sleep(began.elapsed().max(REST_MIN)).await;
    }
}

/// Walks on through the jobs, and clears away those that are old enough.
async fn clear_jobs(store: &Store, walk: &Walk, until: FinishedUntil, now: Timestamp) -> Result<usize, StoreError> {
    let (mut all, mut kept) = (0, 0);
    loop {
        let (began, place) = (Instant::now(), walk.place());
        let page = store
            .read(move |connection| jobs::old_jobs(connection, place, &until, BATCH_ROWS))
            .await?;
        let (ids, mut rest) = (page.ids, LOOK_REST_MIN);
        kept += page.looked_at - ids.len();
        if !ids.is_empty() {
            all += write(store, move |connection| jobs::forget(connection, &ids, &until, now)).await?;
            rest = REST_MIN;
        }
        walk.go_on_behind(page.next);
        if page.next.is_none() || kept >= KEPT_MAX {
            return Ok(all);
        }
        tokio::time::sleep(began.elapsed().max(rest)).await;
    }
}

async fn write(
    store: &Store,
    delete: impl Fn(&mut Connection) -> Result<usize, StoreError> + Send + 'static,
) -> Result<usize, StoreError> {
    match store
        .write(move |tx| Ok::<_, Abort<()>>(delete(tx.connection())?))
        .await
    {
        Ok(rows) => Ok(rows),
        Err(Abort::Store(error)) => Err(error),
        // The closure refuses nothing.
        Err(Abort::Refused(())) => Ok(0),
    }
}

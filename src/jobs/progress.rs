//! The latest progress of one attempt, between the work that reports it and the writer that stores it.
//!
//! Guarantees: reporting never waits and costs no write; what is stored is the latest, at most every
//! [`WRITE_EVERY`]; the last report is never lost, since the attempt's end carries it. So do the addresses that it found to be
//! of no use, which nothing but the end writes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::attempt::AttemptParts;
use super::stop::{StopCause, StopSignal};
use crate::domain::job::Progress;
use crate::store::suppressions::NewSuppression;
use crate::store::{AttemptProgress, Held};

/// How often an attempt's progress is stored at most. Four times a second is smooth to a person, and a thousand attempts
/// that report all the time then fill one commit in four of the writer's.
pub(super) const WRITE_EVERY: Duration = Duration::from_millis(250);

/// The latest progress that has not been stored.
#[derive(Debug, Default)]
pub(super) struct ProgressCell {
    latest: Mutex<Option<Progress>>,
    suppress: Mutex<Vec<NewSuppression>>,
    changed: Notify,
}

impl ProgressCell {
    pub(super) fn set(&self, progress: Progress) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
        self.changed.notify_one();
    }

    pub(super) fn take(&self) -> Option<Progress> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Has the end of the attempt add these.
    pub(super) fn suppress(&self, new: Vec<NewSuppression>) {
        self.suppress.lock().unwrap_or_else(PoisonError::into_inner).extend(new);
    }

    /// What the end of the attempt is to add.
    pub(super) fn take_suppressions(&self) -> Vec<NewSuppression> {
        std::mem::take(&mut *self.suppress.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be stored, unless there is something newer.
    fn put_back(&self, progress: Progress) {
        self.latest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(progress);
    }

    /// Stores progress as it comes, until dropped; gives the stop signal when the ledger says that the attempt should end.
    pub(super) async fn store_to(&self, parts: &AttemptParts, stop: &StopSignal) {
        loop {
            self.changed.notified().await;
            if let Some(progress) = self.take() {
                let unstored = Unstored {
                    cell: self,
                    progress: Some(progress.clone()),
                };
                let write = AttemptProgress {
                    job: parts.job.id,
                    fence: parts.job.fence,
                    progress,
                    at: parts.clock.now(),
                };
                let written = parts.ledger.progress(write).await;
                match written {
                    Ok(Held::Yes { cancel_requested }) => {
                        unstored.stored();
                        if cancel_requested {
                            stop.give(StopCause::CancelRequested);
                        }
                    }
                    Ok(Held::No) => stop.give(StopCause::LeaseLost),
                    // Progress is worth no alarm: the next report, or the end, carries it.
                    Err(_unstored) => {}
                }
            }
            tokio::time::sleep(WRITE_EVERY).await;
        }
    }
}

/// Progress on its way to the ledger. Unless it was stored it is put back when dropped: an attempt that ends meanwhile drops
/// the write, and its end, which may reach the row first, must carry it.
struct Unstored<'a> {
    cell: &'a ProgressCell,
    progress: Option<Progress>,
}

impl Unstored<'_> {
    fn stored(mut self) {
        self.progress = None;
    }
}

impl Drop for Unstored<'_> {
    fn drop(&mut self) {
        if let Some(progress) = self.progress.take() {
            self.cell.put_back(progress);
        }
    }
}

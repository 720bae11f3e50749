//! The latest progress of one attempt, between the work that reports it and the writer that stores it.
//!
//! Guarantees: reporting never waits and costs no write; what is stored is the latest, at most every
//! [`WRITE_EVERY`]; the last report is never lost, since the attempt's end carries it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::ledger::Ledger;
use super::stop::{StopCause, StopSignal};
use crate::domain::id::JobId;
use crate::domain::job::Progress;
use crate::store::{AttemptProgress, Held};

/// How often an attempt's progress is stored at most. Four times a second is smooth to a person, and a thousand attempts
/// that report all the time then fill one commit in four of the writer's.
pub(super) const WRITE_EVERY: Duration = Duration::from_millis(250);

/// The latest progress that has not been stored.
#[derive(Debug, Default)]
pub(super) struct ProgressCell {
    latest: Mutex<Option<Progress>>,
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

    /// Puts back what could not be stored, unless there is something newer.
    fn put_back(&self, progress: Progress) {
        self.latest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(progress);
    }

    /// Stores progress as it comes, until dropped; gives the stop signal when the ledger says that the attempt should end.
    pub(super) async fn store_to(&self, ledger: &dyn Ledger, job: JobId, fence: i64, stop: &StopSignal) {
        loop {
            self.changed.notified().await;
            if let Some(progress) = self.take() {
                match ledger
                    .progress(AttemptProgress {
                        job,
                        fence,
                        progress: progress.clone(),
                    })
                    .await
                {
                    Ok(Held::Yes { cancel_requested: true }) => stop.give(StopCause::CancelRequested),
                    Ok(Held::Yes {
                        cancel_requested: false,
                    }) => {}
                    Ok(Held::No) => stop.give(StopCause::LeaseLost),
                    // Progress is worth no alarm: the next report, or the end, carries it.
                    Err(_unstored) => self.put_back(progress),
                }
            }
            tokio::time::sleep(WRITE_EVERY).await;
        }
    }
}

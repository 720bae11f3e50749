//! What the work has told of its attempt, kept where it outlives the work, which may be dropped at any time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::progress::ProgressCell;

/// What one attempt has told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How far it has come.
    pub(super) progress: ProgressCell,
    past_no_return: AtomicBool,
    /// How long to wait before what is uncertain is repeated, where the kind's backoff is not meant.
    uncertain_wait: Mutex<Option<Duration>>,
    transcript: Mutex<Option<String>>,
}

impl Told {
    pub(super) fn pass_no_return(&self) {
        self.past_no_return.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_past_no_return(&self) -> bool {
        self.past_no_return.load(Ordering::SeqCst)
    }

    pub(super) fn set_uncertain_wait(&self, wait: Duration) {
        *self.uncertain_wait.lock().unwrap_or_else(PoisonError::into_inner) = Some(wait);
    }

    pub(super) fn uncertain_wait(&self) -> Option<Duration> {
        *self.uncertain_wait.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_transcript(&self, transcript: String) {
        *self.transcript.lock().unwrap_or_else(PoisonError::into_inner) = Some(transcript);
    }

    pub(super) fn take_transcript(&self) -> Option<String> {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

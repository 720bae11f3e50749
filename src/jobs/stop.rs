//! Telling an attempt to stop, and why.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why an attempt is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// Somebody asked to cancel the job.
    CancelRequested,
    /// It ran longer than its time.
    TimedOut,
    /// The job's deadline came.
    DeadlinePassed,
    /// The node is shutting down.
    Draining,
    /// The attempt is no longer ours.
    LeaseLost,
}

/// A signal that is given once; the first cause stays. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct StopSignal {
    token: CancellationToken,
    cause: Arc<OnceLock<StopCause>>,
}

impl StopSignal {
    /// Gives the signal, unless it was given before.
    pub(super) fn give(&self, cause: StopCause) {
        if self.cause.set(cause).is_ok() {
            self.token.cancel();
        }
    }

    /// Why it was given, if it was.
    pub(super) fn cause(&self) -> Option<StopCause> {
        self.cause.get().copied()
    }

    /// Waits until it is given.
    pub(super) async fn given(&self) {
        self.token.cancelled().await;
    }
}

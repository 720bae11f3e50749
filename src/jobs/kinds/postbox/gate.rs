//! The leave that a delivery asks for before its point of no return, and where it writes down what is said.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use crate::jobs::JobContext;
use crate::mail::{Gate, GateClosed, Transcript};

/// Opens when the attempt may pass its point of no return.
pub(super) struct AttemptGate<'a> {
    pub(super) ctx: &'a JobContext,
    /// Whether the point of no return is being noted, or was.
    pub(super) is_asked: AtomicBool,
    pub(super) transcript: Transcript,
}

impl Drop for AttemptGate<'_> {
    /// The delivery has ended, or was dropped before: what was said until then is the attempt's.
    fn drop(&mut self) {
        if let Some(text) = self.transcript.take() {
            self.ctx.transcript(text);
        }
    }
}

impl Gate for AttemptGate<'_> {
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<(), GateClosed>> {
        self.is_asked.store(true, Ordering::SeqCst);
        Box::pin(async { self.ctx.point_of_no_return().await.map_err(|_stopped| GateClosed) })
    }

    fn transcript(&self) -> Option<&Transcript> {
        Some(&self.transcript)
    }
}

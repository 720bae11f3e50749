//! Accepted messages that are dropped unhandled, on their way to the hook of their child's spec.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// Why an accepted message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Undeliverable {
    /// The child ended for good before it came to it.
    Stopped,
    /// A newer message took its place, by [`WhenFull::DropOldest`](super::WhenFull::DropOldest).
    Evicted,
}

/// A message that was accepted and will not be handled.
pub struct Undelivered {
    /// The child's name.
    pub child: String,
    /// The type of the message.
    pub message_type: &'static str,
    /// The message.
    pub message: Box<dyn Any + Send>,
    /// How long it had waited, at most: for one that was not timed, since a moment shortly before (see
    /// [`MailboxGauge::wait_last_us`](super::MailboxGauge::wait_last_us)).
    pub waited: Duration,
    /// Why it is dropped.
    pub why: Undeliverable,
}

impl std::fmt::Debug for Undelivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Undelivered")
            .field("child", &self.child)
            .field("message_type", &self.message_type)
            .field("waited", &self.waited)
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}

/// Who is handed undelivered messages.
pub(super) type Hook = Arc<dyn Fn(Undelivered) + Send + Sync>;

//! How a life of a child came to its end, in words that plan, log and watchers share.

use std::sync::Arc;

use super::panics::{Panic, Trace};

/// Why a life of a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CauseKind {
    /// It ended by itself, in order.
    Finished,
    /// Its code panicked: factory, hook, handler, future, task, or the body of a thread.
    Panicked,
    /// It ended by itself with an error.
    Failed,
    /// It made no progress for longer than its spec allows.
    Stuck,
    /// For a supervisor: its children failed more often than it may restart them.
    Escalated,
    /// It was told to end.
    Ordered,
}

/// Why a life of a child ended, with what is known of it.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The kind of end.
    pub kind: CauseKind,
    /// In words, at most 500 characters; empty for an end in order.
    pub text: Arc<str>,
    pub(super) trace: Option<Trace>,
}

impl Cause {
    pub(super) fn new(kind: CauseKind, text: impl AsRef<str>) -> Self {
        Self {
            kind,
            text: text
                .as_ref()
                .chars()
                .take(super::panics::TEXT_CHARS_MAX)
                .collect::<String>()
                .into(),
            trace: None,
        }
    }

    pub(super) fn ordered() -> Self {
        Self::new(CauseKind::Ordered, "")
    }

    /// Whether the child did not end as it should.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        match self.kind {
            CauseKind::Finished | CauseKind::Ordered => false,
            CauseKind::Panicked | CauseKind::Failed | CauseKind::Stuck | CauseKind::Escalated => true,
        }
    }
}

impl From<Panic> for Cause {
    fn from(panic: Panic) -> Self {
        Self {
            kind: CauseKind::Panicked,
            text: panic.text.into(),
            trace: panic.trace,
        }
    }
}

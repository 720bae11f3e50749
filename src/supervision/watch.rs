//! Watching another child: being told when a life of it ends, and why.
//!
//! Guarantees: a watch tells of every end from the moment it is set, to the life that set it; several ends that the
//! watcher had no turn to see are told as one notice, with their number and the last cause; notices come before messages,
//! and need no room in the mailbox.

use std::sync::Arc;

use actix::Message;

use super::cause::Cause;
use super::child::Child;

/// A life of a watched child is over.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Down {
    /// The watched child's name.
    pub child: String,
    /// Why its life ended; the last one if there were several.
    pub cause: Cause,
    /// Whether it will have no other: it has left the tree.
    pub for_good: bool,
    /// How many lives ended since the last notice.
    pub ends: u32,
}

/// Who is told of ends.
pub(super) trait Watcher: Send + Sync {
    /// Tells it.
    fn tell(&self, down: &Down);
    /// Whether there is still somebody to tell.
    fn is_there(&self) -> bool;
}

/// What can be watched: an [`Address`](super::Address), a [`Sender`](super::Sender), a [`Supervisor`](super::Supervisor).
pub trait Watchable: sealed::Sealed {}

impl<W: sealed::Sealed> Watchable for W {}

pub(super) mod sealed {
    use super::{Arc, Child};

    /// The record of a child, which nobody outside can look into.
    pub struct Watched<'a>(pub(in crate::supervision) &'a Arc<Child>);

    pub trait Sealed {
        /// The record of the child behind it.
        fn watched(&self) -> Watched<'_>;
    }
}

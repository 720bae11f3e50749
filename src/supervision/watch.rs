//! Watching another child: being told when a life of it ends, and why.
//!
//! Guarantees: a watch tells of every end from the moment it is set, to the life that set it, once, however often it set it; several ends that the
//! watcher had no turn to see are told as one notice, with their number and the last cause; notices come before messages,
//! and need no room in the mailbox.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use actix::Message;

use super::cause::Cause;
use super::child::Child;
use super::plan::Id;

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

/// How one child is tied to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tie {
    Watch,
    Link,
}

/// The child at the other end of a tie, and the kind of tie: there is one of each between two children, however often it
/// is asked for.
pub(super) type About = (Id, Tie);

/// Who is told of ends.
pub(super) trait Watcher: Send + Sync {
    /// Which child watches, and how.
    fn by(&self) -> About;
    /// Which of its lives does; they only grow.
    fn life(&self) -> u64;
    /// Tells it.
    fn tell(&self, down: &Down);
    /// Whether there is still somebody to tell.
    fn is_there(&self) -> bool;
}

/// Those who watch one child.
#[derive(Default)]
pub(super) struct Watchers {
    all: BTreeMap<About, Box<dyn Watcher>>,
    /// At how many those that are gone are looked for: so often that they cannot heap up, and so rarely that ten thousand
    /// watchers do not look through each other.
    sweep_at: usize,
}

/// The fewest watchers among which those that are gone are looked for.
const SWEEP_MIN: usize = 16;

impl Watchers {
    pub(super) fn add(&mut self, watcher: Box<dyn Watcher>) {
        if self.all.len() >= self.sweep_at {
            self.all.retain(|_, known| known.is_there());
            self.sweep_at = self.all.len().saturating_mul(2).max(SWEEP_MIN);
        }
        match self.all.entry(watcher.by()) {
            // A life that was left behind does not take the watch from the one that took over.
            Entry::Occupied(known) if known.get().life() > watcher.life() => {}
            Entry::Occupied(mut known) => drop(known.insert(watcher)),
            Entry::Vacant(free) => drop(free.insert(watcher)),
        }
    }

    /// Tells all; those that are gone, or need not be told again, leave.
    pub(super) fn tell(&mut self, down: &Down) {
        self.all.retain(|_, watcher| {
            watcher.tell(down);
            !down.for_good && watcher.is_there()
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many watches there are, those of lives that are over included.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Lives(Id, u64);

    impl Watcher for Lives {
        fn by(&self) -> About {
            (self.0, Tie::Watch)
        }

        fn life(&self) -> u64 {
            self.1
        }

        fn tell(&self, _: &Down) {}

        fn is_there(&self) -> bool {
            self.1 == 2
        }
    }

    #[test]
    fn a_watch_is_that_of_the_newest_life_whichever_asks_last() {
        for order in [[1, 2], [2, 1]] {
            let mut watchers = Watchers::default();
            for life in order {
                watchers.add(Box::new(Lives(7, life)));
            }
            let lives: Vec<u64> = watchers.all.values().map(|watcher| watcher.life()).collect();
            assert_eq!(lives, [2]);
        }
    }

    #[test]
    fn watchers_that_are_gone_make_room_and_those_that_are_there_stay() {
        let mut watchers = Watchers::default();
        for child in 0..1_000 {
            watchers.add(Box::new(Lives(child, if child % 100 == 0 { 2 } else { 1 })));
            assert!(watchers.len() <= 2 * 10 + SWEEP_MIN, "{}", watchers.len());
        }
        assert_eq!(watchers.all.values().filter(|watcher| watcher.is_there()).count(), 10);
    }
}

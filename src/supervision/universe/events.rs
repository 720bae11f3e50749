//! Waiting for what happens in the tree of a test.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{WAIT_MAX, fail};
use crate::supervision::event::{Event, EventKind, Events, Heard};
use crate::supervision::tree::Tree;

/// How many of the last events a failure shows.
const SHOWN: usize = 16;

/// What happens in the tree of a [`Universe`](super::Universe), from the moment it was made; each event is seen once.
#[derive(Debug)]
pub struct EventProbe {
    tree: Tree,
    events: Events,
    limit: Duration,
}

impl EventProbe {
    pub(super) fn new(tree: Tree) -> Self {
        Self {
            events: tree.subscribe(),
            tree,
            limit: WAIT_MAX,
        }
    }

    /// Waits this long at most, in the time of the test, instead of an hour.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The next event of that kind of that child; those before it are passed over.
    ///
    /// # Panics
    /// If none comes in time, with the last events.
    #[track_caller]
    pub fn event(&mut self, child: &str, kind: EventKind) -> impl Future<Output = Arc<Event>> {
        let (at, child) = (Location::caller(), child.to_owned());
        async move {
            let limit = self.limit;
            let wait = async {
                while let Some(heard) = self.events.next().await {
                    if let Heard::Event(event) = heard
                        && event.kind == kind
                        && event.child == child
                    {
                        return Some(event);
                    }
                }
                None
            };
            if let Ok(Some(event)) = timeout(limit, wait).await {
                return event;
            }
            let last = last(&self.tree);
            fail(
                at,
                &format!("{child} was not {} within {limit:?}\n{last}", kind.as_str()),
            )
        }
    }
}

/// The last events of a tree, a line each.
pub(super) fn last(tree: &Tree) -> String {
    let recent = tree.recent();
    let mut text = String::from("the last events:");
    for event in recent.iter().skip(recent.len().saturating_sub(SHOWN)) {
        let error = event
            .error
            .as_ref()
            .map(|error| format!(": {error}"))
            .unwrap_or_default();
        text.push_str(&format!(
            "\n  {} {} {}{error}",
            event.at,
            event.child,
            event.kind.as_str()
        ));
    }
    text
}

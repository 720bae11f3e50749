//! How many files one workspace may be fetching at once.
//!
//! Guarantees: a workspace has at most [`OPEN_MAX`] downloads under way. Each holds a connection for as long as its client
//! takes to read it, which may be for ever: without a bound, one client that reads nothing could hold them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::id::WorkspaceId;

/// Downloads of a workspace at once: more than a person or a program has use for, and a small part of all connections.
pub(super) const OPEN_MAX: usize = 16;

/// The downloads under way; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Downloads(Arc<Mutex<HashMap<WorkspaceId, usize>>>);

/// A download under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Download {
    all: Downloads,
    workspace: WorkspaceId,
}

impl Downloads {
    /// Begins one; none if the workspace has as many as it may.
    pub(super) fn begin(&self, workspace: WorkspaceId) -> Option<Download> {
        let is_begun = self.with(|all| {
            let open = all.entry(workspace).or_default();
            let is_free = *open < OPEN_MAX;
            *open += usize::from(is_free);
            is_free
        });
        is_begun.then(|| Download {
            all: self.clone(),
            workspace,
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<WorkspaceId, usize>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.all.with(|all| {
            let left = all.get(&self.workspace).map_or(0, |open| open.saturating_sub(1));
            if left == 0 {
                all.remove(&self.workspace);
            } else {
                all.insert(self.workspace, left);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_gets_its_places_back_and_nothing_is_kept_of_one_that_has_none_open() {
        let all = Downloads::default();
        let (one, other) = (WorkspaceId::generate(), WorkspaceId::generate());
        let mut open: Vec<Download> = (0..OPEN_MAX).map(|_| all.begin(one).unwrap()).collect();
        assert!(all.begin(one).is_none() && all.begin(other).is_some());
        open.pop();
        assert!(all.begin(one).is_some());
        open.clear();
        assert_eq!(all.with(|all| all.len()), 0);
    }
}

//! What is kept of workspaces' templates.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::{CHECKED_EVERY, LoadedTemplate};
use crate::domain::id::WorkspaceId;

/// The most bytes of templates that are kept, as they were written; compiled they are a few times that.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// The most workspaces of which something is kept: most of them have no templates, which is kept too.
const WORKSPACES_MAX: usize = 10_000;

/// What is kept. All of it is forgotten when it has become too much, which costs each workspace one read.
#[derive(Default)]
pub(super) struct Kept {
    workspaces: HashMap<WorkspaceId, Entry>,
    bytes: usize,
    changes: u64,
}

struct Entry {
    /// Of the templates, when they were read; none if there were never any.
    revision: Option<i64>,
    /// When that was last found to be so.
    checked_at: Instant,
    /// All names that there are.
    names: HashSet<String>,
    /// Those that were asked for.
    templates: HashMap<String, Arc<LoadedTemplate>>,
}

/// How often something was forgotten, by a time before a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u64);

/// What is known of a name.
pub(super) enum Looked {
    /// This, and it is as good as read now.
    Fresh(Option<Arc<LoadedTemplate>>),
    /// All that is asked for, if the revision is still this one.
    Old { revision: Option<i64> },
    /// Too little.
    Nothing,
}

/// What was read.
pub(super) enum Read {
    /// Nothing had changed.
    Same,
    /// This.
    Anew {
        revision: Option<i64>,
        names: HashSet<String>,
        template: Option<Arc<LoadedTemplate>>,
    },
}

impl Entry {
    /// The template, if it is known whether there is one.
    fn find(&self, name: &str) -> Option<Option<Arc<LoadedTemplate>>> {
        match self.templates.get(name) {
            Some(template) => Some(Some(Arc::clone(template))),
            None => (!self.names.contains(name)).then_some(None),
        }
    }

    fn bytes(&self) -> usize {
        self.templates.values().map(|template| template.bytes()).sum()
    }
}

impl Kept {
    pub(super) fn mark(&self) -> Mark {
        Mark(self.changes)
    }

    pub(super) fn look(&self, workspace: WorkspaceId, name: &str, now: Instant) -> Looked {
        let Some(entry) = self.workspaces.get(&workspace) else {
            return Looked::Nothing;
        };
        match entry.find(name) {
            Some(found) if now.saturating_duration_since(entry.checked_at) < CHECKED_EVERY => Looked::Fresh(found),
            Some(_) => Looked::Old {
                revision: entry.revision,
            },
            None => Looked::Nothing,
        }
    }

    /// Keeps what was read, begun at `now`, unless something was forgotten since `mark`; answers the template.
    pub(super) fn put(
        &mut self,
        workspace: WorkspaceId,
        name: &str,
        read: Read,
        now: Instant,
        mark: Mark,
    ) -> Option<Arc<LoadedTemplate>> {
        let is_mine = self.mark() == mark;
        match read {
            Read::Same => {
                let entry = self.workspaces.get_mut(&workspace)?;
                if is_mine {
                    entry.checked_at = entry.checked_at.max(now);
                }
                entry.find(name).flatten()
            }
            Read::Anew {
                revision,
                names,
                template,
            } => {
                if is_mine {
                    self.keep(workspace, revision, names, template.clone(), now);
                }
                template
            }
        }
    }

    fn keep(
        &mut self,
        workspace: WorkspaceId,
        revision: Option<i64>,
        names: HashSet<String>,
        template: Option<Arc<LoadedTemplate>>,
        now: Instant,
    ) {
        let new = template.as_ref().map_or(0, |template| template.bytes());
        if self.workspaces.len() >= WORKSPACES_MAX || self.bytes.saturating_add(new) > BYTES_MAX {
            self.workspaces.clear();
            self.bytes = 0;
        }
        if self
            .workspaces
            .get(&workspace)
            .is_some_and(|entry| entry.revision != revision)
        {
            self.drop_entry(workspace);
        }
        let entry = self.workspaces.entry(workspace).or_insert_with(|| Entry {
            revision,
            checked_at: now,
            names,
            templates: HashMap::new(),
        });
        entry.checked_at = entry.checked_at.max(now);
        if let Some(template) = template {
            self.bytes = self.bytes.saturating_add(template.bytes());
            let before = entry.templates.insert(template.name().to_owned(), template);
            self.bytes = self.bytes.saturating_sub(before.map_or(0, |template| template.bytes()));
        }
    }

    pub(super) fn forget(&mut self, workspace: WorkspaceId) {
        self.changes = self.changes.wrapping_add(1);
        self.drop_entry(workspace);
    }

    fn drop_entry(&mut self, workspace: WorkspaceId) {
        if let Some(entry) = self.workspaces.remove(&workspace) {
            self.bytes = self.bytes.saturating_sub(entry.bytes());
        }
    }
}

//! The kinds that this process can perform.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ErasedKind, Kind};
use crate::domain::job::Queue;
use crate::store::KnownKind;

/// Kinds by name. Jobs of other kinds wait in their queue and are shown as such.
#[derive(Clone, Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Arc<dyn ErasedKind>>,
}

impl Registry {
    /// A registry of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This registry with one kind more; of two with one name, the later stays.
    #[must_use]
    pub fn with<K: Kind>(mut self, kind: K) -> Self {
        self.kinds.insert(K::NAME, Arc::new(kind));
        self
    }

    /// The kind of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<dyn ErasedKind>> {
        self.kinds.get(name).cloned()
    }

    /// The kinds whose jobs wait in `queue`.
    #[must_use]
    pub fn of_queue(&self, queue: Queue) -> Vec<KnownKind> {
        let kinds = self.kinds.values().filter(|kind| kind.queue() == queue);
        kinds
            .map(|kind| KnownKind {
                name: kind.name(),
                version: kind.version(),
            })
            .collect()
    }

    /// All names.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.kinds.keys().copied().collect()
    }
}

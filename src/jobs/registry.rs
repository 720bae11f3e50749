//! The kinds that this process can perform.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ErasedKind, Kind};
use crate::domain::job::Queue;
use crate::domain::roles::Roles;
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

    /// The kinds that a node with these roles performs.
    #[must_use]
    pub fn performed(&self, roles: Roles) -> Vec<KnownKind> {
        if !roles.has_work() {
            return Vec::new();
        }
        let all = Queue::ALL.iter();
        all.flat_map(|queue| self.of_queue(*queue)).collect()
    }

    /// Whether this version of the service can perform jobs of this kind, with arguments of this version.
    #[must_use]
    pub fn knows(&self, kind: &str, version: i64) -> bool {
        self.kinds
            .get(kind)
            .is_some_and(|kind| version <= kind.version().into())
    }
}

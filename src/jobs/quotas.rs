//! What workspaces may use where that differs from the settings, as it was read last.
//!
//! Guarantees: a look costs one lock that nobody holds for long; what is not in here is the settings'.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::id::WorkspaceId;
use crate::store::workspaces::Quotas;

/// The quotas of those workspaces that have any of their own; clones share them.
#[derive(Clone, Debug, Default)]
pub struct OwnQuotas(Arc<RwLock<HashMap<WorkspaceId, Quotas>>>);

impl OwnQuotas {
    /// What a workspace has of its own.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> Quotas {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&workspace).copied().unwrap_or_default()
    }

    /// Whether no workspace has any of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Notes what one workspace has from now on.
    pub fn set(&self, workspace: WorkspaceId, quotas: Quotas) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if quotas == Quotas::default() {
            all.remove(&workspace);
        } else {
            all.insert(workspace, quotas);
        }
    }

    /// Notes what all have, and answers for whom that is something else than before.
    pub fn replace(&self, found: HashMap<WorkspaceId, Quotas>) -> Vec<WorkspaceId> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = found.iter().filter(|(id, quotas)| all.get(id) != Some(quotas));
        let gone = all.keys().filter(|id| !found.contains_key(id));
        let changed = changed.map(|(id, _)| *id).chain(gone.copied()).collect();
        *all = found;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_other_quotas_than_before_is_told_and_who_has_none_is_the_settings() {
        let all = OwnQuotas::default();
        let (a, b, c) = (
            WorkspaceId::generate(),
            WorkspaceId::generate(),
            WorkspaceId::generate(),
        );
        let of = |mails| Quotas {
            mails_per_day: Some(mails),
            ..Quotas::default()
        };
        all.set(a, of(1));
        all.set(b, of(2));
        let mut changed = all.replace(HashMap::from([(b, of(2)), (c, of(3))]));
        changed.sort_unstable();
        assert_eq!(changed, [a, c]);
        assert_eq!((all.of(a), all.of(b), all.of(c)), (Quotas::default(), of(2), of(3)));
        all.set(b, Quotas::default());
        all.set(c, Quotas::default());
        assert!(all.is_empty());
    }
}

//! Which kinds the living nodes perform, and which of those that wait nobody does, as this process saw it last: for what is shown
//! of a job, without a look into the database, and for the log.
//!
//! Guarantees: it is as old as the keeper's last look, and decides nothing: a claim takes what its own node knows. Each kind is
//! told once when it begins to be unknown, and once when it no longer is. Nodes of the first release do not tell what they
//! perform, so that what only they know counts as unknown.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::Registry;
use crate::store::jobs::WaitingKind;
use crate::store::nodes::PerformedKind;

/// How many kinds and versions one look at what waits goes through: far more than any version has.
pub const KINDS_MAX: usize = 200;

/// What was seen last; clones share it.
#[derive(Clone, Debug, Default)]
pub struct KindsElsewhere(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    performed: Vec<PerformedKind>,
    unknown: BTreeSet<WaitingKind>,
}

/// What changed between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindsChange {
    /// What waits now that nobody knows, and did not before.
    pub began: Vec<WaitingKind>,
    /// What does no more.
    pub ended: Vec<WaitingKind>,
}

impl KindsElsewhere {
    /// Notes what was seen, and answers what changed: of `waiting`, that is unknown which neither this process's `registry` nor
    /// any node knows.
    #[must_use]
    pub fn seen(&self, performed: Vec<PerformedKind>, waiting: Vec<WaitingKind>, registry: &Registry) -> KindsChange {
        let unknown: BTreeSet<WaitingKind> = waiting
            .into_iter()
            .filter(|one| !registry.knows(&one.kind, one.version))
            .filter(|one| known_by(&performed, &one.kind, one.version).is_empty())
            .collect();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let change = KindsChange {
            began: unknown.difference(&seen.unknown).cloned().collect(),
            ended: seen.unknown.difference(&unknown).cloned().collect(),
        };
        *seen = Seen { performed, unknown };
        change
    }

    /// The versions of the service whose living nodes know this kind with arguments of this version.
    #[must_use]
    pub fn known_by(&self, kind: &str, version: i64) -> Vec<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known_by(&seen.performed, kind, version)
    }
}

/// The versions of the service, each once, whose nodes can perform this.
pub fn known_by(performed: &[PerformedKind], kind: &str, version: i64) -> Vec<String> {
    let who = performed
        .iter()
        .filter(|one| one.kind == kind && version <= one.version);
    let versions: BTreeSet<String> = who.map(|one| one.by.clone()).collect();
    versions.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::kinds::Probe;

    fn waiting(kind: &str, version: i64) -> WaitingKind {
        WaitingKind {
            queue: "probes".to_owned(),
            kind: kind.to_owned(),
            version,
        }
    }

    fn performed(kind: &str, version: i64, by: &str) -> PerformedKind {
        PerformedKind {
            kind: kind.to_owned(),
            version,
            by: by.to_owned(),
        }
    }

    #[test]
    fn what_nobody_knows_is_told_once_when_it_begins_and_once_when_it_ends() {
        let (elsewhere, registry) = (KindsElsewhere::default(), Registry::new().with(Probe));
        let look = |performed, waiting| elsewhere.seen(performed, waiting, &registry);
        let all = || {
            vec![
                waiting("probe.run", 1),
                waiting("probe.run", 3),
                waiting("text.send", 1),
            ]
        };
        let first = look(vec![performed("text.send", 1, "0.3.0")], all());
        assert_eq!(first.began, [waiting("probe.run", 3)]);
        let again = look(vec![performed("text.send", 1, "0.3.0")], all());
        assert_eq!(again, KindsChange::default());
        let newer = vec![performed("probe.run", 4, "0.4.0")];
        let change = look(newer, all());
        assert_eq!(
            (change.began, change.ended),
            (vec![waiting("text.send", 1)], vec![waiting("probe.run", 3)])
        );
        assert_eq!(look(Vec::new(), Vec::new()).ended, [waiting("text.send", 1)]);
    }

    #[test]
    fn those_who_know_a_kind_are_told_by_version_each_once_and_only_if_they_read_the_arguments() {
        let elsewhere = KindsElsewhere::default();
        let nodes = vec![
            performed("a.b", 2, "0.4.0"),
            performed("a.b", 1, "0.3.0"),
            performed("a.b", 2, "0.4.0"),
        ];
        drop(elsewhere.seen(nodes, Vec::new(), &Registry::new()));
        assert_eq!(elsewhere.known_by("a.b", 1), ["0.3.0", "0.4.0"]);
        assert_eq!(elsewhere.known_by("a.b", 2), ["0.4.0"]);
        assert!(elsewhere.known_by("a.b", 3).is_empty() && elsewhere.known_by("a.c", 1).is_empty());
    }
}

//! This node's right to be alive, as far as it has been able to renew it.
//!
//! Guarantees: a node that cannot renew its lease knows it in time to end its own work before others may take it over: its
//! attempts are told to stop, and nothing more is claimed, until it can renew it again. It is measured by the machine's
//! steady clock: one that is set neither ends work nor prolongs a lease. A lease that others took over is gone; the node
//! gets another by entering anew, which begins a new term: what was claimed under an earlier one is not begun any more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::guard::GUARD_EVERY;
use crate::jobs::GRACE;

/// How long a lease lasts without being renewed.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed: three times, before it would end.
pub const LEASE_BEAT: Duration = Duration::from_secs(5);
/// How long attempts may take to drop what they do, beyond the grace in which they may end by themselves.
const DROP_MAX: Duration = Duration::from_secs(1);

/// When the lease was last renewed; clones share it.
#[derive(Clone, Debug)]
pub struct Lease {
    inner: Arc<Mutex<Inner>>,
}

/// The time from one entering to the loss of its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term(u64);

#[derive(Debug)]
struct Inner {
    term: u64,
    /// None while others have it.
    renewed_at: Option<Instant>,
    /// Whether it had lapsed when it was last watched.
    has_lapsed: bool,
}

impl Inner {
    fn is_held(&self, now: Instant) -> bool {
        // The next look at it may be that far away.
        let stopping = GRACE + DROP_MAX + GUARD_EVERY;
        self.renewed_at
            .is_some_and(|at| now.saturating_duration_since(at) < LEASE.saturating_sub(stopping))
    }
}

/// What became of a lease since it was last watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseChange {
    /// It can no longer be counted on.
    Lapsed,
    /// It was renewed after that, or there is a new one.
    Regained,
}

impl Lease {
    /// A lease that was taken at this moment, which is from before the commit, so that it never lasts longer here than in
    /// the database.
    #[must_use]
    pub fn taken_at(at: Instant) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                term: 1,
                renewed_at: Some(at),
                has_lapsed: false,
            })),
        }
    }

    /// Notes that it was renewed; `at` is from before the commit. Nothing changes for one that others took over.
    pub fn renew(&self, at: Instant) {
        self.with(|inner| {
            if inner.renewed_at.is_some() {
                inner.renewed_at = Some(at);
            }
        });
    }

    /// Notes that others took it over.
    pub fn lose(&self) {
        self.with(|inner| inner.renewed_at = None);
    }

    /// Notes that the node entered anew; `at` is from before the commit.
    pub fn enter(&self, at: Instant) {
        self.with(|inner| {
            inner.term += 1;
            inner.renewed_at = Some(at);
        });
    }

    /// Whether work may go on at `now`: told to stop then, it has ended before the lease does.
    #[must_use]
    pub fn is_held(&self, now: Instant) -> bool {
        self.with(|inner| inner.is_held(now))
    }

    /// The term in which work may go on at `now`, if it may.
    #[must_use]
    pub fn term(&self, now: Instant) -> Option<Term> {
        self.with(|inner| inner.is_held(now).then_some(Term(inner.term)))
    }

    /// What changed since it was last watched, if something did.
    #[must_use]
    pub fn watch(&self, now: Instant) -> Option<LeaseChange> {
        self.with(|inner| {
            let has_lapsed = !inner.is_held(now);
            match (std::mem::replace(&mut inner.has_lapsed, has_lapsed), has_lapsed) {
                (false, true) => Some(LeaseChange::Lapsed),
                (true, false) => Some(LeaseChange::Regained),
                _ => None,
            }
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_lease_survives_one_missed_beat_and_work_that_is_told_to_stop_has_ended_before_it() {
        let now = Instant::now();
        let lease = Lease::taken_at(now);
        assert!(lease.is_held(now + LEASE_BEAT * 2));
        let lapses = (0..=15_000)
            .find(|millis| !lease.is_held(now + Duration::from_millis(*millis)))
            .unwrap();
        assert!(
            Duration::from_millis(lapses) + GUARD_EVERY + GRACE + DROP_MAX <= LEASE,
            "{lapses}"
        );
    }

    #[test]
    fn each_change_is_told_once() {
        let now = Instant::now();
        let lease = Lease::taken_at(now);
        assert_eq!(lease.watch(now), None);
        let late = now + LEASE;
        assert_eq!(
            (lease.watch(late), lease.watch(late)),
            (Some(LeaseChange::Lapsed), None)
        );
        lease.renew(late);
        assert_eq!(
            (lease.watch(late), lease.watch(late)),
            (Some(LeaseChange::Regained), None)
        );
    }

    #[test]
    fn one_that_others_took_over_is_not_renewed_and_what_follows_is_another_term() {
        let now = Instant::now();
        let lease = Lease::taken_at(now);
        let first = lease.term(now);
        lease.lose();
        lease.renew(now);
        assert_eq!((lease.is_held(now), lease.term(now)), (false, None));
        lease.enter(now);
        assert!(lease.is_held(now) && lease.term(now) != first);
    }

    /// What happens to a lease, and how long after what came before.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Renew,
        Lose,
        Enter,
        Look,
    }

    proptest! {
        #[test]
        fn work_goes_on_only_while_a_sign_of_life_of_the_same_term_is_recent(
            steps in prop::collection::vec((prop_oneof![Just(Step::Renew), Just(Step::Lose), Just(Step::Enter), Just(Step::Look)], 0_u64..16_000), 1..60)
        ) {
            let begun = Instant::now();
            let lease = Lease::taken_at(begun);
            let (mut now, mut signed, mut terms) = (begun, Some(begun), 1);
            for (step, millis) in steps {
                now += Duration::from_millis(millis);
                match step {
                    Step::Renew => {
                        lease.renew(now);
                        signed = signed.map(|_| now);
                    }
                    Step::Lose => {
                        lease.lose();
                        signed = None;
                    }
                    Step::Enter => {
                        lease.enter(now);
                        (signed, terms) = (Some(now), terms + 1);
                    }
                    Step::Look => {}
                }
                let ends = signed.map(|at| at + LEASE);
                let is_held = lease.is_held(now);
                prop_assert_eq!(lease.term(now), is_held.then_some(Term(terms)));
                // Whoever is told at the next look has ended by then.
                prop_assert!(!is_held || ends.is_some_and(|ends| now + GUARD_EVERY + GRACE + DROP_MAX <= ends));
            }
        }
    }
}

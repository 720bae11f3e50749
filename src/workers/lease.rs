//! This node's right to be alive, as far as it has been able to renew it.
//!
//! Guarantees: a node that cannot renew its lease knows it in time to end its own work before others may take it over: its
//! attempts are told to stop, and nothing more is claimed, until it can renew it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use super::POLL_EVERY;
use crate::clock::Timestamp;
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
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    renewed_at: AtomicI64,
    /// Whether it had lapsed when it was last watched.
    has_lapsed: AtomicBool,
}

/// What became of a lease since it was last watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseChange {
    /// It can no longer be counted on.
    Lapsed,
    /// It was renewed after that.
    Regained,
}

impl Lease {
    /// A lease that was taken or renewed at this time.
    #[must_use]
    pub fn renewed_at(at: Timestamp) -> Self {
        Self {
            inner: Arc::new(Inner {
                renewed_at: AtomicI64::new(at.as_micros()),
                has_lapsed: AtomicBool::new(false),
            }),
        }
    }

    /// Notes that it was renewed: `at` is from before the commit, so that it never lasts longer here than in the database.
    pub fn renew(&self, at: Timestamp) {
        self.inner.renewed_at.store(at.as_micros(), Ordering::SeqCst);
    }

    /// Whether work may go on at `now`: told to stop then, it has ended before the lease does.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        let renewed_at = Timestamp::from_micros(self.inner.renewed_at.load(Ordering::SeqCst));
        // The next look may be a poll away.
        let stopping = GRACE + DROP_MAX + POLL_EVERY;
        now.since(renewed_at) < LEASE.saturating_sub(stopping)
    }

    /// What changed since it was last watched, if something did.
    #[must_use]
    pub fn watch(&self, now: Timestamp) -> Option<LeaseChange> {
        let has_lapsed = !self.is_held(now);
        match (self.inner.has_lapsed.swap(has_lapsed, Ordering::SeqCst), has_lapsed) {
            (false, true) => Some(LeaseChange::Lapsed),
            (true, false) => Some(LeaseChange::Regained),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn a_lease_survives_one_missed_beat_and_work_that_is_told_to_stop_has_ended_before_it() {
        let lease = Lease::renewed_at(NOW);
        assert!(lease.is_held(NOW.plus(LEASE_BEAT * 2)));
        let lapses = (0..=15)
            .find(|secs| !lease.is_held(NOW.plus(Duration::from_secs(*secs))))
            .unwrap();
        assert!(
            Duration::from_secs(lapses) + POLL_EVERY + GRACE + DROP_MAX <= LEASE,
            "{lapses}"
        );
    }

    #[test]
    fn each_change_is_told_once() {
        let lease = Lease::renewed_at(NOW);
        assert_eq!(lease.watch(NOW), None);
        let late = NOW.plus(LEASE);
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
    fn a_clock_that_is_set_back_does_not_end_a_lease() {
        assert!(Lease::renewed_at(NOW).is_held(NOW.minus(Duration::from_secs(3600))));
    }
}

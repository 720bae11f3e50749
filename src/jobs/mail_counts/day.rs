//! The mails of one workspace over a day, by the hour.
//!
//! Guarantees: what is counted here is kept apart from what others counted; what was counted and not written yet is known.

use std::collections::{BTreeMap, BTreeSet};

/// Hours of a day: the present one and those before it.
pub(super) const HOURS: i64 = 24;

/// What a workspace sent, by the hour since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Day {
    /// As this process counted it.
    own: BTreeMap<i64, u64>,
    /// As others did, or this process before it was started anew.
    others: BTreeMap<i64, u64>,
    /// The hours of which the database does not know all that was counted here.
    unwritten: BTreeSet<i64>,
}

impl Day {
    /// How many count at this hour. What a clock that was set back left ahead counts too.
    pub(super) fn used(&self, hour: i64) -> u64 {
        let counts = self.own.range(first(hour)..).chain(self.others.range(first(hour)..));
        counts.map(|(_, mails)| *mails).sum()
    }

    /// The hour from which no more than `most` of those count; none if there is none.
    pub(super) fn at_most(&self, hour: i64, most: u64) -> Option<i64> {
        let mut used = self.used(hour);
        let hours: BTreeSet<i64> = self.own.keys().chain(self.others.keys()).copied().collect();
        for one in hours.range(first(hour)..) {
            if used <= most {
                break;
            }
            let of = |counts: &BTreeMap<i64, u64>| counts.get(one).copied().unwrap_or(0);
            used = used.saturating_sub(of(&self.own) + of(&self.others));
            if used <= most {
                return Some(one + HOURS);
            }
        }
        None
    }

    pub(super) fn add(&mut self, hour: i64, mails: u64) {
        *self.own.entry(hour).or_default() += mails;
        self.unwritten.insert(hour);
    }

    /// Takes back what was added of late and came to nothing.
    pub(super) fn give_back(&mut self, mut mails: u64) {
        for (hour, count) in self.own.iter_mut().rev() {
            let given = mails.min(*count);
            if given > 0 {
                *count -= given;
                self.unwritten.insert(*hour);
            }
            mails -= given;
            if mails == 0 {
                return;
            }
        }
    }

    /// Notes what others counted in an hour, in all.
    pub(super) fn of_others(&mut self, hour: i64, mails: u64) {
        self.others.insert(hour, mails);
    }

    /// What of this process the database is to know.
    pub(super) fn unwritten(&self) -> impl Iterator<Item = (i64, u64)> {
        self.unwritten
            .iter()
            .map(|hour| (*hour, self.own.get(hour).copied().unwrap_or(0)))
    }

    /// Notes that the database knows so many of an hour.
    pub(super) fn written(&mut self, hour: i64, mails: u64) {
        if self.own.get(&hour).copied().unwrap_or(0) == mails {
            self.unwritten.remove(&hour);
        }
    }

    /// Lets go of what counts no more; answers whether anything is left.
    pub(super) fn keep(&mut self, hour: i64) -> bool {
        let first = first(hour);
        self.own.retain(|one, _| *one >= first);
        self.others.retain(|one, _| *one >= first);
        self.unwritten.retain(|one| *one >= first);
        !(self.own.is_empty() && self.others.is_empty())
    }
}

/// The first hour that counts at this one.
pub(super) const fn first(hour: i64) -> i64 {
    hour - (HOURS - 1)
}

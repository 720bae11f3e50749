//! How many mails each workspace sent within a day, and how many more it may.
//!
//! Guarantees: a mail is counted when it is accepted, and before that it is seen whether it may be; that costs a look into memory.
//! What counts is the present hour and the 23 before it, so that a quota comes back by the hour. What was counted is in the
//! database within [`WRITTEN_EVERY`], and counts there after a restart too; a process that is killed loses what it counted since.
//! What other processes counted is known a few seconds later: together they can pass a quota by what they accept meanwhile.
//!
//! Left out: who writes and reads (`workers`). What was counted for a job that came to nothing after all is given back where that
//! is seen at once, and counts where it is not.

mod day;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::OwnQuotas;
use crate::clock::Timestamp;
use crate::domain::id::WorkspaceId;
use crate::store::mail_counts::HourCount;
use day::Day;

/// How often what was counted is written, and what others wrote is read.
pub const WRITTEN_EVERY: Duration = Duration::from_secs(2);

/// One hour, in microseconds.
const HOUR: i64 = 3_600_000_000;

/// More mails than a workspace may send within a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailsFull {
    /// How many it sent.
    pub used: u64,
    /// How many it may.
    pub max: u64,
    /// From when there is room for these; none if there never is.
    pub room_at: Option<Timestamp>,
}

/// What is counted; clones share it.
#[derive(Clone, Debug)]
pub struct MailCounts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// How many a workspace may send that has no quota of its own; 0 is no limit.
    max: u64,
    own: OwnQuotas,
    days: Mutex<HashMap<WorkspaceId, Day>>,
}

impl MailCounts {
    /// Nothing was sent, and each workspace may send so many; 0 is no limit.
    #[must_use]
    pub fn new(max: u64, own: OwnQuotas) -> Self {
        Self(Arc::new(Inner {
            max,
            own,
            days: Mutex::default(),
        }))
    }

    /// How many a workspace may send; 0 is no limit.
    #[must_use]
    pub fn max_of(&self, workspace: WorkspaceId) -> u64 {
        self.0.own.of(workspace).mails_per_day.unwrap_or(self.0.max)
    }

    /// Counts so many mails, or none of them.
    ///
    /// # Errors
    /// When it is more than the workspace may send.
    pub fn take(&self, workspace: WorkspaceId, mails: u64, now: Timestamp) -> Result<(), MailsFull> {
        let (max, hour) = (self.max_of(workspace), hour_of(now));
        if mails == 0 {
            return Ok(());
        }
        self.with(|days| {
            let day = days.entry(workspace).or_default();
            let used = day.used(hour);
            if max > 0 && used.saturating_add(mails) > max {
                let room = max.checked_sub(mails).and_then(|most| day.at_most(hour, most));
                let room_at = room.map(begin_of);
                return Err(MailsFull { used, max, room_at });
            }
            day.add(hour, mails);
            Ok(())
        })
    }

    /// Counts so many mails for which there is no limit, such as operators' own.
    pub fn count(&self, workspace: WorkspaceId, mails: u64, now: Timestamp) {
        if mails > 0 {
            self.with(|days| days.entry(workspace).or_default().add(hour_of(now), mails));
        }
    }

    /// Takes back what was counted a moment ago for a job that came to nothing.
    pub fn give_back(&self, workspace: WorkspaceId, mails: u64) {
        self.with(|days| {
            if let Some(day) = days.get_mut(&workspace) {
                day.give_back(mails);
            }
        });
    }

    /// How many of a workspace count, and from when fewer do.
    #[must_use]
    pub fn used(&self, workspace: WorkspaceId, now: Timestamp) -> (u64, Option<Timestamp>) {
        let hour = hour_of(now);
        self.with(|days| {
            let Some(day) = days.get(&workspace) else {
                return (0, None);
            };
            let used = day.used(hour);
            let fewer = used.checked_sub(1).and_then(|most| day.at_most(hour, most));
            (used, fewer.map(begin_of))
        })
    }

    /// Up to so many counts that the database does not know.
    #[must_use]
    pub fn unwritten(&self, most: usize) -> Vec<HourCount> {
        self.with(|days| {
            let all = days.iter().flat_map(|(workspace, day)| {
                let workspace = *workspace;
                day.unwritten()
                    .map(move |(hour, mails)| HourCount { workspace, hour, mails })
            });
            all.take(most).collect()
        })
    }

    /// Notes that the database knows these.
    pub fn written(&self, counts: &[HourCount]) {
        self.with(|days| {
            for count in counts {
                if let Some(day) = days.get_mut(&count.workspace) {
                    day.written(count.hour, count.mails);
                }
            }
        });
    }

    /// Notes what others counted: for each workspace and hour the whole of it.
    pub fn of_others(&self, counts: &[HourCount]) {
        self.with(|days| {
            for count in counts {
                days.entry(count.workspace)
                    .or_default()
                    .of_others(count.hour, count.mails);
            }
        });
    }

    /// Lets go of what counts no more; to be called now and then.
    pub fn sweep(&self, now: Timestamp) {
        self.with(|days| {
            days.retain(|_, day| day.keep(hour_of(now)));
            days.shrink_to_fit();
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<WorkspaceId, Day>) -> T) -> T {
        act(&mut self.0.days.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The first hour whose mails count now, for whoever reads what was counted.
#[must_use]
pub fn first_hour(now: Timestamp) -> i64 {
    day::first(hour_of(now))
}

/// The hour before the present one, whose mails may be written in this one.
#[must_use]
pub fn hour_before(now: Timestamp) -> i64 {
    hour_of(now) - 1
}

/// The hours since the epoch.
const fn hour_of(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(HOUR)
}

const fn begin_of(hour: i64) -> Timestamp {
    Timestamp::from_micros(hour.saturating_mul(HOUR))
}

//! How many jobs a workspace may have waiting.
//!
//! Guarantees: jobs are counted once, up to the limit, and from then on only subtracted from what was left of it; they are
//! counted again when that is used up, once a second at most, and after a minute. So the limit can be passed only by what was
//! being committed while it was counted: at most as many jobs as there are connections.
//!
//! Left out: noticing at once that jobs were done. Whoever is at the limit may be refused for a second too long.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::super::http::Problem;
use super::with_text;
use crate::clock::{Clock, Timestamp};
use crate::domain::id::WorkspaceId;
use crate::store::{Store, jobs};

/// The shortest time between two counts of a workspace that is at its limit.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// How long a count is subtracted from before it is made anew.
const COUNT_GOOD_FOR: Duration = Duration::from_secs(60);
/// Counts that are kept; workspaces beyond them are counted for each job.
const KEPT_MAX: usize = 100_000;

/// What each workspace has left.
#[derive(Debug)]
pub(super) struct Waiting {
    /// 0 for no limit.
    max: usize,
    left: Mutex<HashMap<WorkspaceId, Left>>,
    /// Held while counting, so that those who come meanwhile use the same count.
    counting: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    jobs: usize,
    counted_at: Timestamp,
}

impl Left {
    /// Whether it may still be subtracted from. A clock that was set back must not make a count last.
    fn is_good(&self, now: Timestamp) -> bool {
        self.counted_at <= now && now.since(self.counted_at) < COUNT_GOOD_FOR
    }
}

/// What is to be done about one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It may come.
    Granted,
    /// It must not come before this long.
    Refused(Duration),
    /// The workspace's jobs must be counted first.
    Count,
}

impl Waiting {
    /// A limit of `max` jobs; 0 for none.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            left: Mutex::default(),
            counting: tokio::sync::Mutex::default(),
        }
    }

    /// Takes one job of a workspace.
    pub(super) async fn take(&self, workspace: WorkspaceId, store: &Store, clock: &Clock) -> Result<(), Problem> {
        if self.max == 0 {
            return Ok(());
        }
        let mut turn = self.turn(workspace, clock.now());
        if turn == Turn::Count {
            let _counting = self.counting.lock().await;
            // Somebody else may have counted meanwhile.
            turn = self.turn(workspace, clock.now());
            if turn == Turn::Count {
                let (now, max) = (clock.now(), self.max);
                let count = store
                    .read(move |connection| jobs::waiting_of(connection, workspace, max))
                    .await?;
                let waiting = usize::try_from(count.count).unwrap_or(usize::MAX);
                turn = self.counted(workspace, waiting, now);
            }
        }
        match turn {
            Turn::Granted | Turn::Count => Ok(()),
            Turn::Refused(wait) => Err(self.refused(wait)),
        }
    }

    /// What is known without counting.
    pub(super) fn turn(&self, workspace: WorkspaceId, now: Timestamp) -> Turn {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = all.get_mut(&workspace) else {
            return Turn::Count;
        };
        if !left.is_good(now) {
            return Turn::Count;
        }
        if left.jobs > 0 {
            left.jobs -= 1;
            return Turn::Granted;
        }
        match COUNT_EVERY.checked_sub(now.since(left.counted_at)) {
            Some(wait) if !wait.is_zero() => Turn::Refused(wait),
            _ => Turn::Count,
        }
    }

    /// Notes that so many were waiting at `now`, and takes one job.
    pub(super) fn counted(&self, workspace: WorkspaceId, waiting: usize, now: Timestamp) -> Turn {
        let left = self.max.saturating_sub(waiting);
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < KEPT_MAX || all.contains_key(&workspace) {
            let left = Left {
                jobs: left.saturating_sub(1),
                counted_at: now,
            };
            all.insert(workspace, left);
        }
        if left > 0 {
            Turn::Granted
        } else {
            Turn::Refused(COUNT_EVERY)
        }
    }

    /// Lets go of counts that are too old to be of use.
    pub(super) fn sweep(&self, now: Timestamp) {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, left| left.is_good(now));
        all.shrink_to_fit();
    }

    fn refused(&self, wait: Duration) -> Problem {
        let problem = Problem::too_many_requests("this workspace has as many jobs waiting as it may", wait);
        let problem = with_text(problem, "ratelimit-policy", &format!("\"jobs_waiting\";q={}", self.max));
        with_text(problem, "ratelimit", "\"jobs_waiting\";r=0;t=1")
    }
}

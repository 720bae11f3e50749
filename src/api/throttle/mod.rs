//! How much one workspace, one network and one login may ask for, so that nobody can use the service up, or send the world
//! mail by it.
//!
//! Guarantees: what is over a limit is refused with 429, `Retry-After`, `RateLimit` and `RateLimit-Policy` before anything
//! is done, and what is left of one is told with the answers before that; operators' work has no limit; what a limit costs a
//! request is a look into memory, and what it keeps is bounded.
//!
//! Left out: sharing the limits between processes. Buckets are memory: each process has its own, and they start full.

mod buckets;
mod clients;
#[cfg(test)]
mod clients_tests;
mod network;
#[cfg(test)]
mod tests;
mod told;

use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};

use super::http::Problem;
use crate::clock::Clock;
use crate::config;
use crate::domain::id::WorkspaceId;
use crate::domain::job::Queue;
use crate::jobs::{Depths, Full, FullOf};
use crate::store::accounts::Account;
use crate::store::schedules::Schedule;
use buckets::{Buckets, Policy, Refusal};
use clients::Clients;
pub(super) use network::{Network, NetworkTurn};
pub(super) use told::tell;

/// One minute, in which jobs, entries and logins are counted.
const MINUTE: Duration = Duration::from_secs(60);
/// One hour, in which mails are counted, and registrations, which are mails too.
const HOUR: Duration = Duration::from_secs(3600);

/// The limits of this process.
#[derive(Debug)]
pub struct Throttle {
    /// Mails of a workspace, one a recipient.
    mails: Buckets<WorkspaceId>,
    /// Jobs of a workspace.
    jobs: Buckets<WorkspaceId>,
    /// Jobs that wait, in queues and of workspaces.
    depths: Depths,
    /// What clients ask for, by where they come from.
    clients: Clients,
}

impl Throttle {
    /// The limits that the settings say, all buckets full.
    #[must_use]
    pub fn new(limits: &config::Limits, depths: &Depths, clock: &Clock) -> Self {
        let jobs = limits.jobs_per_minute;
        let mails = Policy::new("mails", limits.mails_per_hour, HOUR).with_burst(limits.mails_burst);
        Self {
            mails: Buckets::new(mails, clock),
            jobs: Buckets::new(Policy::new("jobs", jobs, MINUTE), clock),
            depths: depths.clone(),
            clients: Clients::new(limits, clock),
        }
    }

    /// Lets go of whoever has used nothing for so long that their buckets are full again; to be called now and then.
    pub fn sweep(&self) {
        self.mails.sweep();
        self.jobs.sweep();
        self.clients.sweep();
    }

    /// Takes one job in this queue of the account's workspace, which sends this many mails.
    ///
    /// # Errors
    /// 429 if that is more than it may, or than may wait there; 422 if it is more mails than any wait will allow.
    pub(super) fn take_work(&self, account: &Account, queue: Queue, mails: usize) -> Result<(), Problem> {
        let workspace = account.workspace;
        if account.is_operator {
            self.depths.add(queue, workspace, 1);
            return Ok(());
        }
        let told = self.jobs.take(&workspace, 1);
        told.map_err(|refusal| refused(&refusal, "this workspace has asked for as many jobs as it may for now"))?;
        self.depths.take(queue, workspace).map_err(|full| no_room(&full))?;
        // Last, since they come back slowest: whoever waits for a place must not lose an hour's mails by asking.
        let told = self.mails.take(&workspace, u32::try_from(mails).unwrap_or(u32::MAX));
        told.map_err(|refusal| {
            self.depths.left(queue, [workspace]);
            refused(&refusal, "this workspace has sent as many mails as it may for now")
        })
    }

    /// Takes all jobs of a batch, each with its queue and how many mails it sends, or none of them.
    ///
    /// # Errors
    /// As [`Self::take_work`]; 422 also if it is more jobs than any wait will allow. What the refusal is about stands at `pointer`.
    pub(super) fn take_batch(&self, account: &Account, works: &[(Queue, usize)], pointer: &str) -> Result<(), Problem> {
        let workspace = account.workspace;
        if account.is_operator {
            works
                .iter()
                .for_each(|(queue, _)| self.depths.add(*queue, workspace, 1));
            return Ok(());
        }
        let count = u32::try_from(works.len()).unwrap_or(u32::MAX);
        self.jobs.take(&workspace, count).map_err(|refusal| {
            let never = (pointer, "has more jobs than your workspace may ask for at once");
            refused_at(
                &refusal,
                "this workspace has asked for as many jobs as it may for now",
                never,
            )
        })?;
        let give_back = |count: usize| {
            let taken = works.iter().take(count);
            taken.for_each(|(queue, _)| self.depths.left(*queue, [workspace]));
        };
        for (index, (queue, _)) in works.iter().enumerate() {
            self.depths.take(*queue, workspace).map_err(|full| {
                give_back(index);
                no_room(&full)
            })?;
        }
        let mails = works.iter().map(|(_, mails)| *mails).sum::<usize>();
        self.mails
            .take(&workspace, u32::try_from(mails).unwrap_or(u32::MAX))
            .map_err(|refusal| {
                give_back(works.len());
                let never = (pointer, "sends more mails than your workspace may send at once");
                refused_at(
                    &refusal,
                    "this workspace has sent as many mails as it may for now",
                    never,
                )
            })
    }

    /// Takes one job that a schedule makes, as if its workspace had asked for it now; if it may not, says why.
    ///
    /// # Errors
    /// When that is more than the workspace may, or than may wait there.
    pub fn take_fire(&self, schedule: &Schedule, queue: Queue) -> Result<(), String> {
        let workspace = schedule.workspace;
        if !schedule.is_bounded {
            self.depths.add(queue, workspace, 1);
            return Ok(());
        }
        if self.jobs.take(&workspace, 1).is_err() {
            return Err("the workspace has asked for as many jobs as it may for now".to_owned());
        }
        if let Err(full) = self.depths.take(queue, workspace) {
            return Err(no_room_for(&full).1.to_owned());
        }
        let mails = u32::try_from(schedule.job.mails).unwrap_or(u32::MAX);
        self.mails.take(&workspace, mails).map_err(|_refusal| {
            self.depths.left(queue, [workspace]);
            "the workspace has sent as many mails as it may for now".to_owned()
        })
    }
}

/// The name of the limit that leaves no room, and what is said of it.
const fn no_room_for(full: &Full) -> (&'static str, &'static str) {
    match full.of {
        FullOf::Queue => ("queue_waiting", "as many jobs wait in this queue as may"),
        FullOf::Workspace => ("jobs_waiting", "this workspace has as many jobs waiting as it may"),
    }
}

/// The answer to a job for which there is no room.
fn no_room(full: &Full) -> Problem {
    let (name, detail) = no_room_for(full);
    let problem = Problem::too_many_requests(detail, full.wait);
    let problem = with_text(problem, "ratelimit-policy", &format!("\"{name}\";q={}", full.max));
    let seconds = whole_seconds(full.wait);
    with_text(problem, "ratelimit", &format!("\"{name}\";r=0;t={seconds}"))
}

/// The answer to what is over a limit. The headers are those of the IETF's draft "RateLimit header fields for HTTP".
fn refused(refusal: &Refusal, detail: &'static str) -> Problem {
    let never = ("/to", "names more addresses than your workspace may send to at once");
    refused_at(refusal, detail, never)
}

/// The same, where what no wait will allow stands at a pointer, and is told so.
fn refused_at(refusal: &Refusal, detail: &'static str, (pointer, told): (&str, &str)) -> Problem {
    let policy = refusal.policy;
    let Some(wait) = refusal.wait else {
        let most = policy.burst;
        return Problem::invalid_input(vec![super::http::FieldError {
            pointer: pointer.to_owned(),
            detail: format!("{told}, which is {most}"),
        }]);
    };
    let seconds = whole_seconds(wait);
    let problem = Problem::too_many_requests(detail, wait);
    let problem = with_text(problem, "ratelimit-policy", &policy.to_string());
    with_text(problem, "ratelimit", &format!("\"{}\";r=0;t={seconds}", policy.name))
}

fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// The problem with a header of this text.
pub(super) fn with_text(problem: Problem, name: &'static str, text: &str) -> Problem {
    match HeaderValue::from_str(text) {
        Ok(value) => problem.with_header(HeaderName::from_static(name), value),
        // Not reached: names and numbers are what a header may hold.
        Err(_) => problem,
    }
}

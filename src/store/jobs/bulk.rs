//! Many jobs at once: finding those that are meant, and doing with a portion of them what one order does with one.
//!
//! Guarantees: what a portion costs is bounded by the rows that it looks at, as of a page; a job that came to be what is meant
//! after the order is left alone; each is looked at again, locked, in the transaction that changes it, and changed by the same
//! function as by a person's own order; one that refuses is undone alone. The portion and how far the order has come are one
//! transaction, under the fence of the attempt that carries the order out.

use std::collections::HashMap;

use crate::store::dialect::prelude::*;

use super::order::{ChangedArgs, OrderRefused, cancel, retry_with};
use super::read::JobScope;
use super::record::JobRecord;
use super::{Held, STATEMENT_ROWS_MAX};
use crate::clock::Timestamp;
use crate::domain::fault::fault_of;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{BulkAction, JobState, Selection, StateSet};
use crate::store::dialect::{AnyOf, Literally, Locked, Optional, OptionalAnyOf};
use crate::store::schema::{attempts, jobs};
use crate::store::text::{number, parsed, storable};
use crate::store::{Abort, Connection, StoreError, Tx};

/// The most jobs of one portion that is changed: one transaction, for which others wait.
pub const PORTION_MAX: usize = 100;

/// Rows that one look for jobs goes over, as many as a page of a list.
const SCANNED_MAX: usize = super::SCANNED_MAX;

/// Which jobs an order means.
#[derive(Clone, Debug)]
pub struct Meant {
    /// What they are like.
    pub selection: Selection,
    /// In which states.
    pub states: StateSet,
    /// When it was ordered: what was accepted or ended later is left alone.
    pub until: Timestamp,
    /// The job that carries the order out, which is not meant.
    pub except: Option<JobId>,
}

impl Meant {
    /// What an order of this action means that was given at `until`.
    #[must_use]
    pub fn by(selection: Selection, action: BulkAction, until: Timestamp, except: Option<JobId>) -> Self {
        Self {
            states: selection.states(action),
            selection,
            until,
            except,
        }
    }

    fn in_states(&self) -> Literally {
        Literally(in_states(self.states, self.selection.workspace.is_some()))
    }

    /// What the rows have in common that a look goes over: the states where an index has those in the order of their ids. Of
    /// others all rows are gone over, and counted, so that few among many do not make a look long.
    fn on_the_way(&self) -> Literally {
        match self.states {
            StateSet::Only(JobState::Discarded | JobState::Cancelled | JobState::Uncertain) => self.in_states(),
            _ => Literally("1 = 1"),
        }
    }

    fn scope(&self) -> JobScope {
        self.selection.workspace.map_or(JobScope::All, JobScope::Workspace)
    }

    fn ids(&self) -> Vec<String> {
        self.selection.ids.iter().map(ToString::to_string).collect()
    }

    fn before(&self) -> i64 {
        self.selection.created_before.map_or(i64::MAX, Timestamp::as_micros)
    }

    fn from(&self) -> i64 {
        self.selection.created_after.map_or(i64::MIN, Timestamp::as_micros)
    }
}

/// One that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeantJob {
    /// The job.
    pub id: JobId,
    /// The number of its latest attempt, which tells whether it has begun another since.
    pub fence: i64,
}

/// What one look found.
#[derive(Clone, Debug)]
pub struct MeantPage {
    /// The jobs, by their ids.
    pub jobs: Vec<MeantJob>,
    /// How many rows were looked at, at most.
    pub looked_at: usize,
    /// Behind which job the next look goes on; none if this was the last.
    pub next: Option<JobId>,
}

/// The states, written out so that partial indexes are used: of those who were given up, that of all or that of one workspace.
const fn in_states(states: StateSet, is_scoped: bool) -> &'static str {
    match (states, is_scoped) {
        (StateSet::Any, _) => "1 = 1",
        (StateSet::Unfinished, _) => "jobs.state IN ('scheduled', 'available', 'running', 'retryable')",
        (StateSet::Only(JobState::Discarded), false) => {
            "jobs.state IN ('discarded', 'cancelled', 'uncertain') AND jobs.state = 'discarded'"
        }
        (StateSet::Only(JobState::Cancelled), false) => {
            "jobs.state IN ('discarded', 'cancelled', 'uncertain') AND jobs.state = 'cancelled'"
        }
        (StateSet::Only(JobState::Uncertain), false) => {
            "jobs.state IN ('discarded', 'cancelled', 'uncertain') AND jobs.state = 'uncertain'"
        }
        (StateSet::Only(JobState::Discarded), true) => {
            "jobs.finished_at IS NOT NULL AND jobs.state <> 'completed' AND jobs.state = 'discarded'"
        }
        (StateSet::Only(JobState::Cancelled), true) => {
            "jobs.finished_at IS NOT NULL AND jobs.state <> 'completed' AND jobs.state = 'cancelled'"
        }
        (StateSet::Only(JobState::Uncertain), true) => {
            "jobs.finished_at IS NOT NULL AND jobs.state <> 'completed' AND jobs.state = 'uncertain'"
        }
        (StateSet::Only(JobState::Scheduled), _) => "jobs.state = 'scheduled'",
        (StateSet::Only(JobState::Available), _) => "jobs.state = 'available'",
        (StateSet::Only(JobState::Running), _) => "jobs.state = 'running'",
        (StateSet::Only(JobState::Retryable), _) => "jobs.state = 'retryable'",
        (StateSet::Only(JobState::Completed), _) => "jobs.state = 'completed'",
    }
}

/// The words of the index of those who were given up, of all or of one workspace.
pub(super) const fn given_up_words(is_scoped: bool) -> Literally {
    Literally(if is_scoped {
        "jobs.finished_at IS NOT NULL AND jobs.state <> 'completed'"
    } else {
        "jobs.state IN ('discarded', 'cancelled', 'uncertain')"
    })
}

/// Adds to a query what jobs must be like, but for their place and their fault.
macro_rules! meant {
    ($query:expr, $meant:expr, $ids:expr) => {
        $query
            .filter($meant.in_states())
            .filter($meant.scope().of_jobs())
            .filter(OptionalAnyOf {
                column: "jobs.id",
                texts: $ids,
            })
            .filter(Optional::new("jobs.queue =", $meant.selection.queue))
            .filter(Optional::new("jobs.kind =", $meant.selection.kind.as_ref()))
            .filter(Optional::new("jobs.cause =", $meant.selection.cause))
            .filter(Optional::new("jobs.id <>", $meant.except))
            .filter(jobs::created_at.ge($meant.from()))
            .filter(jobs::created_at.lt($meant.before()))
            .filter(jobs::created_at.le($meant.until.as_micros()))
            .filter(
                jobs::finished_at
                    .is_null()
                    .or(jobs::finished_at.le($meant.until.as_micros())),
            )
    };
}

/// The first jobs behind `after` that are meant, at most `limit`.
///
/// # Errors
/// When a statement fails.
pub fn meant_page(
    connection: &mut Connection,
    meant: &Meant,
    after: Option<JobId>,
    limit: usize,
) -> Result<MeantPage, StoreError> {
    meant_page_scanning(connection, meant, after, limit, SCANNED_MAX)
}

/// The same, going over so many rows at most.
pub(super) fn meant_page_scanning(
    connection: &mut Connection,
    meant: &Meant,
    after: Option<JobId>,
    limit: usize,
    scanned_max: usize,
) -> Result<MeantPage, StoreError> {
    let ids = meant.ids();
    // Few may tell of the fault that is meant, so that more are looked through at once.
    let read_max = match meant.selection.error {
        Some(_) => limit.max(STATEMENT_ROWS_MAX),
        None => limit,
    };
    let nth = jobs::table
        .filter(meant.on_the_way())
        .filter(meant.scope().of_jobs())
        .filter(OptionalAnyOf {
            column: "jobs.id",
            texts: &ids,
        })
        .filter(Optional::new("jobs.id >", after))
        .order(jobs::id.asc())
        .select(jobs::id);
    let nth = nth.offset(number(scanned_max.saturating_sub(1))).limit(1);
    let last_scanned: Option<String> = nth.get_result(connection).optional()?;
    let rows = meant!(jobs::table, meant, &ids)
        .filter(Optional::new("jobs.id >", after))
        .filter(Optional::new("jobs.id <=", last_scanned.as_ref()))
        .order(jobs::id.asc())
        .limit(number(read_max))
        .select((jobs::id, jobs::fence));
    let rows: Vec<(String, i64)> = rows.load(connection)?;
    let mut next = match rows.last() {
        Some((last, _)) if rows.len() >= read_max => Some(last.clone()),
        _ => last_scanned,
    };
    let mut rows = of_fault(connection, meant, rows)?;
    if rows.len() > limit {
        rows.truncate(limit);
        next = rows.last().map(|(last, _)| last.clone());
    }
    let jobs = rows
        .into_iter()
        .map(|(id, fence)| {
            Ok(MeantJob {
                id: parsed(&id, "jobs", "id")?,
                fence,
            })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(MeantPage {
        jobs,
        looked_at: scanned_max,
        next: next.map(|id| parsed(&id, "jobs", "id")).transpose()?,
    })
}

/// Those of the rows whose latest attempt told of the fault that is meant; all of them if none is.
fn of_fault(
    connection: &mut Connection,
    meant: &Meant,
    rows: Vec<(String, i64)>,
) -> Result<Vec<(String, i64)>, StoreError> {
    let Some(fault) = &meant.selection.error else {
        return Ok(rows);
    };
    let ids: Vec<String> = rows.iter().map(|(id, _)| id.clone()).collect();
    let errors = latest_errors(connection, &ids)?;
    let told = |id: &String| errors.get(id).map_or_else(String::new, |error| fault_of(error));
    Ok(rows.into_iter().filter(|(id, _)| told(id) == *fault).collect())
}

/// What the latest attempt of each of these jobs says went wrong; those that say nothing are left out.
pub(super) fn latest_errors(
    connection: &mut Connection,
    ids: &[String],
) -> Result<HashMap<String, String>, StoreError> {
    let mut found = HashMap::new();
    for ids in ids.chunks(STATEMENT_ROWS_MAX) {
        let rows: Vec<(String, Option<String>)> = attempts::table
            .filter(AnyOf {
                column: "attempts.job_id",
                texts: ids,
            })
            .filter(Literally(
                "attempts.number = (SELECT jobs.fence FROM jobs WHERE jobs.id = attempts.job_id)",
            ))
            .select((attempts::job_id, attempts::error))
            .load(connection)?;
        found.extend(rows.into_iter().filter_map(|(id, error)| Some((id, error?))));
    }
    Ok(found)
}

/// Who carries an order out, and how far it has come with this portion.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// The job that does.
    pub job: JobId,
    /// Its attempt.
    pub fence: i64,
}

/// What is done with a portion.
#[derive(Clone, Debug)]
pub struct Portion {
    /// What.
    pub action: BulkAction,
    /// Which jobs an order means.
    pub meant: Meant,
    /// Those of this portion, by their ids; at most [`PORTION_MAX`].
    pub jobs: Vec<MeantJob>,
    /// Other arguments for those that run again.
    pub changed: Option<ChangedArgs>,
    /// Who does it.
    pub carrier: Carrier,
    /// When.
    pub now: Timestamp,
}

/// What became of one job.
#[derive(Clone, Debug)]
pub enum Done {
    /// It was changed, and is so now.
    Changed(ChangedJob),
    /// It was not, for this reason.
    Refused(&'static str),
}

/// A job that was changed.
#[derive(Clone, Debug)]
pub struct ChangedJob {
    /// The job.
    pub id: JobId,
    /// Its tenant.
    pub workspace: WorkspaceId,
    /// Its lane; possibly one that this version does not know.
    pub queue: String,
    /// Where it is.
    pub state: JobState,
}

impl From<JobRecord> for ChangedJob {
    fn from(job: JobRecord) -> Self {
        Self {
            id: job.id,
            workspace: job.workspace,
            queue: job.queue,
            state: job.state,
        }
    }
}

/// What became of a portion.
#[derive(Clone, Debug)]
pub enum PortionDone {
    /// It was done, and what became of each.
    Yes(Vec<Done>),
    /// Nothing was: somebody asked for the carrier's cancel, or it is no longer this attempt.
    Stopped(Held),
}

/// Does it with each of the portion, and writes what `tell` makes of that as the carrier's result.
///
/// # Errors
/// When a statement fails; then nothing of it is done.
pub fn do_portion(
    tx: &mut Tx<'_>,
    portion: &Portion,
    tell: impl FnOnce(&[Done]) -> String,
) -> Result<PortionDone, StoreError> {
    let Carrier { job, fence } = portion.carrier;
    let goes_on = Held::Yes {
        cancel_requested: false,
    };
    // In the order of the ids, in which all lock their rows: the carrier was accepted after all that it means.
    let still = still_meant(tx.connection(), portion)?;
    let held = tx.hold(job, fence)?;
    if held != goes_on {
        return Ok(PortionDone::Stopped(held));
    }
    let mut all = Vec::with_capacity(portion.jobs.len());
    for one in &portion.jobs {
        // Who began another attempt meanwhile, or came to be something else, was not meant.
        if still.get(&one.id.to_string()) != Some(&one.fence) {
            all.push(Done::Refused("changed_meanwhile"));
            continue;
        }
        let ordered = tx.part(|tx| order(tx, portion, one.id));
        all.push(match ordered {
            // A cancel of what was cancelled before is answered alike, and changes nothing.
            Ok(job) if portion.action == BulkAction::Cancel && job.finished_at.is_some_and(|at| at < portion.now) => {
                Done::Refused("not_now")
            }
            Ok(job) => Done::Changed(job.into()),
            Err(Abort::Refused(refusal)) => Done::Refused(reason(refusal)),
            Err(Abort::Store(error)) => return Err(error),
        });
    }
    diesel::update(jobs::table.filter(jobs::id.eq(job.to_string())))
        .set(jobs::result.eq(storable(&tell(&all))))
        .execute(tx.connection())?;
    Ok(PortionDone::Yes(all))
}

fn order(tx: &mut Tx<'_>, portion: &Portion, id: JobId) -> Result<JobRecord, Abort<OrderRefused>> {
    match portion.action {
        BulkAction::Cancel => cancel(tx, id, JobScope::All, portion.now),
        BulkAction::Retry => retry_with(tx, id, JobScope::All, portion.now, portion.changed.as_ref()),
    }
}

const fn reason(refusal: OrderRefused) -> &'static str {
    match refusal {
        OrderRefused::NoSuchJob => "gone",
        OrderRefused::State(_) => "not_now",
        OrderRefused::KeyTaken(_) => "key_taken",
    }
}

/// The fences of those of the portion that are still meant, which stay so until the transaction ends.
fn still_meant(connection: &mut Connection, portion: &Portion) -> Result<HashMap<String, i64>, StoreError> {
    let ids: Vec<String> = portion.jobs.iter().map(|one| one.id.to_string()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let meant = &portion.meant;
    let rows = meant!(jobs::table, meant, &ids)
        // All who lock several rows lock them in this order, so that no two wait for each other.
        .order(jobs::id.asc())
        .select((jobs::id, jobs::fence));
    let rows: Vec<(String, i64)> = Locked(rows).load(connection)?;
    Ok(rows.into_iter().collect())
}

//! Settling a tick: its jobs, its history and the tick after it, in one transaction.

use crate::store::dialect::prelude::*;

use super::history::{self, Fire};
use super::record::Schedule;
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::{JobState, Queue};
use crate::domain::schedule::{FireOutcome, Overlap, Ticks};
use crate::store::dialect::LockedFree;
use crate::store::reports::{self, KeptMax, NewReport, NoRoom};
use crate::store::schema::{jobs, schedules};
use crate::store::text::parsed;
use crate::store::{Abort, Connection, NewJob, StoreError, Tx};

/// Whether a workspace may have another job of a schedule in this queue now; if not, why, for people.
pub type Admission<'a> = dyn Fn(&Schedule, Queue) -> Result<(), String> + 'a;

/// A job that is made for a tick, and what is entered with it.
#[derive(Clone, Debug)]
pub struct MadeJob {
    /// The job.
    pub job: NewJob,
    /// The report that it builds.
    pub report: Option<NewReport>,
}

/// What is to be done for a tick.
#[derive(Clone, Debug)]
pub struct NewFire {
    /// The tick, or several that get one job.
    pub ticks: Ticks,
    /// The job; or why none can be made, for people.
    pub made: Result<MadeJob, String>,
}

/// What is to be done about a schedule that is due.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The schedule as it was read.
    pub schedule: Schedule,
    /// What gets no job, since nobody was there for it; before all fires.
    pub skipped: Option<Ticks>,
    /// What gets a job each.
    pub fires: Vec<NewFire>,
    /// The last tick that this is about.
    pub last: Timestamp,
    /// The tick after it.
    pub next: Option<Timestamp>,
    /// How much a bounded workspace may keep.
    pub kept_max: KeptMax,
}

/// What was done about a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// What the settlement said, with these outcomes.
    Here(Vec<Fire>),
    /// Nothing: somebody else settled or changed it, or does so now.
    Elsewhere,
}

/// Why a job is not made by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderRefused {
    /// The last job has not ended, and two are not to run at once.
    Overlap(JobId),
    /// The workspace keeps as much as it may.
    NoRoom(NoRoom),
}

/// Settles what is due of one schedule, if it is still as it was read.
///
/// `admit` is asked once for each job that would be made; whoever is asked must bear being asked again, since the transaction
/// may be run again.
///
/// # Errors
/// When a statement fails.
pub fn settle(
    tx: &mut Tx<'_>,
    settlement: &Settlement,
    now: Timestamp,
    admit: &Admission<'_>,
) -> Result<Settled, StoreError> {
    let schedule = &settlement.schedule;
    let id = schedule.id.to_string();
    let held = schedules::table
        .filter(schedules::id.eq(&id))
        .filter(schedules::tick.eq(schedule.tick))
        .filter(schedules::next_at.is_not_null())
        .select(schedules::last_job_id);
    // What another node settles at this moment is its own.
    let held: Option<Option<String>> = LockedFree(held).get_result(tx.connection()).optional()?;
    let Some(last_job) = held else {
        return Ok(Settled::Elsewhere);
    };
    let last_job = last_job
        .map(|job| parsed(&job, "schedules", "last_job_id"))
        .transpose()?;
    let mut course = Course {
        settlement,
        now,
        last_job,
        all: Vec::new(),
        jobs: Vec::new(),
    };
    course.skip(settlement.skipped);
    for fire in &settlement.fires {
        course.fire(fire, tx.connection(), admit)?;
    }
    let Course {
        last_job, all, jobs, ..
    } = course;
    let (connection, effects) = tx.parts();
    let made: Vec<&NewJob> = jobs.iter().collect();
    if !made.is_empty() {
        crate::store::jobs::insert(connection, &made, effects)?;
    }
    history::write(connection, (schedule.id, schedule.workspace), &all)?;
    diesel::update(schedules::table.filter(schedules::id.eq(&id)))
        .set((
            schedules::next_at.eq(settlement.next.map(Timestamp::as_micros)),
            schedules::last_at.eq(settlement.last.as_micros()),
            schedules::last_job_id.eq(last_job.map(|job: JobId| job.to_string())),
            schedules::tick.eq(schedule.tick.saturating_add(1)),
        ))
        .execute(connection)?;
    history::cut(connection, schedule.id, schedule.tick)?;
    Ok(Settled::Here(all))
}

/// How far the settling of one schedule has come.
struct Course<'a> {
    settlement: &'a Settlement,
    now: Timestamp,
    last_job: Option<JobId>,
    all: Vec<Fire>,
    jobs: Vec<NewJob>,
}

impl Course<'_> {
    fn skip(&mut self, skipped: Option<Ticks>) {
        if let Some(ticks) = skipped {
            self.note(ticks, FireOutcome::SkippedMissed, None, None);
        }
    }

    fn fire(&mut self, fire: &NewFire, connection: &mut Connection, admit: &Admission<'_>) -> Result<(), StoreError> {
        let schedule = &self.settlement.schedule;
        if schedule.overlap == Overlap::Skip && self.is_under_way(connection)? {
            self.note(fire.ticks, FireOutcome::SkippedOverlap, None, None);
            return Ok(());
        }
        let made = match &fire.made {
            Ok(made) => made,
            Err(cause) => {
                self.note(fire.ticks, FireOutcome::Refused, None, Some(cause.clone()));
                return Ok(());
            }
        };
        if let Some(report) = &made.report
            && schedule.is_bounded
            && let Some(full) = reports::room(connection, report.workspace, self.settlement.kept_max)?
        {
            self.note(fire.ticks, FireOutcome::Refused, None, Some(full.to_string()));
            return Ok(());
        }
        if let Err(cause) = admit(schedule, made.job.queue) {
            self.note(fire.ticks, FireOutcome::Refused, None, Some(cause));
            return Ok(());
        }
        if let Some(report) = &made.report {
            reports::insert(connection, report)?;
        }
        let outcome = if fire.ticks.count > 1 {
            FireOutcome::Coalesced
        } else {
            FireOutcome::Fired
        };
        self.last_job = Some(made.job.id);
        self.note(fire.ticks, outcome, Some(made.job.id), None);
        self.jobs.push(made.job.clone());
        Ok(())
    }

    /// Whether the last job has not ended.
    fn is_under_way(&self, connection: &mut Connection) -> Result<bool, StoreError> {
        let Some(last) = self.last_job else { return Ok(false) };
        // One that was made just now is not in the table yet.
        let is_new = self.jobs.iter().any(|job| job.id == last);
        Ok(is_new || under_way(connection, last)?)
    }

    fn note(&mut self, ticks: Ticks, outcome: FireOutcome, job: Option<JobId>, cause: Option<String>) {
        self.all.push(Fire {
            ticks,
            outcome,
            job,
            job_state: None,
            cause,
            at: self.now,
        });
    }
}

/// Makes a job of a schedule by hand, apart from its ticks, which go on as before. The schedule was read by
/// [`super::locked`] in this transaction.
///
/// # Errors
/// [`OrderRefused`] as a refusal.
pub fn order(
    tx: &mut Tx<'_>,
    schedule: &Schedule,
    made: &MadeJob,
    kept_max: KeptMax,
    now: Timestamp,
) -> Result<(), Abort<OrderRefused>> {
    let connection = tx.connection();
    if let (Overlap::Skip, Some(last)) = (schedule.overlap, schedule.last_job)
        && under_way(connection, last)?
    {
        return Err(Abort::Refused(OrderRefused::Overlap(last)));
    }
    if let Some(report) = &made.report {
        if schedule.is_bounded
            && let Some(full) = reports::room(connection, report.workspace, kept_max)?
        {
            return Err(Abort::Refused(OrderRefused::NoRoom(full)));
        }
        reports::insert(connection, report)?;
    }
    tx.enqueue(&made.job)?;
    let mut fire = Fire {
        ticks: Ticks::one(now),
        outcome: FireOutcome::Ordered,
        job: Some(made.job.id),
        job_state: None,
        cause: None,
        at: now,
    };
    // The history knows each entry by its moment: ticks are at whole seconds, and whoever orders twice in one microsecond is
    // put behind.
    let connection = tx.connection();
    while fire.ticks.last.as_micros() % 1_000_000 == 0 || history::is_taken(connection, schedule.id, fire.ticks.last)? {
        fire.ticks = Ticks::one(fire.ticks.last.plus(std::time::Duration::from_micros(1)));
    }
    history::write(connection, (schedule.id, schedule.workspace), &[fire])?;
    diesel::update(schedules::table.filter(schedules::id.eq(schedule.id.to_string())))
        .set((
            schedules::last_job_id.eq(made.job.id.to_string()),
            schedules::tick.eq(schedule.tick.saturating_add(1)),
        ))
        .execute(connection)?;
    Ok(history::cut(connection, schedule.id, schedule.tick)?)
}

/// Whether a job is there and has not ended.
fn under_way(connection: &mut Connection, job: JobId) -> Result<bool, StoreError> {
    let state: Option<String> = jobs::table
        .filter(jobs::id.eq(job.to_string()))
        .select(jobs::state)
        .first(connection)
        .optional()?;
    let state: Option<JobState> = state.map(|state| parsed(&state, "jobs", "state")).transpose()?;
    Ok(state.is_some_and(|state| !state.is_final()))
}

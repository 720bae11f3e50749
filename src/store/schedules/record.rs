//! A schedule as it is kept.

use std::time::Duration;

use crate::store::dialect::prelude::*;

use crate::clock::Timestamp;
use crate::domain::id::{AccountId, JobId, ScheduleId, WorkspaceId};
use crate::domain::job::LimitKey;
use crate::domain::schedule::{Missed, Overlap};
use crate::store::StoreError;
use crate::store::schema::schedules;
use crate::store::text::{number, parsed, time, unsigned};

const TABLE: &str = "schedules";

/// A job that is made again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// What its owner calls it; no other of the workspace is called so.
    pub name: String,
    /// When: a cron expression, of this version or an older one.
    pub cron: String,
    /// In which time zone; possibly one that this version does not know.
    pub time_zone: String,
    /// What is made.
    pub job: ScheduledJob,
    /// What becomes of ticks that nobody was there for.
    pub missed: Missed,
    /// What becomes of ticks that come while the job before has not ended.
    pub overlap: Overlap,
    /// By how much at most a job is put off, so that many schedules do not make theirs run at once.
    pub jitter: Duration,
    /// Whether its jobs count against what its workspace may ask for.
    pub is_bounded: bool,
    /// Since when it is paused, if it is.
    pub paused_at: Option<Timestamp>,
    /// The tick that is due next; none while it is paused, and where there is none.
    pub next: Option<Timestamp>,
    /// The last tick that was settled.
    pub last: Option<Timestamp>,
    /// The last job that was made.
    pub last_job: Option<JobId>,
    /// Grows by one with each change.
    pub tick: i64,
    /// Who made it.
    pub created_by: AccountId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When somebody last changed it.
    pub updated_at: Timestamp,
}

/// What a schedule makes.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledJob {
    /// What sort of work; possibly one that this version does not know.
    pub kind: String,
    /// Its lane.
    pub queue: String,
    /// What the arguments of each job are made from, as JSON.
    pub args: String,
    /// The version of their shape.
    pub args_version: u32,
    /// The arguments as the client gave them, as JSON.
    pub given: String,
    /// How many mails each job sends.
    pub mails: usize,
    /// Higher goes first.
    pub priority: i32,
    /// Attempts that each may spend.
    pub max_attempts: u32,
    /// How long one attempt may run.
    pub timeout: Duration,
    /// What limits count it under, if anything.
    pub limit_key: Option<LimitKey>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schedules)]
pub(super) struct ScheduleRow {
    pub(super) id: String,
    workspace_id: String,
    name: String,
    cron: String,
    time_zone: String,
    kind: String,
    queue: String,
    args: String,
    args_version: i64,
    given: String,
    mails: i64,
    priority: i64,
    max_attempts: i64,
    timeout_ms: i64,
    limit_key: String,
    missed: String,
    catch_up: Option<i64>,
    overlap: String,
    jitter_ms: i64,
    is_bounded: i64,
    paused_at: Option<i64>,
    next_at: Option<i64>,
    last_at: Option<i64>,
    last_job_id: Option<String>,
    tick: i64,
    created_by: String,
    created_at: i64,
    updated_at: i64,
}

/// What is written once.
#[derive(diesel::Insertable)]
#[diesel(table_name = schedules)]
pub(super) struct Unchanging<'a> {
    workspace_id: &'a str,
    is_bounded: i64,
    created_by: &'a str,
    created_at: i64,
}

/// What may be changed.
#[derive(diesel::Insertable, diesel::AsChangeset)]
#[diesel(table_name = schedules, treat_none_as_null = true)]
pub(super) struct Changing<'a> {
    name: &'a str,
    cron: &'a str,
    time_zone: &'a str,
    kind: &'a str,
    queue: &'a str,
    args: &'a str,
    args_version: i64,
    given: &'a str,
    mails: i64,
    priority: i64,
    max_attempts: i64,
    timeout_ms: i64,
    limit_key: &'a str,
    missed: &'a str,
    catch_up: Option<i64>,
    overlap: &'a str,
    jitter_ms: i64,
    paused_at: Option<i64>,
    next_at: Option<i64>,
    last_at: Option<i64>,
    last_job_id: Option<&'a str>,
    tick: i64,
    updated_at: i64,
}

impl ScheduleRow {
    pub(super) fn of(schedule: &Schedule) -> Self {
        let job = &schedule.job;
        let (missed, catch_up) = match schedule.missed {
            Missed::Skip => ("skip", None),
            Missed::Coalesce => ("coalesce", None),
            Missed::CatchUp(most) => ("catch_up", Some(i64::from(most))),
        };
        Self {
            id: schedule.id.to_string(),
            workspace_id: schedule.workspace.to_string(),
            name: schedule.name.clone(),
            cron: schedule.cron.clone(),
            time_zone: schedule.time_zone.clone(),
            kind: job.kind.clone(),
            queue: job.queue.clone(),
            args: job.args.clone(),
            args_version: job.args_version.into(),
            given: job.given.clone(),
            mails: number(job.mails),
            priority: job.priority.into(),
            max_attempts: job.max_attempts.into(),
            timeout_ms: number(job.timeout.as_millis()),
            limit_key: job.limit_key.as_ref().map(ToString::to_string).unwrap_or_default(),
            missed: missed.to_owned(),
            catch_up,
            overlap: schedule.overlap.to_string(),
            jitter_ms: number(schedule.jitter.as_millis()),
            is_bounded: i64::from(schedule.is_bounded),
            paused_at: schedule.paused_at.map(Timestamp::as_micros),
            next_at: schedule.next.map(Timestamp::as_micros),
            last_at: schedule.last.map(Timestamp::as_micros),
            last_job_id: schedule.last_job.map(|job| job.to_string()),
            tick: schedule.tick,
            created_by: schedule.created_by.to_string(),
            created_at: schedule.created_at.as_micros(),
            updated_at: schedule.updated_at.as_micros(),
        }
    }

    pub(super) fn unchanging(&self) -> Unchanging<'_> {
        Unchanging {
            workspace_id: &self.workspace_id,
            is_bounded: self.is_bounded,
            created_by: &self.created_by,
            created_at: self.created_at,
        }
    }

    pub(super) fn changing(&self) -> Changing<'_> {
        Changing {
            name: &self.name,
            cron: &self.cron,
            time_zone: &self.time_zone,
            kind: &self.kind,
            queue: &self.queue,
            args: &self.args,
            args_version: self.args_version,
            given: &self.given,
            mails: self.mails,
            priority: self.priority,
            max_attempts: self.max_attempts,
            timeout_ms: self.timeout_ms,
            limit_key: &self.limit_key,
            missed: &self.missed,
            catch_up: self.catch_up,
            overlap: &self.overlap,
            jitter_ms: self.jitter_ms,
            paused_at: self.paused_at,
            next_at: self.next_at,
            last_at: self.last_at,
            last_job_id: self.last_job_id.as_deref(),
            tick: self.tick,
            updated_at: self.updated_at,
        }
    }
}

impl TryFrom<ScheduleRow> for Schedule {
    type Error = StoreError;

    fn try_from(row: ScheduleRow) -> Result<Self, StoreError> {
        let catch_up = row.catch_up.map(|most| unsigned(most, TABLE, "catch_up")).transpose()?;
        let missed = match (row.missed.as_str(), catch_up) {
            ("skip", None) => Missed::Skip,
            ("coalesce", None) => Missed::Coalesce,
            ("catch_up", Some(most)) => Missed::CatchUp(most),
            _ => return Err(corrupt("missed")),
        };
        let millis = |millis, what| unsigned(millis, TABLE, what).map(Duration::from_millis);
        let limit_key = Some(&row.limit_key).filter(|key| !key.is_empty());
        let last_job = row.last_job_id.as_deref();
        Ok(Self {
            id: parsed(&row.id, TABLE, "id")?,
            workspace: parsed(&row.workspace_id, TABLE, "workspace_id")?,
            job: ScheduledJob {
                limit_key: limit_key.map(|key| parsed(key, TABLE, "limit_key")).transpose()?,
                kind: row.kind,
                queue: row.queue,
                args: row.args,
                args_version: unsigned(row.args_version, TABLE, "args_version")?,
                given: row.given,
                mails: unsigned(row.mails, TABLE, "mails")?,
                priority: i32::try_from(row.priority).map_err(|_beyond| corrupt("priority"))?,
                max_attempts: unsigned(row.max_attempts, TABLE, "max_attempts")?,
                timeout: millis(row.timeout_ms, "timeout_ms")?,
            },
            missed,
            overlap: parsed(&row.overlap, TABLE, "overlap")?,
            jitter: millis(row.jitter_ms, "jitter_ms")?,
            is_bounded: row.is_bounded != 0,
            paused_at: row.paused_at.map(time),
            next: row.next_at.map(time),
            last: row.last_at.map(time),
            last_job: last_job.map(|job| parsed(job, TABLE, "last_job_id")).transpose()?,
            tick: row.tick,
            created_by: parsed(&row.created_by, TABLE, "created_by")?,
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
            name: row.name,
            cron: row.cron,
            time_zone: row.time_zone,
        })
    }
}

fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: TABLE, what }
}

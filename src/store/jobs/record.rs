//! A job and its attempts as they are shown.

use crate::store::dialect::prelude::*;

use super::awaited::Awaited;
use crate::clock::Timestamp;
use crate::domain::id::{BatchId, JobId, ScheduleId, WorkspaceId};
use crate::domain::job::{AttemptOutcome, JobState, Progress};
use crate::store::StoreError;
use crate::store::schema::{attempts, jobs};
use crate::store::text::{parsed, unsigned};

/// A job as it is shown. Its arguments are left out: they may hold what only the work needs.
#[derive(Clone, Debug)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// Its tenant.
    pub workspace: WorkspaceId,
    /// What sort of work; possibly one that this version does not know.
    pub kind: String,
    /// Its lane; possibly one that this version does not know.
    pub queue: String,
    /// The version of its arguments; possibly one that this version does not know.
    pub args_version: i64,
    /// Where it is.
    pub state: JobState,
    /// Its priority; higher goes first.
    pub priority: i64,
    /// Attempts spent.
    pub attempt: u32,
    /// Attempts it may spend.
    pub max_attempts: u32,
    /// From when it may run.
    pub run_at: Timestamp,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its latest attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When all of its attempts must have ended, if there is such a time.
    pub deadline_at: Option<Timestamp>,
    /// The number of the latest attempt.
    pub fence: i64,
    /// The node of the latest attempt.
    pub node: Option<String>,
    /// When a cancel was asked for.
    pub cancel_requested_at: Option<Timestamp>,
    /// Why it ended, where the state alone does not say it.
    pub cause: Option<String>,
    /// What the latest attempt that answered something answered, as JSON; the next one finds it.
    pub result: Option<String>,
    /// How far the latest attempt came.
    pub progress: Option<Progress>,
    /// When that was last written.
    pub progress_at: Option<Timestamp>,
    /// What limits count it under; empty where it has none.
    pub limit_key: String,
    /// The schedule that made it.
    pub schedule: Option<ScheduleId>,
    /// The batch that it belongs to.
    pub batch: Option<BatchId>,
    /// What its asker marked it with, as a JSON object.
    pub labels: Option<String>,
    /// What it waits for beside its time, if it does.
    pub awaited: Option<Awaited>,
    /// How many attempts may have had their effect without anybody knowing, where that was asked for.
    pub copies_possible: usize,
}

/// One attempt as it is shown.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// Its number within the job.
    pub number: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; none while it runs.
    pub finished_at: Option<Timestamp>,
    /// What it came to; none while it runs.
    pub outcome: Option<AttemptOutcome>,
    /// What went wrong, for people.
    pub error: Option<String>,
    /// The node that ran it.
    pub node: String,
    /// What was said with whoever is outside, where it was asked for.
    pub transcript: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs)]
pub(super) struct RecordRow {
    id: String,
    workspace_id: String,
    kind: String,
    queue: String,
    args_version: i64,
    state: String,
    priority: i64,
    attempt: i64,
    max_attempts: i64,
    run_at: i64,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    fence: i64,
    node: Option<String>,
    cancel_requested_at: Option<i64>,
    cause: Option<String>,
    result: Option<String>,
    progress_done: Option<i64>,
    progress_total: Option<i64>,
    progress_note: Option<String>,
    progress_at: Option<i64>,
    deadline_at: Option<i64>,
    limit_key: String,
    schedule_id: Option<String>,
    batch_id: Option<String>,
    labels: Option<String>,
}

impl RecordRow {
    /// Its id, as it stands.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl TryFrom<RecordRow> for JobRecord {
    type Error = StoreError;

    fn try_from(row: RecordRow) -> Result<Self, StoreError> {
        let progress = match row.progress_done {
            None => None,
            Some(done) => Some(Progress {
                done: unsigned(done, "jobs", "progress_done")?,
                total: row
                    .progress_total
                    .map(|total| unsigned(total, "jobs", "progress_total"))
                    .transpose()?,
                note: row.progress_note,
            }),
        };
        Ok(Self {
            id: parsed(&row.id, "jobs", "id")?,
            workspace: parsed(&row.workspace_id, "jobs", "workspace_id")?,
            kind: row.kind,
            queue: row.queue,
            args_version: row.args_version,
            state: parsed(&row.state, "jobs", "state")?,
            priority: row.priority,
            attempt: unsigned(row.attempt, "jobs", "attempt")?,
            max_attempts: unsigned(row.max_attempts, "jobs", "max_attempts")?,
            run_at: Timestamp::from_micros(row.run_at),
            created_at: Timestamp::from_micros(row.created_at),
            started_at: row.started_at.map(Timestamp::from_micros),
            finished_at: row.finished_at.map(Timestamp::from_micros),
            fence: row.fence,
            node: row.node,
            cancel_requested_at: row.cancel_requested_at.map(Timestamp::from_micros),
            cause: row.cause,
            result: row.result,
            progress,
            progress_at: row.progress_at.map(Timestamp::from_micros),
            deadline_at: row.deadline_at.map(Timestamp::from_micros),
            limit_key: row.limit_key,
            schedule: id_of(row.schedule_id.as_deref(), "schedule_id")?,
            batch: id_of(row.batch_id.as_deref(), "batch_id")?,
            labels: row.labels,
            awaited: None,
            copies_possible: 0,
        })
    }
}

fn id_of<T: std::str::FromStr>(text: Option<&str>, what: &'static str) -> Result<Option<T>, StoreError> {
    text.map(|text| parsed(text, "jobs", what)).transpose()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = attempts)]
pub(super) struct AttemptRow {
    number: i64,
    started_at: i64,
    finished_at: i64,
    outcome: String,
    error: Option<String>,
    node: String,
}

impl AttemptRow {
    pub(super) const fn number(&self) -> i64 {
        self.number
    }
}

impl TryFrom<AttemptRow> for AttemptRecord {
    type Error = StoreError;

    fn try_from(row: AttemptRow) -> Result<Self, StoreError> {
        Ok(Self {
            number: row.number,
            started_at: Timestamp::from_micros(row.started_at),
            finished_at: Some(Timestamp::from_micros(row.finished_at)),
            outcome: Some(parsed(&row.outcome, "attempts", "outcome")?),
            error: row.error,
            node: row.node,
            transcript: None,
        })
    }
}

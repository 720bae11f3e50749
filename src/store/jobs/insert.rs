//! New jobs.

use std::time::Duration;

use crate::store::dialect::prelude::*;

use super::arguments;
use crate::clock::Timestamp;
use crate::domain::id::{BatchId, JobId, ScheduleId, WorkspaceId};
use crate::domain::job::{After, JobState, LimitKey, Queue, UniqueKey, rank};
use crate::store::Connection;
use crate::store::dialect::{InsertMany, Value};
use crate::store::events::{Effects, Written};
use crate::store::text::number;

/// A job that is to be inserted. Made by `jobs::enqueue`, which knows the kinds.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id, made by the caller so that it can answer with it.
    pub id: JobId,
    /// The tenant that it belongs to.
    pub workspace: WorkspaceId,
    /// What sort of work.
    pub kind: &'static str,
    /// The lane in which it waits.
    pub queue: Queue,
    /// From [`crate::domain::job::PRIORITY_MIN`] to [`crate::domain::job::PRIORITY_MAX`]; higher goes first.
    pub priority: i32,
    /// The arguments, as JSON.
    pub args: String,
    /// The version of the arguments' shape.
    pub args_version: u32,
    /// Attempts that it may spend; at least one.
    pub max_attempts: u32,
    /// How long one attempt may run.
    pub timeout: Duration,
    /// From when it may run.
    pub run_at: Timestamp,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When all of its attempts must have ended, if there is such a time.
    pub deadline: Option<Timestamp>,
    /// The key by which it is the only one of its workspace. It counts only where the job is inserted by
    /// [`crate::store::Tx::enqueue_unique`], which looks at who has the key.
    pub unique: Option<UniqueKey>,
    /// What limits count it under, if anything.
    pub limit_key: Option<LimitKey>,
    /// The schedule that makes it, if one does.
    pub schedule: Option<ScheduleId>,
    /// The batch that it belongs to, if it does.
    pub batch: Option<BatchId>,
    /// Whether a batch or another job is to be told of its end.
    pub is_waited_for: bool,
    /// The jobs that it waits for, if it does. They count only where the job is inserted by [`crate::store::Tx::enqueue_after`],
    /// which looks whether they are there.
    pub after: Option<After>,
    /// The request that caused it.
    pub request_id: Option<String>,
    /// What its asker marked it with, as a JSON object that is shown with it.
    pub labels: Option<String>,
}

impl NewJob {
    /// Where it begins.
    #[must_use]
    pub fn state(&self) -> JobState {
        if self.after.is_some() || self.run_at > self.created_at {
            JobState::Scheduled
        } else {
            JobState::Available
        }
    }

    /// The same job as one of a batch, which is told of its end.
    #[must_use]
    pub fn into_batch(self, batch: BatchId) -> Self {
        Self {
            batch: Some(batch),
            is_waited_for: true,
            ..self
        }
    }

    /// Whether it has nothing that only few jobs have.
    fn is_plain(&self) -> bool {
        self.deadline.is_none()
            && self.unique.is_none()
            && self.limit_key.is_none()
            && self.schedule.is_none()
            && self.batch.is_none()
            && !self.is_waited_for
            && self.labels.is_none()
    }
}

/// What a new job's row says; every other column is null until something happens to it. Those from the deadline's on say what
/// few jobs have: the others do not write them.
const COLUMNS: &[&str] = &[
    "id",
    "workspace_id",
    "kind",
    "queue",
    "state",
    "priority",
    "rank",
    "args",
    "args_version",
    "attempt",
    "max_attempts",
    "timeout_ms",
    "run_at",
    "created_at",
    "fence",
    "worker_panics",
    "deaths",
    "request_id",
    "deadline_at",
    "unique_key",
    "limit_key",
    "schedule_id",
    "batch_id",
    "is_waited_for",
    "labels",
];

/// The columns of jobs that have nothing of that.
const PLAIN_COLUMNS: &[&str] = COLUMNS.split_at(COLUMNS.len() - 7).0;

fn values(connection: &Connection, job: &NewJob) -> Vec<Value> {
    let is_apart = arguments::lie_apart(connection, job);
    let text = |text: String| Value::Text(Some(text));
    let count = |number: i64| Value::Number(Some(number));
    vec![
        text(job.id.to_string()),
        text(job.workspace.to_string()),
        text(job.kind.to_owned()),
        text(job.queue.to_string()),
        text(job.state().to_string()),
        count(i64::from(job.priority)),
        count(rank(job.run_at, job.priority)),
        text(if is_apart { String::new() } else { job.args.clone() }),
        count(i64::from(job.args_version)),
        count(0),
        count(i64::from(job.max_attempts)),
        count(number(job.timeout.as_millis())),
        count(job.run_at.as_micros()),
        count(job.created_at.as_micros()),
        count(0),
        count(0),
        count(0),
        Value::Text(job.request_id.clone()),
    ]
}

/// Inserts all jobs, many in one statement.
pub(in crate::store) fn insert(connection: &mut Connection, new: &[&NewJob], effects: &mut Effects) -> QueryResult<()> {
    for job in new {
        effects.became_available(job.queue);
        let change = Written {
            job: job.id,
            kind: job.kind,
            queue: job.queue.as_str(),
            state: job.state(),
            attempt: 0,
            fence: 0,
            cause: None,
            at: job.created_at,
            progress: None,
        };
        effects.changed(job.workspace, &change);
    }
    let is_plain = new.iter().all(|job| job.is_plain());
    let many = InsertMany {
        table: "jobs",
        on_conflict: "",
        columns: if is_plain { PLAIN_COLUMNS } else { COLUMNS },
        rows: if is_plain {
            new.iter().map(|job| values(connection, job)).collect()
        } else {
            new.iter().map(|job| all_values(connection, job)).collect()
        },
    };
    many.execute(connection)?;
    arguments::insert(connection, new)
}

fn all_values(connection: &Connection, job: &NewJob) -> Vec<Value> {
    let mut all = values(connection, job);
    all.push(Value::Number(job.deadline.map(Timestamp::as_micros)));
    all.push(Value::Text(job.unique.as_ref().map(|unique| unique.key.clone())));
    let limit_key = job.limit_key.as_ref().map_or("", LimitKey::as_str);
    all.push(Value::Text(Some(limit_key.to_owned())));
    all.push(Value::Text(job.schedule.map(|schedule| schedule.to_string())));
    all.push(Value::Text(job.batch.map(|batch| batch.to_string())));
    all.push(Value::Number(Some(i64::from(job.is_waited_for))));
    all.push(Value::Text(job.labels.clone()));
    all
}

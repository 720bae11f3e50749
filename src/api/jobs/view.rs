//! A job as clients see it; what is shown here stays, since programs are written against it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::waiting::{Standing, waits_for, waits_for_whom};
use crate::api::State;
use crate::api::openapi::JobResult;
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{BatchId, JobId, ScheduleId, TemplateId, WorkspaceId};
use crate::domain::job::{After, AttemptOutcome, JobState, Pace};
use crate::store::jobs::Awaited;
use crate::store::{AttemptRecord, JobRecord, NewJob, StoreError};

/// A job.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub(in crate::api) struct JobView {
    /// Whose it is, which is not shown.
    #[serde(skip)]
    owner: WorkspaceId,
    id: JobId,
    /// What sort of work it is, such as `email.send`.
    kind: String,
    /// The lane in which it waits.
    queue: String,
    state: JobState,
    /// Higher goes first.
    priority: i64,
    /// How many attempts are spent; those that do not count are listed and not counted.
    attempt: u32,
    max_attempts: u32,
    /// From when it may run.
    run_at: Timestamp,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    /// Set exactly where the state is a final one.
    finished_at: Option<Timestamp>,
    /// When it is given up if it has not ended.
    deadline_at: Option<Timestamp>,
    cancel_requested_at: Option<Timestamp>,
    /// Why it ended or waits, where its state alone does not say it.
    cause: Option<String>,
    progress: Option<ProgressView>,
    /// What the work answered, or has done so far; its form is the kind's own.
    #[schema(value_type = Option<JobResult>)]
    result: Option<Value>,
    /// What it waits for, while it waits for something that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    waiting_for: Option<String>,
    /// What limits count it under.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    key: Option<String>,
    /// The schedule that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    schedule_id: Option<ScheduleId>,
    /// The batch that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    batch_id: Option<BatchId>,
    /// How many attempts may have had their effect without anybody knowing: so many copies of a mail there may be, beside
    /// the one of an attempt that completed. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    copies_possible: Option<usize>,
    /// The words that its asker marked it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tags: Option<Vec<String>>,
    /// The template of its workspace that made its mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    template: Option<TemplateView>,
    /// What its asker keeps with it; for its own workspace alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    metadata: Option<BTreeMap<String, String>>,
    attempts: Vec<AttemptView>,
    /// How many older attempts are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempts_omitted: Option<i64>,
}

/// How far the work has come, in its own units.
#[derive(Serialize, ToSchema)]
#[schema(as = Progress)]
struct ProgressView {
    /// Units done.
    done: u64,
    /// Units in all, if they are known.
    total: Option<u64>,
    /// What is being done, for people.
    note: Option<String>,
    /// Units a second, over the latest attempt.
    rate_per_s: Option<f64>,
    /// How long the rest takes at that rate, in seconds, counted from the latest report; while the job runs.
    remaining_s: Option<u64>,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
struct AttemptView {
    /// Never the same twice for a job.
    number: i64,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    /// Absent while it runs.
    outcome: Option<AttemptOutcome>,
    /// Why it was not a success, for people.
    error: Option<String>,
    /// The process that ran it.
    node: String,
    /// What was said with the mail server, a line each with the milliseconds since it began: `C:` is this service, `S:` the
    /// server. Only where one job is asked for, and of its newest attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    transcript: Option<String>,
}

/// The template that made a mail when it was accepted.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = UsedTemplate)]
struct TemplateView {
    id: TemplateId,
    name: String,
    version: u32,
    /// Of the version; null if it has none.
    locale: Option<String>,
}

/// What a job is marked with, as its row says it; what cannot be read is left out.
#[derive(Default, Deserialize)]
struct Labels {
    tags: Option<Vec<String>>,
    metadata: Option<BTreeMap<String, String>>,
    template: Option<TemplateView>,
}

impl Labels {
    fn of(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }
}

impl JobView {
    /// A job from the database.
    ///
    /// # Errors
    /// When its result is not JSON.
    pub(in crate::api) fn of(job: JobRecord, attempts: Vec<AttemptRecord>, state: &State) -> Result<Self, StoreError> {
        let result = job.result.as_deref().map(serde_json::from_str).transpose();
        let corrupt = StoreError::Corrupt {
            table: "jobs",
            what: "result",
        };
        let progress = progress(&job);
        let Labels {
            tags,
            metadata,
            template,
        } = Labels::of(job.labels.as_deref());
        let standing = standing_of(&job);
        Ok(Self {
            waiting_for: waits_for(standing, state).or_else(|| waits_for_whom(standing, state)),
            owner: job.workspace,
            id: job.id,
            kind: job.kind,
            queue: job.queue,
            state: job.state,
            priority: job.priority,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            run_at: job.run_at,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            deadline_at: job.deadline_at,
            cancel_requested_at: job.cancel_requested_at,
            cause: job.cause,
            progress,
            result: result.or(Err(corrupt))?,
            key: Some(job.limit_key).filter(|key| !key.is_empty()),
            schedule_id: job.schedule,
            batch_id: job.batch,
            tags,
            template,
            metadata,
            attempts_omitted: attempts
                .first()
                .map(|first| first.number - 1)
                .filter(|omitted| *omitted > 0),
            copies_possible: Some(job.copies_possible).filter(|count| *count > 0),
            attempts: attempts.into_iter().map(AttemptView::from).collect(),
        })
    }

    /// A job that was accepted this moment.
    pub(in crate::api) fn of_new(job: &NewJob, state: &State) -> Self {
        let Labels {
            tags,
            metadata,
            template,
        } = Labels::of(job.labels.as_deref());
        Self {
            tags,
            template,
            metadata,
            owner: job.workspace,
            id: job.id,
            kind: job.kind.to_owned(),
            queue: job.queue.to_string(),
            state: job.state(),
            priority: i64::from(job.priority),
            attempt: 0,
            max_attempts: job.max_attempts,
            run_at: job.run_at,
            created_at: job.created_at,
            started_at: None,
            finished_at: None,
            deadline_at: job.deadline,
            cancel_requested_at: None,
            cause: None,
            progress: None,
            result: None,
            waiting_for: waits_for(
                Standing {
                    state: job.state(),
                    queue: job.queue.as_str(),
                    kind: job.kind,
                    version: job.args_version.into(),
                    run_at: job.run_at,
                    awaited: job.after.as_ref().map(awaited),
                },
                state,
            ),
            key: job.limit_key.as_ref().map(ToString::to_string),
            schedule_id: job.schedule,
            batch_id: job.batch,
            copies_possible: None,
            attempts: Vec::new(),
            attempts_omitted: None,
        }
    }
}

impl JobView {
    /// Which job.
    pub(in crate::api) fn id(&self) -> JobId {
        self.id
    }

    /// Whose it is.
    pub(in crate::api) fn owner(&self) -> WorkspaceId {
        self.owner
    }

    /// Whether the job has ended.
    pub(in crate::api) fn is_final(&self) -> bool {
        self.state.is_final()
    }

    /// The job with its turn, if nothing else holds it up.
    pub(in crate::api) fn with_turn(mut self, turn: Option<String>) -> Self {
        self.waiting_for = self.waiting_for.or(turn);
        self
    }

    /// The job as whoever does not belong to its workspace may see it: an operator, who is shown no mail address in full.
    pub(in crate::api) fn masked(mut self) -> Self {
        self.metadata = None;
        if let Some(result) = &mut self.result {
            mask_recipients(result);
        }
        self
    }
}

/// What of a job decides why it waits.
pub(super) fn standing_of(job: &JobRecord) -> Standing<'_> {
    Standing {
        state: job.state,
        queue: &job.queue,
        kind: &job.kind,
        version: job.args_version,
        run_at: job.run_at,
        awaited: job.awaited,
    }
}

/// What a job waits for that was accepted this moment.
fn awaited(after: &After) -> Awaited {
    let jobs: std::collections::HashSet<_> = after.jobs.iter().collect();
    Awaited::Jobs(i64::try_from(jobs.len()).unwrap_or(i64::MAX))
}

fn progress(job: &JobRecord) -> Option<ProgressView> {
    let progress = job.progress.clone()?;
    let pace = match (job.started_at, job.progress_at) {
        (Some(started), Some(at)) => progress.pace(started, at),
        _ => Pace::default(),
    };
    Some(ProgressView {
        done: progress.done,
        total: progress.total,
        note: progress.note,
        rate_per_s: pace.rate_per_s,
        remaining_s: pace.remaining_s.filter(|_| job.state == JobState::Running),
    })
}

/// Masks the addresses in the result of a mail.
fn mask_recipients(result: &mut Value) {
    let recipients = result.get_mut("recipients").and_then(Value::as_array_mut);
    for to in recipients.into_iter().flatten().filter_map(|one| one.get_mut("to")) {
        let address = to
            .as_str()
            .and_then(|text| EmailAddress::parse_international(text).ok());
        *to = Value::from(address.map(|address| address.masked()));
    }
}

impl From<AttemptRecord> for AttemptView {
    fn from(attempt: AttemptRecord) -> Self {
        Self {
            number: attempt.number,
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            outcome: attempt.outcome,
            error: attempt.error,
            node: attempt.node,
            transcript: attempt.transcript,
        }
    }
}

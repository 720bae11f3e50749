//! A job as clients see it; what is shown here stays, since programs are written against it.

use serde::Serialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::JobId;
use crate::domain::job::{AttemptOutcome, JobState, Progress};
use crate::jobs::Registry;
use crate::store::{AttemptRecord, JobRecord, NewJob, StoreError};

/// A job.
#[derive(Serialize)]
pub(in crate::api) struct JobView {
    id: JobId,
    kind: String,
    queue: String,
    state: JobState,
    priority: i64,
    attempt: u32,
    max_attempts: u32,
    run_at: Timestamp,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    cancel_requested_at: Option<Timestamp>,
    cause: Option<String>,
    progress: Option<Progress>,
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<String>,
    attempts: Vec<AttemptView>,
}

/// One attempt.
#[derive(Serialize)]
struct AttemptView {
    number: i64,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    outcome: Option<AttemptOutcome>,
    error: Option<String>,
    node: String,
}

impl JobView {
    /// A job from the database.
    ///
    /// # Errors
    /// When its result is not JSON.
    pub(in crate::api) fn of(
        job: JobRecord,
        attempts: Vec<AttemptRecord>,
        registry: &Registry,
    ) -> Result<Self, StoreError> {
        let result = job.result.as_deref().map(serde_json::from_str).transpose();
        let corrupt = StoreError::Corrupt {
            table: "jobs",
            what: "result",
        };
        Ok(Self {
            waiting_for: waiting_for(job.state, &job.kind, registry),
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
            cancel_requested_at: job.cancel_requested_at,
            cause: job.cause,
            progress: job.progress,
            result: result.or(Err(corrupt))?,
            attempts: attempts.into_iter().map(AttemptView::from).collect(),
        })
    }

    /// A job that was accepted this moment.
    pub(in crate::api) fn of_new(job: &NewJob, registry: &Registry) -> Self {
        Self {
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
            cancel_requested_at: None,
            cause: None,
            progress: None,
            result: None,
            waiting_for: waiting_for(job.state(), job.kind, registry),
            attempts: Vec::new(),
        }
    }
}

impl JobView {
    /// The job as whoever does not belong to its workspace may see it: an operator, who is shown no mail address in full.
    pub(in crate::api) fn masked(mut self) -> Self {
        if let Some(result) = &mut self.result {
            mask_recipients(result);
        }
        self
    }
}

/// Masks the addresses in the result of a mail.
fn mask_recipients(result: &mut Value) {
    let recipients = result.get_mut("recipients").and_then(Value::as_array_mut);
    for to in recipients.into_iter().flatten().filter_map(|one| one.get_mut("to")) {
        let address = to.as_str().and_then(|text| EmailAddress::parse(text).ok());
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
        }
    }
}

/// What a job that could be claimed lacks, where nothing here can claim it.
fn waiting_for(state: JobState, kind: &str, registry: &Registry) -> Option<String> {
    let is_unknown = state == JobState::Available && registry.get(kind).is_none();
    is_unknown.then(|| format!("a worker that knows the kind {kind}"))
}

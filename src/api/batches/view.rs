//! A batch as clients see it; what is shown here stays, since programs are written against it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::domain::id::{BatchId, JobId};
use crate::domain::job::JobState;
use crate::store::batches::BatchRecord;

/// A batch.
#[derive(Serialize, ToSchema)]
#[schema(as = Batch)]
pub(super) struct BatchView {
    id: BatchId,
    name: Option<String>,
    /// How many jobs were put into it.
    total: u64,
    created_at: Timestamp,
    /// From when on no job is added.
    sealed_at: Option<Timestamp>,
    cancel_requested_at: Option<Timestamp>,
    /// When it was sealed and all of its jobs had ended, for the first time: one that is run again changes the counts alone.
    finished_at: Option<Timestamp>,
    /// The job that waits for its end; no member of it.
    finishing_job_id: Option<JobId>,
    /// How many jobs have ended, those included that were cleared away since; where one batch is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    done: Option<u64>,
    /// How many of those were discarded, cancelled or became uncertain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failed: Option<u64>,
    /// What part of its jobs have ended, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    progress: Option<f64>,
    /// How many jobs are where.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    counts: Option<BatchCounts>,
    /// The jobs that were made by the request, in its order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jobs: Option<Vec<JobId>>,
}

/// How many jobs of a batch are in each state; those that were cleared away since are in none.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchCounts)]
struct BatchCounts {
    scheduled: u64,
    available: u64,
    running: u64,
    retryable: u64,
    completed: u64,
    discarded: u64,
    cancelled: u64,
    uncertain: u64,
}

impl BatchView {
    /// A batch from the database.
    pub(super) fn of(record: BatchRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            total: record.job_count,
            created_at: record.created_at,
            sealed_at: record.sealed_at,
            cancel_requested_at: record.cancel_requested_at,
            finished_at: record.finished_at,
            finishing_job_id: record.finishing_job,
            done: None,
            failed: None,
            progress: None,
            counts: None,
            jobs: None,
        }
    }

    /// The same with what its jobs are at.
    pub(super) fn with_counts(mut self, counts: &BTreeMap<JobState, u64>) -> Self {
        let of = |state| counts.get(&state).copied().unwrap_or(0);
        let left = JobState::ALL.iter().filter(|state| !state.is_final());
        let left: u64 = left.map(|state| of(*state)).sum();
        let done = self.total.saturating_sub(left);
        self.done = Some(done);
        self.failed = Some(of(JobState::Discarded) + of(JobState::Cancelled) + of(JobState::Uncertain));
        self.progress = Some(part(done, self.total));
        self.counts = Some(BatchCounts {
            scheduled: of(JobState::Scheduled),
            available: of(JobState::Available),
            running: of(JobState::Running),
            retryable: of(JobState::Retryable),
            completed: of(JobState::Completed),
            discarded: of(JobState::Discarded),
            cancelled: of(JobState::Cancelled),
            uncertain: of(JobState::Uncertain),
        });
        self
    }

    /// The same with the jobs that were just made.
    pub(super) fn with_jobs(self, jobs: Vec<JobId>) -> Self {
        Self {
            jobs: Some(jobs),
            ..self
        }
    }
}

/// `done` of `total`, in thousandths: a batch has few enough jobs that both fit.
fn part(done: u64, total: u64) -> f64 {
    let thousandths = done.saturating_mul(1_000).checked_div(total).unwrap_or(1_000);
    f64::from(u32::try_from(thousandths).unwrap_or(1_000)) / 1_000.0
}

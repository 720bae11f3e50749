//! A schedule as clients see it; what is shown here stays, since programs are written against it.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::body::cadence_of;
use crate::api::auth::Member;
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, JobId, ScheduleId};
use crate::domain::schedule::{Cadence, Missed, Overlap};
use crate::store::schedules::Schedule;

/// How many of the next ticks are shown.
const SHOWN: usize = 10;

/// A schedule.
#[derive(Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(super) struct ScheduleView {
    id: ScheduleId,
    name: String,
    /// When: minute, hour, day of month, month and day of week, or a name for such.
    cron: String,
    /// On whose clock.
    time_zone: String,
    job: ScheduledJobView,
    missed: Missed,
    overlap: Overlap,
    jitter_s: u64,
    paused: bool,
    paused_at: Option<Timestamp>,
    /// The tick that is due next; null while it is paused.
    next_at: Option<Timestamp>,
    /// The next ticks, ten at most; none while it is paused. Left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_fires: Option<Vec<NextFire>>,
    /// The last tick, whatever became of it.
    last_at: Option<Timestamp>,
    /// The last job that was made.
    last_job_id: Option<JobId>,
    created_by: AccountId,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// What a schedule makes.
#[derive(Serialize, ToSchema)]
#[schema(as = ScheduledJob)]
struct ScheduledJobView {
    kind: String,
    queue: String,
    /// As they were given; null for whoever does not belong to the workspace.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    args: Option<Value>,
    /// Higher goes first.
    priority: i32,
    max_attempts: u32,
    /// How long one attempt may take.
    timeout_ms: u64,
    /// What limits count it under.
    key: Option<String>,
}

/// A tick to come.
#[derive(Serialize, ToSchema)]
#[schema(as = NextFire)]
pub(super) struct NextFire {
    at: Timestamp,
    /// The same as the clock of the time zone shows it, with its offset.
    #[schema(example = "2026-01-31T09:30:00+01:00")]
    local: String,
}

impl ScheduleView {
    /// With its next ticks.
    pub(super) fn of(schedule: &Schedule, member: &Member) -> Self {
        let fires: Option<Vec<NextFire>> = schedule.next.and_then(|next| {
            let cadence = cadence_of(schedule)?;
            let following = cadence.after(next).take(SHOWN - 1);
            Some(
                std::iter::once(next)
                    .chain(following)
                    .map(|at| NextFire::of(&cadence, at))
                    .collect(),
            )
        });
        Self {
            next_fires: Some(fires.unwrap_or_default()),
            ..Self::listed(schedule, member)
        }
    }

    /// Without them.
    pub(super) fn listed(schedule: &Schedule, member: &Member) -> Self {
        let (schedule, job) = (schedule.clone(), schedule.job.clone());
        let is_own = schedule.workspace == member.account.workspace;
        Self {
            id: schedule.id,
            name: schedule.name,
            cron: schedule.cron,
            time_zone: schedule.time_zone,
            job: ScheduledJobView {
                kind: job.kind,
                queue: job.queue,
                args: is_own.then(|| serde_json::from_str(&job.given).ok()).flatten(),
                priority: job.priority,
                max_attempts: job.max_attempts,
                timeout_ms: u64::try_from(job.timeout.as_millis()).unwrap_or(u64::MAX),
                key: job.limit_key.map(|key| key.to_string()),
            },
            missed: schedule.missed,
            overlap: schedule.overlap,
            jitter_s: schedule.jitter.as_secs(),
            paused: schedule.paused_at.is_some(),
            paused_at: schedule.paused_at,
            next_at: schedule.next,
            next_fires: None,
            last_at: schedule.last,
            last_job_id: schedule.last_job,
            created_by: schedule.created_by,
            created_at: schedule.created_at,
            updated_at: schedule.updated_at,
        }
    }
}

impl NextFire {
    fn of(cadence: &Cadence, at: Timestamp) -> Self {
        Self {
            at,
            local: cadence.local(at),
        }
    }

    /// The next ticks after `after`.
    pub(super) fn after(cadence: &Cadence, after: Timestamp) -> Vec<Self> {
        cadence
            .after(after)
            .take(SHOWN)
            .map(|at| Self::of(cadence, at))
            .collect()
    }
}

//! One look of a scheduler: what is due, what is to be done about it, and doing it.
//!
//! Guarantees: what is planned is planned outside of the writer's transaction, however long a schedule was not looked at; the
//! schedules of a look are settled apart, so that one that cannot be holds up no other; a look ends when it settles nothing.

use futures_util::future::join_all;

use super::SchedulerParts;
use crate::clock::Timestamp;
use crate::domain::id::ScheduleId;
use crate::domain::job::Queue;
use crate::domain::schedule::{Cadence, Cron, FireOutcome, Ticks, Zones, plan};
use crate::jobs::{Registry, recurring};
use crate::store::reports::KeptMax;
use crate::store::schedules::{self, Fire, NewFire, Schedule, Settled, Settlement};
use crate::store::{Abort, KnownKind, StoreError};
use crate::telemetry;
use crate::telemetry::names::event;

/// Schedules of each kind that are read at once. Each may make a hundred jobs, when it catches up.
const DUE_MAX: usize = 32;

/// Settles all that is due, and answers the next tick; none if there is none, or the next look is to find it.
pub(super) async fn settle_due(parts: &SchedulerParts) -> Option<Timestamp> {
    let kinds: Vec<KnownKind> = Queue::ALL
        .iter()
        .flat_map(|queue| parts.registry.of_queue(*queue))
        .collect();
    loop {
        let now = parts.clock.now();
        match due(parts, kinds.clone(), now).await {
            Ok(Due::Later(next)) => return next,
            Ok(Due::Now(due)) => {
                for (id, error) in &due.unreadable {
                    tell_failed(id, error);
                }
                if settle_all(parts, due.schedules, now).await == 0 {
                    return None;
                }
            }
            Err(StoreError::Closed) => return None,
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(
                    event = event::SCHEDULES_UNSEEN,
                    error,
                    "schedules that are due could not be looked for; the next look tries again"
                );
                return None;
            }
        }
    }
}

enum Due {
    Now(schedules::Due),
    Later(Option<Timestamp>),
}

async fn due(parts: &SchedulerParts, kinds: Vec<KnownKind>, now: Timestamp) -> Result<Due, StoreError> {
    let read = parts.store.read(move |connection| {
        let next = schedules::any_due(connection, &kinds)?;
        if next.is_none_or(|next| next > now) {
            return Ok(Due::Later(next));
        }
        schedules::due(connection, &kinds, now, DUE_MAX).map(Due::Now)
    });
    read.await
}

/// Settles these, and answers how many were settled here.
async fn settle_all(parts: &SchedulerParts, due: Vec<Schedule>, now: Timestamp) -> usize {
    let (registry, zones, kept_max) = (parts.registry.clone(), parts.zones.clone(), parts.kept_max);
    let planned = tokio::task::spawn_blocking(move || {
        let all = due.into_iter();
        all.map(|schedule| settlement(schedule, &registry, &zones, kept_max, now))
            .collect::<Vec<_>>()
    });
    // A panic is told by its own line; the next look tries again.
    let Ok(planned) = planned.await else { return 0 };
    let settled = join_all(planned.into_iter().map(|settlement| settle(parts, settlement, now))).await;
    settled.into_iter().filter(|is_here| *is_here).count()
}

/// What is to be done about a schedule that is due.
fn settlement(schedule: Schedule, registry: &Registry, zones: &Zones, kept_max: KeptMax, now: Timestamp) -> Settlement {
    let due = schedule.next.unwrap_or(now);
    let cadence = cadence(&schedule.cron, &schedule.time_zone, zones);
    let Ok(cadence) = cadence else {
        // It waits until a version that can read it starts.
        let made = Err("its expression or its time zone is not known to this version".to_owned());
        return Settlement {
            schedule,
            skipped: None,
            fires: vec![NewFire {
                ticks: Ticks::one(due),
                made,
            }],
            last: due,
            next: None,
            kept_max,
        };
    };
    let plan = plan(&cadence, due, now, schedule.missed);
    let fire = |ticks: Ticks| NewFire {
        ticks,
        made: recurring(&schedule, registry, ticks.last, now).map_err(|error| telemetry::chain(&error)),
    };
    Settlement {
        skipped: plan.skipped,
        fires: plan.fires.into_iter().map(fire).collect(),
        last: plan.last,
        next: plan.next,
        kept_max,
        schedule,
    }
}

/// The cadence of what is kept; none where this version cannot read it.
pub(super) fn cadence(cron: &str, zone: &str, zones: &Zones) -> Result<Cadence, ()> {
    let (cron, zone) = (Cron::parse(cron).or(Err(()))?, zones.get(zone).or(Err(()))?);
    Ok(Cadence::new(cron, zone))
}

/// Settles one, and answers whether that was done here.
async fn settle(parts: &SchedulerParts, settlement: Settlement, now: Timestamp) -> bool {
    let id = settlement.schedule.id;
    let workspace = settlement.schedule.workspace;
    // A place that was taken for a job that is not committed is found free by the next count.
    let admit = parts.admit.clone();
    let write = parts.store.write(move |tx| {
        let settled = schedules::settle(tx, &settlement, now, &*admit)?;
        Ok::<_, Abort<()>>(settled)
    });
    match write.await {
        Ok(Settled::Here(fires)) => {
            fires.iter().for_each(|fire| tell(id, &workspace, fire));
            true
        }
        // The closure refuses nothing.
        Ok(Settled::Elsewhere) | Err(Abort::Refused(()) | Abort::Store(StoreError::Closed)) => false,
        Err(Abort::Store(error)) => {
            tell_failed(&id, &error);
            false
        }
    }
}

/// Says in the log that a tick could not be settled.
fn tell_failed(schedule: &impl std::fmt::Display, error: &StoreError) {
    let error = telemetry::chain(error);
    tracing::warn!(
        event = event::SCHEDULE_FAILED,
        %schedule,
        error,
        "the tick of a schedule could not be settled; the next look tries again"
    );
}

/// Says in the log what became of a tick.
fn tell(schedule: ScheduleId, workspace: &impl std::fmt::Display, fire: &Fire) {
    let Ticks { last: tick, count, .. } = fire.ticks;
    match fire.outcome {
        FireOutcome::Fired | FireOutcome::Coalesced | FireOutcome::Ordered => tracing::info!(
            event = event::SCHEDULE_FIRED,
            %schedule,
            %workspace,
            %tick,
            ticks = count,
            job = fire.job.map(tracing::field::display),
            "a schedule made a job"
        ),
        FireOutcome::SkippedMissed | FireOutcome::SkippedOverlap => tracing::info!(
            event = event::SCHEDULE_SKIPPED,
            %schedule,
            %workspace,
            %tick,
            ticks = count,
            cause = %fire.outcome,
            "ticks of a schedule were skipped"
        ),
        FireOutcome::Refused => tracing::warn!(
            event = event::SCHEDULE_REFUSED,
            %schedule,
            %workspace,
            %tick,
            ticks = count,
            error = fire.cause.as_deref(),
            "a tick of a schedule made no job"
        ),
    }
}

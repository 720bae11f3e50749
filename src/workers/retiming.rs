//! Putting right when schedules tick next, after the rules of time zones have changed: they come with the binary, and a tick
//! that was worked out by an earlier one is kept as a moment.
//!
//! Guarantees: a tick that is due already is left as it is, and none is put before what was settled; nothing is written where
//! nothing changes; what somebody else changes or settles meanwhile is theirs.

use super::SchedulerParts;
use super::ticking::cadence;
use crate::clock::Timestamp;
use crate::domain::schedule::Zones;
use crate::store::schedules::{self, Timing};
use crate::store::{Abort, StoreError};
use crate::telemetry;
use crate::telemetry::names::event;

/// Schedules that are looked at, and changed, at once.
const PAGE: usize = 200;

/// Looks at all schedules once.
pub(super) async fn retime(parts: &SchedulerParts) {
    match retime_all(parts).await {
        Ok(()) | Err(StoreError::Closed) => {}
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::SCHEDULES_UNSEEN,
                error,
                "it could not be looked whether schedules tick at other times now; the next start tries again"
            );
        }
    }
}

async fn retime_all(parts: &SchedulerParts) -> Result<(), StoreError> {
    let mut behind = None;
    loop {
        let (now, zones) = (parts.clock.now(), parts.zones.clone());
        let read = parts.store.read(move |connection| {
            let page = schedules::timings(connection, behind, PAGE)?;
            let next = page.last().map(|timing| timing.schedule);
            let moved = page.into_iter().filter_map(|timing| moved(timing, &zones, now));
            Ok((moved.collect::<Vec<_>>(), next))
        });
        let (moved, last) = read.await?;
        if !moved.is_empty() {
            write(parts, moved).await?;
        }
        if last.is_none() {
            return Ok(());
        }
        behind = last;
    }
}

/// When a schedule is to tick next, where that is not what is kept.
fn moved(timing: Timing, zones: &Zones, now: Timestamp) -> Option<(Timing, Option<Timestamp>)> {
    if timing.next.is_some_and(|next| next <= now) {
        return None;
    }
    let cadence = cadence(&timing.cron, &timing.time_zone, zones).ok()?;
    let next = cadence.next(now.max(timing.not_before));
    (next != timing.next).then_some((timing, next))
}

async fn write(parts: &SchedulerParts, moved: Vec<(Timing, Option<Timestamp>)>) -> Result<(), StoreError> {
    let write = parts.store.write(move |tx| {
        let mut retimed = Vec::new();
        for (timing, next) in &moved {
            if schedules::retime(tx.connection(), timing, *next)? {
                retimed.push((timing.schedule, *next));
            }
        }
        Ok::<_, Abort<()>>(retimed)
    });
    let retimed = match write.await {
        Ok(retimed) => retimed,
        Err(Abort::Store(error)) => return Err(error),
        // The closure refuses nothing.
        Err(Abort::Refused(())) => Vec::new(),
    };
    for (schedule, next) in retimed {
        tracing::info!(
            event = event::SCHEDULE_RETIMED,
            %schedule,
            tick = next.map(tracing::field::display),
            "a schedule ticks at another time now, by the rules of its time zone"
        );
    }
    Ok(())
}

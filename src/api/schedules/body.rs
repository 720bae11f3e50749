//! What clients say of a schedule, and what of it is wrong.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::job::JobBody;
use crate::api::State;
use crate::api::auth::Member;
use crate::api::http::{Fields, Problem, RequestId};
use crate::api::order::ranged;
use crate::clock::Timestamp;
use crate::domain::email::DisplayName;
use crate::domain::id::ScheduleId;
use crate::domain::schedule::{CATCH_UP_MAX, Cadence, Cron, Missed, Overlap, Zone, Zones};
use crate::store::schedules::{Schedule, ScheduledJob};

/// The longest jitter: an hour.
const JITTER_S_MAX: i64 = 3_600;

/// Jobs that are made again and again.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewSchedule)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewScheduleBody {
    /// What it is called; no other of the workspace is called so.
    #[schema(value_type = DisplayName)]
    name: String,
    /// When: minute, hour, day of month, month and day of week, or a name such as `@daily`.
    cron: String,
    /// On whose clock: a zone's IANA name.
    time_zone: String,
    job: JobBody,
    /// What becomes of ticks that nobody was there for; `skip` unless given.
    #[serde(default, deserialize_with = "missed")]
    missed: Option<Missed>,
    /// What becomes of a tick while the job before has not ended; `allow` unless given.
    overlap: Option<Overlap>,
    /// By how many seconds at most a job is put off, each by another part of it; 0 unless given.
    #[schema(minimum = 0, maximum = 3_600)]
    jitter_s: Option<i64>,
}

/// What is to be different about a schedule.
#[derive(Deserialize, ToSchema)]
#[schema(as = ScheduleChange)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ScheduleChangeBody {
    /// What it is called.
    #[schema(value_type = Option<DisplayName>)]
    name: Option<String>,
    /// When it ticks.
    cron: Option<String>,
    /// On whose clock.
    time_zone: Option<String>,
    /// What is made, as a whole.
    job: Option<JobBody>,
    /// What becomes of ticks that nobody was there for.
    #[serde(default, deserialize_with = "missed")]
    missed: Option<Missed>,
    /// What becomes of a tick while the job before has not ended.
    overlap: Option<Overlap>,
    /// By how many seconds at most a job is put off.
    #[schema(minimum = 0, maximum = 3_600)]
    jitter_s: Option<i64>,
}

/// What is to be different, checked but for what depends on what stays.
#[derive(Clone)]
pub(super) struct Change {
    name: Option<DisplayName>,
    cron: Option<Cron>,
    zone: Option<Zone>,
    job: Option<ScheduledJob>,
    missed: Option<Missed>,
    overlap: Option<Overlap>,
    jitter: Option<Duration>,
}

/// An expression and a time zone that never tick together, or of which this version cannot read one.
#[derive(Clone, Copy, Debug)]
pub(super) struct NeverTicks;

impl NewScheduleBody {
    /// The schedule.
    ///
    /// # Errors
    /// 422 with pointers for what is wrong; 403 for a job that `member` may not order.
    pub(super) async fn checked(
        self,
        member: &Member,
        state: &State,
        request: &RequestId,
        now: Timestamp,
    ) -> Result<Schedule, Problem> {
        let mut fields = Fields::new();
        let name = fields.check("/name", DisplayName::parse(&self.name));
        let cadence = cadence(&self.cron, &self.time_zone, &mut fields);
        let next = cadence.as_ref().and_then(|cadence| first(cadence, now, &mut fields));
        let jitter = jitter(self.jitter_s.or(Some(0)), &mut fields);
        let checked = name.zip(cadence).zip(next).zip(jitter);
        let (((name, cadence), next), jitter) = fields.finish_with(checked)?;
        let job = self.job.checked(member, state, request, now).await?;
        Ok(Schedule {
            id: ScheduleId::generate(),
            workspace: member.account.workspace,
            name: name.as_str().to_owned(),
            cron: cadence.cron().to_string(),
            time_zone: cadence.zone().to_string(),
            job,
            missed: self.missed.unwrap_or(Missed::Skip),
            overlap: self.overlap.unwrap_or(Overlap::Allow),
            jitter,
            is_bounded: !member.account.is_operator,
            paused_at: None,
            next: Some(next),
            last: None,
            last_job: None,
            tick: 0,
            created_by: member.account.id,
            created_at: now,
            updated_at: now,
        })
    }
}

impl ScheduleChangeBody {
    /// The change.
    ///
    /// # Errors
    /// As [`NewScheduleBody::checked`].
    pub(super) async fn checked(
        self,
        member: &Member,
        state: &State,
        request: &RequestId,
        now: Timestamp,
    ) -> Result<Change, Problem> {
        let mut fields = Fields::new();
        let name = self
            .name
            .and_then(|name| fields.check("/name", DisplayName::parse(&name)));
        let cron = self.cron.and_then(|cron| fields.check("/cron", Cron::parse(&cron)));
        let zone = self
            .time_zone
            .and_then(|zone| fields.check("/time_zone", Zones::bundled().get(&zone)));
        // An expression that never ticks in its own zone ticks in none; UTC stands for it where none is given.
        if let Some(cron) = &cron
            && let Some(zone) = zone.clone().or_else(|| Zones::bundled().get("UTC").ok())
        {
            first(&Cadence::new(cron.clone(), zone), now, &mut fields);
        }
        let jitter = jitter(self.jitter_s, &mut fields);
        fields.finish()?;
        let job = match self.job {
            Some(job) => Some(job.checked(member, state, request, now).await?),
            None => None,
        };
        Ok(Change {
            name,
            cron,
            zone,
            job,
            missed: self.missed,
            overlap: self.overlap,
            jitter,
        })
    }
}

impl Change {
    /// Makes `schedule` what it is to be from `now` on.
    ///
    /// # Errors
    /// [`NeverTicks`].
    pub(super) fn apply(&self, schedule: &mut Schedule, now: Timestamp) -> Result<(), NeverTicks> {
        let change = self.clone();
        if let Some(name) = change.name {
            name.as_str().clone_into(&mut schedule.name);
        }
        if let Some(job) = change.job {
            schedule.job = job;
        }
        schedule.missed = change.missed.unwrap_or(schedule.missed);
        schedule.overlap = change.overlap.unwrap_or(schedule.overlap);
        schedule.jitter = change.jitter.unwrap_or(schedule.jitter);
        schedule.updated_at = now;
        if change.cron.is_none() && change.zone.is_none() {
            return Ok(());
        }
        let cron = change
            .cron
            .map_or_else(|| schedule.cron.clone(), |cron| cron.to_string());
        let zone = change
            .zone
            .map_or_else(|| schedule.time_zone.clone(), |zone| zone.to_string());
        // What ticks as before is not set anew, so that a tick that is due and not yet settled still comes.
        let ticks_as_before = schedule.next.is_some() && (&schedule.cron, &schedule.time_zone) == (&cron, &zone);
        (schedule.cron, schedule.time_zone) = (cron, zone);
        if schedule.paused_at.is_none() && !ticks_as_before {
            schedule.next = Some(next_of(schedule, now)?);
        }
        Ok(())
    }
}

/// The first tick of a schedule that may come after `now`: behind what was settled, whatever clock that was settled by.
///
/// # Errors
/// [`NeverTicks`].
pub(super) fn next_of(schedule: &Schedule, now: Timestamp) -> Result<Timestamp, NeverTicks> {
    let cadence = cadence_of(schedule).ok_or(NeverTicks)?;
    let after = schedule.last.map_or(now, |last| last.max(now));
    cadence.next(after).ok_or(NeverTicks)
}

/// When a schedule ticks; none where this version cannot read it.
pub(super) fn cadence_of(schedule: &Schedule) -> Option<Cadence> {
    let cron = Cron::parse(&schedule.cron).ok()?;
    let zone = Zones::bundled().get(&schedule.time_zone).ok()?;
    Some(Cadence::new(cron, zone))
}

/// The expression in the zone, with what is wrong noted in `fields`.
pub(super) fn cadence(cron: &str, zone: &str, fields: &mut Fields) -> Option<Cadence> {
    let cron = fields.check("/cron", Cron::parse(cron));
    let zone = fields.check("/time_zone", Zones::bundled().get(zone));
    cron.zip(zone).map(|(cron, zone)| Cadence::new(cron, zone))
}

/// The first tick after `after`, with it noted in `fields` if there is none.
pub(super) fn first(cadence: &Cadence, after: Timestamp, fields: &mut Fields) -> Option<Timestamp> {
    let first = cadence.next(after);
    if first.is_none() {
        fields.refuse("/cron", "never ticks: it names no day that comes");
    }
    first
}

fn jitter(given: Option<i64>, fields: &mut Fields) -> Option<Duration> {
    ranged(fields, "/jitter_s", given, 0, JITTER_S_MAX).map(Duration::from_secs)
}

fn missed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Missed>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() {
        return Ok(None);
    }
    match serde_json::from_value(value) {
        Ok(Missed::CatchUp(most)) if !(1..=CATCH_UP_MAX).contains(&most) => Err(D::Error::custom(format!(
            "must catch up with 1 to {CATCH_UP_MAX} ticks"
        ))),
        Ok(missed) => Ok(Some(missed)),
        Err(_) => Err(D::Error::custom(
            "must be \"skip\", \"coalesce\" or an object with a whole number as catch_up",
        )),
    }
}

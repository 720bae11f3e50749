//! Pausing and resuming a schedule, and making its job by hand.
//!
//! Guarantees: a pause is committed before it is answered; ticks during a pause never come; pausing what is paused, and resuming
//! what is not, changes nothing and is answered alike.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::json;

use super::body::{NeverTicks, next_of};
use super::view::ScheduleView;
use super::{Refusal, log_change};
use crate::api::State;
use crate::api::acting::Acting;
use crate::api::auth::Member;
use crate::api::client::Client;
use crate::api::failure::or_refused;
use crate::api::http::{PathParam, Problem, RequestId};
use crate::api::jobs::JobView;
use crate::api::then::Then;
use crate::api::work::log_enqueued;
use crate::clock::Timestamp;
use crate::domain::act::Action;
use crate::domain::id::ScheduleId;
use crate::domain::job::Queue;
use crate::jobs::{Unmade, recurring};
use crate::store::schedules::{self, OrderRefused, Schedule};
use crate::store::{Abort, NewJob};

/// Pauses a schedule: it does not tick until it is resumed.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/pause", tag = "resources", security(("member" = [])),
    params(("id" = ScheduleId, Path, description = "Which schedule.")),
    responses((status = 200, description = "The schedule, paused.", body = ScheduleView)),
)]
pub(in crate::api) async fn pause_schedule(
    Then(member, PathParam(id)): Then<Member, PathParam<ScheduleId>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let pause = |schedule: &mut Schedule, now| {
        if schedule.paused_at.is_some() {
            return Ok(false);
        }
        (schedule.paused_at, schedule.next, schedule.updated_at) = (Some(now), None, now);
        Ok(true)
    };
    change(id, ("paused", Action::PauseSchedule), pause, &member, &state, &request).await
}

/// Resumes a schedule: it ticks again from now on. What it would have ticked meanwhile does not come.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/resume", tag = "resources", security(("member" = [])),
    params(("id" = ScheduleId, Path, description = "Which schedule.")),
    responses(
        (status = 200, description = "The schedule, which ticks.", body = ScheduleView),
        (status = 409, description = "It never ticks any more, or this version cannot read it."),
    ),
)]
pub(in crate::api) async fn resume_schedule(
    Then(member, PathParam(id)): Then<Member, PathParam<ScheduleId>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let resume = |schedule: &mut Schedule, now| {
        if schedule.paused_at.is_none() {
            return Ok(false);
        }
        schedule.next = Some(next_of(schedule, now)?);
        (schedule.paused_at, schedule.updated_at) = (None, now);
        Ok(true)
    };
    change(
        id,
        ("resumed", Action::ResumeSchedule),
        resume,
        &member,
        &state,
        &request,
    )
    .await
}

/// Changes a schedule by `act`, which answers whether there is a change, and tells of it by these words.
async fn change(
    id: ScheduleId,
    (told, action): (&'static str, Action),
    act: impl Fn(&mut Schedule, Timestamp) -> Result<bool, NeverTicks> + Send + 'static,
    member: &Member,
    state: &State,
    request: &RequestId,
) -> Result<HttpResponse, Problem> {
    let (scope, now) = (member.job_scope(), state.clock.now());
    let acting = Acting::of(member, request);
    let write = state.store.write(move |tx| {
        let found = schedules::locked(tx.connection(), id, scope)?;
        let mut schedule = found.ok_or(Abort::Refused(Refusal::NotFound))?;
        let changed = act(&mut schedule, now).map_err(|NeverTicks| Abort::Refused(Refusal::NeverTicks))?;
        if changed {
            schedules::save(tx.connection(), &schedule).map_err(Refusal::of_name)?;
            if let Some(acting) = &acting {
                acting.note(tx, action, &schedule, json!({}), now)?;
            }
        }
        Ok((changed, schedule))
    });
    let (changed, schedule) = write.await.map_err(or_refused(Refusal::told))?;
    if changed {
        log_change(id, told, member.account.id, request);
    }
    Ok(HttpResponse::Ok().json(ScheduleView::of(&schedule, member)))
}

/// Why no job is made by hand.
#[derive(Debug)]
enum NotRun {
    NotFound,
    Unmade(Unmade),
    Refused(OrderRefused),
}

impl NotRun {
    fn told(self, reports_max: usize) -> Problem {
        match self {
            Self::NotFound => Problem::not_found(),
            Self::Unmade(unmade) => Problem::conflict(unmade.to_string()),
            Self::Refused(OrderRefused::Overlap(job)) => Problem::conflict(format!(
                "its last job, {job}, has not ended, and this schedule is not to have two at once"
            )),
            Self::Refused(OrderRefused::Reports) => Problem::conflict(format!(
                "this workspace has {reports_max} reports, which is as many as it may; delete some"
            )),
        }
    }
}

/// Makes a job of a schedule now, apart from its ticks, which come as before; also while it is paused.
///
/// It counts as one that is asked for. Where `overlap` is `skip`, the last job must have ended.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/run", tag = "resources", security(("member" = [])),
    params(("id" = ScheduleId, Path, description = "Which schedule.")),
    responses(
        (status = 202, description = "The job, which is on disk.", body = JobView,
         headers(("Location" = String, description = "Where to look at the job."))),
        (status = 409, description = "The last job has not ended, or the workspace has as many reports as it may."),
        (status = 422, description = "It is a mail to more addresses than the workspace may send to at once."),
        (status = 429, description = "It would be more than the workspace may have."),
    ),
)]
pub(in crate::api) async fn run_schedule(
    Then(member, PathParam(id)): Then<Member, PathParam<ScheduleId>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (scope, now) = (member.job_scope(), state.clock.now());
    let read = state
        .store
        .read(move |connection| schedules::one(connection, id, scope));
    let schedule = read.await?.ok_or_else(Problem::not_found)?;
    let queue: Option<Queue> = schedule.job.queue.parse().ok();
    if let Some(queue) = queue {
        state.throttle.take_network_work(&member.account, &client, 1, "")?;
        state.throttle.take_work(&member.account, queue, schedule.job.mails)?;
    }
    let (registry, reports_max) = (state.registry.clone(), state.config.reports.max_kept);
    let request_id = request.as_str().to_owned();
    let acting = Acting::of(&member, &request);
    let write = state.store.write(move |tx| {
        let found = schedules::locked(tx.connection(), id, scope)?;
        let mut schedule = found.ok_or(Abort::Refused(NotRun::NotFound))?;
        // At once: a person waits for it.
        schedule.jitter = std::time::Duration::ZERO;
        let made = recurring(&schedule, &registry, now, now);
        let mut made = made.map_err(|unmade| Abort::Refused(NotRun::Unmade(unmade)))?;
        made.job.request_id = Some(request_id.clone());
        schedules::order(tx, &schedule, &made, reports_max, now).map_err(|abort| match abort {
            Abort::Refused(refusal) => Abort::Refused(NotRun::Refused(refusal)),
            Abort::Store(error) => Abort::Store(error),
        })?;
        if let Some(acting) = &acting {
            acting.note(tx, Action::RunSchedule, &schedule, json!({ "job": made.job.id }), now)?;
        }
        Ok::<NewJob, Abort<NotRun>>(made.job)
    });
    let written = write.await;
    if written.is_err()
        && let Some(queue) = queue
    {
        // Nothing came of the place that it took.
        state.depths.left(queue, [member.account.workspace]);
    }
    let job = written.map_err(or_refused(|not_run: NotRun| not_run.told(reports_max)))?;
    log_enqueued(&job);
    let mut answer = HttpResponse::Accepted();
    answer.insert_header((header::LOCATION, format!("/v1/jobs/{}", job.id)));
    Ok(answer.json(JobView::of_new(&job, &state)))
}

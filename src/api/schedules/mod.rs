//! Schedules: making, seeing, changing and deleting them.
//!
//! Guarantees: what is accepted ticks; the arguments of its jobs were checked by the code of the route that takes such work,
//! when it was made and not when it ticks; a schedule of another workspace is not found, and operators find all. A change holds
//! for every tick that was not settled before it.

mod acts;
mod body;
mod fires;
mod job;
mod preview;
mod view;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::json;

pub(super) use acts::{
    __path_pause_schedule, __path_resume_schedule, __path_run_schedule, pause_schedule, resume_schedule, run_schedule,
};
pub(super) use fires::{__path_list_fires, list_fires};
pub(super) use preview::{__path_preview_schedule, preview_schedule};

use super::State;
use super::acting::{Acting, Subject};
use super::auth::Member;
use super::failure::or_refused;
use super::http::{PathParam, Problem, RequestId, StrictJson, StrictQuery};
use super::page::{Page, PageQuery};
use super::reading;
use super::then::Then;
use crate::domain::act::Action;
use crate::domain::id::{AccountId, ScheduleId};
use crate::store::schedules::{self, NameTaken};
use crate::store::{Abort, JobScope};
use crate::telemetry::names::event;
use body::{NewScheduleBody, ScheduleChangeBody};
use view::ScheduleView;

/// The most schedules of a workspace, but for operators': each may make a job a minute.
const SCHEDULES_MAX: usize = 100;
/// Why a schedule is not entered or changed.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    NotFound,
    NameTaken,
    TooMany,
    /// It would not tick, or cannot be read by this version.
    NeverTicks,
}

impl Refusal {
    fn told(self) -> Problem {
        match self {
            Self::NotFound => Problem::not_found(),
            Self::NameTaken => Problem::conflict("another schedule of this workspace has this name"),
            Self::TooMany => Problem::conflict(format!(
                "this workspace has {SCHEDULES_MAX} schedules, which is as many as it may; delete some"
            )),
            Self::NeverTicks => Problem::conflict(
                "its expression never ticks in its time zone, or this version knows one of them no more; change them",
            ),
        }
    }

    fn of_name(abort: Abort<NameTaken>) -> Abort<Self> {
        match abort {
            Abort::Refused(NameTaken) => Abort::Refused(Self::NameTaken),
            Abort::Store(error) => Abort::Store(error),
        }
    }
}

/// Makes a schedule: jobs that are made again and again.
///
/// `cron` has five fields (minute, hour, day of month, month, day of week) or is a name such as `@daily`. Where the hour is
/// `*`, a step of it or every hour, hours are counted as they pass. Otherwise each named minute comes once a day: one that the
/// clock skips ticks right after the skip, one that it shows twice ticks the first time.
#[utoipa::path(
    post, path = "/v1/schedules", tag = "resources", security(("member" = [])),
    request_body(content = NewScheduleBody, examples(
        ("report" = (summary = "A report each morning", value = json!({
            "name": "morning report", "cron": "30 7 * * MON-FRI", "time_zone": "Europe/Berlin",
            "job": { "kind": "report.build", "args": { "table": "jobs", "format": "csv" } },
            "missed": "coalesce", "overlap": "skip", "jitter_s": 60
        }))),
        ("probe" = (summary = "A probe each hour", value = json!({
            "name": "hourly probe", "cron": "@hourly", "time_zone": "UTC",
            "job": { "kind": "probe.run", "args": { "steps": 3, "priority": 2, "key": "probes" } },
            "missed": { "catch_up": 3 }
        }))),
        ("mail" = (summary = "A mail each month", value = json!({
            "name": "reminder", "cron": "0 9 1 * *", "time_zone": "America/New_York",
            "job": { "kind": "email.send", "args": { "to": "bob@example.com", "subject": "Again", "text": "It is the 1st." } }
        }))),
    )),
    responses(
        (status = 201, description = "The schedule, with its next ticks.", body = ScheduleView,
         headers(("Location" = String, description = "Where to look at the schedule."))),
        (status = 403, description = "Its job is one that only operators may order."),
        (status = 409, description = "The name is taken, or the workspace has as many schedules as it may."),
    ),
)]
pub(super) async fn create_schedule(
    Then(member, StrictJson(body)): Then<Member, StrictJson<NewScheduleBody>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let now = state.clock.now();
    let schedule = body.checked(&member, &state, &request, now).await?;
    let view = ScheduleView::of(&schedule, &member);
    let (id, account) = (schedule.id, member.account.id);
    let write = state.store.write(move |tx| {
        let connection = tx.connection();
        if schedule.is_bounded && schedules::count(connection, schedule.workspace, SCHEDULES_MAX - 1)?.is_capped {
            return Err(Abort::Refused(Refusal::TooMany));
        }
        schedules::insert(connection, &schedule).map_err(Refusal::of_name)
    });
    write.await.map_err(or_refused(Refusal::told))?;
    log_change(id, "made", account, &request);
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/v1/schedules/{id}")));
    Ok(answer.json(view))
}

/// Lists the workspace's schedules, the newest first; for operators, everybody's.
#[utoipa::path(
    get, path = "/v1/schedules", tag = "resources", security(("member" = [])), params(PageQuery),
    responses((status = 200, description = "A page of schedules, without their ticks after the next.", body = Page<ScheduleView>)),
)]
pub(super) async fn list_schedules(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<PageQuery>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (before, size) = query.checked::<ScheduleId>()?;
    let scope = member.job_scope();
    let read = state.store.read(move |connection| {
        // One more than is shown tells whether there are more.
        schedules::list(connection, scope, before, size.saturating_add(1))
    });
    let found = read.await?;
    let owners = found.iter().take(size).map(|one| one.workspace);
    reading::note_list(&member, &request, "schedule", owners, &state).await?;
    let view = |schedule| ScheduleView::listed(&schedule, &member);
    Ok(HttpResponse::Ok().json(Page::of(found, size, |last| last.id, view)))
}

/// Shows a schedule and its next ticks.
#[utoipa::path(
    get, path = "/v1/schedules/{id}", tag = "resources", security(("member" = [])),
    params(("id" = ScheduleId, Path, description = "Which schedule.")),
    responses((status = 200, description = "The schedule.", body = ScheduleView)),
)]
pub(super) async fn show_schedule(
    Then(member, PathParam(id)): Then<Member, PathParam<ScheduleId>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let scope = member.job_scope();
    let read = state
        .store
        .read(move |connection| schedules::one(connection, id, scope));
    let schedule = read.await?.ok_or_else(Problem::not_found)?;
    reading::note(&member, &request, &schedule, &state).await?;
    Ok(HttpResponse::Ok().json(ScheduleView::of(&schedule, &member)))
}

/// Changes a schedule; what is left out stays. Another expression or time zone counts from now.
#[utoipa::path(
    patch, path = "/v1/schedules/{id}", tag = "resources", security(("member" = [])),
    params(("id" = ScheduleId, Path, description = "Which schedule.")),
    request_body(content = ScheduleChangeBody, examples(
        ("time" = (summary = "At another time", value = json!({ "cron": "0 8 * * *", "time_zone": "Asia/Kathmandu" }))),
        ("all" = (summary = "Everything", value = json!({
            "name": "nightly probe", "cron": "@daily", "time_zone": "UTC", "missed": "skip", "overlap": "allow",
            "jitter_s": 0, "job": { "kind": "probe.run", "args": { "steps": 1 } }
        }))),
    )),
    responses(
        (status = 200, description = "The schedule as it is now.", body = ScheduleView),
        (status = 403, description = "Its job is one that only operators may order."),
        (status = 409, description = "The name is taken, or the two never tick together."),
    ),
)]
pub(super) async fn update_schedule(
    Then(member, Then(PathParam(id), StrictJson(body))): Then<
        Member,
        Then<PathParam<ScheduleId>, StrictJson<ScheduleChangeBody>>,
    >,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (scope, now) = (member.job_scope(), state.clock.now());
    // Before anything is said about the body.
    exists(id, scope, &state).await?;
    let change = body.checked(&member, &state, &request, now).await?;
    let acting = Acting::of(&member, &request);
    let write = state.store.write(move |tx| {
        let found = schedules::locked(tx.connection(), id, scope)?;
        let mut schedule = found.ok_or(Abort::Refused(Refusal::NotFound))?;
        change
            .apply(&mut schedule, now)
            .map_err(|body::NeverTicks| Abort::Refused(Refusal::NeverTicks))?;
        schedules::save(tx.connection(), &schedule).map_err(Refusal::of_name)?;
        if let Some(acting) = &acting {
            acting.note(tx, Action::ChangeSchedule, &schedule, json!({}), now)?;
        }
        Ok(schedule)
    });
    let schedule = write.await.map_err(or_refused(Refusal::told))?;
    log_change(id, "changed", member.account.id, &request);
    Ok(HttpResponse::Ok().json(ScheduleView::of(&schedule, &member)))
}

/// Deletes a schedule and its history. Jobs that it has made stay.
#[utoipa::path(
    delete, path = "/v1/schedules/{id}", tag = "resources", security(("member" = [])),
    params(("id" = ScheduleId, Path, description = "Which schedule.")),
    responses((status = 204, description = "It is gone.")),
)]
pub(super) async fn delete_schedule(
    Then(member, PathParam(id)): Then<Member, PathParam<ScheduleId>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (scope, now) = (member.job_scope(), state.clock.now());
    let acting = Acting::of(&member, &request);
    let write = state.store.write(move |tx| {
        let deleted = schedules::delete(tx.connection(), id, scope)?;
        let workspace = deleted.ok_or(Abort::Refused(Refusal::NotFound))?;
        if let Some(acting) = &acting {
            let subject = Subject {
                kind: "schedule",
                id: id.to_string(),
                workspace,
            };
            acting.note(tx, Action::DeleteSchedule, subject, json!({}), now)?;
        }
        Ok(())
    });
    write.await.map_err(or_refused(Refusal::told))?;
    log_change(id, "deleted", member.account.id, &request);
    Ok(HttpResponse::NoContent().finish())
}

/// Whether there is such a schedule in the scope.
///
/// # Errors
/// 404 where there is none.
async fn exists(id: ScheduleId, scope: JobScope, state: &State) -> Result<(), Problem> {
    let read = state
        .store
        .read(move |connection| schedules::one(connection, id, scope));
    read.await?.map(drop).ok_or_else(Problem::not_found)
}

/// Says in the log what somebody did to a schedule.
fn log_change(schedule: ScheduleId, change: &'static str, account: AccountId, request: &RequestId) {
    tracing::info!(
        event = event::SCHEDULE_CHANGED,
        %schedule,
        change,
        %account,
        request_id = request.as_str(),
        "somebody made, changed or deleted a schedule"
    );
}

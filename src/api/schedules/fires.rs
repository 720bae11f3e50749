//! `GET /v1/schedules/{id}/fires`: what became of a schedule's ticks.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::State;
use crate::api::auth::Member;
use crate::api::http::{PathParam, Problem, StrictQuery};
use crate::api::page::{Page, PageQuery};
use crate::api::then::Then;
use crate::clock::Timestamp;
use crate::domain::id::{JobId, ScheduleId};
use crate::domain::job::JobState;
use crate::domain::schedule::FireOutcome;
use crate::store::schedules::{self, Fire};

/// What became of a tick, or of several in a row.
#[derive(Serialize, ToSchema)]
#[schema(as = Fire)]
struct FireView {
    /// The tick, the last if there are several; for what somebody ordered, when they did.
    tick_at: Timestamp,
    /// The first of them.
    since: Timestamp,
    /// How many, counted up to ten thousand.
    ticks: u32,
    outcome: FireOutcome,
    /// The job that was made.
    job_id: Option<JobId>,
    /// Where it is; null once it was cleared away.
    job_state: Option<JobState>,
    /// Why no job was made, where the outcome alone does not say it.
    cause: Option<String>,
    /// When that was settled.
    at: Timestamp,
}

impl From<Fire> for FireView {
    fn from(fire: Fire) -> Self {
        Self {
            tick_at: fire.ticks.last,
            since: fire.ticks.first,
            ticks: fire.ticks.count,
            outcome: fire.outcome,
            job_id: fire.job,
            job_state: fire.job_state,
            cause: fire.cause,
            at: fire.at,
        }
    }
}

/// Lists what became of a schedule's ticks, the newest first.
///
/// The latest thousand or so are kept. Ticks that were missed in a row are one entry.
#[utoipa::path(
    get, path = "/v1/schedules/{id}/fires", tag = "resources", security(("member" = [])),
    params(("id" = ScheduleId, Path, description = "Which schedule."), PageQuery),
    responses((status = 200, description = "A page of its history.", body = Page<FireView>)),
)]
pub(in crate::api) async fn list_fires(
    Then(member, Then(PathParam(id), StrictQuery(query))): Then<
        Member,
        Then<PathParam<ScheduleId>, StrictQuery<PageQuery>>,
    >,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (before, size) = query.checked::<i64>()?;
    let scope = member.job_scope();
    let read = state.store.read(move |connection| {
        if schedules::one(connection, id, scope)?.is_none() {
            return Ok(None);
        }
        let before = before.map(Timestamp::from_micros);
        // One more than is shown tells whether there are more.
        schedules::fires(connection, id, before, size.saturating_add(1)).map(Some)
    });
    let found = read.await?.ok_or_else(Problem::not_found)?;
    let page = Page::of(found, size, |last| last.ticks.last.as_micros(), FireView::from);
    Ok(HttpResponse::Ok().json(page))
}

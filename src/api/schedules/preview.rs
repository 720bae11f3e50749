//! `POST /v1/schedules/preview`: when an expression ticks, without making anything of it.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{cadence, first};
use super::view::NextFire;
use crate::api::State;
use crate::api::auth::Member;
use crate::api::http::{Fields, Problem, StrictJson};
use crate::api::then::Then;
use crate::clock::Timestamp;

/// When something would tick.
#[derive(Deserialize, ToSchema)]
#[schema(as = SchedulePreview)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PreviewBody {
    /// When: minute, hour, day of month, month and day of week, or a name such as `@daily`.
    cron: String,
    /// On whose clock: a zone's IANA name.
    time_zone: String,
    /// After when; now unless given.
    after: Option<Timestamp>,
}

/// The next ticks.
#[derive(Serialize, ToSchema)]
#[schema(as = NextFires)]
struct NextFires {
    /// Ten at most.
    next_fires: Vec<NextFire>,
}

/// Shows when an expression ticks, without making a schedule.
#[utoipa::path(
    post, path = "/v1/schedules/preview", tag = "resources", security(("member" = [])),
    request_body(content = PreviewBody, examples(
        ("hours" = (summary = "Each second hour", value = json!({ "cron": "0 */2 * * *", "time_zone": "Europe/Dublin" }))),
        ("later" = (summary = "From another time on", value = json!({
            "cron": "30 2 * * *", "time_zone": "Europe/Berlin", "after": "2030-03-29T00:00:00Z"
        }))),
    )),
    responses((status = 200, description = "The next ticks.", body = NextFires)),
)]
pub(in crate::api) async fn preview_schedule(
    Then(_member, StrictJson(body)): Then<Member, StrictJson<PreviewBody>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let after = body.after.unwrap_or_else(|| state.clock.now());
    let cadence = cadence(&body.cron, &body.time_zone, &mut fields);
    let ticks = cadence.filter(|cadence| first(cadence, after, &mut fields).is_some());
    let cadence = fields.finish_with(ticks)?;
    Ok(HttpResponse::Ok().json(NextFires {
        next_fires: NextFire::after(&cadence, after),
    }))
}

//! Limits: how many jobs with one key may run at once and how fast they may start, for a workspace; and the same of a whole
//! queue, for operators.
//!
//! Guarantees: a limit is committed before it is answered, and holds for what already waits from the next claim on; attempts
//! under way are not touched.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::auth::{Member, Operator};
use super::failure::or_refused;
use super::http::{Fields, PathParam, Problem, RequestId, StrictJson, StrictQuery};
use super::jobs::cursor::NotACursor;
use super::order::ranged;
use super::page::{Page, PageQuery};
use super::then::Then;
use super::{State, acting};
use crate::clock::Timestamp;
use crate::domain::act::Action;
use crate::domain::id::WorkspaceId;
use crate::domain::job::{Limit, LimitKey, Queue, Rate};
use crate::store::Abort;
use crate::store::acts::{self, NewAct};
use crate::store::limits::{self, LimitRecord, Limited};
use crate::telemetry::names::event;

/// The most limits of a workspace: one for each customer of a large one.
const LIMITS_MAX: usize = 10_000;
const COUNT_MAX: i64 = 1_000_000;
const PERIOD_S_MAX: i64 = 86_400;

/// A limit: at least one of the two.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewLimit)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitBody {
    /// At most this many run at once; 0 has none start.
    #[schema(minimum = 0, maximum = 1_000_000)]
    concurrency: Option<i64>,
    /// How fast they may start.
    rate: Option<RateBody>,
}

/// So many starts in each period.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewRate)]
#[serde(deny_unknown_fields)]
struct RateBody {
    /// Starts in a period.
    #[schema(minimum = 1, maximum = 1_000_000)]
    jobs: i64,
    /// The period, in seconds.
    #[schema(minimum = 1, maximum = 86_400)]
    period_s: i64,
    /// The most that start at once after a rest; as many as in a period unless given.
    #[schema(minimum = 1, maximum = 1_000_000)]
    burst: Option<i64>,
}

impl LimitBody {
    fn checked(&self) -> Result<Limit, Problem> {
        let mut fields = Fields::new();
        let concurrency = ranged(&mut fields, "/concurrency", self.concurrency, 0, COUNT_MAX);
        let rate = self.rate.as_ref().and_then(|rate| {
            let jobs = ranged(&mut fields, "/rate/jobs", Some(rate.jobs), 1, COUNT_MAX)?;
            let period: u64 = ranged(&mut fields, "/rate/period_s", Some(rate.period_s), 1, PERIOD_S_MAX)?;
            let burst = ranged(
                &mut fields,
                "/rate/burst",
                Some(rate.burst.unwrap_or(rate.jobs)),
                1,
                COUNT_MAX,
            )?;
            Some(Rate {
                jobs,
                period: Duration::from_secs(period),
                burst,
            })
        });
        if self.concurrency.is_none() && self.rate.is_none() {
            fields.refuse("", "needs a concurrency, a rate, or both");
        }
        fields.finish_with(Some(Limit { concurrency, rate }))
    }
}

/// A limit as it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Limit)]
pub(super) struct LimitView {
    /// In which queue.
    queue: String,
    /// Of which key, or `*` for each that has none of its own; null for that of the queue itself.
    key: Option<String>,
    /// At most this many run at once; null if that has no limit.
    concurrency: Option<u32>,
    /// How fast they may start; null if that has no limit.
    rate: Option<RateView>,
    /// When it was set; null if there is none.
    updated_at: Option<Timestamp>,
}

/// So many starts in each period.
#[derive(Serialize, ToSchema)]
#[schema(as = Rate)]
struct RateView {
    /// Starts in a period.
    jobs: u32,
    /// The period, in seconds.
    period_s: u64,
    /// The most that start at once after a rest.
    burst: u32,
}

impl LimitView {
    fn of(queue: String, key: Option<String>, limit: &Limit, updated_at: Option<Timestamp>) -> Self {
        Self {
            queue,
            key,
            concurrency: limit.concurrency,
            rate: limit.rate.map(|rate| RateView {
                jobs: rate.jobs,
                period_s: rate.period.as_secs(),
                burst: rate.burst,
            }),
            updated_at,
        }
    }

    fn of_record(record: LimitRecord) -> Self {
        Self::of(record.queue, Some(record.key), &record.limit, Some(record.updated_at))
    }
}

fn act(action: Action, queue: Queue, detail: Value, member: &Member, request: &RequestId, at: Timestamp) -> NewAct {
    NewAct {
        at,
        by: acting::by(member, request),
        action,
        subject_kind: "queue",
        subject: queue.to_string(),
        detail,
    }
}

/// The `{queue}` and the `{key}` of a path: 404 for a queue that there is not, and for what is no key.
pub(super) struct LimitPath {
    queue: Queue,
    /// None for [`LimitKey::EACH`].
    key: Option<LimitKey>,
}

impl LimitPath {
    fn of(&self, workspace: WorkspaceId) -> Limited {
        match &self.key {
            Some(key) => Limited::Key(workspace, key.clone()),
            None => Limited::EachKey(workspace),
        }
    }

    fn key(&self) -> &str {
        self.key.as_ref().map_or(LimitKey::EACH, LimitKey::as_str)
    }
}

impl FromRequest for LimitPath {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = web::Path::<(String, String)>::from_request(request, payload).into_inner();
        let read = || {
            let (queue, key) = parts.ok()?.into_inner();
            let key = if key == LimitKey::EACH {
                None
            } else {
                Some(key.parse().ok()?)
            };
            Some(Self {
                queue: queue.parse().ok()?,
                key,
            })
        };
        std::future::ready(read().ok_or_else(Problem::not_found))
    }
}

/// Where a limit stands in their list.
struct Place {
    queue: String,
    key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.queue, self.key)
    }
}

impl FromStr for Place {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (queue, key) = text.split_once(' ').ok_or(NotACursor)?;
        Ok(Self {
            queue: queue.to_owned(),
            key: key.to_owned(),
        })
    }
}

/// Lists the limits of the workspace, by queue and key.
#[utoipa::path(
    get, path = "/v1/limits", tag = "limits", security(("member" = [])), params(PageQuery),
    responses((status = 200, description = "A page of limits.", body = Page<LimitView>)),
)]
pub(super) async fn list_limits(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<PageQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (behind, size) = query.checked::<Place>()?;
    let behind = behind.map(|Place { queue, key }| (queue, key));
    let workspace = member.account.workspace;
    let read = state
        .store
        .read(move |connection| limits::of_workspace(connection, workspace, behind, size + 1));
    let place = |last: &LimitRecord| Place {
        queue: last.queue.clone(),
        key: last.key.clone(),
    };
    Ok(HttpResponse::Ok().json(Page::of(read.await?, size, place, LimitView::of_record)))
}

/// Shows the limit of a key.
#[utoipa::path(
    get, path = "/v1/limits/{queue}/{key}", tag = "limits", security(("member" = [])),
    params(
        ("queue" = Queue, Path, description = "In which queue."),
        ("key" = String, Path, description = "The key, or `*` for each that has no limit of its own.", example = "customer-7"),
    ),
    responses((status = 200, description = "The limit.", body = LimitView)),
)]
pub(super) async fn show_limit(
    Then(member, path): Then<Member, LimitPath>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (queue, of) = (path.queue, path.of(member.account.workspace));
    let found = state
        .store
        .read(move |connection| limits::one(connection, queue, &of))
        .await?;
    let record = found.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(LimitView::of_record(record)))
}

/// Sets the limit of a key, for the jobs of the workspace that have it, those that wait already included.
#[utoipa::path(
    put, path = "/v1/limits/{queue}/{key}", tag = "limits", security(("member" = [])),
    params(
        ("queue" = Queue, Path, description = "In which queue."),
        ("key" = String, Path, description = "The key, or `*` for each that has no limit of its own.", example = "customer-7"),
    ),
    request_body(content = LimitBody, examples(
        ("one" = (summary = "One at a time", value = json!({ "concurrency": 1 }))),
        ("both" = (summary = "And no faster than ten a minute", value = json!({
            "concurrency": 5, "rate": { "jobs": 10, "period_s": 60, "burst": 3 }
        }))),
    )),
    responses(
        (status = 200, description = "The limit, in place of an earlier one.", body = LimitView),
        (status = 409, description = "The workspace has as many limits as it may."),
    ),
)]
pub(super) async fn set_limit(
    Then(member, Then(path, StrictJson(body))): Then<Member, Then<LimitPath, StrictJson<LimitBody>>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (limit, workspace, now) = (body.checked()?, member.account.workspace, state.clock.now());
    let (queue, of) = (path.queue, path.of(workspace));
    let write = state.store.write(move |tx| {
        let is_new = limits::one(tx.connection(), queue, &of)?.is_none();
        if is_new && limits::count_of(tx.connection(), workspace, LIMITS_MAX)? >= LIMITS_MAX {
            return Err(Abort::Refused(()));
        }
        Ok(limits::set(tx, queue, &of, &limit, now)?)
    });
    let full = |()| Problem::conflict(format!("a workspace has at most {LIMITS_MAX} limits; remove one first"));
    write.await.map_err(or_refused(full))?;
    let view = LimitView::of(queue.to_string(), Some(path.key().to_owned()), &limit, Some(now));
    Ok(HttpResponse::Ok().json(view))
}

/// Removes the limit of a key.
#[utoipa::path(
    delete, path = "/v1/limits/{queue}/{key}", tag = "limits", security(("member" = [])),
    params(
        ("queue" = Queue, Path, description = "In which queue."),
        ("key" = String, Path, description = "The key, or `*` for each that has no limit of its own.", example = "customer-7"),
    ),
    responses((status = 204, description = "There is no such limit any more.")),
)]
pub(super) async fn delete_limit(
    Then(member, path): Then<Member, LimitPath>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (queue, of) = (path.queue, path.of(member.account.workspace));
    let write = state.store.write(move |tx| match limits::remove(tx, queue, &of)? {
        true => Ok(()),
        false => Err(Abort::Refused(())),
    });
    write.await.map_err(or_refused(|()| Problem::not_found()))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Shows the limit of a queue.
#[utoipa::path(
    get, path = "/v1/queues/{name}/limit", tag = "operators", security(("operator" = [])),
    params(("name" = Queue, Path, description = "Which queue.")),
    responses((status = 200, description = "The limit; with nulls if there is none.", body = LimitView)),
)]
pub(super) async fn show_queue_limit(
    Then(_, PathParam(queue)): Then<Operator, PathParam<Queue>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let read = state
        .store
        .read(move |connection| limits::one(connection, queue, &Limited::Queue));
    let found = read.await?;
    let limit = found.as_ref().map(|record| record.limit).unwrap_or_default();
    let updated_at = found.map(|record| record.updated_at);
    Ok(HttpResponse::Ok().json(LimitView::of(queue.to_string(), None, &limit, updated_at)))
}

/// Sets the limit of a queue, for all that is in it, whoever's it is.
#[utoipa::path(
    put, path = "/v1/queues/{name}/limit", tag = "operators", security(("operator" = [])),
    params(("name" = Queue, Path, description = "Which queue.")),
    request_body(content = LimitBody, example = json!({ "concurrency": 100, "rate": { "jobs": 600, "period_s": 60 } })),
    responses((status = 200, description = "The limit, in place of an earlier one.", body = LimitView)),
)]
pub(super) async fn set_queue_limit(
    Then(Operator(member), Then(PathParam(queue), StrictJson(body))): Then<
        Operator,
        Then<PathParam<Queue>, StrictJson<LimitBody>>,
    >,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (limit, now) = (body.checked()?, state.clock.now());
    let detail = LimitView::of(queue.to_string(), None, &limit, None);
    let act = act(Action::LimitQueue, queue, json!(detail), &member, &request, now);
    let write = state.store.write(move |tx| {
        limits::set(tx, queue, &Limited::Queue, &limit, now)?;
        Ok::<_, Abort<()>>(acts::record(tx, &act)?)
    });
    write.await.map_err(or_refused(|()| Problem::not_found()))?;
    let (by, request_id) = (member.account.id, request.as_str());
    tracing::warn!(event = event::QUEUE_LIMITED, %queue, account = %by, request_id, "an operator set a queue's limit");
    Ok(HttpResponse::Ok().json(LimitView::of(queue.to_string(), None, &limit, Some(now))))
}

/// Removes the limit of a queue.
#[utoipa::path(
    delete, path = "/v1/queues/{name}/limit", tag = "operators", security(("operator" = [])),
    params(("name" = Queue, Path, description = "Which queue.")),
    responses((status = 204, description = "The queue has no limit.")),
)]
pub(super) async fn delete_queue_limit(
    Then(Operator(member), PathParam(queue)): Then<Operator, PathParam<Queue>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let act = act(
        Action::UnlimitQueue,
        queue,
        json!({}),
        &member,
        &request,
        state.clock.now(),
    );
    let write = state.store.write(move |tx| {
        let was_there = limits::remove(tx, queue, &Limited::Queue)?;
        if was_there {
            acts::record(tx, &act)?;
        }
        Ok::<_, Abort<()>>(was_there)
    });
    if write.await.map_err(or_refused(|()| Problem::not_found()))? {
        let (by, request_id) = (member.account.id, request.as_str());
        tracing::warn!(event = event::QUEUE_UNLIMITED, %queue, account = %by, request_id, "an operator removed a queue's limit");
    }
    Ok(HttpResponse::NoContent().finish())
}

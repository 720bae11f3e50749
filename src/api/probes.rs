//! `POST /v1/probes` and `/v1/probes/batch`: work made to be watched.
//!
//! Guarantees: only an operator can make a probe that fails or panics on purpose; anybody's may be walked, within limits
//! that keep it from holding a slot for longer than its attempt's time.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::State;
use super::auth::{Member, Operator};
use super::http::{Fields, Problem, RequestId, StrictJson};
use super::openapi::Accepted;
use super::order::{Wishes, ranged};
use super::then::Then;
use super::unique::UniqueBody;
use super::work::{Asked, accept};
use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::OnFailure;
use crate::jobs::kinds::{Probe, ProbeArgs, ProbeFailure, ProbePanic};
use crate::jobs::{Kind as _, Order, new_job};
use crate::store::StoreError;
use crate::telemetry;
use crate::telemetry::names::event;

/// The most steps: each one is a progress report.
const STEPS_MAX: i64 = 100_000;
/// The most probes of a batch.
const BATCH_MAX: i64 = 100_000;
/// Probes in one transaction: beyond this others wait for longer than it saves.
const BATCH_ROWS: usize = 1_000;
/// When to try again what the database did not take.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The longest step: an hour.
const STEP_MS_MAX: i64 = 3_600_000;

/// A walk of so many steps.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewProbe)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProbeBody {
    /// Each one is a progress report.
    #[schema(minimum = 0, maximum = 100_000)]
    steps: i64,
    /// How long one takes, in milliseconds; 0 unless given.
    #[schema(minimum = 0, maximum = 3_600_000)]
    step_ms: Option<i64>,
    /// How long one attempt may take, in milliseconds.
    #[schema(minimum = 1, maximum = 86_400_000)]
    timeout_ms: Option<i64>,
    /// From when it may run; a time that has passed means at once.
    run_at: Option<Timestamp>,
    /// When it is given up if it has not ended: it is cancelled then. It must be after `run_at` and after now.
    deadline_at: Option<Timestamp>,
    /// Has it be the only one of the workspace with this key; where another has it, that one is answered.
    unique: Option<UniqueBody>,
    /// What limits count it under: `/v1/limits` says how many with one key may run at once, and how fast they may start.
    #[schema(min_length = 1, max_length = 200)]
    key: Option<String>,
    /// The jobs of this workspace that it waits for: it runs once all of them have ended, and not before `run_at`.
    #[schema(min_items = 1, max_items = 100)]
    after: Option<Vec<JobId>>,
    /// What becomes of it where one of those does not complete: `cancel`, the default, or `run`.
    after_failure: Option<OnFailure>,
    /// Higher goes first.
    #[schema(minimum = -10, maximum = 10)]
    priority: Option<i64>,
    /// How often it is tried at most.
    #[schema(minimum = 1, maximum = 100)]
    max_attempts: Option<i64>,
    /// Whether it fails after its steps; for operators only.
    #[serde(default, deserialize_with = "failure")]
    fail: Option<ProbeFailure>,
    /// Whether it panics; for operators only.
    #[serde(default, deserialize_with = "panic")]
    panic: Option<ProbePanic>,
}

/// So many equal probes.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewProbes)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProbesBody {
    /// How many.
    #[schema(minimum = 1, maximum = 100_000)]
    count: i64,
    /// Each one is a progress report.
    #[schema(minimum = 0, maximum = 100_000)]
    steps: i64,
    /// How long one takes, in milliseconds; 0 unless given.
    #[schema(minimum = 0, maximum = 3_600_000)]
    step_ms: Option<i64>,
    /// How long one attempt may take, in milliseconds.
    #[schema(minimum = 1, maximum = 86_400_000)]
    timeout_ms: Option<i64>,
    /// From when they may run; a time that has passed means at once.
    run_at: Option<Timestamp>,
    /// When they are given up if they have not ended: they are cancelled then. It must be after `run_at` and after now.
    deadline_at: Option<Timestamp>,
    /// What limits count them under.
    #[schema(min_length = 1, max_length = 200)]
    key: Option<String>,
    /// Higher goes first.
    #[schema(minimum = -10, maximum = 10)]
    priority: Option<i64>,
    /// How often each is tried at most.
    #[schema(minimum = 1, maximum = 100)]
    max_attempts: Option<i64>,
    /// Whether they fail after their steps.
    #[serde(default, deserialize_with = "failure")]
    fail: Option<ProbeFailure>,
    /// Whether they panic.
    #[serde(default, deserialize_with = "panic")]
    panic: Option<ProbePanic>,
}

/// How many probes were accepted.
#[derive(Serialize, ToSchema)]
#[schema(as = ProbesAccepted)]
struct ProbesAccepted {
    accepted: usize,
}

/// Makes many equal probes, as a backlog to be watched.
///
/// They are committed a thousand at a time. Should one of those fail, 503 says how many were accepted.
#[utoipa::path(
    post, path = "/v1/probes/batch", tag = "operators", security(("operator" = [])),
    request_body(content = NewProbesBody, examples(
        ("backlog" = (summary = "Ten that do nothing", value = json!({ "count": 10, "steps": 0 }))),
        ("limited" = (summary = "With every wish", value = json!({
            "count": 2, "steps": 3, "step_ms": 10, "timeout_ms": 5000, "run_at": "2030-01-01T08:30:00Z",
            "deadline_at": "2030-02-01T08:30:00Z", "priority": -1, "key": "example",
            "max_attempts": 2, "fail": false, "panic": false
        }))),
    )),
    responses((status = 202, description = "All are on disk.", body = ProbesAccepted)),
)]
pub(super) async fn create_probes(
    Then(Operator(member), StrictJson(body)): Then<Operator, StrictJson<NewProbesBody>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let count: Option<usize> = ranged(&mut fields, "/count", Some(body.count), 1, BATCH_MAX);
    let mut one = NewProbeBody {
        steps: body.steps,
        step_ms: body.step_ms,
        timeout_ms: body.timeout_ms,
        run_at: body.run_at,
        deadline_at: body.deadline_at,
        unique: None,
        key: body.key,
        after: None,
        after_failure: None,
        priority: body.priority,
        max_attempts: body.max_attempts,
        fail: body.fail,
        panic: body.panic,
    };
    let order = one.wishes().checked(&mut fields, &request, state.clock.now());
    let args = one.args(&mut fields);
    let args = fields.finish_with(args)?;
    let (count, workspace) = (count.unwrap_or(0), member.account.workspace);
    let (accepted, failed) = insert(count, &args, workspace, &order, &state).await?;
    tracing::info!(
        event = event::JOBS_ENQUEUED,
        accepted,
        kind = Probe::NAME,
        queue = %Probe::QUEUE,
        %workspace,
        request_id = request.as_str(),
        "many jobs were accepted"
    );
    match failed {
        None => Ok(HttpResponse::Accepted().json(ProbesAccepted { accepted })),
        Some(error) if accepted == 0 => Err(error.into()),
        Some(error) => {
            let error = telemetry::chain(&error);
            tracing::error!(event = event::REQUEST_FAILED, error, "a batch was cut short");
            let detail = format!("{accepted} of {count} probes were accepted, and then the database failed");
            Err(Problem::unavailable(detail, RETRY_AFTER))
        }
    }
}

/// Inserts so many probes, and answers how many were, and why not all.
async fn insert(
    count: usize,
    args: &ProbeArgs,
    workspace: WorkspaceId,
    order: &Order,
    state: &State,
) -> Result<(usize, Option<StoreError>), Problem> {
    let mut accepted = 0;
    while accepted < count {
        let (portion, now) = ((count - accepted).min(BATCH_ROWS), state.clock.now());
        let jobs: Result<Vec<_>, _> = (0..portion)
            .map(|_| new_job::<Probe>(args, workspace, now, order.clone()))
            .collect();
        if let Err(error) = state.store.enqueue(jobs.map_err(Problem::internal)?).await {
            return Ok((accepted, Some(error)));
        }
        accepted += portion;
        let rows = u64::try_from(portion).unwrap_or(u64::MAX);
        state.depths.add(Probe::QUEUE, workspace, rows);
    }
    Ok((accepted, None))
}

/// Makes a probe: work to be watched.
///
/// It reports each step and obeys its time limit and cancel. For operators it fails or panics on request.
#[utoipa::path(
    post, path = "/v1/probes", tag = "work", security(("member" = [])),
    request_body(content = NewProbeBody, examples(
        ("minute" = (summary = "A minute long", value = json!({ "steps": 60, "step_ms": 1000 }))),
        ("limited" = (summary = "Within limits", value = json!({
            "steps": 3, "step_ms": 10, "timeout_ms": 5000, "run_at": "2030-01-01T08:30:00Z",
            "deadline_at": "2030-02-01T08:30:00Z", "priority": -1, "max_attempts": 2, "key": "example", "fail": false,
            "panic": false
        }))),
        ("unique" = (summary = "One at a time", value = json!({
            "steps": 3, "unique": { "key": "example", "while": "unfinished" }
        }))),
        ("after" = (summary = "Once another job has ended, however it ends", value = json!({
            "steps": 3, "after": ["job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6"], "after_failure": "run"
        }))),
    )),
    responses(Accepted),
)]
pub(super) async fn create_probe(
    Then(member, StrictJson(mut body)): Then<Member, StrictJson<NewProbeBody>>,
    state: web::Data<State>,
    request: RequestId,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    body.permitted(member.account.is_operator)?;
    let mut fields = Fields::new();
    let order = body.wishes().checked(&mut fields, &request, state.clock.now());
    let args = body.args(&mut fields);
    let args = fields.finish_with(args)?;
    accept::<Probe>(&args, order, &member, &state, &asked).await
}

impl NewProbeBody {
    /// Whether an operator, or somebody else, may make such a probe.
    ///
    /// # Errors
    /// 403 for one that fails or panics, unless it is an operator's.
    pub(super) fn permitted(&self, is_operator: bool) -> Result<(), Problem> {
        let is_harmless = self.fail.is_none() && self.panic.is_none();
        if is_harmless || is_operator {
            return Ok(());
        }
        Err(Problem::forbidden(
            "only operators may make a probe that fails or panics",
        ))
    }

    /// Takes out how the job is to be run.
    pub(super) fn wishes(&mut self) -> Wishes {
        Wishes {
            run_at: self.run_at.take(),
            priority: self.priority.take(),
            max_attempts: self.max_attempts.take(),
            timeout_ms: self.timeout_ms.take(),
            deadline_at: self.deadline_at.take(),
            unique: self.unique.take(),
            key: self.key.take(),
            after: self.after.take(),
            after_failure: self.after_failure.take(),
        }
    }

    /// How to walk and how to end, with what is wrong noted in `fields`.
    pub(super) fn args(&self, fields: &mut Fields) -> Option<ProbeArgs> {
        let steps = ranged(fields, "/steps", Some(self.steps), 0, STEPS_MAX);
        let step_ms = ranged(fields, "/step_ms", Some(self.step_ms.unwrap_or(0)), 0, STEP_MS_MAX);
        steps.zip(step_ms).map(|(steps, step_ms)| ProbeArgs {
            steps,
            step_ms,
            fail: self.fail,
            panic: self.panic,
        })
    }
}

fn failure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ProbeFailure>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null | Value::Bool(false) => Ok(None),
        Value::Bool(true) => Ok(Some(ProbeFailure::Always)),
        Value::String(text) if text == "once" => Ok(Some(ProbeFailure::Once)),
        Value::String(text) if text == "permanent" => Ok(Some(ProbeFailure::Permanent)),
        _ => Err(D::Error::custom("must be true, false, \"once\" or \"permanent\"")),
    }
}

fn panic<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ProbePanic>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null | Value::Bool(false) => Ok(None),
        Value::Bool(true) => Ok(Some(ProbePanic::Attempt)),
        Value::String(text) if text == "actor" => Ok(Some(ProbePanic::Actor)),
        _ => Err(D::Error::custom("must be true, false or \"actor\"")),
    }
}

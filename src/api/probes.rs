//! `POST /v1/probes`: work made to be watched.
//!
//! Guarantees: only an operator can make a probe that fails or panics on purpose; anybody's may be walked, within limits
//! that keep it from holding a slot for longer than its attempt's time.

use actix_web::{HttpResponse, web};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::State;
use super::auth::Member;
use super::http::{Fields, Problem, RequestId, StrictJson};
use super::openapi::{Accepted, Existing};
use super::order::{Wishes, ranged};
use super::then::Then;
use super::unique::UniqueBody;
use super::work::{Asked, accept};
use crate::clock::Timestamp;
use crate::jobs::kinds::{Probe, ProbeArgs, ProbeFailure, ProbePanic};

/// The most steps: each one is a progress report.
const STEPS_MAX: i64 = 100_000;
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

/// Makes a probe: work to be watched.
///
/// It reports each step and obeys its time limit and cancel. For operators it fails or panics on request.
#[utoipa::path(
    post, path = "/v1/probes", tag = "work", security(("member" = [])),
    request_body(content = NewProbeBody, examples(
        ("minute" = (summary = "A minute long", value = json!({ "steps": 60, "step_ms": 1000 }))),
        ("limited" = (summary = "Within limits", value = json!({
            "steps": 3, "step_ms": 10, "timeout_ms": 5000, "run_at": "2030-01-01T08:30:00Z",
            "deadline_at": "2030-02-01T08:30:00Z", "priority": -1, "max_attempts": 2, "fail": false, "panic": false
        }))),
        ("unique" = (summary = "One at a time", value = json!({
            "steps": 3, "unique": { "key": "example", "while": "unfinished" }
        }))),
    )),
    responses(Accepted, Existing),
)]
pub(super) async fn create_probe(
    Then(member, StrictJson(mut body)): Then<Member, StrictJson<NewProbeBody>>,
    state: web::Data<State>,
    request: RequestId,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    body.permitted(&member)?;
    let mut fields = Fields::new();
    let order = body.wishes().checked(&mut fields, &request, state.clock.now());
    let args = body.args(&mut fields);
    let args = fields.finish_with(args)?;
    accept::<Probe>(&args, order, &member, &state, &asked).await
}

impl NewProbeBody {
    /// Whether `member` may make such a probe.
    ///
    /// # Errors
    /// 403 for one that fails or panics, unless it is an operator's.
    pub(super) fn permitted(&self, member: &Member) -> Result<(), Problem> {
        let is_harmless = self.fail.is_none() && self.panic.is_none();
        if is_harmless || member.account.is_operator {
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

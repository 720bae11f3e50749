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
use super::openapi::Accepted;
use super::order::{Wishes, ranged};
use super::then::Then;
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
        ("limited" = (summary = "With every wish", value = json!({
            "steps": 3, "step_ms": 10, "timeout_ms": 5000, "run_at": "2030-01-31T08:30:00Z", "priority": -1,
            "max_attempts": 2, "fail": false, "panic": false
        }))),
    )),
    responses(Accepted),
)]
pub(super) async fn create_probe(
    Then(member, StrictJson(body)): Then<Member, StrictJson<NewProbeBody>>,
    state: web::Data<State>,
    request: RequestId,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    let is_harmless = body.fail.is_none() && body.panic.is_none();
    if !is_harmless && !member.account.is_operator {
        return Err(Problem::forbidden(
            "only operators may make a probe that fails or panics",
        ));
    }
    let mut fields = Fields::new();
    let wishes = Wishes {
        run_at: body.run_at,
        priority: body.priority,
        max_attempts: body.max_attempts,
        timeout_ms: body.timeout_ms,
    };
    let order = wishes.checked(&mut fields, &request);
    let steps = ranged(&mut fields, "/steps", Some(body.steps), 0, STEPS_MAX);
    let step_ms = ranged(&mut fields, "/step_ms", Some(body.step_ms.unwrap_or(0)), 0, STEP_MS_MAX);
    let args = steps.zip(step_ms).map(|(steps, step_ms)| ProbeArgs {
        steps,
        step_ms,
        fail: body.fail,
        panic: body.panic,
    });
    let args = fields.finish_with(args)?;
    accept::<Probe>(&args, order, &member, &state, &asked).await
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

//! What a schedule makes: the kinds and arguments of the work routes, checked by their code.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::State;
use crate::api::auth::Member;
use crate::api::emails::{Contents, NewEmailBody, Surroundings};
use crate::api::http::{FieldError, Fields, Problem, RequestId, Unread};
use crate::api::probes::NewProbeBody;
use crate::api::reports::NewReportBody;
use crate::clock::Timestamp;
use crate::jobs::kinds::{EmailSend, Probe, ReportBuild};
use crate::jobs::{Kind, Order};
use crate::store::schedules::ScheduledJob;

/// Where the arguments stand in the body.
const ARGS: &str = "/job/args";

/// What is made at each tick.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewScheduledJob)]
#[serde(deny_unknown_fields)]
pub(super) struct JobBody {
    /// What sort of work: `email.send`, `report.build` or `probe.run`.
    kind: String,
    /// The body of the route that takes such work, without `run_at`, `deadline_at` and `unique`. A report without `to` is of
    /// the rows up to when it may be built.
    #[schema(value_type = std::collections::HashMap<String, serde_json::Value>)]
    args: Unread,
}

impl JobBody {
    /// The job, as it is kept.
    ///
    /// # Errors
    /// 422 with pointers for what is wrong; 403 for what `member` may not order, or not with the API key that they showed.
    pub(super) async fn checked(
        self,
        member: &Member,
        state: &State,
        request: &RequestId,
        now: Timestamp,
    ) -> Result<ScheduledJob, Problem> {
        let Self { kind, args } = self;
        member.needs_to_order(&kind)?;
        let given = args.to_value().to_string();
        let mut fields = Fields::within(ARGS);
        match kind.as_str() {
            EmailSend::NAME => {
                let mut body: NewEmailBody = args.read(ARGS)?;
                // Uploads expire, and nobody would hear of it.
                body.refuse_files("must be left out: mails of a schedule have no files", &mut fields);
                let surroundings = Surroundings::of([&body], member, state).await?;
                let wishes = body.wishes().recurring(&mut fields);
                let order = wishes.checked(&mut fields, request, now);
                // Rendered now: what is changed about a template later is not of this schedule until it is changed, too.
                let args = body.args(&surroundings, &mut Contents::default(), &mut fields).await?;
                let args = fields.finish_with(args)?;
                kept::<EmailSend>(&args, args.mails(), order, given)
            }
            Probe::NAME => {
                let mut body: NewProbeBody = args.read(ARGS)?;
                body.permitted(member.account.is_operator)?;
                let wishes = body.wishes().recurring(&mut fields);
                let order = wishes.checked(&mut fields, request, now);
                let args = body.args(&mut fields);
                let args = fields.finish_with(args)?;
                kept::<Probe>(&args, 0, order, given)
            }
            ReportBuild::NAME => {
                let mut body: NewReportBody = args.read(ARGS)?;
                let wishes = body.wishes().recurring(&mut fields);
                let order = wishes.checked(&mut fields, request, now);
                let args = body.recurring(now, &mut fields);
                fields.finish()?;
                kept::<ReportBuild>(&args, 0, order, given)
            }
            _ => {
                let known = [EmailSend::NAME, ReportBuild::NAME, Probe::NAME].join(", ");
                Err(Problem::invalid_input(vec![FieldError {
                    pointer: "/job/kind".to_owned(),
                    detail: format!("is not a kind that can be scheduled; those are {known}"),
                }]))
            }
        }
    }
}

/// A job of this kind as a schedule keeps it, with what the order leaves out decided by the kind.
fn kept<K: Kind>(args: &impl Serialize, mails: usize, order: Order, given: String) -> Result<ScheduledJob, Problem> {
    Ok(ScheduledJob {
        kind: K::NAME.to_owned(),
        queue: K::QUEUE.to_string(),
        args: serde_json::to_string(args).map_err(Problem::internal)?,
        args_version: K::VERSION,
        given,
        mails,
        priority: order.priority.unwrap_or(0),
        max_attempts: order.max_attempts.unwrap_or(K::MAX_ATTEMPTS).max(1),
        timeout: order.timeout.unwrap_or(K::TIMEOUT),
        limit_key: order.limit_key,
    })
}

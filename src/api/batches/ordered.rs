//! The jobs of a batch, as they are ordered.
//!
//! Guarantees: what a job's arguments may be, and how they are told to be wrong, is the business of the route that takes such
//! work: its own code reads and checks them here; so is what an API key needs for it. Nothing may have a unique key, since a batch is of the jobs that it names; and a
//! finishing job waits for its batch alone.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::State;
use crate::api::auth::Member;
use crate::api::emails::NewEmailBody;
use crate::api::http::{FieldError, Fields, Problem, RequestId, Unread};
use crate::api::order::Wishes;
use crate::api::probes::NewProbeBody;
use crate::api::reports::{NewReportBody, report_of};
use crate::clock::Timestamp;
use crate::domain::id::BatchId;
use crate::jobs::kinds::{EmailSend, Probe, ReportBuild};
use crate::jobs::{Kind, Order, new_job};
use crate::store::NewJob;
use crate::store::reports::NewReport;

/// The most jobs of one request: as many rows as two full transactions of the writer.
const JOBS_MAX: usize = 1_000;

/// One job: what sort of work, and what the route takes by which such work is ordered.
#[derive(Deserialize, ToSchema)]
#[schema(as = BatchWork)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct WorkBody {
    kind: WorkKind,
    /// What `/v1/emails`, `/v1/probes` or `/v1/reports` takes, without `unique`; in a finishing job without `after` too.
    #[schema(value_type = std::collections::HashMap<String, serde_json::Value>)]
    args: Unread,
}

/// The sorts of work that can be ordered.
#[derive(Clone, Copy, Deserialize, ToSchema)]
enum WorkKind {
    #[serde(rename = "email.send")]
    Email,
    #[serde(rename = "probe.run")]
    Probe,
    #[serde(rename = "report.build")]
    Report,
}

impl WorkKind {
    fn name(self) -> &'static str {
        match self {
            Self::Email => EmailSend::NAME,
            Self::Probe => Probe::NAME,
            Self::Report => ReportBuild::NAME,
        }
    }
}

/// A job that is ordered, with what belongs to it.
pub(super) struct Ordered {
    pub(super) job: NewJob,
    /// How many mails it sends.
    pub(super) mails: usize,
    /// The report that it builds.
    pub(super) report: Option<NewReport>,
}

impl Ordered {
    pub(super) fn into_batch(self, batch: BatchId) -> Self {
        Self {
            job: self.job.into_batch(batch),
            ..self
        }
    }
}

/// The jobs of a batch, with what is wrong noted in `fields`; all of them, if nothing is.
///
/// # Errors
/// 422 for the first whose arguments are of another shape; 403 for what `member` may not order.
pub(super) async fn members(
    jobs: Vec<WorkBody>,
    member: &Member,
    state: &State,
    request: &RequestId,
    fields: &mut Fields,
) -> Result<Vec<Ordered>, Problem> {
    counted(&jobs)?;
    let mut all = Vec::with_capacity(jobs.len());
    for (index, work) in jobs.into_iter().enumerate() {
        let place = Place {
            within: format!("/jobs/{index}/args"),
            is_finishing: false,
        };
        all.extend(work.ordered(&place, member, state, request, fields).await?);
    }
    Ok(all)
}

/// The finishing job, alike.
///
/// # Errors
/// As [`members`].
pub(super) async fn finishing(
    work: WorkBody,
    member: &Member,
    state: &State,
    request: &RequestId,
    fields: &mut Fields,
) -> Result<Option<Ordered>, Problem> {
    let place = Place {
        within: "/finally/args".to_owned(),
        is_finishing: true,
    };
    work.ordered(&place, member, state, request, fields).await
}

/// Where a job stands in the body.
struct Place {
    within: String,
    is_finishing: bool,
}

impl Place {
    /// The order, with what is wrong noted in `fields`.
    fn order(&self, mut wishes: Wishes, fields: &mut Fields, request: &RequestId, now: Timestamp) -> Order {
        if wishes.unique.take().is_some() {
            fields.refuse("/unique", "is not taken here: a batch is of the jobs that it names");
        }
        if self.is_finishing && (wishes.after.take().is_some() | wishes.after_failure.take().is_some()) {
            fields.refuse(
                "/after",
                "is not taken here: a finishing job waits for the end of its batch",
            );
        }
        wishes.checked(fields, request, now)
    }
}

/// The refusal of a list of jobs that is too short or too long.
fn counted(jobs: &[WorkBody]) -> Result<(), Problem> {
    if jobs.is_empty() || jobs.len() > JOBS_MAX {
        return Err(Problem::invalid_input(vec![FieldError {
            pointer: "/jobs".to_owned(),
            detail: format!("must have 1 to {JOBS_MAX} jobs"),
        }]));
    }
    Ok(())
}

impl WorkBody {
    async fn ordered(
        self,
        place: &Place,
        member: &Member,
        state: &State,
        request: &RequestId,
        fields: &mut Fields,
    ) -> Result<Option<Ordered>, Problem> {
        let now = state.clock.now();
        member.needs_to_order(self.kind.name())?;
        fields.enter(place.within.clone());
        let ordered = match self.kind {
            WorkKind::Email => {
                let mut body: NewEmailBody = self.args.read(&place.within)?;
                let order = place.order(body.wishes(), fields, request, now);
                let args = body.args(Some(member.account.workspace), state, fields).await?;
                let mails = args.as_ref().map_or(0, |args| args.to.len());
                let job = args.map(|args| made::<EmailSend>(&args, member, now, order));
                job.transpose()?.map(|job| Ordered {
                    job,
                    mails,
                    report: None,
                })
            }
            WorkKind::Probe => {
                let mut body: NewProbeBody = self.args.read(&place.within)?;
                body.permitted(member.account.is_operator)?;
                let order = place.order(body.wishes(), fields, request, now);
                let job = body.args(fields).map(|args| made::<Probe>(&args, member, now, order));
                job.transpose()?.map(|job| Ordered {
                    job,
                    mails: 0,
                    report: None,
                })
            }
            WorkKind::Report => {
                let mut body: NewReportBody = self.args.read(&place.within)?;
                let order = place.order(body.wishes(), fields, request, now);
                let args = body.args(&order, now, fields);
                let job = made::<ReportBuild>(&args, member, now, order)?;
                let report = Some(report_of(&args, &job));
                Some(Ordered { job, mails: 0, report })
            }
        };
        fields.enter(String::new());
        Ok(ordered)
    }
}

fn made<K: Kind>(args: &K::Args, member: &Member, now: Timestamp, order: Order) -> Result<NewJob, Problem> {
    new_job::<K>(args, member.account.workspace, now, order).map_err(Problem::internal)
}

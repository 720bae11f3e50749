//! The jobs of a batch, as they are ordered.
//!
//! Guarantees: what a job's arguments may be, and how they are told to be wrong, is the business of the route that takes such
//! work: its own code reads and checks them here; so is what an API key needs for it. Nothing may have a unique key, since a batch is of the jobs that it names; and a
//! finishing job waits for its batch alone.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::State;
use crate::api::auth::Member;
use crate::api::emails::{ArgsRoom, Contents, NewEmailBody, Surroundings, files_counted};
use crate::api::http::{FieldError, Fields, Problem, RequestId, Unread};
use crate::api::order::Wishes;
use crate::api::probes::NewProbeBody;
use crate::api::reports::{NewReportBody, report_of};
use crate::clock::Timestamp;
use crate::domain::id::{BatchId, UploadId};
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
    /// The uploads that it needs.
    pub(super) uploads: Vec<UploadId>,
}

impl Ordered {
    pub(super) fn into_batch(self, batch: BatchId) -> Self {
        Self {
            job: self.job.into_batch(batch),
            ..self
        }
    }
}

/// The jobs of a batch and its finishing job, with what is wrong noted in `fields`; all of them, if nothing is; and the contents
/// of files that come with them.
///
/// # Errors
/// 422 for the first whose arguments are of another shape; 403 for what `member` may not order.
pub(super) async fn ordered(
    jobs: Vec<WorkBody>,
    finally: Option<WorkBody>,
    member: &Member,
    state: &State,
    request: &RequestId,
    fields: &mut Fields,
) -> Result<(Vec<Ordered>, Option<Ordered>, Contents), Problem> {
    counted(&jobs)?;
    let mut works = Vec::with_capacity(jobs.len() + 1);
    for (index, work) in jobs.into_iter().enumerate() {
        works.push(work.read(format!("/jobs/{index}/args"), false, member)?);
    }
    if let Some(work) = finally {
        works.push(work.read("/finally/args".to_owned(), true, member)?);
    }
    files_counted(works.iter().filter_map(|(_, work)| work.email()), "/jobs")?;
    let mut contents = Contents::of(works.iter_mut().filter_map(|(_, work)| work.email_mut())).await?;
    let surroundings = Surroundings::of(works.iter().filter_map(|(_, work)| work.email()), member, state).await?;
    let (mut all, mut finishing, mut room) = (Vec::with_capacity(works.len()), None, ArgsRoom::new());
    for (place, work) in works {
        let ordered = work
            .ordered(
                &place,
                member,
                (&surroundings, &mut contents),
                request,
                state.clock.now(),
                fields,
            )
            .await?;
        if let Some(ordered) = &ordered {
            fields.enter(place.within.clone());
            room.take(ordered.job.args.len(), fields);
            fields.enter(String::new());
        }
        if room.is_full() {
            // Nothing of the request is accepted, so that nothing more of it need be made.
            break;
        }
        if place.is_finishing {
            finishing = ordered;
        } else {
            all.extend(ordered);
        }
    }
    Ok((all, finishing, contents))
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

/// One job's arguments, of the shape that its kind has.
enum Work {
    Email(Box<NewEmailBody>),
    Probe(NewProbeBody),
    Report(NewReportBody),
}

impl WorkBody {
    fn read(self, within: String, is_finishing: bool, member: &Member) -> Result<(Place, Work), Problem> {
        member.needs_to_order(self.kind.name())?;
        let work = match self.kind {
            WorkKind::Email => Work::Email(Box::new(self.args.read(&within)?)),
            WorkKind::Probe => {
                let body: NewProbeBody = self.args.read(&within)?;
                body.permitted(member.account.is_operator)?;
                Work::Probe(body)
            }
            WorkKind::Report => Work::Report(self.args.read(&within)?),
        };
        Ok((Place { within, is_finishing }, work))
    }
}

impl Work {
    fn email(&self) -> Option<&NewEmailBody> {
        match self {
            Self::Email(body) => Some(body),
            Self::Probe(_) | Self::Report(_) => None,
        }
    }

    fn email_mut(&mut self) -> Option<&mut NewEmailBody> {
        match self {
            Self::Email(body) => Some(body),
            Self::Probe(_) | Self::Report(_) => None,
        }
    }

    async fn ordered(
        self,
        place: &Place,
        member: &Member,
        (surroundings, contents): (&Surroundings<'_>, &mut Contents),
        request: &RequestId,
        now: Timestamp,
        fields: &mut Fields,
    ) -> Result<Option<Ordered>, Problem> {
        fields.enter(place.within.clone());
        let plain = |job| Ordered {
            job,
            mails: 0,
            report: None,
            uploads: Vec::new(),
        };
        let ordered = match self {
            Self::Email(mut body) => {
                let order = place.order(body.wishes(), fields, request, now);
                match body.args(surroundings, contents, fields).await? {
                    Some(args) => Some(Ordered {
                        mails: args.mails(),
                        uploads: args.uploads(),
                        ..plain(made::<EmailSend>(&args, member, now, order)?)
                    }),
                    None => None,
                }
            }
            Self::Probe(mut body) => {
                let order = place.order(body.wishes(), fields, request, now);
                let job = body.args(fields).map(|args| made::<Probe>(&args, member, now, order));
                job.transpose()?.map(plain)
            }
            Self::Report(mut body) => {
                let order = place.order(body.wishes(), fields, request, now);
                let args = body.args(&order, now, fields);
                let job = made::<ReportBuild>(&args, member, now, order)?;
                let report = Some(report_of(&args, &job));
                Some(Ordered { report, ..plain(job) })
            }
        };
        fields.enter(String::new());
        Ok(ordered)
    }
}

fn made<K: Kind>(args: &K::Args, member: &Member, now: Timestamp, order: Order) -> Result<NewJob, Problem> {
    new_job::<K>(args, member.account.workspace, now, order).map_err(Problem::internal)
}

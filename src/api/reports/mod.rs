//! Reports: files of a workspace's own rows, ordered here and fetched here.
//!
//! Guarantees: the report and the job that builds it are one transaction; a report of another workspace is not found, and
//! operators find all; deleting one also ends its job, so that no file comes after it; an order counts as a job of what the
//! workspace may ask for.
//!
//! Left out: quotas of bytes. What bounds the disk is how many reports a workspace may have, the most bytes of each, and how
//! long it is kept.

mod downloads;
mod file;
mod range;
mod recurring;
mod view;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

pub use downloads::Downloads;
pub(super) use file::{__path_show_report_file, show_report_file};
use view::ReportView;

use super::State;
use super::acting::{Acting, Subject};
use super::auth::Member;
use super::failure::or_refused;
use super::http::{Fields, PathParam, Problem, RequestId, StrictJson, StrictQuery};
use super::openapi::Accepted;
use super::order::Wishes;
use super::page::{Page, PageQuery};
use super::then::Then;
use super::unique::{self, UniqueBody};
use super::work::{Asked, submit};
use crate::clock::Timestamp;
use crate::domain::act::Action;
use crate::domain::id::{JobId, ReportId};
use crate::domain::job::OnFailure;
use crate::domain::report::{ReportFormat, ReportTable};
use crate::jobs::kinds::{ReportBuild, ReportBuildArgs};
use crate::jobs::{Kind as _, Order, new_job};
use crate::reports::{FileName, Found};
use crate::store::reports::{self, NewReport};
use crate::store::{Abort, NewJob, Tx};
use crate::telemetry;
use crate::telemetry::names::event;

/// What to report, and how.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewReport)]
#[serde(deny_unknown_fields)]
pub(super) struct NewReportBody {
    /// Of which rows.
    table: ReportTable,
    /// How it is written.
    format: ReportFormat,
    /// Rows made at this time or later; all unless given.
    from: Option<Timestamp>,
    /// Rows made before this time; all that are there when the report may be built, unless given.
    to: Option<Timestamp>,
    /// Whether cells of CSV that a spreadsheet would take for a formula begin with an apostrophe; true unless given.
    csv_formula_guard: Option<bool>,
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
}

/// Orders a report over the workspace's own jobs or mails.
///
/// The job's result names the report and where its file is fetched.
#[utoipa::path(
    post, path = "/v1/reports", tag = "work", security(("member" = [])),
    request_body(content = NewReportBody, examples(
        ("jobs" = (summary = "All jobs", value = json!({ "table": "jobs", "format": "csv" }))),
        ("mail" = (summary = "A month's mails, with every wish", value = json!({
            "table": "mail", "format": "jsonl", "from": "2023-10-01T00:00:00Z", "to": "2023-11-01T00:00:00Z",
            "csv_formula_guard": false, "timeout_ms": 60000, "run_at": "2030-01-01T08:30:00Z",
            "deadline_at": "2030-02-01T08:30:00Z", "unique": { "key": "example", "for_s": 60 }, "priority": -1,
            "max_attempts": 2
        }))),
        ("after" = (summary = "Once another job has ended, however it ends", value = json!({
            "table": "jobs", "format": "csv", "after": ["job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6"], "after_failure": "run"
        }))),
    )),
    responses(
        Accepted,

        (status = 409, description = "The workspace has as many reports as it may; it can delete some."),
    ),
)]
pub(super) async fn create_report(
    Then(member, StrictJson(mut body)): Then<Member, StrictJson<NewReportBody>>,
    state: web::Data<State>,
    request: RequestId,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    let (mut fields, now) = (Fields::new(), state.clock.now());
    let order = body.wishes().checked(&mut fields, &request, now);
    let args = body.args(&order, now, &mut fields);
    fields.finish()?;
    let workspace = member.account.workspace;
    let bound = KeptBound::of(&member, &state);
    let ordered = args.clone();
    let enter = move |tx: &mut Tx<'_>, job: &NewJob| bound.enter(tx, &report_of(&ordered, job));
    let unique = order.unique.clone();
    let limits = async || {
        let holder = unique::holder(unique.as_ref(), &member, &state).await?;
        if holder.is_none() {
            state.throttle.take_work(&member.account, ReportBuild::QUEUE, 0)?;
        }
        Ok(holder)
    };
    let make = || new_job::<ReportBuild>(&args, workspace, now, order).map_err(Problem::internal);
    let told = |()| bound.told();
    submit(&asked, &member, &state, limits, make, Some(enter), told).await
}

impl NewReportBody {
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

    /// Which report, ordered so, with what is wrong noted in `fields`.
    pub(super) fn args(&self, order: &Order, now: Timestamp, fields: &mut Fields) -> ReportBuildArgs {
        ReportBuildArgs {
            report: ReportId::generate(),
            table: self.table,
            format: self.format,
            from: self.from,
            to: until(self, order, now, fields),
            csv_formula_guard: self.csv_formula_guard.unwrap_or(true),
        }
    }
}

/// The row of the report that a job of these arguments builds.
pub(super) fn report_of(args: &ReportBuildArgs, job: &NewJob) -> NewReport {
    NewReport {
        id: args.report,
        workspace: job.workspace,
        job: job.id,
        table: args.table,
        format: args.format,
        from: args.from,
        to: args.to,
        created_at: job.created_at,
    }
}

/// How many reports a workspace may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptBound {
    max: usize,
    /// How many others there may be beside a new one; any number for an operator.
    others: Option<usize>,
}

impl KeptBound {
    /// The bound of this member's workspace.
    pub(super) fn of(member: &Member, state: &State) -> Self {
        let max = state.config.reports.max_kept;
        let others = max.checked_sub(1).filter(|_| !member.account.is_operator);
        Self { max, others }
    }

    /// Enters a report, unless there are as many as there may be. Counted where it is entered, so that orders that come together
    /// do not pass the bound together.
    pub(super) fn enter(self, tx: &mut Tx<'_>, report: &NewReport) -> Result<(), Abort<()>> {
        if let Some(others) = self.others
            && reports::kept_of(tx.connection(), report.workspace, others)?.is_capped
        {
            return Err(Abort::Refused(()));
        }
        Ok(reports::insert(tx.connection(), report)?)
    }

    /// The answer to one report too many.
    pub(super) fn told(self) -> Problem {
        too_many_kept(self.max)
    }
}

fn too_many_kept(max: usize) -> Problem {
    Problem::conflict(format!(
        "this workspace has {max} reports, which is as many as it may; delete some, or wait until they expire"
    ))
}

/// Up to when rows are taken: what was asked for, but never beyond the time from which the report may be built, so that the
/// rows do not depend on how long it waits.
fn until(body: &NewReportBody, order: &Order, now: Timestamp, fields: &mut Fields) -> Timestamp {
    let may_run_at = order.run_at.map_or(now, |at| at.max(now));
    let to = body.to.map_or(may_run_at, |to| to.min(may_run_at));
    match (body.from, body.to) {
        (Some(from), Some(asked)) if from >= asked => fields.refuse("/to", "must be after from"),
        (Some(from), _) if from >= to => {
            fields.refuse(
                "/from",
                format!("must be before the report is built, which may be at {may_run_at}"),
            );
        }
        _ => {}
    }
    to
}

/// Lists the workspace's reports, the newest first; for operators, everybody's.
#[utoipa::path(
    get, path = "/v1/reports", tag = "resources", security(("member" = [])), params(PageQuery),
    responses((status = 200, description = "A page of reports.", body = Page<ReportView>)),
)]
pub(super) async fn list_reports(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<PageQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (before, size) = query.checked::<ReportId>()?;
    let scope = member.job_scope();
    let read = state.store.read(move |connection| {
        // One more than is shown tells whether there are more.
        reports::list(connection, scope, before, size.saturating_add(1))
    });
    let view = |report| ReportView::of(report, &state);
    Ok(HttpResponse::Ok().json(Page::of(read.await?, size, |last| last.id, view)))
}

/// Shows a report and where its job is.
#[utoipa::path(
    get, path = "/v1/reports/{id}", tag = "resources", security(("member" = [])),
    params(("id" = ReportId, Path, description = "Which report.")),
    responses((status = 200, description = "The report.", body = ReportView)),
)]
pub(super) async fn show_report(
    Then(member, PathParam(id)): Then<Member, PathParam<ReportId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let scope = member.job_scope();
    let read = state.store.read(move |connection| reports::one(connection, id, scope));
    let report = read.await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(ReportView::of(report, &state)))
}

/// Deletes a report and its file; a job that was to build it is cancelled.
#[utoipa::path(
    delete, path = "/v1/reports/{id}", tag = "resources", security(("member" = [])),
    params(("id" = ReportId, Path, description = "Which report.")),
    responses((status = 204, description = "It is gone.")),
)]
pub(super) async fn delete_report(
    Then(member, PathParam(id)): Then<Member, PathParam<ReportId>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (scope, now) = (member.job_scope(), state.clock.now());
    let acting = Acting::of(&member, &request);
    let write = state.store.write(move |tx| {
        let deleted = reports::delete(tx, id, scope, now)?.ok_or(Abort::Refused(()))?;
        if let Some(acting) = &acting {
            let subject = Subject {
                kind: "report",
                id: id.to_string(),
                workspace: deleted.workspace,
            };
            acting.note(
                tx,
                Action::DeleteReport,
                subject,
                json!({ "cancelled_job": deleted.cancelled }),
                now,
            )?;
        }
        Ok(deleted)
    });
    let deleted = write.await.map_err(or_refused(|()| Problem::not_found()))?;
    if let Some(job) = deleted.cancelled {
        (state.cancel_attempt)(job);
    }
    tracing::info!(
        event = event::REPORT_DELETED,
        report = %id,
        account = %member.account.id,
        request_id = request.as_str(),
        job = deleted.cancelled.map(tracing::field::display),
        "a report was deleted, and the job that was to build it cancelled"
    );
    if let Some(fence) = deleted.fence {
        let format = deleted.format;
        let folder = state.reports.clone();
        let file = Found::from(FileName {
            report: id,
            fence,
            format,
        });
        let removed = web::block(move || folder.remove(&file)).await;
        // The row is gone, and so is the file for every client: the keeper clears away what is left.
        if let Ok(Err(error)) = removed {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::REPORTS_UNCLEAN,
                report = %id,
                %error,
                "a deleted report's file could not be removed; the keeper will try again"
            );
        }
    }
    Ok(HttpResponse::NoContent().finish())
}

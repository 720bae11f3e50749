//! From what a schedule keeps to the job of one tick.
//!
//! Guarantees: the same kinds as the work routes take, with arguments that those have checked; a report is made anew for each
//! tick, of the rows up to the moment from which it may be built.

use serde::{Deserialize, Serialize};

use super::kinds::{EmailSend, ReportBuild, ReportBuildArgs};
use super::{Kind as _, Registry};
use crate::clock::Timestamp;
use crate::domain::id::{JobId, ReportId};
use crate::domain::report::{ReportFormat, ReportTable};
use crate::domain::schedule::jitter;
use crate::store::NewJob;
use crate::store::reports::NewReport;
use crate::store::schedules::{MadeJob, Schedule};

/// What each report of a schedule is: the arguments of `report.build` as a schedule keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecurringReport {
    /// What it is of.
    pub table: ReportTable,
    /// How it is written.
    pub format: ReportFormat,
    /// Rows accepted at or after this.
    pub from: Option<Timestamp>,
    /// Rows accepted before this; up to when it is built unless given.
    pub to: Option<Timestamp>,
    /// Whether texts that a spreadsheet would take for a formula are guarded.
    pub csv_formula_guard: bool,
}

/// Why no job can be made of what a schedule keeps.
#[derive(Debug, thiserror::Error)]
pub enum Unmade {
    /// This version does not know the kind.
    #[error("the kind {0} is not known to this version")]
    Kind(String),
    /// The arguments are not what the kind takes.
    #[error("the arguments cannot be read")]
    Args(#[from] serde_json::Error),
    /// The report would be of no time at all.
    #[error("the report would end before it begins")]
    Span,
}

/// The job that a schedule makes at `now` for `tick`, put off by what its jitter says.
///
/// # Errors
/// [`Unmade`], which another try does not change.
pub fn recurring(schedule: &Schedule, registry: &Registry, tick: Timestamp, now: Timestamp) -> Result<MadeJob, Unmade> {
    let order = &schedule.job;
    let kind = registry
        .get(&order.kind)
        .ok_or_else(|| Unmade::Kind(order.kind.clone()))?;
    let run_at = tick.plus(jitter(schedule.id, tick, schedule.jitter)).max(now);
    let mut job = NewJob {
        id: JobId::generate(),
        workspace: schedule.workspace,
        kind: kind.name(),
        queue: kind.queue(),
        priority: order.priority,
        args: order.args.clone(),
        args_version: order.args_version,
        max_attempts: order.max_attempts,
        timeout: order.timeout,
        run_at,
        created_at: now,
        deadline: None,
        unique: None,
        limit_key: order.limit_key.clone(),
        schedule: Some(schedule.id),
        batch: None,
        is_waited_for: false,
        after: None,
        request_id: None,
        labels: None,
    };
    if job.kind == EmailSend::NAME {
        job.labels = EmailSend::labels_of(&order.args);
    }
    if job.kind != ReportBuild::NAME {
        return Ok(MadeJob { job, report: None });
    }
    let wanted: RecurringReport = serde_json::from_str(&order.args)?;
    let args = ReportBuildArgs {
        report: ReportId::generate(),
        table: wanted.table,
        format: wanted.format,
        from: wanted.from,
        to: wanted.to.map_or(run_at, |to| to.min(run_at)),
        csv_formula_guard: wanted.csv_formula_guard,
    };
    if args.from.is_some_and(|from| from >= args.to) {
        return Err(Unmade::Span);
    }
    job.args = serde_json::to_string(&args)?;
    job.args_version = ReportBuild::VERSION;
    let report = NewReport {
        id: args.report,
        workspace: schedule.workspace,
        job: job.id,
        table: args.table,
        format: args.format,
        from: args.from,
        to: args.to,
        created_at: now,
    };
    Ok(MadeJob {
        job,
        report: Some(report),
    })
}

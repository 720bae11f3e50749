//! A report as clients see it; what is shown here stays, since programs are written against it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::State;
use crate::api::http::{Problem, Slug};
use crate::clock::Timestamp;
use crate::domain::id::{JobId, ReportId};
use crate::domain::job::JobState;
use crate::domain::report::{ReportFormat, ReportTable};
use crate::reports::FileName;
use crate::store::reports::{ReportFile, ReportRecord};

/// A report.
#[derive(Serialize, ToSchema)]
#[schema(as = Report)]
pub(super) struct ReportView {
    /// Which report.
    id: ReportId,
    /// The job that builds it.
    job_id: JobId,
    /// None once the job was cleared away.
    job_state: Option<JobState>,
    /// Of which rows it is.
    table: ReportTable,
    /// How it is written.
    format: ReportFormat,
    /// Rows made at this time or later.
    from: Option<Timestamp>,
    /// Rows made before this time.
    to: Timestamp,
    /// Where it stands.
    state: Standing,
    /// When it was ordered.
    created_at: Timestamp,
    /// When its file was made.
    built_at: Option<Timestamp>,
    /// Until when its file is kept.
    expires_at: Option<Timestamp>,
    /// Rows in the file, without the line of names.
    rows: Option<u64>,
    /// The size of the file.
    bytes: Option<u64>,
    /// The SHA-256 of the file, in hexadecimal digits.
    sha256: Option<String>,
    /// Where its file is fetched, while there is one.
    url: Option<String>,
}

/// Where a report stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReportState)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// Its job waits or runs.
    Waiting,
    /// Its file can be fetched.
    Ready,
    /// Its job ended without a file; running the job again may make one.
    NotBuilt,
    /// Its file was kept long enough and is gone.
    Expired,
}

impl Standing {
    fn of(report: &ReportRecord, now: Timestamp) -> Self {
        match (&report.file, report.job_state) {
            (Some(file), _) if file.fence.is_some() && file.expires_at > now => Self::Ready,
            // A person may have ordered the job to run again.
            (_, Some(state)) if !state.is_final() => Self::Waiting,
            (Some(_), _) => Self::Expired,
            (None, _) => Self::NotBuilt,
        }
    }
}

impl ReportView {
    pub(super) fn of(report: ReportRecord, state: &State) -> Self {
        let standing = Standing::of(&report, state.clock.now());
        let address = || state.config.public_url.join(&format!("/v1/reports/{}/file", report.id));
        let url = (standing == Standing::Ready).then(address);
        let file = report.file;
        Self {
            id: report.id,
            job_id: report.job,
            job_state: report.job_state,
            table: report.table,
            format: report.format,
            from: report.from,
            to: report.to,
            state: standing,
            created_at: report.created_at,
            built_at: file.as_ref().map(|file| file.built_at),
            expires_at: file.as_ref().map(|file| file.expires_at),
            rows: file.as_ref().map(|file| file.rows),
            bytes: file.as_ref().map(|file| file.bytes),
            sha256: file.map(|file| file.sha256),
            url,
        }
    }
}

/// The file of a report that is ready, and its name.
///
/// # Errors
/// 409 while it is not built, with its job's state; 410 once it has expired.
pub(super) fn ready_file(report: &ReportRecord, now: Timestamp) -> Result<(FileName, &ReportFile), Problem> {
    let standing = Standing::of(report, now);
    if let (Standing::Ready, Some(file)) = (standing, &report.file)
        && let Some(fence) = file.fence
    {
        let name = FileName {
            report: report.id,
            fence,
            format: report.format,
        };
        return Ok((name, file));
    }
    Err(match (standing, report.job_state) {
        (Standing::Expired, _) => gone(),
        (_, Some(state)) if !state.is_final() => {
            Problem::conflict(format!("the report is not built yet: its job is {state}"))
        }
        (_, Some(state)) => Problem::conflict(format!("the report was not built: its job is {state}")),
        (_, None) => Problem::conflict("the report was not built, and its job is no longer kept"),
    })
}

/// 410: there was a file, and there will be none again unless the job is run again.
pub(super) fn gone() -> Problem {
    Problem::new(Slug::Gone, "the report's file is not kept any more; order a new report")
}

//! A report as its row says.

use crate::store::dialect::prelude::*;

use crate::clock::Timestamp;
use crate::domain::id::{JobId, ReportId, WorkspaceId};
use crate::domain::job::JobState;
use crate::domain::report::{ReportFormat, ReportTable};
use crate::store::StoreError;
use crate::store::schema::reports;
use crate::store::text::{parsed, time, unsigned};

/// A report.
#[derive(Clone, Debug)]
pub struct ReportRecord {
    /// Its id.
    pub id: ReportId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The job that builds it.
    pub job: JobId,
    /// Where that job is; none once it was cleared away.
    pub job_state: Option<JobState>,
    /// What it is of.
    pub table: ReportTable,
    /// How it is written.
    pub format: ReportFormat,
    /// Rows accepted at or after this.
    pub from: Option<Timestamp>,
    /// Rows accepted before this.
    pub to: Timestamp,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// The file that was built last; none before the first.
    pub file: Option<ReportFile>,
}

/// A file that was built.
#[derive(Clone, Debug)]
pub struct ReportFile {
    /// The fence of the attempt that built it, which is part of its name; none once it was removed.
    pub fence: Option<i64>,
    /// Its rows.
    pub rows: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// When it was built.
    pub built_at: Timestamp,
    /// Until when it is kept.
    pub expires_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = reports)]
pub(super) struct ReportRow {
    id: String,
    workspace_id: String,
    job_id: String,
    table_name: String,
    format: String,
    from_at: Option<i64>,
    to_at: i64,
    created_at: i64,
    built_at: Option<i64>,
    expires_at: Option<i64>,
    fence: Option<i64>,
    row_count: Option<i64>,
    byte_count: Option<i64>,
    sha256: Option<String>,
}

impl TryFrom<(ReportRow, Option<String>)> for ReportRecord {
    type Error = StoreError;

    fn try_from((row, job_state): (ReportRow, Option<String>)) -> Result<Self, StoreError> {
        let file = match (row.built_at, row.expires_at, row.row_count, row.byte_count, row.sha256) {
            (Some(built_at), Some(expires_at), Some(rows), Some(bytes), Some(sha256)) => Some(ReportFile {
                fence: row.fence,
                rows: unsigned(rows, "reports", "row_count")?,
                bytes: unsigned(bytes, "reports", "byte_count")?,
                sha256,
                built_at: time(built_at),
                expires_at: time(expires_at),
            }),
            _ => None,
        };
        Ok(Self {
            id: parsed(&row.id, "reports", "id")?,
            workspace: parsed(&row.workspace_id, "reports", "workspace_id")?,
            job: parsed(&row.job_id, "reports", "job_id")?,
            job_state: job_state.map(|state| parsed(&state, "jobs", "state")).transpose()?,
            table: parsed(&row.table_name, "reports", "table_name")?,
            format: parsed(&row.format, "reports", "format")?,
            from: row.from_at.map(time),
            to: time(row.to_at),
            created_at: time(row.created_at),
            file,
        })
    }
}

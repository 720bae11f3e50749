//! `report.build`: a file of a workspace's own rows.
//!
//! Guarantees:
//! - Rows are read a page at a time, each a short read, and written as they come: memory does not grow with their number.
//!   Between two pages, and while one is read or waits for the file, the attempt listens for its stop.
//! - The file is on disk, whole, before the report's row names it, and the row names it before the attempt completes: a
//!   completed job's file can be fetched. Whatever else ends an attempt leaves no file of it.
//! - An attempt that runs again begins anew, in a file of its own name; the row then names the new file, and the older one
//!   is removed. An attempt that lost its job changes nothing, since the row is written under its fence.
//!
//! A report is of the rows that were there when its building began and were accepted in `[from, to)`. What a row shows is
//! what it said when its page was read: a job that ends meanwhile is shown as ended or not, depending on its page.
//!
//! Left out: a total in the progress. Counting the rows would be one long read; the note says how far in time it has come.

mod tables;

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::tables::{Rows, Table};
use crate::clock::Timestamp;
use crate::domain::id::ReportId;
use crate::domain::job::{Backoff, Queue, WhenUncertain};
use crate::domain::report::{ReportFormat, ReportTable};
use crate::jobs::{JobContext, Kind, Outcome};
use crate::reports::{Build, BuildError, BuildPlan, Built, FileName, Found, ReportFolder};
use crate::store::reports::{self, BytesKept, FileEntered, JobLine, MailLine, NewFile, Span};
use crate::store::{Abort, JobScope, Store, StoreError};
use crate::telemetry;
use crate::telemetry::names::event;

/// Builds reports.
pub struct ReportBuild {
    store: Store,
    folder: ReportFolder,
    limits: ReportLimits,
    /// The address of all reports, with a slash at its end.
    url: String,
}

/// How much a report may hold, and how long its file is kept.
#[derive(Clone, Copy, Debug)]
pub struct ReportLimits {
    /// The most rows.
    pub max_rows: u64,
    /// The most bytes.
    pub max_bytes: u64,
    /// How long its file is kept once it is built.
    pub ttl: Duration,
    /// How many bytes a workspace may keep that has no quota of its own; 0 is no bound.
    pub stored_max: u64,
}

/// Which report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReportBuildArgs {
    /// The report that was entered with the job.
    pub report: ReportId,
    /// What it is of.
    pub table: ReportTable,
    /// How it is written.
    pub format: ReportFormat,
    /// Rows accepted at or after this; from the first on where there is none.
    pub from: Option<Timestamp>,
    /// Rows accepted before this.
    pub to: Timestamp,
    /// Whether texts that a spreadsheet would take for a formula are guarded.
    pub csv_formula_guard: bool,
}

/// Why an attempt ends without a file.
enum Ended {
    /// It was told to stop.
    Stopped,
    /// Rows could not be read.
    Store(StoreError),
    /// The file could not be built.
    Build(BuildError),
}

impl ReportBuild {
    /// Reads from `store` and writes into `folder`; `url` is the address of all reports, without a slash at its end.
    #[must_use]
    pub fn new(store: Store, folder: ReportFolder, limits: ReportLimits, url: &str) -> Self {
        Self {
            store,
            folder,
            limits,
            url: format!("{url}/"),
        }
    }

    async fn build<R: Table>(
        &self,
        args: &ReportBuildArgs,
        name: FileName,
        max_bytes: u64,
        ctx: &JobContext,
    ) -> Result<Built, Ended> {
        let mut build = Build::<Rows<R>>::begin(BuildPlan {
            folder: self.folder.clone(),
            name,
            is_guarded: args.csv_formula_guard,
            max_rows: self.limits.max_rows,
            max_bytes,
        });
        let span = Span::new(ctx.workspace(), args.from, args.to);
        let ended = tokio::select! {
            biased;
            () = ctx.stopped() => Err(Ended::Stopped),
            fed = self.feed(&mut build, span, ctx) => fed,
        };
        if ended.is_err() {
            build.give_up().await;
        }
        ended
    }

    /// Hands all pages to the build and ends it.
    async fn feed<R: Table>(
        &self,
        build: &mut Build<Rows<R>>,
        mut span: Span,
        ctx: &JobContext,
    ) -> Result<Built, Ended> {
        let mut done = 0;
        let mut note = None;
        loop {
            let current = span.clone();
            let read = self.store.read(move |connection| R::page(connection, &current));
            let page = read.await.map_err(Ended::Store)?;
            done += u64::try_from(page.rows.len()).unwrap_or(u64::MAX);
            if let Some(last) = page.rows.last() {
                note = Some(format!("rows accepted up to {}", last.accepted_at()));
            }
            if build.page(Rows(page.rows)).await.is_err() {
                break;
            }
            ctx.progress(done, None, note.as_deref());
            match page.next {
                Some(next) => span = span.behind(next),
                None => break,
            }
        }
        build.finish().await.map_err(Ended::Build)
    }

    /// Makes the file the report's.
    async fn enter(&self, name: FileName, built: Built, ctx: &JobContext) -> Outcome {
        let built_at = ctx.now();
        let new = NewFile {
            report: name.report,
            job: ctx.job(),
            fence: name.fence,
            rows: built.rows,
            bytes: built.bytes,
            sha256: built.sha256.clone(),
            built_at,
            expires_at: built_at.plus(self.limits.ttl),
            stored_max: self.limits.stored_max,
        };
        let written = self
            .store
            .write(move |tx| Ok::<_, Abort<()>>(reports::enter_file(tx.connection(), &new)?))
            .await;
        match written {
            Ok(FileEntered::Yes { replaced }) => {
                if let Some(fence) = replaced.filter(|fence| *fence != name.fence) {
                    self.remove(FileName { fence, ..name }).await;
                }
                self.completed(name, &built, ctx)
            }
            Ok(FileEntered::NotHeld) => {
                self.remove(name).await;
                Outcome::Cancelled
            }
            Ok(FileEntered::NoReport) => {
                self.remove(name).await;
                deleted()
            }
            Ok(FileEntered::NoRoom(kept)) => {
                self.remove(name).await;
                no_room(&kept)
            }
            // Whether the row names the file is not known now: the keeper finds out.
            Err(Abort::Store(error)) => unreadable(&error, ctx),
            Err(Abort::Refused(())) => Outcome::retry("the report could not be entered"),
        }
    }

    fn completed(&self, name: FileName, built: &Built, ctx: &JobContext) -> Outcome {
        tracing::info!(
            event = event::REPORT_BUILT,
            report = %name.report,
            job = %ctx.job(),
            workspace = %ctx.workspace(),
            rows = built.rows,
            bytes = built.bytes,
            "a report was built"
        );
        Outcome::Completed(Some(json!({ "report": {
            "id": name.report,
            "format": name.format,
            "rows": built.rows,
            "bytes": built.bytes,
            "sha256": built.sha256,
            "url": format!("{}{}/file", self.url, name.report),
        }})))
    }

    async fn remove(&self, name: FileName) {
        let folder = self.folder.clone();
        let removed = tokio::task::spawn_blocking(move || folder.remove(&Found::from(name))).await;
        let failure = match removed {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(telemetry::chain(&error)),
            Err(error) => Some(telemetry::chain(&error)),
        };
        if let Some(error) = failure {
            tracing::warn!(
                event = event::REPORTS_UNCLEAN,
                error,
                report = %name.report,
                "a report's file could not be removed; the keeper will try again"
            );
        }
    }
}

impl Kind for ReportBuild {
    type Args = ReportBuildArgs;

    const NAME: &'static str = "report.build";
    const QUEUE: Queue = Queue::Reports;
    const MAX_ATTEMPTS: u32 = 5;
    /// The default bound of five million rows takes well under a minute; a disk may be a hundred times as slow.
    const TIMEOUT: Duration = Duration::from_secs(3600);
    const BACKOFF: Backoff = Backoff {
        base: Duration::from_secs(5),
        cap: Duration::from_secs(600),
    };

    fn when_uncertain(&self, _args: &ReportBuildArgs) -> WhenUncertain {
        // A file that is built twice is one file.
        WhenUncertain::Repeat
    }

    async fn perform(&self, args: ReportBuildArgs, ctx: JobContext) -> Outcome {
        let name = FileName {
            report: args.report,
            fence: ctx.fence(),
            format: args.format,
        };
        let scope = JobScope::Workspace(ctx.workspace());
        let (report, workspace, stored_max) = (args.report, ctx.workspace(), self.limits.stored_max);
        let known = self.store.read(move |connection| {
            if reports::one(connection, report, scope)?.is_none() {
                return Ok(None);
            }
            reports::bytes_for(connection, report, workspace, stored_max).map(Some)
        });
        let kept = match known.await {
            Ok(Some(kept)) => kept,
            Ok(None) => return deleted(),
            Err(error) => return unreadable(&error, &ctx),
        };
        // It may grow no further than its workspace has room.
        let tight = kept.filter(|kept| kept.left() < self.limits.max_bytes);
        let max_bytes = tight.map_or(self.limits.max_bytes, |kept| kept.left());
        // Boxed: two futures of which one runs, each with a page and its channel.
        let build: BoxFuture<'_, _> = match args.table {
            ReportTable::Jobs => Box::pin(self.build::<JobLine>(&args, name, max_bytes, &ctx)),
            ReportTable::Mail => Box::pin(self.build::<MailLine>(&args, name, max_bytes, &ctx)),
        };
        match build.await {
            Ok(built) => self.enter(name, built, &ctx).await,
            Err(Ended::Stopped) => Outcome::Cancelled,
            Err(Ended::Store(error)) => unreadable(&error, &ctx),
            Err(Ended::Build(error)) => match (&error, tight) {
                (BuildError::TooManyBytes { .. }, Some(kept)) => no_room(&kept),
                _ => unbuilt(&error, &ctx),
            },
        }
    }
}

/// The report's row is gone: somebody deleted it, or it was forgotten long after its file expired.
fn deleted() -> Outcome {
    Outcome::permanent("the report was deleted; order a new one")
}

/// Its workspace would keep more than it may.
fn no_room(kept: &BytesKept) -> Outcome {
    Outcome::permanent(format!(
        "the report would pass the quota bytes_stored of its workspace, whose other reports have {} of {} bytes; delete some, or \
         order one over a shorter time",
        kept.used, kept.max
    ))
}

fn unreadable(error: &StoreError, ctx: &JobContext) -> Outcome {
    let error = telemetry::chain(error);
    tracing::warn!(event = event::REPORT_FAILED, job = %ctx.job(), %error, "a report was not built");
    Outcome::retry("the database could not serve the report's rows")
}

fn unbuilt(error: &BuildError, ctx: &JobContext) -> Outcome {
    match error {
        BuildError::TooManyRows { .. } | BuildError::TooManyBytes { .. } => Outcome::permanent(error.to_string()),
        BuildError::Io(_) | BuildError::GivenUp => {
            let chain = telemetry::chain(error);
            tracing::warn!(event = event::REPORT_FAILED, job = %ctx.job(), error = %chain, "a report was not built");
            Outcome::retry(error.to_string())
        }
    }
}

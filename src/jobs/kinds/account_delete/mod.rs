//! `account.delete`: what becomes of an account whose owner has asked for its end, once the time of grace is over.
//!
//! Guarantees:
//! - An account that is no longer to go, or at another time, is left alone.
//! - First the account is closed: its logins and keys go, its address is free, and nobody gets in. What was let in before has
//!   time to end; then its jobs are cancelled, and what runs is waited for. Only then its rows go, in transactions of some
//!   hundred rows each, under the fence of the attempt.
//! - Whatever ends an attempt (`kill -9` too) leaves a place from which the next goes on: each step looks for what is left.
//! - The files of reports go before their rows. Those that other nodes have are removed by their keepers, since no row names
//!   them.
//!
//! It makes way by being snoozed, where it waits and where it takes long, so that it holds no place that others wait for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::jobs_bulk::Hurry;
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, WorkspaceId};
use crate::domain::job::{Backoff, BulkAction, JobState, Queue, Selection, WhenUncertain};
use crate::domain::security::SecurityEvent;
use crate::jobs::{Depths, JobContext, Kind, Outcome};
use crate::reports::{FileName, Found, ReportFolder};
use crate::store::jobs::{self, Carrier, Done, Meant, PORTION_MAX, Portion, PortionDone};
use crate::store::reports::{self, ReportRecord};
use crate::store::security::{self, NewSecurityEvent};
use crate::store::{Abort, Held, JobScope, Store, StoreError, Tx, deletion};
use crate::telemetry;
use crate::telemetry::names::event;

/// How long an attempt goes on before it gives its place to others.
const SHARE: Duration = Duration::from_secs(10);

/// How long it stands back for others.
const STANDS_BACK: Duration = Duration::from_secs(1);

/// How often it looks whether what runs has ended: soon at first, and seldom then, since each look is an attempt.
const LOOKS_AGAIN: Backoff = Backoff {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(60),
};

/// Reports whose files go at once.
const FILES_MAX: usize = 50;

/// Deletes accounts.
pub struct AccountDelete {
    store: Store,
    reports: ReportFolder,
    depths: Depths,
    hurry: Hurry,
    /// How long a request that was let in may still write.
    settles: Duration,
}

/// Which account, and when it was to go.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct AccountDeleteArgs {
    /// The account.
    pub account: AccountId,
    /// When it is to go. One that is to go at another time has another job.
    pub deletion_at: Timestamp,
}

/// Why an attempt ends before all is gone.
enum Ended {
    /// It was told to stop, or is no longer this attempt.
    Stopped,
    /// It waits, for this.
    Waits(Duration, &'static str),
    /// The database failed.
    Store(StoreError),
    /// A file could not be removed.
    File(std::io::Error),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The transaction is not this attempt's to commit.
struct NotHeld;

impl AccountDelete {
    /// Deletes from `store`, and the files of reports from the folder; `request_timeout` is how long a request may take.
    #[must_use]
    pub fn new(store: Store, reports: ReportFolder, depths: Depths, hurry: Hurry, request_timeout: Duration) -> Self {
        Self {
            store,
            reports,
            depths,
            hurry,
            // Other nodes may know a login for a second longer.
            settles: request_timeout.saturating_add(Duration::from_secs(5)),
        }
    }

    /// Answers how many rows this attempt deleted; none if there is no account to be deleted.
    async fn go(&self, args: AccountDeleteArgs, ctx: &JobContext) -> Result<Option<u64>, Ended> {
        let began = ctx.now();
        let closed = self.step(ctx, move |tx| {
            deletion::close(tx.connection(), args.account, args.deletion_at, began)
        });
        let Some((workspace, since)) = closed.await? else {
            return Ok(None);
        };
        let mut rows = 0;
        while self.tell(rows, began, ctx, "schedules")? {
            let deleted = self.step(ctx, move |tx| deletion::delete_schedules(tx.connection(), workspace));
            match deleted.await? {
                0 => break,
                deleted => rows += count(deleted),
            }
        }
        self.cancel_jobs(workspace, ctx).await?;
        let left = self.settles.saturating_sub(ctx.now().since(since));
        if !left.is_zero() {
            return Err(Ended::Waits(
                left,
                "requests that were let in before may still be at work",
            ));
        }
        self.wait_for_jobs(workspace, ctx).await?;
        while self.tell(rows, began, ctx, "files of reports")? {
            match self.delete_files(workspace, ctx).await? {
                0 => break,
                deleted => rows += count(deleted),
            }
        }
        while self.tell(rows, began, ctx, "rows")? {
            let deleted = self.step(ctx, move |tx| deletion::delete_portion(tx.connection(), workspace));
            match deleted.await? {
                0 => break,
                deleted => rows += count(deleted),
            }
        }
        let (account, now) = (args.account, ctx.now());
        self.step(ctx, move |tx| {
            deletion::finish(tx.connection(), account, workspace)?;
            security::note(tx, &deleted_event(account, workspace, now))
        })
        .await?;
        tracing::info!(
            event = event::ACCOUNT_DELETED,
            job = %ctx.job(),
            %account,
            %workspace,
            rows,
            "an account and all that was its workspace's is gone"
        );
        Ok(Some(rows))
    }

    /// Says how far it has come, and whether it goes on: always, but as an error where it is to stop or to make way.
    fn tell(&self, rows: u64, began: Timestamp, ctx: &JobContext, what: &'static str) -> Result<bool, Ended> {
        ctx.progress(rows, None, Some(what));
        if ctx.stop_cause().is_some() {
            return Err(Ended::Stopped);
        }
        if ctx.now().since(began) >= SHARE {
            return Err(Ended::Waits(STANDS_BACK, "it goes on in another attempt"));
        }
        Ok(true)
    }

    /// Runs `write` in a transaction that commits only while this attempt holds the job.
    async fn step<T: Send + 'static>(
        &self,
        ctx: &JobContext,
        mut write: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Ended> {
        let (job, fence) = (ctx.job(), ctx.fence());
        let written = self.store.write(move |tx| {
            let done = write(tx)?;
            // Last: its lock is held no longer than it must be, and those of jobs come before it, in the order of their ids.
            match tx.hold(job, fence)? {
                Held::Yes {
                    cancel_requested: false,
                } => Ok(done),
                Held::Yes { cancel_requested: true } | Held::No => Err(Abort::Refused(NotHeld)),
            }
        });
        written.await.map_err(|abort| match abort {
            Abort::Refused(NotHeld) => Ended::Stopped,
            Abort::Store(error) => Ended::Store(error),
        })
    }

    /// Cancels what waits, and has what runs asked to end.
    async fn cancel_jobs(&self, workspace: WorkspaceId, ctx: &JobContext) -> Result<(), Ended> {
        if !self.has_unfinished_jobs(workspace).await? {
            return Ok(());
        }
        let selection = Selection {
            workspace: Some(workspace),
            ..Selection::default()
        };
        let meant = Meant::by(selection, BulkAction::Cancel, ctx.now(), None);
        let mut behind = None;
        loop {
            let (asked, after) = (meant.clone(), behind);
            let read = self
                .store
                .read(move |connection| jobs::meant_page(connection, &asked, after, PORTION_MAX));
            let page = read.await?;
            if !page.jobs.is_empty() {
                let portion = Portion {
                    action: BulkAction::Cancel,
                    meant: meant.clone(),
                    jobs: page.jobs,
                    changed: None,
                    carrier: Carrier {
                        job: ctx.job(),
                        fence: ctx.fence(),
                    },
                    now: ctx.now(),
                };
                self.cancel_portion(portion).await?;
            }
            match page.next {
                Some(next) => behind = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn cancel_portion(&self, portion: Portion) -> Result<(), Ended> {
        let write = self.store.write(move |tx| {
            let done = jobs::do_portion(tx, &portion, |all| json!({ "cancelled": all.len() }).to_string());
            Ok::<_, Abort<()>>(done?)
        });
        let done = write.await.map_err(|abort| match abort {
            Abort::Store(error) => Ended::Store(error),
            Abort::Refused(()) => Ended::Stopped,
        })?;
        let PortionDone::Yes(all) = done else {
            return Err(Ended::Stopped);
        };
        for done in all {
            let Done::Changed(job) = done else { continue };
            match (job.state, job.queue.parse::<Queue>()) {
                (JobState::Running, _) => self.hurry.tell(job.id),
                (JobState::Cancelled, Ok(queue)) => self.depths.left(queue, [job.workspace]),
                _ => {}
            }
        }
        Ok(())
    }

    async fn has_unfinished_jobs(&self, workspace: WorkspaceId) -> Result<bool, StoreError> {
        let read = self
            .store
            .read(move |connection| deletion::has_unfinished_jobs(connection, workspace));
        read.await
    }

    async fn wait_for_jobs(&self, workspace: WorkspaceId, ctx: &JobContext) -> Result<(), Ended> {
        if !self.has_unfinished_jobs(workspace).await? {
            return Ok(());
        }
        let looks = u32::try_from(ctx.fence()).unwrap_or(u32::MAX);
        Err(Ended::Waits(
            LOOKS_AGAIN.after(looks, 0),
            "jobs of the account still run",
        ))
    }

    /// Removes some files of reports, and then the rows that name them; answers how many rows.
    async fn delete_files(&self, workspace: WorkspaceId, ctx: &JobContext) -> Result<usize, Ended> {
        let scope = JobScope::Workspace(workspace);
        let read = self
            .store
            .read(move |connection| reports::list(connection, scope, None, FILES_MAX));
        let found = read.await?;
        let files: Vec<Found> = found.iter().filter_map(file_of).collect();
        let folder = self.reports.clone();
        let removed =
            tokio::task::spawn_blocking(move || files.iter().try_for_each(|file| folder.remove(file).map(drop)));
        removed
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(Ended::File)?;
        let ids: Vec<_> = found.iter().map(|report| report.id).collect();
        self.step(ctx, move |tx| reports::remove(tx.connection(), &ids, workspace))
            .await
    }
}

/// The file of a report, if it has one.
fn file_of(report: &ReportRecord) -> Option<Found> {
    let fence = report.file.as_ref()?.fence?;
    Some(Found::from(FileName {
        report: report.id,
        fence,
        format: report.format,
    }))
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

fn deleted_event(account: AccountId, workspace: WorkspaceId, at: Timestamp) -> NewSecurityEvent {
    NewSecurityEvent {
        at,
        workspace,
        account: Some(account),
        event: SecurityEvent::AccountDeleted,
        network: None,
        user_agent: None,
        request_id: None,
        detail: json!({}),
    }
}

impl Kind for AccountDelete {
    type Args = AccountDeleteArgs;

    const NAME: &'static str = "account.delete";
    const QUEUE: Queue = Queue::Operations;
    /// An attempt fails by the database or the disk alone, and the next one goes on where it was: so often that an outage of an
    /// hour is outlived.
    const MAX_ATTEMPTS: u32 = 100;
    /// Many times what an attempt takes before it makes way.
    const TIMEOUT: Duration = Duration::from_secs(3600);
    const BACKOFF: Backoff = Backoff {
        base: Duration::from_secs(1),
        cap: Duration::from_secs(60),
    };

    fn when_uncertain(&self, _args: &AccountDeleteArgs) -> WhenUncertain {
        // What is gone is not looked for again.
        WhenUncertain::Repeat
    }

    async fn perform(&self, args: AccountDeleteArgs, ctx: JobContext) -> Outcome {
        let error = match self.go(args, &ctx).await {
            Ok(Some(rows)) => return Outcome::Completed(Some(json!({ "deleted": true, "rows": rows }))),
            Ok(None) => return Outcome::Completed(Some(json!({ "skipped": "the account is not to go, or is gone" }))),
            Err(Ended::Stopped) => return Outcome::Cancelled,
            Err(Ended::Waits(wait, why)) => {
                return Outcome::Snoozed {
                    wait,
                    why: Some(why.to_owned()),
                };
            }
            Err(Ended::Store(error)) => telemetry::chain(&error),
            Err(Ended::File(error)) => telemetry::chain(&error),
        };
        tracing::warn!(
            event = event::DELETION_FAILED,
            job = %ctx.job(),
            account = %args.account,
            error,
            "the deletion of an account stopped half-way"
        );
        Outcome::retry("the database or the disk could not serve it; it goes on where it was")
    }
}

#[cfg(test)]
mod tests;

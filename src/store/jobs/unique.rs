//! Which of a workspace's jobs has a unique key.
//!
//! Guarantees: of two jobs with one key that holds, one is inserted, however many transactions run at once: the first to enter
//! a key has it by the table's primary key, and to take over one that no longer holds its row is locked before it is looked
//! at whether it holds. Nothing is written when a job is claimed or ends, and jobs without a key pay nothing.
//!
//! A key's row goes with its job, which is kept as long as its key holds (see `retention`), so that each row names a job.

use crate::store::dialect::prelude::*;

use super::insert::NewJob;
use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{UniqueKey, UniqueScope};
use crate::store::dialect::Locked;
use crate::store::schema::{jobs, unique_keys};
use crate::store::text::{parsed, time};
use crate::store::{Connection, StoreError, Tx};

/// What became of a job with a unique key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a job may have been there already"]
pub enum Enqueued {
    /// It is inserted, and has the key.
    New,
    /// This job has the key, and nothing was inserted.
    Existing(JobId),
}

/// Turns at a key before giving up: each is lost only to another transaction that changed the key meanwhile.
const TURNS_MAX: usize = 10;

type KeyRow = (String, String, Option<i64>);

impl Tx<'_> {
    /// Inserts a job unless another one of its workspace has its unique key, and the key holds. One without a key is inserted
    /// as by [`Tx::enqueue`].
    ///
    /// # Errors
    /// When a statement fails.
    pub fn enqueue_unique(&mut self, job: &NewJob) -> Result<Enqueued, StoreError> {
        if let Some(unique) = &job.unique {
            let held = take(self.connection(), job, unique)?;
            if let Some(holder) = held {
                return Ok(Enqueued::Existing(holder));
            }
        }
        self.enqueue(job)?;
        Ok(Enqueued::New)
    }
}

/// The job that has this key, if the key holds.
///
/// # Errors
/// When a statement fails.
pub fn holder_of(
    connection: &mut Connection,
    workspace: WorkspaceId,
    key: &str,
    now: Timestamp,
) -> Result<Option<JobId>, StoreError> {
    let row: Option<KeyRow> = unique_keys::table
        .filter(unique_keys::workspace_id.eq(workspace.to_string()))
        .filter(unique_keys::unique_key.eq(key))
        .select((unique_keys::job_id, unique_keys::scope, unique_keys::held_until))
        .first(connection)
        .optional()?;
    match row {
        Some(row) if holds(connection, &row, now)? => Ok(Some(parsed(&row.0, "unique_keys", "job_id")?)),
        _ => Ok(None),
    }
}

/// Enters the key for a job that is to be inserted; answers who has it, if somebody does.
fn take(connection: &mut Connection, job: &NewJob, unique: &UniqueKey) -> Result<Option<JobId>, StoreError> {
    let (workspace, id) = (job.workspace.to_string(), job.id.to_string());
    let until = unique.hold.until(job.created_at);
    let entry = Entry {
        workspace: &workspace,
        key: &unique.key,
        job: &id,
        scope: unique.hold.scope(),
        held_until: until.map(Timestamp::as_micros),
    };
    entry.take(connection, job.created_at)
}

/// Lets a finished job that is to run again have its key again, until it ends; answers who has it, if another job does. To be
/// called once the job's own row says that it waits.
pub(super) fn take_again(
    connection: &mut Connection,
    job: JobId,
    workspace: &str,
    now: Timestamp,
) -> Result<Option<JobId>, StoreError> {
    let id = job.to_string();
    let key: Option<String> = jobs::table
        .filter(jobs::id.eq(&id))
        .select(jobs::unique_key)
        .first(connection)?;
    let Some(key) = key else { return Ok(None) };
    let entry = Entry {
        workspace,
        key: &key,
        job: &id,
        scope: UniqueScope::Unfinished,
        held_until: None,
    };
    entry.take(connection, now)
}

/// A row that is to be entered.
struct Entry<'a> {
    workspace: &'a str,
    key: &'a str,
    job: &'a str,
    scope: UniqueScope,
    held_until: Option<i64>,
}

impl Entry<'_> {
    fn take(&self, connection: &mut Connection, now: Timestamp) -> Result<Option<JobId>, StoreError> {
        for _ in 0..TURNS_MAX {
            if self.insert(connection)? {
                return Ok(None);
            }
            // Locked before its job is looked at: a person who runs that job again takes this lock too.
            let Some(row) = self.lock(connection)? else { continue };
            if row.0 == self.job {
                return Ok(None);
            }
            if holds(connection, &row, now)? {
                return Ok(Some(parsed(&row.0, "unique_keys", "job_id")?));
            }
            if self.replace(connection, &row.0)? {
                return Ok(None);
            }
        }
        Err(StoreError::Unavailable {
            what: "a unique key changed hands again and again",
        })
    }

    fn insert(&self, connection: &mut Connection) -> QueryResult<bool> {
        let entered = diesel::insert_into(unique_keys::table)
            .values((
                unique_keys::workspace_id.eq(self.workspace),
                unique_keys::unique_key.eq(self.key),
                unique_keys::job_id.eq(self.job),
                unique_keys::scope.eq(self.scope.as_str()),
                unique_keys::held_until.eq(self.held_until),
            ))
            .on_conflict_do_nothing()
            .execute(connection)?;
        Ok(entered == 1)
    }

    /// The row as it is, locked until the transaction ends.
    fn lock(&self, connection: &mut Connection) -> QueryResult<Option<KeyRow>> {
        let row = unique_keys::table
            .filter(unique_keys::workspace_id.eq(self.workspace))
            .filter(unique_keys::unique_key.eq(self.key))
            .select((unique_keys::job_id, unique_keys::scope, unique_keys::held_until));
        Locked(row).get_result(connection).optional()
    }

    fn replace(&self, connection: &mut Connection, holder: &str) -> QueryResult<bool> {
        let row = unique_keys::table
            .filter(unique_keys::workspace_id.eq(self.workspace))
            .filter(unique_keys::unique_key.eq(self.key))
            .filter(unique_keys::job_id.eq(holder));
        let changed = diesel::update(row)
            .set((
                unique_keys::job_id.eq(self.job),
                unique_keys::scope.eq(self.scope.as_str()),
                unique_keys::held_until.eq(self.held_until),
            ))
            .execute(connection)?;
        Ok(changed == 1)
    }
}

/// Whether the key of this row holds.
fn holds(connection: &mut Connection, (job, scope, until): &KeyRow, now: Timestamp) -> Result<bool, StoreError> {
    let scope: UniqueScope = parsed(scope, "unique_keys", "scope")?;
    let state: Option<String> = jobs::table
        .filter(jobs::id.eq(job))
        .select(jobs::state)
        .first(connection)
        .optional()?;
    match state {
        // Not reached while a key's row goes with its job; a key without a job keeps nobody from anything.
        None => Ok(false),
        Some(state) => Ok(scope.holds(parsed(&state, "jobs", "state")?, until.map(time), now)),
    }
}

//! Making batches, adding jobs to them, and sealing them.
//!
//! Guarantees: all jobs of a request are inserted in one transaction, or none; a batch is sealed only once all jobs of its
//! first request are there, so that it cannot end before; whoever adds or seals holds its row until the transaction ends.

use crate::store::dialect::prelude::*;

use super::{BatchRecord, BatchRefused, BatchRow, JOBS_MAX};
use crate::clock::Timestamp;
use crate::domain::id::{BatchId, WorkspaceId};
use crate::domain::job::OnFailure;
use crate::store::dialect::Locked;
use crate::store::jobs::{self, JobScope, NewJob, NoSuchJob};
use crate::store::schema::batches;
use crate::store::text::number;
use crate::store::{Abort, Connection, Tx};

/// A batch that is to be made.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Its id, made by the caller so that it can answer with it.
    pub id: BatchId,
    /// The tenant that it belongs to.
    pub workspace: WorkspaceId,
    /// What it is called.
    pub name: Option<String>,
    /// Whether jobs may be added, until it is sealed.
    pub is_open: bool,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The job that runs once it has ended, and what becomes of that where a job of the batch did not complete.
    pub finishing: Option<(NewJob, OnFailure)>,
}

/// A job of a batch is to wait for one that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job of the batch is to wait for one that is not there")]
pub struct MemberRefused {
    /// Its place among the jobs of the request.
    pub member: usize,
    /// The other one's among those that it is to wait for.
    pub after: usize,
}

/// Makes a batch of these jobs, which must say that they belong to it ([`NewJob::into_batch`]).
///
/// # Errors
/// [`BatchRefused::Member`]; when a statement fails.
pub fn create(tx: &mut Tx<'_>, new: &NewBatch, jobs: &[NewJob]) -> Result<BatchRecord, Abort<BatchRefused>> {
    diesel::insert_into(batches::table)
        .values((
            batches::id.eq(new.id.to_string()),
            batches::workspace_id.eq(new.workspace.to_string()),
            batches::name.eq(&new.name),
            batches::job_count.eq(number(jobs.len())),
            batches::finishing_job_id.eq(new.finishing.as_ref().map(|(job, _)| job.id.to_string())),
            batches::created_at.eq(new.created_at.as_micros()),
        ))
        .execute(tx.connection())?;
    if let Some((job, on_failure)) = &new.finishing {
        jobs::hold_for_batch(tx, job, new.id, *on_failure)?;
    }
    insert(tx, jobs)?;
    if !new.is_open {
        seal_now(tx, new.id, new.created_at)?;
    }
    found(tx.connection(), new.id)
}

/// Adds jobs to a batch that is open, which must say that they belong to it.
///
/// # Errors
/// [`BatchRefused`] when there is no such batch in the scope, it is sealed, or it would have too many jobs.
pub fn add(
    tx: &mut Tx<'_>,
    batch: BatchId,
    scope: JobScope,
    jobs: &[NewJob],
) -> Result<BatchRecord, Abort<BatchRefused>> {
    let record = locked(tx.connection(), batch, scope)?;
    if record.sealed_at.is_some() {
        return Err(Abort::Refused(BatchRefused::Sealed));
    }
    let count = record
        .job_count
        .saturating_add(u64::try_from(jobs.len()).unwrap_or(u64::MAX));
    if usize::try_from(count).map_or(true, |count| count > JOBS_MAX) {
        return Err(Abort::Refused(BatchRefused::TooMany));
    }
    diesel::update(batches::table.filter(batches::id.eq(batch.to_string())))
        .set(batches::job_count.eq(number(count)))
        .execute(tx.connection())?;
    insert(tx, jobs)?;
    found(tx.connection(), batch)
}

/// Seals a batch: no job is added any more, and it ends once all have. One that is sealed stays as it is.
///
/// # Errors
/// [`BatchRefused::NoSuchBatch`]; when a statement fails.
pub fn seal(
    tx: &mut Tx<'_>,
    batch: BatchId,
    scope: JobScope,
    now: Timestamp,
) -> Result<BatchRecord, Abort<BatchRefused>> {
    let record = locked(tx.connection(), batch, scope)?;
    if record.sealed_at.is_none() {
        seal_now(tx, batch, now)?;
    }
    found(tx.connection(), batch)
}

fn seal_now(tx: &mut Tx<'_>, batch: BatchId, now: Timestamp) -> Result<(), Abort<BatchRefused>> {
    let id = batch.to_string();
    diesel::update(batches::table.filter(batches::id.eq(&id)))
        .set(batches::sealed_at.eq(now.as_micros()))
        .execute(tx.connection())?;
    let (connection, effects) = tx.parts();
    Ok(jobs::look_at_batch(connection, &id, now, effects)?)
}

/// Inserts the jobs of one request, in few statements however many they are. None of them has a unique key.
fn insert(tx: &mut Tx<'_>, jobs: &[NewJob]) -> Result<(), Abort<BatchRefused>> {
    debug_assert!(jobs.iter().all(|job| job.unique.is_none()));
    let plain: Vec<&NewJob> = jobs.iter().filter(|job| job.after.is_none()).collect();
    let waiting = jobs.iter().enumerate().filter(|(_, job)| job.after.is_some());
    let (places, waiting): (Vec<usize>, Vec<&NewJob>) = waiting.unzip();
    let (connection, effects) = tx.parts();
    jobs::insert(connection, &plain, effects)?;
    jobs::insert_after(tx, &waiting).map_err(|abort| match abort {
        Abort::Refused((place, NoSuchJob { index: after })) => {
            let member = places.get(place).copied().unwrap_or(place);
            Abort::Refused(BatchRefused::Member(MemberRefused { member, after }))
        }
        Abort::Store(error) => Abort::Store(error),
    })
}

/// The batch, whose row nobody else changes or looks at before this transaction ends.
pub(super) fn locked(
    connection: &mut Connection,
    batch: BatchId,
    scope: JobScope,
) -> Result<BatchRecord, Abort<BatchRefused>> {
    let row = batches::table
        .filter(batches::id.eq(batch.to_string()))
        .filter(scope.of("batches.workspace_id ="))
        .select(BatchRow::columns());
    let row: Option<BatchRow> = Locked(row).get_result(connection).optional()?;
    let row = row.ok_or(Abort::Refused(BatchRefused::NoSuchBatch))?;
    Ok(BatchRecord::try_from(row)?)
}

pub(super) fn found(connection: &mut Connection, batch: BatchId) -> Result<BatchRecord, Abort<BatchRefused>> {
    let record = super::one(connection, batch, JobScope::All)?;
    record.ok_or(Abort::Refused(BatchRefused::NoSuchBatch))
}

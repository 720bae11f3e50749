//! What requests with an `Idempotency-Key` were answered.
//!
//! Guarantees: the record is written in the transaction of the job that it is about, so that there are both or neither; of
//! several requests with one key, however they meet, one enters it and the others find it; one that has expired is as good
//! as none, also before it is cleared away.

use super::dialect::prelude::*;
use super::schema::idempotency_keys;
use super::text::{number, parsed};
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};

/// What is kept of a request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The tenant that the key is of.
    pub workspace: WorkspaceId,
    /// The key, as the client chose it.
    pub key: String,
    /// What tells the request from another one with the same key.
    pub fingerprint: String,
    /// The job that it caused.
    pub job: JobId,
    /// The body of the answer.
    pub body: String,
    /// Until when the key stands for the request.
    pub expires_at: Timestamp,
}

/// What became of an answer that was to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is kept.
    New,
    /// The key stands for this one already.
    Known(KeptAnswer),
    /// Another transaction holds the key.
    Held,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = idempotency_keys)]
struct KeptRow {
    fingerprint: String,
    job_id: String,
    body: String,
    expires_at: i64,
}

/// Looks for the key as often as it may appear and go between two statements: any more is somebody's fault.
const TRIES: usize = 3;

/// The answer that a key stands for, if it does.
///
/// # Errors
/// When the statement fails, or the row cannot be read.
pub fn find(
    connection: &mut Connection,
    workspace: WorkspaceId,
    key: &str,
    now: Timestamp,
) -> Result<Option<KeptAnswer>, StoreError> {
    let found: Option<KeptRow> = idempotency_keys::table
        .filter(idempotency_keys::workspace_id.eq(workspace.to_string()))
        .filter(idempotency_keys::idempotency_key.eq(key))
        .filter(idempotency_keys::expires_at.gt(now.as_micros()))
        .select(KeptRow::columns())
        .first(connection)
        .optional()?;
    let read = |row: KeptRow| {
        Ok(KeptAnswer {
            workspace,
            key: key.to_owned(),
            fingerprint: row.fingerprint,
            job: parsed(&row.job_id, "idempotency_keys", "job_id")?,
            body: row.body,
            expires_at: Timestamp::from_micros(row.expires_at),
        })
    };
    found.map(read).transpose()
}

/// Keeps an answer, unless its key stands for another one. To be followed, in the same transaction, by the job.
///
/// # Errors
/// When a statement fails.
pub fn enter(connection: &mut Connection, new: &KeptAnswer, now: Timestamp) -> Result<Entered, StoreError> {
    for _ in 0..TRIES {
        // Where another transaction is entering the key, this waits for its end.
        let inserted = diesel::insert_into(idempotency_keys::table)
            .values((
                idempotency_keys::workspace_id.eq(new.workspace.to_string()),
                idempotency_keys::idempotency_key.eq(&new.key),
                idempotency_keys::fingerprint.eq(&new.fingerprint),
                idempotency_keys::job_id.eq(new.job.to_string()),
                idempotency_keys::body.eq(&new.body),
                idempotency_keys::created_at.eq(now.as_micros()),
                idempotency_keys::expires_at.eq(new.expires_at.as_micros()),
            ))
            .on_conflict_do_nothing()
            .execute(connection)?;
        if inserted == 1 || take_over(connection, new, now)? {
            return Ok(Entered::New);
        }
        if let Some(known) = find(connection, new.workspace, &new.key, now)? {
            return Ok(Entered::Known(known));
        }
        // It was cleared away, or taken over, between the statements.
    }
    Ok(Entered::Held)
}

/// Uses the row of a key that has expired. Of several who try, the first has it: the others find it not expired any more.
fn take_over(connection: &mut Connection, new: &KeptAnswer, now: Timestamp) -> QueryResult<bool> {
    let expired = idempotency_keys::table
        .filter(idempotency_keys::workspace_id.eq(new.workspace.to_string()))
        .filter(idempotency_keys::idempotency_key.eq(&new.key))
        .filter(idempotency_keys::expires_at.le(now.as_micros()));
    let taken = diesel::update(expired)
        .set((
            idempotency_keys::fingerprint.eq(&new.fingerprint),
            idempotency_keys::job_id.eq(new.job.to_string()),
            idempotency_keys::body.eq(&new.body),
            idempotency_keys::created_at.eq(now.as_micros()),
            idempotency_keys::expires_at.eq(new.expires_at.as_micros()),
        ))
        .execute(connection)?;
    Ok(taken == 1)
}

/// Deletes about `limit` answers that were kept until `now` or before, the oldest first; those that expire in the same
/// microsecond go together. Answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget(connection: &mut Connection, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let last: Vec<i64> = idempotency_keys::table
        .filter(idempotency_keys::expires_at.le(now.as_micros()))
        .order(idempotency_keys::expires_at.asc())
        .offset(number(limit).saturating_sub(1))
        .limit(1)
        .select(idempotency_keys::expires_at)
        .load(connection)?;
    let until = last.first().copied().unwrap_or(now.as_micros());
    Ok(diesel::delete(idempotency_keys::table.filter(idempotency_keys::expires_at.le(until))).execute(connection)?)
}

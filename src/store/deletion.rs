//! The end of an account: all that is its workspace's goes, a portion at a time.
//!
//! Guarantees: nobody comes in by the account once it is closed, which is the first thing that is done and cannot be taken back;
//! each step finds what is left of its table, so that whatever ends one (`kill -9` too) leaves a place from which the next goes
//! on; every table with the column `workspace_id` is in [`TABLES`] or in [`KEPT`], which a test compares with the schema.
//!
//! What stays are the acts of operators, which name ids alone, and the security log, which names networks and programs too; and
//! jobs of the service itself, such as mails, of which the arguments may name an address. All of them go by their own time.

use crate::store::dialect::prelude::*;

use super::dialect::{AnyOf, Literally, Locked};
use super::jobs::delete_arguments;
use super::schema::{
    accounts, address_changes, api_keys, attempts, batches, dependencies, devices, events, idempotency_keys, jobs,
    limit_buckets, limits, mail_counts, password_resets, recovery_codes, registrations, reports, schedule_fires,
    schedules, second_factors, sessions, suppressions, template_revisions, template_versions, templates, unique_keys,
    uploads, waiters, workspaces,
};
use super::text::{number, parsed};
use super::{Connection, StoreError, uploads as files};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, WorkspaceId};

/// The most rows that one step deletes, besides those that go with them.
pub const PORTION_MAX: usize = 200;

/// The most uploads that one step deletes.
const UPLOADS_PORTION: i64 = 10;

/// The tables whose rows stay, since they tell what was done.
#[cfg(test)]
const KEPT: [&str; 2] = ["acts", "security_events"];

/// The tables whose rows go with the account itself, in [`finish`].
#[cfg(test)]
const LAST: [&str; 1] = ["accounts"];

/// Deletes up to so many rows of a workspace, and answers how many.
type Delete = fn(&mut Connection, &str, i64) -> Result<usize, StoreError>;

/// The table, what else goes with its rows, and how.
type Step = (&'static str, &'static [&'static str], Delete);

/// Deletes rows by a column of which the values of one workspace are few or are taken a portion at a time.
macro_rules! by {
    ($table:ident, $column:ident: $type:ty) => {
        |connection, workspace, limit| {
            let keys: Vec<$type> = $table::table
                .filter($table::workspace_id.eq(workspace))
                .select($table::$column)
                .limit(limit)
                .load(connection)?;
            if keys.is_empty() {
                return Ok(0);
            }
            let of_workspace = $table::table.filter($table::workspace_id.eq(workspace));
            Ok(diesel::delete(of_workspace.filter($table::$column.eq_any(keys))).execute(connection)?)
        }
    };
}

/// What lets somebody in, or be let in: goes when the account is closed.
const ENTRANCES: &[Step] = &[
    ("sessions", &[], by!(sessions, id: String)),
    ("api_keys", &[], by!(api_keys, id: String)),
    ("password_resets", &[], by!(password_resets, id: String)),
    ("address_changes", &[], by!(address_changes, id: String)),
];

/// All other tables, in an order in which none is needed by a later one.
const TABLES: &[Step] = &[
    ("registrations", &[], by!(registrations, id: String)),
    ("devices", &[], by!(devices, id: String)),
    ("recovery_codes", &[], by!(recovery_codes, code_hash: String)),
    ("second_factors", &[], by!(second_factors, account_id: String)),
    ("schedules", &["schedule_fires"], schedules_and_fires),
    ("idempotency_keys", &[], by!(idempotency_keys, idempotency_key: String)),
    ("unique_keys", &[], by!(unique_keys, unique_key: String)),
    ("jobs", &["job_args", "attempts", "waiters", "dependencies"], ended_jobs),
    ("uploads", &["upload_chunks", "upload_uses"], uploads_and_chunks),
    ("batches", &[], by!(batches, id: String)),
    ("reports", &[], by!(reports, id: String)),
    ("limits", &[], by!(limits, limit_key: String)),
    ("limit_buckets", &[], by!(limit_buckets, limit_key: String)),
    ("mail_counts", &[], by!(mail_counts, hour: i64)),
    ("template_versions", &[], by!(template_versions, template_id: String)),
    ("templates", &[], by!(templates, id: String)),
    ("template_revisions", &[], by!(template_revisions, revision: i64)),
    ("suppressions", &[], by!(suppressions, id: String)),
    ("events", &[], by!(events, seq: i64)),
];

/// Writes down when an account is to go; none to have it stay.
///
/// # Errors
/// When the statement fails.
pub fn ask(
    connection: &mut Connection,
    id: AccountId,
    deletion_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(accounts::table.filter(accounts::id.eq(id.to_string())))
        .set((
            accounts::deletion_at.eq(deletion_at.map(Timestamp::as_micros)),
            accounts::updated_at.eq(now.as_micros()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Whether all other operators are to go, or there is none. Until the transaction ends no other one comes to go.
///
/// # Errors
/// When the statement fails.
pub fn is_last_operator(connection: &mut Connection, id: AccountId) -> Result<bool, StoreError> {
    let operators = accounts::table
        .filter(accounts::is_operator.eq(1))
        .order(accounts::id.asc())
        .select((accounts::id, accounts::deletion_at));
    let operators: Vec<(String, Option<i64>)> = Locked(operators).load(connection)?;
    let id = id.to_string();
    Ok(!operators
        .iter()
        .any(|(other, deletion_at)| *other != id && deletion_at.is_none()))
}

/// Closes an account that is to go by now: nobody finds it by its address, and what lets somebody in is void. Answers its
/// workspace and since when it is closed; none if it is not to go, or is gone.
///
/// # Errors
/// When a statement fails.
pub fn close(
    connection: &mut Connection,
    id: AccountId,
    deletion_at: Timestamp,
    now: Timestamp,
) -> Result<Option<(WorkspaceId, Timestamp)>, StoreError> {
    let query = accounts::table
        .filter(accounts::id.eq(id.to_string()))
        .filter(accounts::deletion_at.eq(deletion_at.as_micros()))
        .filter(accounts::deletion_at.le(now.as_micros()))
        .select((accounts::workspace_id, accounts::email_canonical, accounts::updated_at));
    let row: Option<(String, String, i64)> = Locked(query).get_result(connection).optional()?;
    let Some((workspace, canonical, updated_at)) = row else {
        return Ok(None);
    };
    let mut since = updated_at;
    // No address is written like an id.
    if canonical != id.to_string() {
        since = now.as_micros();
        diesel::update(accounts::table.filter(accounts::id.eq(id.to_string())))
            .set((
                accounts::email_canonical.eq(id.to_string()),
                accounts::is_operator.eq(0),
                accounts::updated_at.eq(since),
            ))
            .execute(connection)?;
    }
    for (_, _, delete) in ENTRANCES {
        // There are few of each: a hundred logins, a few dozen keys.
        while delete(connection, &workspace, number(PORTION_MAX))? > 0 {}
    }
    let workspace = parsed(&workspace, "accounts", "workspace_id")?;
    Ok(Some((workspace, Timestamp::from_micros(since))))
}

/// Deletes the schedules of a workspace, a portion: nothing is made by them any more. Answers how many rows.
///
/// # Errors
/// When a statement fails.
pub fn delete_schedules(connection: &mut Connection, workspace: WorkspaceId) -> Result<usize, StoreError> {
    schedules_and_fires(connection, &workspace.to_string(), number(PORTION_MAX))
}

/// Whether a job of the workspace has not ended.
///
/// # Errors
/// When the statement fails.
pub fn has_unfinished_jobs(connection: &mut Connection, workspace: WorkspaceId) -> Result<bool, StoreError> {
    let of_workspace = || jobs::table.filter(jobs::workspace_id.eq(workspace.to_string()));
    // Apart, in the words of the two indexes: the jobs of a workspace that have ended may be very many.
    let waiting: Option<String> = of_workspace()
        .filter(Literally("jobs.state IN ('scheduled', 'available', 'retryable')"))
        .select(jobs::id)
        .first(connection)
        .optional()?;
    if waiting.is_some() {
        return Ok(true);
    }
    let running: Option<String> = of_workspace()
        .filter(Literally("jobs.state = 'running'"))
        .select(jobs::id)
        .first(connection)
        .optional()?;
    Ok(running.is_some())
}

/// Deletes a portion of what is left of a workspace whose jobs have ended; answers how many rows, 0 if nothing is left.
///
/// # Errors
/// When a statement fails.
pub fn delete_portion(connection: &mut Connection, workspace: WorkspaceId) -> Result<usize, StoreError> {
    let workspace = workspace.to_string();
    for (_, _, delete) in TABLES {
        let rows = delete(connection, &workspace, number(PORTION_MAX))?;
        if rows > 0 {
            return Ok(rows);
        }
    }
    Ok(0)
}

/// Deletes the account and its workspace, of which nothing else is left.
///
/// # Errors
/// When a statement fails.
pub fn finish(connection: &mut Connection, id: AccountId, workspace: WorkspaceId) -> Result<(), StoreError> {
    diesel::delete(accounts::table.filter(accounts::id.eq(id.to_string()))).execute(connection)?;
    diesel::delete(workspaces::table.filter(workspaces::id.eq(workspace.to_string()))).execute(connection)?;
    Ok(())
}

/// A schedule has a thousand ticks or so, which go before it does.
fn schedules_and_fires(connection: &mut Connection, workspace: &str, limit: i64) -> Result<usize, StoreError> {
    let id: Option<String> = schedules::table
        .filter(schedules::workspace_id.eq(workspace))
        .select(schedules::id)
        .first(connection)
        .optional()?;
    let Some(id) = id else { return Ok(0) };
    let ticks: Vec<i64> = schedule_fires::table
        .filter(schedule_fires::schedule_id.eq(&id))
        .select(schedule_fires::tick_at)
        .limit(limit)
        .load(connection)?;
    if ticks.is_empty() {
        return Ok(diesel::delete(schedules::table.filter(schedules::id.eq(&id))).execute(connection)?);
    }
    let of_schedule = schedule_fires::table.filter(schedule_fires::schedule_id.eq(&id));
    Ok(diesel::delete(of_schedule.filter(schedule_fires::tick_at.eq_any(ticks))).execute(connection)?)
}

/// Few at a time: each may have many bytes.
fn uploads_and_chunks(connection: &mut Connection, workspace: &str, limit: i64) -> Result<usize, StoreError> {
    let ids: Vec<String> = uploads::table
        .filter(uploads::workspace_id.eq(workspace))
        .select(uploads::id)
        .limit(limit.min(UPLOADS_PORTION))
        .load(connection)?;
    if !ids.is_empty() {
        files::remove(connection, &ids)?;
    }
    Ok(ids.len())
}

/// Jobs that have ended, with their arguments, their attempts and what they waited for.
fn ended_jobs(connection: &mut Connection, workspace: &str, limit: i64) -> Result<usize, StoreError> {
    let ids: Vec<String> = jobs::table
        .filter(jobs::workspace_id.eq(workspace))
        .filter(jobs::finished_at.is_not_null())
        .order(jobs::id.asc())
        .select(jobs::id)
        .limit(limit)
        .load(connection)?;
    if ids.is_empty() {
        return Ok(0);
    }
    let texts = ids.as_slice();
    let column = "attempts.job_id";
    diesel::delete(attempts::table.filter(AnyOf { column, texts })).execute(connection)?;
    let column = "waiters.job_id";
    diesel::delete(waiters::table.filter(AnyOf { column, texts })).execute(connection)?;
    let column = "dependencies.job_id";
    diesel::delete(dependencies::table.filter(AnyOf { column, texts })).execute(connection)?;
    delete_arguments(connection, texts)?;
    let column = "jobs.id";
    Ok(diesel::delete(jobs::table.filter(AnyOf { column, texts })).execute(connection)?)
}

#[cfg(test)]
mod tests;

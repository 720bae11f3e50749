//! Workspaces, as operators see them: with their weights and what they may use.

use std::collections::HashMap;

use crate::store::dialect::prelude::*;

use super::dialect::{Locked, Optional};
use super::schema::{accounts, workspaces};
use super::text::{number, parsed, time, unsigned};
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::WorkspaceId;

/// The greatest weight: so that a turn of all is not long.
pub const WEIGHT_MAX: u32 = 100;

/// The greatest quota of jobs and of mails, and of bytes: beyond any real use, and small enough to be added up.
pub const COUNT_MAX: u64 = 1_000_000_000;
/// That of bytes: a pebibyte.
pub const BYTES_MAX: u64 = 1 << 50;

/// What a workspace may use where that differs from the settings; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Jobs that may wait.
    pub jobs_waiting_max: Option<u64>,
    /// Mails within a day.
    pub mails_per_day: Option<u64>,
    /// Bytes of files that are kept.
    pub bytes_stored_max: Option<u64>,
}

/// A workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceRecord {
    /// Its id.
    pub id: WorkspaceId,
    /// What it is called.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its share in each queue, from 1 to [`WEIGHT_MAX`].
    pub weight: u32,
    /// What it may use, where that differs from the settings.
    pub quotas: Quotas,
    /// The domains from which it may send mails besides the service's own address, in lower case.
    pub sender_domains: Vec<String>,
}

/// What is to be different about a workspace; none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkspaceChange {
    /// Its share in each queue.
    pub weight: Option<u32>,
    /// Jobs that may wait; within, none is the settings'.
    pub jobs_waiting_max: Option<Option<u64>>,
    /// Mails within a day.
    pub mails_per_day: Option<Option<u64>>,
    /// Bytes of files that are kept.
    pub bytes_stored_max: Option<Option<u64>>,
    /// The domains from which it may send mails, in lower case.
    pub sender_domains: Option<Vec<String>>,
}

impl WorkspaceChange {
    /// What this leaves of what a workspace may use.
    #[must_use]
    pub fn applied(&self, quotas: Quotas) -> Quotas {
        Quotas {
            jobs_waiting_max: self.jobs_waiting_max.unwrap_or(quotas.jobs_waiting_max),
            mails_per_day: self.mails_per_day.unwrap_or(quotas.mails_per_day),
            bytes_stored_max: self.bytes_stored_max.unwrap_or(quotas.bytes_stored_max),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = workspaces)]
struct WorkspaceRow {
    id: String,
    name: String,
    created_at: i64,
    weight: i64,
    jobs_waiting_max: Option<i64>,
    mails_per_day: Option<i64>,
    bytes_stored_max: Option<i64>,
    sender_domains: Option<String>,
}

impl TryFrom<WorkspaceRow> for WorkspaceRecord {
    type Error = StoreError;

    fn try_from(row: WorkspaceRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "workspaces", "id")?,
            name: row.name,
            created_at: time(row.created_at),
            weight: unsigned(row.weight, "workspaces", "weight")?,
            quotas: quotas((row.jobs_waiting_max, row.mails_per_day, row.bytes_stored_max))?,
            sender_domains: domains(row.sender_domains.as_deref())?,
        })
    }
}

fn domains(text: Option<&str>) -> Result<Vec<String>, StoreError> {
    let corrupt = |_not_an_array| StoreError::Corrupt {
        table: "workspaces",
        what: "sender_domains",
    };
    text.map_or(Ok(Vec::new()), |text| serde_json::from_str(text).map_err(corrupt))
}

fn quotas((jobs, mails, bytes): (Option<i64>, Option<i64>, Option<i64>)) -> Result<Quotas, StoreError> {
    let quota = |value: Option<i64>| value.map(|value| unsigned(value, "workspaces", "a quota")).transpose();
    Ok(Quotas {
        jobs_waiting_max: quota(jobs)?,
        mails_per_day: quota(mails)?,
        bytes_stored_max: quota(bytes)?,
    })
}

/// Workspaces, the newest first, those before `before`.
///
/// # Errors
/// When the statement fails.
pub fn list(
    connection: &mut Connection,
    before: Option<WorkspaceId>,
    max: usize,
) -> Result<Vec<WorkspaceRecord>, StoreError> {
    let rows: Vec<WorkspaceRow> = workspaces::table
        .filter(Optional::new("workspaces.id <", before))
        .order(workspaces::id.desc())
        .limit(number(max))
        .select(WorkspaceRow::columns())
        .load(connection)?;
    rows.into_iter().map(WorkspaceRecord::try_from).collect()
}

/// One workspace.
///
/// # Errors
/// When the statement fails.
pub fn one(connection: &mut Connection, id: WorkspaceId) -> Result<Option<WorkspaceRecord>, StoreError> {
    let row: Option<WorkspaceRow> = workspaces::table
        .filter(workspaces::id.eq(id.to_string()))
        .select(WorkspaceRow::columns())
        .first(connection)
        .optional()?;
    row.map(WorkspaceRecord::try_from).transpose()
}

/// Changes a workspace: the next claim goes by its weight. Answers it as it is then; none if there is no such workspace.
///
/// # Errors
/// When a statement fails, as for a weight beyond [`WEIGHT_MAX`] or of 0.
pub fn change(
    connection: &mut Connection,
    id: WorkspaceId,
    change: &WorkspaceChange,
) -> Result<Option<WorkspaceRecord>, StoreError> {
    let held = workspaces::table
        .filter(workspaces::id.eq(id.to_string()))
        .select(WorkspaceRow::columns());
    // Others who change it wait, so that what this leaves as it is stays as they set it.
    let row: Option<WorkspaceRow> = Locked(held).get_result(connection).optional()?;
    let Some(mut record) = row.map(WorkspaceRecord::try_from).transpose()? else {
        return Ok(None);
    };
    record.quotas = change.applied(record.quotas);
    record.weight = change.weight.unwrap_or(record.weight);
    if let Some(domains) = &change.sender_domains {
        record.sender_domains.clone_from(domains);
    }
    let domains = Some(&record.sender_domains).filter(|domains| !domains.is_empty());
    let domains = domains.map(|domains| serde_json::Value::from(domains.as_slice()).to_string());
    let signed = |quota: Option<u64>| quota.map(number);
    diesel::update(workspaces::table.filter(workspaces::id.eq(id.to_string())))
        .set((
            workspaces::weight.eq(i64::from(record.weight)),
            workspaces::jobs_waiting_max.eq(signed(record.quotas.jobs_waiting_max)),
            workspaces::mails_per_day.eq(signed(record.quotas.mails_per_day)),
            workspaces::bytes_stored_max.eq(signed(record.quotas.bytes_stored_max)),
            workspaces::sender_domains.eq(domains),
        ))
        .execute(connection)?;
    Ok(Some(record))
}

/// Those workspaces that have any quota of their own.
///
/// # Errors
/// When the statement fails.
pub fn own_quotas(connection: &mut Connection) -> Result<HashMap<WorkspaceId, Quotas>, StoreError> {
    type Row = (String, Option<i64>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = workspaces::table
        // In the words of the partial index.
        .filter(
            workspaces::jobs_waiting_max
                .is_not_null()
                .or(workspaces::mails_per_day.is_not_null())
                .or(workspaces::bytes_stored_max.is_not_null()),
        )
        .select((
            workspaces::id,
            workspaces::jobs_waiting_max,
            workspaces::mails_per_day,
            workspaces::bytes_stored_max,
        ))
        .load(connection)?;
    let own = rows
        .into_iter()
        .map(|(id, jobs, mails, bytes)| Ok((parsed(&id, "workspaces", "id")?, quotas((jobs, mails, bytes))?)));
    own.collect()
}

/// Whether an operator is a member of a workspace, so that it has no quotas.
///
/// # Errors
/// When the statement fails.
pub fn is_operators(connection: &mut Connection, id: WorkspaceId) -> Result<bool, StoreError> {
    let operator: Option<String> = accounts::table
        .filter(accounts::workspace_id.eq(id.to_string()))
        .filter(accounts::is_operator.eq(1))
        .select(accounts::id)
        .first(connection)
        .optional()?;
    Ok(operator.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Abort;
    use crate::store::testing::{TestStore, on_each_database};

    async fn set(store: &TestStore, id: WorkspaceId, to: WorkspaceChange) -> Option<WorkspaceRecord> {
        let write = store.write(move |tx| Ok::<_, Abort<()>>(change(tx.connection(), id, &to)?));
        write.await.unwrap()
    }

    async fn what_is_not_said_stays_and_none_is_the_settings(store: TestStore) {
        let (id, other) = (store.workspace().await, store.workspace().await);
        let first = WorkspaceChange {
            mails_per_day: Some(Some(5)),
            bytes_stored_max: Some(Some(BYTES_MAX)),
            ..WorkspaceChange::default()
        };
        let record = set(&store, id, first.clone()).await.unwrap();
        assert_eq!((record.weight, record.quotas.mails_per_day), (1, Some(5)));
        let second = WorkspaceChange {
            weight: Some(3),
            mails_per_day: Some(None),
            jobs_waiting_max: Some(Some(0)),
            bytes_stored_max: None,
            sender_domains: Some(vec!["example.org".to_owned()]),
        };
        let record = set(&store, id, second).await.unwrap();
        assert_eq!(record.sender_domains, ["example.org"]);
        let quotas = Quotas {
            jobs_waiting_max: Some(0),
            mails_per_day: None,
            bytes_stored_max: Some(BYTES_MAX),
        };
        assert_eq!((record.weight, record.quotas), (3, quotas));
        let read = store.read(move |connection| Ok((one(connection, id)?, own_quotas(connection)?)));
        assert_eq!(read.await.unwrap(), (Some(record), HashMap::from([(id, quotas)])));
        assert_eq!(set(&store, WorkspaceId::generate(), first).await, None);
        assert!(
            !store
                .read(move |connection| is_operators(connection, other))
                .await
                .unwrap()
        );
    }

    on_each_database!(what_is_not_said_stays_and_none_is_the_settings);
}

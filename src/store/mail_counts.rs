//! How many mails workspaces sent, by the hour and by the process that counted them.
//!
//! Guarantees: what a process writes is the whole of what it counted in an hour, so that writing it twice counts it once.

use std::collections::HashMap;

use crate::store::dialect::prelude::*;

use super::dialect::{InsertMany, Value};
use super::schema::{mail_counts, workspaces};
use super::text::{number, parsed, unsigned};
use super::{Connection, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::{NodeId, WorkspaceId};

/// How many mails a workspace sent in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourCount {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The hours since the epoch.
    pub hour: i64,
    /// How many.
    pub mails: u64,
}

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

/// Writes what a process counted, in place of what it wrote of the same hours before. Workspaces that are gone are left out.
///
/// # Errors
/// When a statement fails.
pub fn write(connection: &mut Connection, node: NodeId, counts: &[HourCount]) -> Result<(), StoreError> {
    let ids: Vec<String> = counts.iter().map(|count| count.workspace.to_string()).collect();
    let known: Vec<String> = workspaces::table
        .filter(workspaces::id.eq_any(ids))
        .select(workspaces::id)
        .load(connection)?;
    let known: std::collections::HashSet<String> = known.into_iter().collect();
    let rows = counts.iter().filter_map(|count| {
        let workspace = count.workspace.to_string();
        known.contains(&workspace).then(|| {
            vec![
                Value::Text(Some(workspace)),
                Value::Number(Some(count.hour)),
                Value::Text(Some(node.to_string())),
                Value::Number(Some(i64::try_from(count.mails).unwrap_or(i64::MAX))),
            ]
        })
    });
    let many = InsertMany {
        table: "mail_counts",
        columns: &["workspace_id", "hour", "node", "mails"],
        rows: rows.collect(),
        on_conflict: " ON CONFLICT (workspace_id, hour, node) DO UPDATE SET mails = excluded.mails",
    };
    Ok(many.execute(connection)?)
}

/// What others than this process counted in this hour and later, for each workspace and hour together.
///
/// # Errors
/// When the statement fails.
pub fn of_others(connection: &mut Connection, node: NodeId, since_hour: i64) -> Result<Vec<HourCount>, StoreError> {
    let rows: Vec<(String, i64, i64)> = mail_counts::table
        .filter(mail_counts::hour.ge(since_hour))
        .filter(mail_counts::node.ne(node.to_string()))
        .select((mail_counts::workspace_id, mail_counts::hour, mail_counts::mails))
        .load(connection)?;
    let mut all: HashMap<(WorkspaceId, i64), u64> = HashMap::new();
    for (workspace, hour, mails) in rows {
        let workspace = parsed(&workspace, "mail_counts", "workspace_id")?;
        let mails: u64 = unsigned(mails, "mail_counts", "mails")?;
        *all.entry((workspace, hour)).or_default() += mails;
    }
    let counts = all
        .into_iter()
        .map(|((workspace, hour), mails)| HourCount { workspace, hour, mails });
    Ok(counts.collect())
}

/// Deletes about `limit` counts of hours that ended until then, those of the oldest hour. Answers how many.
///
/// # Errors
/// When a statement fails.
pub fn forget(connection: &mut Connection, until: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let ended = until.as_micros().div_euclid(HOUR);
    let old: Vec<(i64, String)> = mail_counts::table
        .filter(mail_counts::hour.lt(ended))
        .order(mail_counts::hour.asc())
        .limit(number(limit))
        .select((mail_counts::hour, mail_counts::workspace_id))
        .load(connection)?;
    let Some((oldest, _)) = old.first() else { return Ok(0) };
    let of_oldest = old
        .iter()
        .filter(|(hour, _)| hour == oldest)
        .map(|(_, workspace)| workspace);
    let rows = mail_counts::table
        .filter(mail_counts::hour.eq(*oldest))
        .filter(mail_counts::workspace_id.eq_any(of_oldest));
    Ok(diesel::delete(rows).execute(connection)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Abort;
    use crate::store::testing::{NODE, TestStore, on_each_database};

    const OTHER: NodeId = NodeId::from_bits(2);

    async fn put(store: &TestStore, node: NodeId, counts: &[HourCount]) {
        let counts = counts.to_vec();
        let write = store.write(move |tx| Ok::<_, Abort<()>>(write(tx.connection(), node, &counts)?));
        write.await.unwrap();
    }

    async fn read(store: &TestStore, node: NodeId, since: i64) -> Vec<(i64, u64)> {
        let found = store.read(move |connection| of_others(connection, node, since)).await;
        let mut found: Vec<_> = found.unwrap().iter().map(|count| (count.hour, count.mails)).collect();
        found.sort_unstable();
        found
    }

    async fn what_is_counted_anew_takes_the_place_of_what_was_and_others_see_the_sum(store: TestStore) {
        let workspace = store.workspace().await;
        let of = |hour, mails| HourCount { workspace, hour, mails };
        put(&store, NODE, &[of(100, 5), of(101, 1)]).await;
        put(&store, NODE, &[of(101, 3)]).await;
        put(&store, OTHER, &[of(101, 10)]).await;
        assert_eq!(read(&store, NodeId::generate(), 0).await, [(100, 5), (101, 13)]);
        assert_eq!(read(&store, OTHER, 0).await, [(100, 5), (101, 3)]);
        assert_eq!(read(&store, NODE, 101).await, [(101, 10)]);
        // One that is gone holds nobody up.
        let gone = HourCount {
            workspace: WorkspaceId::generate(),
            hour: 101,
            mails: 1,
        };
        put(&store, NODE, &[gone, of(101, 4)]).await;
        assert_eq!(read(&store, OTHER, 101).await, [(101, 4)]);
    }

    async fn counts_are_forgotten_with_their_hours_the_oldest_first(store: TestStore) {
        let workspace = store.workspace().await;
        let of = |hour| HourCount {
            workspace,
            hour,
            mails: 1,
        };
        put(&store, NODE, &[of(1), of(2), of(3), of(4)]).await;
        put(&store, OTHER, &[of(1)]).await;
        let until = Timestamp::from_micros(4 * HOUR - 1);
        for gone in [2, 1, 0] {
            let forget = store.write(move |tx| Ok::<_, Abort<()>>(forget(tx.connection(), until, 10)?));
            assert_eq!(forget.await.unwrap(), gone);
        }
        assert_eq!(read(&store, OTHER, 0).await, [(3, 1), (4, 1)]);
    }

    on_each_database!(
        what_is_counted_anew_takes_the_place_of_what_was_and_others_see_the_sum,
        counts_are_forgotten_with_their_hours_the_oldest_first,
    );
}

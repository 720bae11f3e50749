//! That nothing is forgotten of what is a workspace's, and nothing taken that is another's.

use std::collections::BTreeSet;

use super::*;
use crate::domain::email::EmailAddress;
use crate::store::accounts::{self, NewAccount};
use crate::store::testing::{NOW, Table, TestStore, on_each_database, rows_of, tables};

#[test]
fn every_table_of_a_workspace_is_deleted_or_kept_on_purpose() {
    let steps = ENTRANCES.iter().chain(TABLES);
    let named = steps.flat_map(|(table, with, _)| std::iter::once(table).chain(with.iter()));
    let named: BTreeSet<&str> = named.chain(&KEPT).chain(&LAST).copied().collect();
    let all = tables();
    let of_workspaces = all.iter().filter(|table| table.has("workspace_id"));
    let of_workspaces: BTreeSet<&str> = of_workspaces.map(|table| table.name.as_str()).collect();
    assert_eq!(named, of_workspaces);
}

/// What a row needs so that it is taken: ids that fit, and names that are known.
fn value(table: &str, column: &str, kind: &str, own: &(AccountId, WorkspaceId)) -> Option<String> {
    let (account, workspace) = own;
    let text = match (table, column) {
        (_, "workspace_id") => workspace.to_string(),
        (_, "account_id") => account.to_string(),
        ("attempts" | "waiters" | "dependencies" | "job_args", "job_id") => format!("jobs-id-{workspace}"),
        ("schedule_fires", "schedule_id") => format!("schedules-id-{workspace}"),
        ("jobs", "state") => "completed".to_owned(),
        ("jobs", "finished_at") => return Some("1".to_owned()),
        ("attempts", "outcome") => "failed".to_owned(),
        ("unique_keys", "scope") => "unfinished".to_owned(),
        ("waiters", "on_failure") => "run".to_owned(),
        ("schedules", "missed") => "skip".to_owned(),
        ("schedules", "overlap") => "allow".to_owned(),
        ("schedule_fires", "outcome") => "skipped_missed".to_owned(),
        ("reports", "table_name") => "jobs".to_owned(),
        ("reports", "format") => "csv".to_owned(),
        ("acts", "via") => "api".to_owned(),
        ("upload_chunks" | "upload_uses", "upload_id") => format!("uploads-id-{workspace}"),
        ("upload_chunks", "data") => String::new(),
        ("suppressions", "reason") => "manual".to_owned(),
        ("suppressions", "origin") => "recipient".to_owned(),
        ("suppressions", "origin_id" | "reply") => return None,
        // Numbered by the database.
        ("events", "seq") => return None,
        _ if kind == "Text" => format!("{table}-{column}-{workspace}"),
        _ if kind == "BigInt" => return Some("1".to_owned()),
        _ => return None,
    };
    Some(format!("'{text}'"))
}

/// A row of the workspace in each table that has such.
fn fill(store: &TestStore, own: &(AccountId, WorkspaceId)) {
    let others = |table: &Table| table.has("workspace_id") && table.name != "accounts";
    for table in tables().into_iter().filter(others) {
        let values = table.columns.iter().filter_map(|(column, kind)| {
            let value = value(&table.name, column, kind, own)?;
            Some((column.as_str(), value))
        });
        let (columns, values): (Vec<_>, Vec<_>) = values.unzip();
        let statement = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            table.name,
            columns.join(", "),
            values.join(", ")
        );
        store.execute(&statement);
    }
}

/// An account with something in every table.
async fn account(store: &TestStore, email: &str) -> (AccountId, WorkspaceId) {
    let own = (AccountId::generate(), WorkspaceId::generate());
    let new = NewAccount {
        id: own.0,
        workspace: own.1,
        email: EmailAddress::parse(email).unwrap(),
        name: "Ada".into(),
        password_hash: "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA".into(),
        is_operator: false,
    };
    let write = store.write(move |tx| accounts::insert(tx.connection(), &new, NOW));
    write.await.unwrap();
    fill(store, &own);
    own
}

async fn all_rows_of_a_workspace_go_but_what_is_kept_and_none_of_others(store: TestStore) {
    let (gone, stays) = (
        account(&store, "gone@example.org").await,
        account(&store, "stays@example.org").await,
    );
    let before = rows_of(&store, Some(stays.1));
    assert!(
        tables()
            .iter()
            .filter(|table| table.has("workspace_id"))
            .all(|table| before[&table.name] == 1),
        "{before:?}"
    );
    let (id, workspace) = gone;
    let run = store.write(move |tx| {
        let connection = tx.connection();
        ask(connection, id, Some(NOW), NOW)?;
        assert!(
            close(connection, id, NOW, NOW.minus(std::time::Duration::from_secs(1)))?.is_none(),
            "too soon"
        );
        assert_eq!(close(connection, id, NOW, NOW)?, Some((workspace, NOW)));
        let later = NOW.plus(std::time::Duration::from_secs(9));
        assert_eq!(
            close(connection, id, NOW, later)?,
            Some((workspace, NOW)),
            "it stays closed"
        );
        while delete_schedules(connection, workspace)? > 0 {}
        while delete_portion(connection, workspace)? > 0 {}
        finish(connection, id, workspace)?;
        Ok::<_, crate::store::Abort<()>>(close(connection, id, NOW, later)?)
    });
    assert!(run.await.unwrap().is_none(), "it is gone");
    for (table, rows) in rows_of(&store, Some(workspace)) {
        let kept = KEPT.contains(&table.as_str());
        if tables()
            .iter()
            .any(|other| other.name == table && other.has("workspace_id"))
        {
            assert_eq!(rows, i64::from(kept), "{table}");
        }
    }
    let query = format!("SELECT count(*) AS value FROM workspaces WHERE id = '{workspace}'");
    assert_eq!(store.number(&query), Some(0));
    let after = rows_of(&store, Some(stays.1));
    for table in tables().iter().filter(|table| table.has("workspace_id")) {
        assert_eq!(after[&table.name], before[&table.name], "{}", table.name);
    }
}

async fn the_last_operator_is_the_one_beside_whom_none_stays(store: TestStore) {
    let (one, other) = (
        account(&store, "one@example.org").await.0,
        account(&store, "other@example.org").await.0,
    );
    let is_last = async |id| {
        let write = store.write(move |tx| Ok::<_, crate::store::Abort<()>>(is_last_operator(tx.connection(), id)?));
        write.await.unwrap()
    };
    store.execute("UPDATE accounts SET is_operator = 1");
    assert!(!is_last(one).await && !is_last(other).await);
    store.execute(&format!("UPDATE accounts SET deletion_at = 1 WHERE id = '{other}'"));
    assert!(is_last(one).await);
}

on_each_database!(
    all_rows_of_a_workspace_go_but_what_is_kept_and_none_of_others,
    the_last_operator_is_the_one_beside_whom_none_stays,
);

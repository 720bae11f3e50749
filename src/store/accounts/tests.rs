//! Who is an operator, and what goes with that.

use super::*;
use crate::store::testing::{NOW, TestStore, on_each_database};

fn email(of: &str) -> EmailAddress {
    EmailAddress::parse(&format!("{of}@example.org")).unwrap()
}

async fn account(store: &TestStore, name: &str, is_operator: bool) {
    let new = NewAccount {
        id: AccountId::generate(),
        workspace: WorkspaceId::generate(),
        email: email(name),
        name: name.to_owned(),
        password_hash: "x".to_owned(),
        is_operator,
    };
    store.write(move |tx| insert(tx.connection(), &new, NOW)).await.unwrap();
}

async fn set(store: &TestStore, name: &str, is_operator: bool) -> Result<(bool, bool), RoleRefused> {
    let email = email(name);
    let write = store.write(move |tx| set_operator(tx.connection(), &email, is_operator, NOW));
    match write.await {
        Ok((account, changed)) => Ok((account.is_operator, changed)),
        Err(Abort::Refused(refusal)) => Err(refusal),
        Err(Abort::Store(error)) => panic!("{error}"),
    }
}

async fn operators_are_made_and_unmade_and_the_last_one_stays(store: TestStore) {
    account(&store, "ada", true).await;
    account(&store, "bob", false).await;
    assert_eq!(set(&store, "eve", true).await, Err(RoleRefused::NoAccount));
    assert_eq!(set(&store, "ada", false).await, Err(RoleRefused::LastOperator));
    assert_eq!(set(&store, "bob", false).await, Ok((false, false)));
    assert_eq!(set(&store, "bob", true).await, Ok((true, true)));
    assert_eq!(set(&store, "bob", true).await, Ok((true, false)));
    assert_eq!(set(&store, "ada", false).await, Ok((false, true)));
    assert_eq!(set(&store, "bob", false).await, Err(RoleRefused::LastOperator));
}

async fn schedules_are_bounded_by_the_office_of_whoever_made_them(store: TestStore) {
    account(&store, "ada", true).await;
    account(&store, "bob", false).await;
    store.run(
        "INSERT INTO schedules (id, workspace_id, name, cron, time_zone, kind, queue, args, args_version, given, mails, \
         priority, max_attempts, timeout_ms, missed, overlap, jitter_ms, is_bounded, tick, created_by, created_at, updated_at) \
         SELECT name, workspace_id, name, '@hourly', 'UTC', 'probe.run', 'probes', '{}', 1, '{}', 0, 0, 1, 1, 'skip', \
         'allow', 0, 1 - is_operator, 0, id, 0, 0 FROM accounts",
    );
    let bounded = || store.words("SELECT name || ' ' || is_bounded AS value FROM schedules ORDER BY name");
    assert_eq!(bounded(), ["ada 0", "bob 1"]);
    assert_eq!(set(&store, "bob", true).await, Ok((true, true)));
    assert_eq!(bounded(), ["ada 0", "bob 0"]);
    assert_eq!(set(&store, "ada", false).await, Ok((false, true)));
    assert_eq!(bounded(), ["ada 1", "bob 0"]);
}

async fn an_operator_whose_account_is_to_go_is_none_who_stays(store: TestStore) {
    account(&store, "ada", true).await;
    account(&store, "bob", true).await;
    let write = store.write(move |tx| {
        let bob = by_email(tx.connection(), &email("bob"))?.map(|bob| bob.id);
        let bob = bob.ok_or(Abort::Refused(()))?;
        Ok(crate::store::deletion::ask(tx.connection(), bob, Some(NOW), NOW)?)
    });
    write.await.unwrap();
    assert_eq!(set(&store, "ada", false).await, Err(RoleRefused::LastOperator));
    assert_eq!(set(&store, "bob", false).await, Ok((false, true)));
}

on_each_database!(
    operators_are_made_and_unmade_and_the_last_one_stays,
    schedules_are_bounded_by_the_office_of_whoever_made_them,
    an_operator_whose_account_is_to_go_is_none_who_stays,
);

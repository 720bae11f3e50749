//! The security log on both databases.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::store::Abort;
use crate::store::testing::{NOW, TestStore, on_each_database};

fn happened(event: SecurityEvent, workspace: WorkspaceId, account: Option<AccountId>) -> NewSecurityEvent {
    NewSecurityEvent {
        at: NOW,
        workspace,
        account,
        event,
        network: Some("192.0.2.1".to_owned()),
        user_agent: Some("curl/8".to_owned()),
        request_id: Some("r".to_owned()),
        detail: json!({ "key": "key_1" }),
    }
}

async fn write(store: &TestStore, new: NewSecurityEvent) {
    let write = store.write(move |tx| Ok::<_, Abort<()>>(note(tx, &new)?));
    write.await.unwrap();
}

async fn listed(store: &TestStore, filter: SecurityFilter) -> (Vec<SecurityEventRecord>, Option<SecurityEventId>) {
    store.read(move |connection| list(connection, &filter)).await.unwrap()
}

const ALL: SecurityFilter = SecurityFilter {
    workspace: None,
    account: None,
    event: None,
    before: None,
    limit: 10,
};

async fn events_are_shown_the_newest_first_page_by_page_and_by_what_and_whose(store: TestStore) {
    let (here, there) = (WorkspaceId::generate(), WorkspaceId::generate());
    let (ada, bob) = (AccountId::generate(), AccountId::generate());
    write(&store, happened(SecurityEvent::LoggedIn, here, Some(ada))).await;
    write(&store, happened(SecurityEvent::LoginRefused, there, Some(bob))).await;
    write(
        &store,
        happened(SecurityEvent::LoginRefused, WorkspaceId::SERVICE, None),
    )
    .await;
    let (all, next) = listed(&store, ALL).await;
    let accounts: Vec<_> = all.iter().map(|event| event.account).collect();
    assert_eq!((accounts, next), (vec![None, Some(bob), Some(ada)], None));
    let oldest = &all[2];
    assert_eq!(
        (oldest.event.as_str(), oldest.workspace, oldest.at),
        ("login.succeeded", here, NOW)
    );
    assert_eq!(
        (
            oldest.network.as_deref(),
            oldest.user_agent.as_deref(),
            oldest.request_id.as_deref()
        ),
        (Some("192.0.2.1"), Some("curl/8"), Some("r"))
    );
    assert_eq!(oldest.detail, "{\"key\":\"key_1\"}");

    let (first, next) = listed(&store, SecurityFilter { limit: 2, ..ALL }).await;
    assert_eq!((first.len(), next), (2, Some(first[1].id)));
    let (rest, next) = listed(&store, SecurityFilter { before: next, ..ALL }).await;
    assert_eq!((rest.len(), rest[0].account, next), (1, Some(ada), None));

    let (event, account, workspace) = (Some(SecurityEvent::LoginRefused), Some(bob), Some(here));
    for (filter, count) in [
        (SecurityFilter { event, ..ALL }, 2),
        (SecurityFilter { account, ..ALL }, 1),
        (SecurityFilter { workspace, ..ALL }, 1),
        (SecurityFilter { event, account, ..ALL }, 1),
        (
            SecurityFilter {
                event,
                workspace,
                ..ALL
            },
            0,
        ),
        (
            SecurityFilter {
                account,
                workspace,
                ..ALL
            },
            0,
        ),
    ] {
        assert_eq!(listed(&store, filter).await.0.len(), count, "{filter:?}");
    }
}

async fn an_event_is_forgotten_with_its_time_and_not_before(store: TestStore) {
    for age in 0..5 {
        let at = NOW.minus(Duration::from_secs(age));
        let new = happened(SecurityEvent::LoggedIn, WorkspaceId::SERVICE, None);
        write(&store, NewSecurityEvent { at, ..new }).await;
    }
    let until = NOW.minus(Duration::from_secs(2));
    for (limit, gone) in [(2, 2), (2, 1), (2, 0)] {
        let forget = store.write(move |tx| Ok::<_, Abort<()>>(forget(tx.connection(), until, limit)?));
        assert_eq!(forget.await.unwrap(), gone);
    }
    assert_eq!(listed(&store, ALL).await.0.len(), 2);
}

async fn what_is_refused_leaves_no_row(store: TestStore) {
    let new = happened(SecurityEvent::PasswordChanged, WorkspaceId::SERVICE, None);
    let refused = store.write(move |tx| {
        note(tx, &new)?;
        Err::<(), _>(Abort::Refused(()))
    });
    assert!(refused.await.is_err());
    assert_eq!(listed(&store, ALL).await.0.len(), 0);
}

on_each_database!(
    events_are_shown_the_newest_first_page_by_page_and_by_what_and_whose,
    an_event_is_forgotten_with_its_time_and_not_before,
    what_is_refused_leaves_no_row,
);

//! Devices, on both databases.

use std::time::Duration;

use super::*;
use crate::store::Abort;
use crate::store::sessions::tests::account;
use crate::store::testing::{NOW, TestStore, on_each_database};

on_each_database!(
    the_first_is_told_apart_and_the_one_that_was_used_least_lately_goes,
    a_device_is_one_accounts_alone,
);

fn device(account: AccountId, minutes: u64) -> Device {
    let at = NOW.plus(Duration::from_secs(60 * minutes));
    Device {
        id: DeviceId::generate(),
        account,
        user_agent: Some("Firefox".into()),
        network: Some("192.0.2.1".into()),
        created_at: at,
        last_used_at: at,
    }
}

async fn enter(store: &TestStore, new: &Device, workspace: WorkspaceId) -> bool {
    let new = new.clone();
    let write = store.write(move |tx| Ok::<_, Abort<()>>(insert(tx.connection(), &new, workspace)?));
    write.await.unwrap()
}

async fn the_first_is_told_apart_and_the_one_that_was_used_least_lately_goes(store: TestStore) {
    let ada = account(&store, "ada@example.org").await;
    let all: Vec<Device> = (0..=50).map(|minutes| device(ada.id, minutes)).collect();
    assert!(enter(&store, &all[0], ada.workspace).await);
    for one in &all[1..50] {
        assert!(!enter(&store, one, ada.workspace).await);
    }
    let used = Device {
        last_used_at: NOW.plus(Duration::from_secs(100_000)),
        ..all[0].clone()
    };
    let write = store.write(move |tx| Ok::<_, Abort<()>>(touch(tx.connection(), &used)?));
    assert!(write.await.unwrap());
    enter(&store, &all[50], ada.workspace).await;
    for (index, is_kept) in [(0, true), (1, false), (2, true), (50, true)] {
        let (id, account) = (all[index].id, ada.id);
        let found = store
            .read(move |connection| one(connection, id, account))
            .await
            .unwrap();
        assert_eq!(found.is_some(), is_kept, "{index}");
    }
}

async fn a_device_is_one_accounts_alone(store: TestStore) {
    let (ada, bob) = (
        account(&store, "ada@example.org").await,
        account(&store, "bob@example.org").await,
    );
    let made = device(ada.id, 0);
    enter(&store, &made, ada.workspace).await;
    let of_bob = Device {
        account: bob.id,
        ..made.clone()
    };
    let write = store.write(move |tx| Ok::<_, Abort<()>>(touch(tx.connection(), &of_bob)?));
    assert!(!write.await.unwrap());
    for (account, found) in [(ada.id, vec![made.id]), (bob.id, vec![])] {
        let read = store.read(move |connection| of_account(connection, account));
        let ids: Vec<DeviceId> = read.await.unwrap().iter().map(|device| device.id).collect();
        assert_eq!(ids, found);
    }
}

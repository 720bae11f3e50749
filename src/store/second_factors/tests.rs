//! Steps and recovery codes, each once, on both databases.

use super::*;
use crate::domain::recovery::RecoveryCode;
use crate::store::Store;
use crate::store::accounts::Account;
use crate::store::sessions::tests::account;
use crate::store::testing::{NOW, TestStore, on_each_database};

on_each_database!(
    of_many_who_take_one_step_at_once_one_succeeds_and_no_earlier_step_is_taken_after,
    a_factor_that_is_not_confirmed_can_be_begun_anew_and_one_that_is_on_cannot,
    of_many_who_take_one_recovery_code_one_succeeds,
    new_codes_void_the_old_ones_and_all_go_with_the_factor,
);

async fn write<T, F>(store: &Store, work: F) -> Result<T, Abort<IsOn>>
where
    T: Send + 'static,
    F: Fn(&mut Connection) -> Result<T, Abort<IsOn>> + Send + 'static,
{
    store.write(move |tx| work(tx.connection())).await
}

fn factor(account: &Account, sealed: &str) -> SecondFactor {
    SecondFactor {
        account: account.id,
        workspace: account.workspace,
        sealed_secret: sealed.into(),
        key_id: "k1".parse().unwrap(),
        created_at: NOW,
        confirmed_at: None,
    }
}

/// One that is on since step 100.
async fn turned_on(store: &TestStore) -> SecondFactor {
    let new = factor(&account(store, "ada@example.org").await, "sealed");
    let entered = new.clone();
    write(store, move |connection| begin(connection, &entered))
        .await
        .unwrap();
    let shown = new.clone();
    let turned = write(store, move |connection| Ok(turn_on(connection, &shown, 100, NOW)?)).await;
    assert!(turned.unwrap());
    new
}

fn hashes(count: usize) -> Vec<TokenHash> {
    (0..count).map(|_| RecoveryCode::generate().unwrap().hash()).collect()
}

async fn of_many_who_take_one_step_at_once_one_succeeds_and_no_earlier_step_is_taken_after(store: TestStore) {
    let shown = turned_on(&store).await;
    let take = |step: i64| {
        let (store, shown) = ((*store).clone(), shown.clone());
        async move {
            write(&store, move |connection| Ok(take_step(connection, &shown, step)?))
                .await
                .unwrap()
        }
    };
    assert!(!take(100).await, "the one that turned it on");
    let taken = futures_util::future::join_all((0..8).map(|_| take(101))).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    assert!(!take(101).await && !take(99).await && take(102).await);
}

async fn a_factor_that_is_not_confirmed_can_be_begun_anew_and_one_that_is_on_cannot(store: TestStore) {
    let ada = account(&store, "ada@example.org").await;
    let (first, second) = (factor(&ada, "first"), factor(&ada, "second"));
    for new in [&first, &second] {
        let new = new.clone();
        write(&store, move |connection| begin(connection, &new)).await.unwrap();
    }
    let (old, new) = (first.clone(), second.clone());
    let by_the_first = write(&store, move |connection| Ok(turn_on(connection, &old, 1, NOW)?)).await;
    assert!(!by_the_first.unwrap(), "its secret is no longer asked for");
    assert!(
        write(&store, move |connection| Ok(turn_on(connection, &new, 1, NOW)?))
            .await
            .unwrap()
    );
    let again = write(&store, move |connection| begin(connection, &first)).await;
    assert!(matches!(again, Err(Abort::Refused(IsOn))));
    let kept = store
        .read(move |connection| of_account(connection, ada.id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((kept.sealed_secret.as_str(), kept.confirmed_at), ("second", Some(NOW)));
}

async fn of_many_who_take_one_recovery_code_one_succeeds(store: TestStore) {
    let shown = turned_on(&store).await;
    let (codes, id, workspace) = (hashes(3), shown.account, shown.workspace);
    let (entered, code) = (codes.clone(), codes[1]);
    write(&store, move |connection| {
        Ok(replace_codes(connection, id, workspace, &entered)?)
    })
    .await
    .unwrap();
    let take = || {
        let store = (*store).clone();
        async move {
            write(&store, move |connection| Ok(take_code(connection, id, &code, NOW)?))
                .await
                .unwrap()
        }
    };
    let taken = futures_util::future::join_all((0..8).map(|_| take())).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    assert_eq!(
        store.read(move |connection| codes_left(connection, id)).await.unwrap(),
        2
    );
}

async fn new_codes_void_the_old_ones_and_all_go_with_the_factor(store: TestStore) {
    let shown = turned_on(&store).await;
    let (old, new, id, workspace) = (hashes(2), hashes(2), shown.account, shown.workspace);
    for codes in [old.clone(), new.clone()] {
        write(&store, move |connection| {
            Ok(replace_codes(connection, id, workspace, &codes)?)
        })
        .await
        .unwrap();
    }
    let (old, new) = (old[0], new[0]);
    assert!(
        !write(&store, move |connection| Ok(take_code(connection, id, &old, NOW)?))
            .await
            .unwrap()
    );
    assert!(
        write(&store, move |connection| Ok(remove(connection, id)?))
            .await
            .unwrap()
    );
    assert!(
        !write(&store, move |connection| Ok(take_code(connection, id, &new, NOW)?))
            .await
            .unwrap()
    );
    assert_eq!(
        store.read(move |connection| codes_left(connection, id)).await.unwrap(),
        0
    );
}

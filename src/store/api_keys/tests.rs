//! Keys with an end and with successors, on both databases.

use super::*;
use crate::domain::scope::Scope;
use crate::store::Abort;
use crate::store::accounts::NewAccount;
use crate::store::testing::{NOW, TestStore, on_each_database};

const HOUR: Duration = Duration::from_hours(1);

async fn account(store: &TestStore, email: &str) -> Account {
    let new = NewAccount {
        id: AccountId::generate(),
        workspace: WorkspaceId::generate(),
        email: EmailAddress::parse(email).unwrap(),
        name: "Ada".to_owned(),
        password_hash: "x".to_owned(),
        is_operator: false,
    };
    let write = store.write(move |tx| super::super::accounts::insert(tx.connection(), &new, NOW));
    write.await.unwrap()
}

fn key(account: &Account, prefix: &str, expires_at: Option<Timestamp>) -> ApiKey {
    ApiKey {
        id: ApiKeyId::generate(),
        account: account.id,
        name: "ci".to_owned(),
        scopes: [Scope::JobsRead, Scope::EmailsWrite].into_iter().collect(),
        prefix: Some(prefix.to_owned()),
        created_at: NOW,
        expires_at,
        last_used_at: None,
        replaced_by: None,
    }
}

/// Enters a key, whose secret is its prefix.
async fn enter(store: &TestStore, account: &Account, prefix: &str, expires_at: Option<Timestamp>) -> ApiKey {
    let (new, workspace) = (key(account, prefix, expires_at), account.workspace);
    let hash = TokenHash::of(prefix);
    let write = store.write(move |tx| {
        insert(tx.connection(), &new, workspace, &hash)?;
        Ok::<_, Abort<()>>(new.clone())
    });
    write.await.unwrap()
}

async fn change<T: Send + 'static>(
    store: &TestStore,
    change: impl Fn(&mut Connection) -> Result<T, StoreError> + Send + 'static,
) -> T {
    let write = store.write(move |tx| Ok::<_, Abort<()>>(change(tx.connection())?));
    write.await.unwrap()
}

async fn found(store: &TestStore, secret: &str, now: Timestamp) -> Option<ApiKey> {
    let hash = TokenHash::of(secret);
    let read = store.read(move |connection| by_hash(connection, &hash, now));
    read.await.unwrap().map(|(key, _)| key)
}

async fn listed(store: &TestStore, filter: KeyFilter, now: Timestamp) -> Vec<String> {
    let read = store.read(move |connection| list(connection, &filter, now, 10));
    let all = read.await.unwrap().into_iter();
    all.map(|(key, _)| key.prefix.unwrap_or_default()).collect()
}

async fn counted(store: &TestStore, account: &Account, now: Timestamp) -> (usize, usize) {
    let id = account.id;
    let there = store.read(move |connection| count(connection, id, now)).await.unwrap();
    (there.current, there.replaced)
}

async fn a_key_is_good_until_its_end_and_is_then_neither_found_nor_listed_nor_counted(store: TestStore) {
    let ada = account(&store, "ada@example.org").await;
    enter(&store, &ada, "lwk_ends", Some(NOW.plus(HOUR))).await;
    enter(&store, &ada, "lwk_stays", None).await;
    let (before, then) = (NOW.plus(HOUR).minus(Duration::from_micros(1)), NOW.plus(HOUR));
    let good = found(&store, "lwk_ends", before).await.unwrap();
    assert_eq!((good.expires_at, good.lifetime()), (Some(then), Some(HOUR)));
    assert_eq!(good.scopes.to_string(), "emails:write jobs:read");
    assert!(found(&store, "lwk_ends", then).await.is_none());
    assert!(
        found(&store, "lwk_stays", then)
            .await
            .is_some_and(|key| key.lifetime().is_none())
    );
    assert_eq!(
        listed(&store, KeyFilter::default(), before).await,
        ["lwk_stays", "lwk_ends"]
    );
    assert_eq!(listed(&store, KeyFilter::default(), then).await, ["lwk_stays"]);
    assert_eq!(
        (counted(&store, &ada, before).await, counted(&store, &ada, then).await),
        ((2, 0), (1, 0))
    );
}

async fn a_replaced_key_ends_with_the_overlap_and_never_later_than_it_was_to_end(store: TestStore) {
    let ada = account(&store, "ada@example.org").await;
    for (secret, end, overlap, good_for) in [
        ("lwk_a", None, HOUR, HOUR),
        ("lwk_b", Some(NOW.plus(HOUR / 2)), HOUR, HOUR / 2),
        ("lwk_c", None, Duration::ZERO, Duration::ZERO),
    ] {
        let old = enter(&store, &ada, secret, end).await;
        let successor = ApiKeyId::generate();
        let replaced = old.clone();
        change(&store, move |connection| {
            replace(connection, &replaced, successor, NOW.plus(overlap), NOW)
        })
        .await;
        let end = NOW.plus(good_for);
        assert!(found(&store, secret, end).await.is_none(), "{secret}");
        let just_before = found(&store, secret, end.minus(Duration::from_micros(1))).await;
        let expected = (good_for > Duration::ZERO).then_some(Some(successor));
        assert_eq!(just_before.map(|key| key.replaced_by), expected, "{secret}");
    }
    assert_eq!(counted(&store, &ada, NOW).await, (0, 2));
}

async fn keys_are_found_by_their_account_its_address_and_the_start_of_their_prefix(store: TestStore) {
    let (ada, bob) = (
        account(&store, "ada@example.org").await,
        account(&store, "bob@example.org").await,
    );
    enter(&store, &ada, "lwk_aB_1aaaa", None).await;
    enter(&store, &ada, "lwk_aBx1aaaa", None).await;
    let bobs = enter(&store, &bob, "lwk_aB_2aaaa", None).await;
    let by = |prefix: &str| KeyFilter {
        prefix: Some(prefix.parse().unwrap()),
        ..KeyFilter::default()
    };
    // An underscore stands for itself, and letters for their case.
    assert_eq!(
        listed(&store, by("lwk_aB_"), NOW).await,
        ["lwk_aB_2aaaa", "lwk_aB_1aaaa"]
    );
    assert_eq!(listed(&store, by("lwk_ab"), NOW).await, [""; 0]);
    assert_eq!(listed(&store, by("lwk_"), NOW).await.len(), 3);
    let own = KeyFilter {
        account: Some(ada.id),
        ..by("lwk_aB_")
    };
    assert_eq!(listed(&store, own, NOW).await, ["lwk_aB_1aaaa"]);
    let by_address = KeyFilter {
        email: Some(EmailAddress::parse("BOB@example.org").unwrap()),
        ..KeyFilter::default()
    };
    assert_eq!(listed(&store, by_address, NOW).await, ["lwk_aB_2aaaa"]);
    let by_id = KeyFilter {
        id: Some(bobs.id),
        ..KeyFilter::default()
    };
    assert_eq!(listed(&store, by_id, NOW).await, ["lwk_aB_2aaaa"]);
}

async fn the_latest_use_of_a_key_is_kept(store: TestStore) {
    let ada = account(&store, "ada@example.org").await;
    let (one, other) = (
        enter(&store, &ada, "lwk_a", None).await,
        enter(&store, &ada, "lwk_b", None).await,
    );
    let id = one.id;
    for minutes in [5, 3] {
        let at = NOW.plus(Duration::from_mins(minutes));
        change(&store, move |connection| used(connection, &[id], at)).await;
    }
    change(&store, |connection| used(connection, &[], NOW)).await;
    let used_at = found(&store, "lwk_a", NOW).await.unwrap().last_used_at;
    assert_eq!(used_at, Some(NOW.plus(Duration::from_mins(5))));
    assert_eq!(found(&store, "lwk_b", NOW).await.unwrap().last_used_at, None);
    assert_eq!(other.replaced_by, None);
}

async fn a_key_is_revoked_once_and_by_its_own_account_only(store: TestStore) {
    let (ada, bob) = (
        account(&store, "ada@example.org").await,
        account(&store, "bob@example.org").await,
    );
    let (id, ada, bob) = (enter(&store, &ada, "lwk_a", None).await.id, ada.id, bob.id);
    assert!(!change(&store, move |connection| revoke(connection, id, bob, NOW)).await);
    assert!(change(&store, move |connection| revoke(connection, id, ada, NOW)).await);
    assert!(!change(&store, move |connection| revoke(connection, id, ada, NOW)).await);
    assert!(found(&store, "lwk_a", NOW).await.is_none());
}

async fn keys_that_ended_long_ago_are_forgotten_a_few_at_a_time_and_no_others(store: TestStore) {
    let ada = account(&store, "ada@example.org").await;
    let id = ada.id;
    for (secret, end) in [
        ("lwk_a", Some(NOW)),
        ("lwk_b", Some(NOW.plus(HOUR))),
        ("lwk_c", None),
        ("lwk_d", None),
    ] {
        enter(&store, &ada, secret, end).await;
    }
    for secret in ["lwk_c", "lwk_d"] {
        let key = found(&store, secret, NOW).await.unwrap().id;
        assert!(change(&store, move |connection| revoke(connection, key, id, NOW)).await);
    }
    enter(&store, &ada, "lwk_e", None).await;
    for (until, limit, gone) in [
        (NOW.minus(HOUR), 10, 0),
        (NOW, 2, 2),
        (NOW, 2, 1),
        (NOW.plus(HOUR), 2, 1),
        (NOW.plus(HOUR), 2, 0),
    ] {
        let forgotten = change(&store, move |connection| forget_ended(connection, until, limit)).await;
        assert_eq!(forgotten, gone, "{until} {limit}");
    }
    assert_eq!(listed(&store, KeyFilter::default(), NOW).await, ["lwk_e"]);
}

on_each_database!(
    keys_that_ended_long_ago_are_forgotten_a_few_at_a_time_and_no_others,
    a_key_is_good_until_its_end_and_is_then_neither_found_nor_listed_nor_counted,
    a_replaced_key_ends_with_the_overlap_and_never_later_than_it_was_to_end,
    keys_are_found_by_their_account_its_address_and_the_start_of_their_prefix,
    the_latest_use_of_a_key_is_kept,
    a_key_is_revoked_once_and_by_its_own_account_only,
);

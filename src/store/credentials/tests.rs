//! Changes to who may come in, whoever makes them, and who is told of them when.

use std::collections::BTreeSet;

use super::*;
use crate::domain::email::EmailAddress;
use crate::domain::id::{ApiKeyId, SessionId, WorkspaceId};
use crate::domain::scope::Scopes;
use crate::domain::token::TokenHash;
use crate::store::accounts::{self, Account, NewAccount};
use crate::store::api_keys::{self, ApiKey};
use crate::store::sessions::{self, Session};
use crate::store::testing::postgres_server::{self, PostgresServer};
use crate::store::testing::{NOW, TestStore, on_each_database};
use crate::store::{Abort, Connection, Store};

/// The longest that a test waits for what comes from another thread.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a store tells, as text.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<String>>>);

impl Ear {
    fn at(store: &Store) -> Self {
        let ear = Self::default();
        let heard = ear.clone();
        store.credentials().tell(move |changed| {
            let text = match changed {
                Changed::Accounts(accounts) => {
                    let all: Vec<String> = accounts.iter().map(ToString::to_string).collect();
                    all.join(" ")
                }
                Changed::Anybody => "*".to_owned(),
            };
            heard.0.lock().unwrap().push(text);
            true
        });
        ear
    }

    /// What was told since the last look.
    fn heard(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.0.lock().unwrap()).into_iter().collect()
    }
}

/// Waits until it is so, and answers how long that took.
async fn until(mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let since = std::time::Instant::now();
    while !is_so().await {
        assert!(since.elapsed() < PATIENCE, "it never comes");
        tokio::task::yield_now().await;
    }
    since.elapsed()
}

async fn account(store: &Store, email: &str) -> Account {
    let new = NewAccount {
        id: AccountId::generate(),
        workspace: WorkspaceId::generate(),
        email: EmailAddress::parse(email).unwrap(),
        name: "Ada".to_owned(),
        password_hash: "x".to_owned(),
        is_operator: false,
    };
    let write = store.write(move |tx| accounts::insert(tx.connection(), &new, NOW));
    write.await.unwrap()
}

async fn key(store: &Store, account: &Account) -> ApiKeyId {
    let new = ApiKey {
        id: ApiKeyId::generate(),
        account: account.id,
        name: "ci".to_owned(),
        scopes: Scopes::everything(),
        prefix: None,
        created_at: NOW,
        expires_at: None,
        last_used_at: None,
        replaced_by: None,
    };
    let (id, workspace, hash) = (new.id, account.workspace, TokenHash::of(&new.id.to_string()));
    change(store, move |connection| {
        api_keys::insert(connection, &new, workspace, &hash)
    })
    .await;
    id
}

async fn session(store: &Store, account: &Account) -> SessionId {
    let new = Session {
        id: SessionId::generate(),
        account: account.id,
        user_agent: None,
        device: None,
        network: None,
        created_at: NOW,
        last_used_at: None,
        confirmed_at: None,
        expires_at: NOW.plus(PATIENCE),
    };
    let (id, workspace, hash) = (new.id, account.workspace, TokenHash::of(&new.id.to_string()));
    change(store, move |connection| {
        sessions::insert(connection, &new, workspace, &hash)
    })
    .await;
    id
}

async fn change<T: Send + 'static>(
    store: &Store,
    change: impl Fn(&mut Connection) -> Result<T, StoreError> + Send + 'static,
) -> T {
    let write = store.write(move |tx| Ok::<_, Abort<()>>(change(tx.connection())?));
    write.await.unwrap()
}

async fn a_change_is_told_with_its_account_before_it_is_answered_and_what_changes_nothing_is_not(store: TestStore) {
    let (ada, bob) = (
        account(&store, "ada@example.org").await,
        account(&store, "bob@example.org").await,
    );
    let (id, key, session) = (ada.id, key(&store, &ada).await, session(&store, &ada).await);
    // The first look at a log tells everything.
    until(async || store.hears_of_credentials().await).await;
    let ear = Ear::at(&store);
    change(&store, move |connection| accounts::rename(connection, id, "A", NOW)).await;
    assert_eq!(ear.heard(), [id.to_string()].into(), "an account");
    change(&store, move |connection| api_keys::revoke(connection, key, id, NOW)).await;
    assert!(ear.heard().contains(&id.to_string()), "a key");
    change(&store, move |connection| sessions::remove(connection, session, id)).await;
    assert!(ear.heard().contains(&id.to_string()), "a login");
    let other = self::key(&store, &bob).await;
    self::session(&store, &bob).await;
    change(&store, move |connection| api_keys::used(connection, &[other], NOW)).await;
    let refused = store.write(move |tx| {
        accounts::rename(tx.connection(), bob.id, "B", NOW)?;
        Err::<(), _>(Abort::Refused(()))
    });
    assert!(refused.await.is_err());
    let heard = ear.heard();
    assert!(
        !heard.contains(&bob.id.to_string()) && !heard.contains("*"),
        "{heard:?}"
    );
}

async fn many_changes_of_one_transaction_are_all_told(store: TestStore) {
    let mut all = BTreeSet::new();
    let mut ids = Vec::new();
    for number in 0..30 {
        let id = account(&store, &format!("a{number}@example.org")).await.id;
        ids.push(id);
        all.insert(id.to_string());
    }
    until(async || store.hears_of_credentials().await).await;
    let ear = Ear::at(&store);
    change(&store, move |connection| {
        for id in &ids {
            accounts::rename(connection, *id, "A", NOW)?;
        }
        Ok(())
    })
    .await;
    let told: BTreeSet<String> = ear
        .heard()
        .iter()
        .flat_map(|one| one.split(' ').map(str::to_owned))
        .collect();
    assert_eq!(told, all);
}

on_each_database!(
    a_change_is_told_with_its_account_before_it_is_answered_and_what_changes_nothing_is_not,
    many_changes_of_one_transaction_are_all_told,
);

#[tokio::test]
async fn what_a_persons_hand_changes_in_the_file_is_told_within_a_second() {
    let store = TestStore::new();
    let ada = account(&store, "ada@example.org").await;
    assert!(store.hears_of_credentials().await);
    let ear = Ear::at(&store);
    store.execute("UPDATE accounts SET is_operator = 1");
    let took = until(async || {
        assert!(store.hears_of_credentials().await);
        ear.heard().contains(&ada.id.to_string())
    });
    assert!(took.await < Duration::from_secs(1));
    // Beyond what the log keeps, everything is forgotten.
    store.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100) \
                   INSERT INTO credential_changes (account_id) SELECT 'acc_0' FROM n",
    );
    until(async || {
        assert!(store.hears_of_credentials().await);
        ear.heard().contains("*")
    })
    .await;
    assert_eq!(
        store.number("SELECT count(*) AS value FROM credential_changes"),
        Some(1_000)
    );
}

#[tokio::test]
async fn whoever_comes_often_costs_a_few_looks_at_the_log_a_second_in_all() {
    let store = TestStore::new();
    assert!(store.hears_of_credentials().await);
    let (began, before) = (std::time::Instant::now(), store.reads());
    for _ in 0..1_000 {
        assert!(store.hears_of_credentials().await);
    }
    let looks = u128::from(store.reads() - before);
    assert!(
        looks <= began.elapsed().as_millis() / LOOK_EVERY.as_millis() + 1,
        "{looks} looks"
    );
}

#[tokio::test]
async fn another_node_hears_of_a_change_with_its_commit_whoever_makes_it() {
    let Some(store) = TestStore::on_server() else { return };
    let ada = account(&store, "ada@example.org").await;
    let other = store.another();
    until(async || other.hears_of_credentials().await).await;
    let ear = Ear::at(&other);
    let id = ada.id;
    change(&store, move |connection| accounts::rename(connection, id, "A", NOW)).await;
    let took = until(async || ear.heard().contains(&id.to_string())).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    store.execute("UPDATE accounts SET is_operator = 1");
    let took = until(async || ear.heard().contains(&id.to_string())).await;
    assert!(took < Duration::from_secs(1), "by hand: {took:?}");
    assert!(other.hears_of_credentials().await);
}

#[tokio::test]
async fn a_node_that_cannot_hear_says_so_within_a_second_and_forgets_everything_when_it_hears_again() {
    let Some(server) = PostgresServer::start_new(&[("fsync", "off")]) else {
        return;
    };
    let store = TestStore::of_server(&server.url("postgres"));
    until(async || store.hears_of_credentials().await).await;
    let ear = Ear::at(&store);
    let listener = "SELECT pid FROM pg_stat_activity WHERE query = '' AND application_name = 'legwork' LIMIT 1";
    let backend: u32 = server.psql(listener).parse().unwrap();
    postgres_server::signal("STOP", backend);
    let took = until(async || !store.hears_of_credentials().await).await;
    assert!(took < HEARD_FOR + Duration::from_millis(500), "{took:?}");
    // Another connection takes over, before which something may have been missed.
    until(async || store.hears_of_credentials().await).await;
    assert!(ear.heard().contains("*"));
    postgres_server::signal("CONT", backend);
}

#[tokio::test]
async fn a_store_beside_a_service_on_a_server_never_says_that_it_hears() {
    let watch = CredentialWatch::of_listener();
    let store = TestStore::new();
    assert!(!watch.is_current(&store).await);
    watch.heard_up_to(Instant::now());
    assert!(watch.is_current(&store).await);
}

#[test]
fn what_a_newer_version_says_of_no_account_concerns_everybody() {
    let watch = CredentialWatch::of_listener();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    watch.tell(move |changed| {
        told.lock().unwrap().push(changed == Changed::Anybody);
        true
    });
    watch.heard(&AccountId::generate().to_string());
    watch.heard("*");
    watch.heard("");
    assert_eq!(*heard.lock().unwrap(), [false, true, true]);
}

#[test]
fn who_wants_to_hear_no_more_is_told_no_more() {
    let watch = CredentialWatch::of_log();
    let count = Arc::new(Mutex::new(0));
    let told = Arc::clone(&count);
    watch.tell(move |_| {
        *told.lock().unwrap() += 1;
        false
    });
    watch.changed(Changed::Anybody);
    watch.changed(Changed::Anybody);
    assert_eq!(*count.lock().unwrap(), 1);
}

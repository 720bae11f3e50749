//! Sessions: their uses, their tokens and their ends, on both databases.

use std::time::Duration;

use super::*;
use crate::domain::email::EmailAddress;
use crate::domain::token::{Token, TokenKind};
use crate::store::accounts::NewAccount;
use crate::store::testing::{NOW, TestStore, on_each_database};
use crate::store::{Abort, SessionUses};

on_each_database!(
    of_two_confirmations_of_one_token_one_succeeds_and_the_old_token_is_good_no_more,
    a_token_that_is_replaced_finds_nothing_and_the_new_one_the_session,
    ending_the_others_leaves_the_one_that_is_named_and_those_of_other_accounts,
    a_use_is_written_once_in_five_minutes_or_when_the_network_changes,
    an_earlier_use_does_not_go_before_a_later_one_of_another_node,
    those_that_nobody_uses_are_forgotten,
);

/// Enters an account.
pub(in crate::store) async fn account(store: &TestStore, email: &str) -> Account {
    let new = NewAccount {
        id: AccountId::generate(),
        workspace: WorkspaceId::generate(),
        email: EmailAddress::parse(email).unwrap(),
        name: "Ada".into(),
        password_hash: "$argon2id$v=19$m=8,t=1,p=1$BwcHBwcHBwcHBwcHBwcHBw$YWJjZGVmZ2hpamtsbW5vcA".into(),
        is_operator: false,
    };
    let write = store.write(move |tx| crate::store::accounts::insert(tx.connection(), &new, NOW));
    write.await.unwrap()
}

/// Enters a session of it, which was last used at [`NOW`].
async fn session(store: &TestStore, account: &Account) -> (Session, TokenHash) {
    let hash = Token::generate(TokenKind::Session).unwrap().hash();
    let new = Session {
        id: SessionId::generate(),
        account: account.id,
        user_agent: None,
        device: None,
        network: Some("192.0.2.1".into()),
        created_at: NOW,
        last_used_at: Some(NOW),
        confirmed_at: None,
        expires_at: NOW.plus(Duration::from_secs(1_000_000)),
    };
    let (entered, workspace) = (new.clone(), account.workspace);
    let write = store.write(move |tx| Ok::<_, Abort<()>>(insert(tx.connection(), &entered, workspace, &hash)?));
    write.await.unwrap();
    (new, hash)
}

async fn found(store: &TestStore, hash: TokenHash) -> Option<Session> {
    let read = store.read(move |connection| by_token(connection, &hash, NOW));
    read.await.unwrap().map(|(session, _)| session)
}

async fn of_two_confirmations_of_one_token_one_succeeds_and_the_old_token_is_good_no_more(store: TestStore) {
    let ada = account(&store, "ada@example.org").await;
    let (made, old) = session(&store, &ada).await;
    let new = || Token::generate(TokenKind::Session).unwrap().hash();
    let at_once = [new(), new()].map(|new| {
        let (store, id) = ((*store).clone(), made.id);
        async move {
            let write = store.write(move |tx| Ok::<_, Abort<()>>(confirm(tx.connection(), id, (&old, &new), NOW)?));
            (write.await.unwrap(), new)
        }
    });
    let [one, other] = at_once;
    let (one, other) = tokio::join!(one, other);
    assert_ne!(one.0, other.0);
    let good = if one.0 { one.1 } else { other.1 };
    assert!(found(&store, old).await.is_none());
    assert_eq!(found(&store, good).await.unwrap().confirmed_at, Some(NOW));
}

async fn a_token_that_is_replaced_finds_nothing_and_the_new_one_the_session(store: TestStore) {
    let ada = account(&store, "ada@example.org").await;
    let (made, old) = session(&store, &ada).await;
    let new = Token::generate(TokenKind::Session).unwrap().hash();
    let id = made.id;
    for is_held in [true, false] {
        let write = store.write(move |tx| Ok::<_, Abort<()>>(replace_token(tx.connection(), id, (&old, &new))?));
        assert_eq!(write.await.unwrap(), is_held);
    }
    assert!(found(&store, old).await.is_none());
    assert_eq!(found(&store, new).await.unwrap().id, made.id);
    let write = store.write(move |tx| Ok::<_, Abort<()>>(remove_by_token(tx.connection(), &new)?));
    assert_eq!(write.await.unwrap(), Some(made.id));
    assert!(found(&store, new).await.is_none());
}

async fn ending_the_others_leaves_the_one_that_is_named_and_those_of_other_accounts(store: TestStore) {
    let (ada, bob) = (
        account(&store, "ada@example.org").await,
        account(&store, "bob@example.org").await,
    );
    let (kept, kept_hash) = session(&store, &ada).await;
    let (_, other_hash) = session(&store, &ada).await;
    let (_, bobs_hash) = session(&store, &bob).await;
    let (id, owner) = (kept.id, ada.id);
    let end = |except: Option<SessionId>| {
        let write = store.write(move |tx| Ok::<_, Abort<()>>(remove_others(tx.connection(), owner, except)?));
        async { write.await.unwrap() }
    };
    assert_eq!(end(Some(id)).await, 1);
    assert!(found(&store, other_hash).await.is_none());
    assert!(found(&store, kept_hash).await.is_some() && found(&store, bobs_hash).await.is_some());
    assert_eq!(end(None).await, 1);
    assert!(found(&store, kept_hash).await.is_none() && found(&store, bobs_hash).await.is_some());
}

async fn a_use_is_written_once_in_five_minutes_or_when_the_network_changes(store: TestStore) {
    let ada = account(&store, "ada@example.org").await;
    let (made, hash) = session(&store, &ada).await;
    let uses = SessionUses::default();
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    let same = || Some("192.0.2.1".to_owned());
    // Counts at once, and is not written yet.
    uses.note(&made, same(), at(299));
    assert_eq!(uses.latest(&made), (at(299), same()));
    assert_eq!(uses.write(&store, at(299)).await.unwrap(), 0);
    assert_eq!(found(&store, hash).await.unwrap().last_used_at, Some(NOW));
    uses.note(&made, None, at(300));
    assert_eq!(uses.write(&store, at(301)).await.unwrap(), 1);
    assert_eq!(found(&store, hash).await.unwrap().last_used_at, Some(at(300)));
    assert_eq!(uses.write(&store, at(302)).await.unwrap(), 0);
    // From elsewhere.
    let elsewhere = Some("198.51.100.0".to_owned());
    uses.note(&made, elsewhere.clone(), at(303));
    assert_eq!(uses.write(&store, at(304)).await.unwrap(), 1);
    let now = found(&store, hash).await.unwrap();
    assert_eq!((now.last_used_at, now.network), (Some(at(303)), elsewhere.clone()));
    // One last use, after which it was left.
    uses.note(&made, elsewhere, at(310));
    assert_eq!(uses.write(&store, at(500)).await.unwrap(), 0);
    assert_eq!(uses.write(&store, at(611)).await.unwrap(), 1);
    assert_eq!(found(&store, hash).await.unwrap().last_used_at, Some(at(310)));
    assert_eq!(uses.latest(&made).0, NOW, "nothing is kept of it");
}

async fn an_earlier_use_does_not_go_before_a_later_one_of_another_node(store: TestStore) {
    let ada = account(&store, "ada@example.org").await;
    let (made, hash) = session(&store, &ada).await;
    let (here, there) = (SessionUses::default(), SessionUses::default());
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    here.note(&made, None, at(400));
    there.note(&made, None, at(900));
    there.write_all(&store, at(901)).await.unwrap();
    here.write_all(&store, at(902)).await.unwrap();
    assert_eq!(found(&store, hash).await.unwrap().last_used_at, Some(at(900)));
}

async fn those_that_nobody_uses_are_forgotten(store: TestStore) {
    let ada = account(&store, "ada@example.org").await;
    let (_, hash) = session(&store, &ada).await;
    let forget = |until: Timestamp| {
        let write = store.write(move |tx| Ok::<_, Abort<()>>(forget_idle(tx.connection(), until, 10)?));
        async { write.await.unwrap() }
    };
    assert_eq!(forget(NOW.minus(Duration::from_secs(1))).await, 0);
    assert!(found(&store, hash).await.is_some());
    assert_eq!(forget(NOW).await, 1);
    assert!(found(&store, hash).await.is_none());
}

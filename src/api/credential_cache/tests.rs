//! What the cache of tokens keeps, and for how long.

use super::*;
use crate::domain::id::{AccountId, ApiKeyId, SessionId, WorkspaceId};
use crate::store::api_keys::ApiKey;
use crate::store::sessions::Session;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000).plus(Duration::from_millis(millis))
}

fn account() -> Account {
    Account {
        id: AccountId::from_bits(1),
        workspace: WorkspaceId::from_bits(1),
        email: crate::domain::email::EmailAddress::parse("ada@example.org").unwrap(),
        name: "Ada".to_owned(),
        is_operator: false,
        created_at: at(0),
        deletion_at: None,
    }
}

fn by_key() -> Found {
    let key = ApiKey {
        id: ApiKeyId::from_bits(1),
        account: AccountId::from_bits(1),
        name: "ci".to_owned(),
        scopes: Vec::new(),
        created_at: at(0),
    };
    Found {
        via: Via::ApiKey(key),
        account: account(),
    }
}

fn by_login(expires_at: Timestamp) -> Found {
    let session = Session {
        id: SessionId::from_bits(1),
        account: AccountId::from_bits(1),
        user_agent: None,
        device: None,
        network: None,
        created_at: at(0),
        last_used_at: None,
        confirmed_at: None,
        expires_at,
    };
    Found {
        via: Via::Session(session),
        account: account(),
    }
}

#[test]
fn what_was_read_is_used_for_a_second_and_not_before_it_was_read() {
    let (cache, token) = (CredentialCache::default(), TokenHash::of("a"));
    cache.put(token, by_key(), at(1000), 0);
    assert!(cache.get(&token, at(1000), 0).is_some());
    assert!(cache.get(&token, at(1999), 0).is_some());
    assert!(cache.get(&token, at(2000), 0).is_none());
    assert!(cache.get(&token, at(999), 0).is_none(), "a clock that was set back");
    assert!(cache.get(&TokenHash::of("b"), at(1000), 0).is_none());
}

#[test]
fn what_was_read_before_a_write_is_not_used_after_it() {
    let (cache, token) = (CredentialCache::default(), TokenHash::of("a"));
    cache.put(token, by_key(), at(0), 6);
    assert!(cache.get(&token, at(1), 7).is_none());
}

#[test]
fn a_login_is_not_good_beyond_its_own_end() {
    let (cache, token) = (CredentialCache::default(), TokenHash::of("a"));
    cache.put(token, by_login(at(300)), at(0), 0);
    assert!(cache.get(&token, at(299), 0).is_some());
    assert!(cache.get(&token, at(300), 0).is_none());
}

#[test]
fn it_never_holds_more_than_its_bound() {
    let cache = CredentialCache::default();
    for number in 0..=ENTRIES_MAX {
        cache.put(TokenHash::of(&number.to_string()), by_key(), at(0), 0);
    }
    assert_eq!(cache.lock().len(), 1);
}

//! What the cache of tokens keeps, and for how long.

use proptest::strategy::Strategy as _;

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

fn by_key(expires_at: Option<Timestamp>) -> Found {
    let key = ApiKey {
        id: ApiKeyId::from_bits(1),
        account: AccountId::from_bits(1),
        name: "ci".to_owned(),
        scopes: Default::default(),
        prefix: None,
        created_at: at(0),
        expires_at,
        last_used_at: None,
        replaced_by: None,
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

/// How long logins may lie idle here.
const IDLE: Duration = Duration::from_millis(1_000);

fn cache() -> CredentialCache {
    CredentialCache {
        kept: Arc::default(),
        idle: IDLE,
    }
}

/// Keeps what was just read.
fn put(cache: &CredentialCache, token: TokenHash, found: Found, now: Timestamp) {
    cache.put(token, found, now, cache.mark());
}

#[test]
fn what_was_read_is_used_until_it_is_old_and_not_before_it_was_read() {
    let (cache, token) = (cache(), TokenHash::of("a"));
    put(&cache, token, by_key(None), at(1_000));
    assert!(cache.get(&token, at(1_000)).is_some());
    assert!(cache.get(&token, at(300_999)).is_some());
    assert!(cache.get(&token, at(301_000)).is_none());
    assert!(cache.get(&token, at(999)).is_none(), "a clock that was set back");
    assert!(cache.get(&TokenHash::of("b"), at(1_000)).is_none());
}

#[test]
fn a_change_is_the_end_of_what_is_kept_of_that_account_and_of_nobody_else() {
    let (cache, token) = (cache(), TokenHash::of("a"));
    let own = [account().id];
    for (changed, stays) in [
        (
            Changed::Accounts(&[AccountId::from_bits(2), AccountId::from_bits(7)]),
            true,
        ),
        (Changed::Accounts(&own), false),
        (Changed::Anybody, false),
    ] {
        put(&cache, token, by_key(None), at(0));
        locked(&cache.kept).forget(changed);
        assert_eq!(cache.get(&token, at(1)).is_some(), stays, "{changed:?}");
    }
}

#[test]
fn what_was_read_while_a_change_was_told_is_not_kept() {
    let (cache, token) = (cache(), TokenHash::of("a"));
    let mark = cache.mark();
    locked(&cache.kept).forget(Changed::Accounts(&[AccountId::from_bits(2)]));
    cache.put(token, by_key(None), at(0), mark);
    assert!(cache.get(&token, at(0)).is_none());
}

#[test]
fn neither_a_login_nor_a_key_is_good_beyond_its_own_end() {
    for found in [by_login(at(300)), by_key(Some(at(300)))] {
        let (cache, token) = (cache(), TokenHash::of("a"));
        put(&cache, token, found, at(0));
        assert!(cache.get(&token, at(299)).is_some());
        assert!(cache.get(&token, at(300)).is_none());
    }
}

#[test]
fn a_login_that_lay_idle_is_looked_up_again_and_one_that_is_used_is_not() {
    let (cache, token) = (cache(), TokenHash::of("a"));
    put(&cache, token, by_login(at(100_000)), at(0));
    for now in [999, 1_998, 2_997] {
        assert!(cache.get(&token, at(now)).is_some(), "{now}");
    }
    assert!(cache.get(&token, at(3_997)).is_none());
    put(&cache, token, by_key(None), at(0));
    assert!(cache.get(&token, at(3_997)).is_some(), "a key may lie idle");
}

#[test]
fn it_never_holds_more_than_its_bound_and_forgets_what_is_not_used() {
    let (cache, used) = (cache(), TokenHash::of("used"));
    put(&cache, used, by_key(None), at(0));
    for number in 0..3 * ENTRIES_MAX {
        put(&cache, TokenHash::of(&number.to_string()), by_key(None), at(0));
        if number % 1_000 == 0 {
            assert!(cache.get(&used, at(0)).is_some(), "{number}");
        }
        let kept = locked(&cache.kept);
        assert!(kept.young.len() + kept.old.len() <= ENTRIES_MAX);
    }
    assert!(cache.get(&TokenHash::of("0"), at(0)).is_none());
}

/// What may happen to one key while requests look it up.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A request begins, and takes its mark.
    Begin(usize),
    /// It reads the database.
    Read(usize),
    /// It keeps what it read.
    Keep(usize),
    /// The key is revoked: the commit, and later the telling.
    Commit,
    Tell,
}

proptest::proptest! {
    /// In whatever order the steps of look-ups and of a revocation fall, nothing of the key is kept once that was told.
    #[test]
    fn no_look_up_that_is_under_way_leaves_a_key_that_was_revoked(
        order in proptest::sample::subsequence((0..14_usize).collect::<Vec<_>>(), 14).prop_shuffle()
    ) {
        let (cache, token) = (cache(), TokenHash::of("a"));
        // Each request and the revocation go through their own steps in their order, however they fall among each other.
        let requests = [0, 1, 2, 3].map(|one| vec![Step::Keep(one), Step::Read(one), Step::Begin(one)]);
        let mut actors: Vec<Vec<Step>> = requests.into_iter().chain([vec![Step::Tell, Step::Commit]]).collect();
        let (mut is_revoked, mut is_told) = (false, false);
        let (mut marks, mut reads) = ([None; 4], [None; 4]);
        for number in order {
            let actor = if number < 12 { number / 3 } else { 4 };
            match actors[actor].pop().unwrap() {
                Step::Begin(one) => marks[one] = Some(cache.mark()),
                Step::Read(one) => reads[one] = Some(!is_revoked),
                Step::Keep(one) if reads[one] == Some(true) => {
                    cache.put(token, by_key(None), at(0), marks[one].unwrap());
                }
                Step::Keep(_) => {}
                Step::Commit => is_revoked = true,
                Step::Tell => {
                    locked(&cache.kept).forget(Changed::Accounts(&[account().id]));
                    is_told = true;
                }
            }
            proptest::prop_assert!(!is_told || cache.get(&token, at(0)).is_none());
        }
    }
}

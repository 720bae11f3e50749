//! Who tokens belong to, so that whoever comes often costs no read.
//!
//! Guarantees: what was read before a change to its account, its login or its key is not used once that is told
//! ([`crate::store::credentials`]): at once for changes by this process, within a second for others. What is read while such a
//! change is told is not kept, since it may be from before. No login and no key is good beyond its own end, nor a login that was
//! not used for longer than it may lie idle. Tokens are kept as hashes only, at most [`ENTRIES_MAX`] of them.
//!
//! Left out: who has no good token is not remembered; each such request is a read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::auth::Via;
use crate::clock::Timestamp;
use crate::domain::token::TokenHash;
use crate::store::Store;
use crate::store::accounts::Account;
use crate::store::credentials::Changed;

/// How long what was read is used at the most. It need not be read again at all; this bounds what nobody thought of.
const KEPT: Duration = Duration::from_mins(5);
/// Tokens that are kept at once. When half of that came anew, those that were not used meanwhile are forgotten.
const ENTRIES_MAX: usize = 10_000;

/// What a token was found to be.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) via: Via,
    pub(super) account: Account,
}

/// How often something was to be forgotten, by a time before a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u64);

struct Entry {
    found: Arc<Found>,
    since: Timestamp,
    until: Timestamp,
    used_at: Timestamp,
}

impl Entry {
    fn is_good(&self, now: Timestamp, idle: Duration) -> bool {
        let is_idle = matches!(self.found.via, Via::Session(_)) && now >= self.used_at.plus(idle);
        // A clock that was set back must not make an entry last.
        self.since <= now && now < self.until && !is_idle
    }
}

#[derive(Default)]
struct Kept {
    /// Those that came or were used since the others were put aside.
    young: HashMap<TokenHash, Entry>,
    old: HashMap<TokenHash, Entry>,
    changes: u64,
}

/// Found tokens; see the module.
pub struct CredentialCache {
    kept: Arc<Mutex<Kept>>,
    /// How long a login may lie idle.
    idle: Duration,
}

impl CredentialCache {
    /// One that forgets what `store` tells it to; logins may lie `idle` for so long.
    #[must_use]
    pub fn over(store: &Store, idle: Duration) -> Self {
        let kept: Arc<Mutex<Kept>> = Arc::default();
        let told = Arc::downgrade(&kept);
        store.credentials().tell(move |changed| {
            let kept = told.upgrade();
            kept.map(|kept| locked(&kept).forget(changed)).is_some()
        });
        Self { kept, idle }
    }

    /// To be taken before a read whose outcome is to be kept.
    pub(super) fn mark(&self) -> Mark {
        Mark(locked(&self.kept).changes)
    }

    /// Who the token belongs to, if that is known and the token good at `now`.
    pub(super) fn get(&self, token: &TokenHash, now: Timestamp) -> Option<Found> {
        let found = locked(&self.kept).get(token, now, self.idle)?;
        Some(Found::clone(&found))
    }

    /// Keeps what was read at `now`, unless something was to be forgotten since `mark`.
    pub(super) fn put(&self, token: TokenHash, found: Found, now: Timestamp, mark: Mark) {
        let end = match &found.via {
            Via::Session(session) => Some(session.expires_at),
            Via::ApiKey(key) => key.expires_at,
        };
        let until = now.plus(KEPT);
        let entry = Entry {
            found: Arc::new(found),
            since: now,
            until: end.map_or(until, |end| end.min(until)),
            used_at: now,
        };
        let mut kept = locked(&self.kept);
        if kept.changes == mark.0 {
            kept.old.remove(&token);
            kept.enter(token, entry);
        }
    }
}

impl Kept {
    fn get(&mut self, token: &TokenHash, now: Timestamp, idle: Duration) -> Option<Arc<Found>> {
        if let Some(entry) = self.old.remove(token) {
            self.enter(*token, entry);
        }
        let entry = self.young.get_mut(token)?;
        if !entry.is_good(now, idle) {
            return None;
        }
        entry.used_at = now;
        Some(Arc::clone(&entry.found))
    }

    fn enter(&mut self, token: TokenHash, entry: Entry) {
        if self.young.len() >= ENTRIES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, entry);
    }

    fn forget(&mut self, changed: Changed<'_>) {
        self.changes = self.changes.wrapping_add(1);
        match changed {
            Changed::Anybody => {
                self.young.clear();
                self.old.clear();
            }
            Changed::Accounts(accounts) => {
                let stays = |_: &TokenHash, entry: &mut Entry| accounts.binary_search(&entry.found.account.id).is_err();
                self.young.retain(stays);
                self.old.retain(stays);
            }
        }
    }
}

fn locked(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

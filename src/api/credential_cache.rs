//! Who the tokens of the last second belong to, so that a busy client costs one read a second and not one a request.
//!
//! Guarantees: a key that was revoked, a login that was ended and an account that was changed through this process count at
//! once: whatever was read before such a write is not used after it was answered. What another process wrote (a command line
//! beside the service) counts after [`KEPT`] at most. A login is never good beyond its own end. Tokens are kept as hashes
//! only, at most [`ENTRIES_MAX`] of them.
//!
//! Left out: who has no good token is not remembered; each such request is a read.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::auth::Via;
use crate::clock::Timestamp;
use crate::domain::token::TokenHash;
use crate::store::accounts::Account;

/// How long what was read is used: as long as a revocation by another process may take to count.
const KEPT: Duration = Duration::from_secs(1);
/// Tokens that are kept at once; beyond it all are forgotten, which costs each a read.
const ENTRIES_MAX: usize = 10_000;

/// What a token was found to be.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) via: Via,
    pub(super) account: Account,
}

struct Entry {
    found: Found,
    since: Timestamp,
    until: Timestamp,
    generation: u64,
}

/// Found tokens; see the module.
#[derive(Default)]
pub struct CredentialCache {
    entries: Mutex<HashMap<TokenHash, Entry>>,
}

impl CredentialCache {
    /// Who the token belongs to, if that is known at `now` and nothing was written since it was read.
    pub(super) fn get(&self, token: &TokenHash, now: Timestamp, generation: u64) -> Option<Found> {
        let entries = self.lock();
        let entry = entries.get(token)?;
        // A clock that was set back must not make an entry last.
        let is_good = entry.generation == generation && entry.since <= now && now < entry.until;
        is_good.then(|| entry.found.clone())
    }

    /// Keeps what was read at `now`. `generation` is the store's from before the read.
    pub(super) fn put(&self, token: TokenHash, found: Found, now: Timestamp, generation: u64) {
        let until = match &found.via {
            Via::Session(session) => session.expires_at.min(now.plus(KEPT)),
            Via::ApiKey(_) => now.plus(KEPT),
        };
        let mut entries = self.lock();
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        let entry = Entry {
            found,
            since: now,
            until,
            generation,
        };
        entries.insert(token, entry);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

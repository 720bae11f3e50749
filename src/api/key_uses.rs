//! When API keys were used, noted in memory and written together.
//!
//! Guarantees: no request waits for it; what is noted is bounded; what cannot be written is written the next time. Left out: uses of
//! the last minute before the process ends, which are forgotten with it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::domain::id::ApiKeyId;
use crate::store::{Abort, Store, api_keys};

/// Keys that are noted at once; the uses of others are noted once these are written.
const NOTED_MAX: usize = 10_000;
/// Keys that one transaction writes.
const PORTION: usize = 500;

/// Keys that were used since the last were written, and when the last of them was; clones share them.
#[derive(Clone, Default)]
pub struct KeyUses(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    keys: HashSet<ApiKeyId>,
    last: Option<Timestamp>,
}

impl KeyUses {
    /// Notes that a key was used.
    pub(super) fn note(&self, key: ApiKeyId, now: Timestamp) {
        let mut noted = self.lock();
        if noted.keys.len() < NOTED_MAX || noted.keys.contains(&key) {
            noted.keys.insert(key);
            noted.last = noted.last.max(Some(now));
        }
    }

    /// Writes what was noted, as of the latest use among them.
    pub async fn write(&self, store: &Store) {
        let Noted { keys, last } = std::mem::take(&mut *self.lock());
        let Some(at) = last else { return };
        let keys: Vec<ApiKeyId> = keys.into_iter().collect();
        for portion in keys.chunks(PORTION) {
            let written = portion.to_vec();
            let write = store.write(move |tx| Ok::<_, Abort<()>>(api_keys::used(tx.connection(), &written, at)?));
            if write.await.is_err() {
                portion.iter().for_each(|key| self.note(*key, at));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
